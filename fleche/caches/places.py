"""Where caches keep their records, so that two that keep them in one place are known."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

from fleche.caches.base import BaseCache
from fleche.caches.cache import Cache
from fleche.caches.members import Members
from fleche.caches.wrapper import CacheWrapper
from fleche.storage.base import CallStorage

__all__ = ["places", "writable_places"]


def places(cache: BaseCache) -> frozenset[Hashable]:
    """Return what identifies each place in which a cache, or one behind it, keeps records, written to or not."""
    if isinstance(cache, CacheWrapper):
        return places(cache.cache)
    if isinstance(cache, Members):
        return frozenset().union(*map(places, cache.members))
    return frozenset({_place(cache.calls) if isinstance(cache, Cache) else id(cache)})


def writable_places(cache: BaseCache) -> frozenset[Hashable]:
    """Return what identifies each place in which a cache, or one behind it, files and evicts records.

    Two places that are one are mostly told to be: a directory by another path, a database by another object. What is
    not known is told apart.
    """
    if not cache.writable:
        return frozenset()
    if isinstance(cache, CacheWrapper):
        return writable_places(cache.cache)
    if isinstance(cache, Members):
        return frozenset().union(*map(writable_places, cache.members))
    return frozenset({_place(cache.calls) if isinstance(cache, Cache) else id(cache)})


def _place(calls: CallStorage) -> Hashable:
    owner = getattr(calls, "store", None) or calls
    root = getattr(owner, "root", None)
    if isinstance(root, Path):
        try:
            found = root.stat()
        except OSError:
            return str(root)
        return found.st_dev, found.st_ino
    address = getattr(owner, "address", None)
    if address is not None and not address.in_memory:
        return str(address.place)
    return id(getattr(owner, "storage", owner))
