"""The settings of client data stores."""

from __future__ import annotations

from fleche.runtime.conf.config_base import ConfigBase, ConfigField

__all__ = ["ConfigClientDataStore"]


class ConfigClientDataStore(ConfigBase):
    """The settings of client data stores.

    Attributes:
        disable_client_data_store: Send every value with the call, whatever its size.
        min_size_to_cache: Characters from which on a serialized value is stored once and sent by reference.
        max_size_to_cache: Characters above which it is not stored but sent with the call; 0 for no limit.
        local_cache_size: How many values each process remembers, as text.
        warn_threshold: Characters above which storing a value is warned of.
        compression_enabled: Declared for compatibility; the value storage decides on compression.
    """

    disable_client_data_store = ConfigField(False)
    min_size_to_cache = ConfigField(1024)
    max_size_to_cache = ConfigField(0)
    local_cache_size = ConfigField(1024)
    warn_threshold = ConfigField(10_485_760)
    compression_enabled = ConfigField(False)
