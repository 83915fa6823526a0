"""Configuration: names, paths and URLs to caches."""

from typing import TYPE_CHECKING

from fleche.lazy import face

if TYPE_CHECKING:
    from fleche.config.faces import (
        cache_from_config,
        cache_to_config,
        load_cache_config,
        load_default_metadata,
        storage_from_config,
        storage_to_config,
    )
    from fleche.config.files import Settings, read_settings
    from fleche.config.opening import Located, Opener, opener

__all__ = [
    "Located",
    "Opener",
    "Settings",
    "cache_from_config",
    "cache_to_config",
    "load_cache_config",
    "load_default_metadata",
    "opener",
    "read_settings",
    "storage_from_config",
    "storage_to_config",
]

if not TYPE_CHECKING:
    __getattr__ = face(
        __name__,
        {
            **dict.fromkeys(("cache_from_config", "cache_to_config", "load_cache_config"), "faces"),
            **dict.fromkeys(("load_default_metadata", "storage_from_config", "storage_to_config"), "faces"),
            **dict.fromkeys(("Settings", "read_settings"), "files"),
            **dict.fromkeys(("Located", "Opener", "opener"), "opening"),
        },
    )
