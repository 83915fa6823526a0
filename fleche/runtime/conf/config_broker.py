"""The settings of brokers."""

from __future__ import annotations

from fleche.runtime.conf.config_base import ConfigBase, ConfigField

__all__ = ["ConfigBroker"]


class ConfigBroker(ConfigBase):
    """The settings of brokers.

    Attributes:
        queue_timeout_sec: Seconds that a broker which must look again waits for a message.
    """

    queue_timeout_sec = ConfigField(0.1)
