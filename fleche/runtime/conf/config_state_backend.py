"""The settings of state backends."""

from __future__ import annotations

from fleche.runtime.conf.config_base import ConfigBase

__all__ = ["ConfigStateBackend"]


class ConfigStateBackend(ConfigBase):
    """The settings of state backends; there are none that all have."""
