"""Configuration: names, paths and URLs to caches."""

from fleche.config.build import Located, Opener, opener
from fleche.config.files import Settings, read_settings

__all__ = ["Located", "Opener", "Settings", "opener", "read_settings"]
