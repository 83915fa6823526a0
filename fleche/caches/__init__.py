"""Caches: a value storage and a call storage, used together."""

from typing import TYPE_CHECKING

from fleche.lazy import face

if TYPE_CHECKING:
    from fleche.caches.base import BaseCache, Filing
    from fleche.caches.cache import Cache
    from fleche.caches.results import Recorded, Returned

__all__ = ["BaseCache", "Cache", "Filing", "Recorded", "Returned"]

if not TYPE_CHECKING:
    __getattr__ = face(
        __name__,
        {"BaseCache": "base", "Cache": "cache", "Filing": "base", "Recorded": "results", "Returned": "results"},
    )
