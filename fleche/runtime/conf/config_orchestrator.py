"""The settings of orchestrators."""

from __future__ import annotations

from fleche.runtime.conf.config_base import ConfigBase, ConfigField

__all__ = ["ConfigOrchestrator"]


class ConfigOrchestrator(ConfigBase):
    """The settings of orchestrators.

    Attributes:
        cycle_control: Whether calls that would wait for each other are refused.
        blocking_control: Whether invocations that others wait for are run first.
        auto_final_invocation_purge_hours: Hours after which an ended invocation is forgotten. Its result stays
            in the cache.
    """

    cycle_control = ConfigField(True)
    blocking_control = ConfigField(True)
    auto_final_invocation_purge_hours = ConfigField(24.0)
