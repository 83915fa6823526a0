"""Caches: a value storage and a call storage, used together."""

from fleche.caches.base import BaseCache, Filing
from fleche.caches.cache import Cache
from fleche.caches.results import Recorded, Returned

__all__ = ["BaseCache", "Cache", "Filing", "Recorded", "Returned"]
