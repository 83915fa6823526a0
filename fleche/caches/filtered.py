"""`FilteredCache`: of a cache, those calls that a function accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fleche.caches.base import EVERYTHING, BaseCache
from fleche.caches.parcels import Parcel
from fleche.caches.readonly import ReadOnlyMixin
from fleche.caches.wrapper import CacheWrapper
from fleche.call import LazyCall, QueryCall
from fleche.digest import Digest
from fleche.digest.algorithm import chosen
from fleche.errors import UnknownDigestError
from fleche.storage.base import Hit, _resolve_prefix

__all__ = ["FilteredCache", "FilteringMixin"]


class FilteringMixin(CacheWrapper):
    """Shows only the calls for which ``predicate`` returns true. Values are shown all.

    Put it before a `CacheWrapper` that has an attribute ``predicate``.
    """

    predicate: Callable[[LazyCall], bool]

    def lookup(self, key: Digest) -> Hit | None:
        """Return what is stored under the full key of a call, if it is shown."""
        hit = super().lookup(key)
        if hit is None:
            return None
        # What is shown must be what is found: several members, or another process, may have filed under the key.
        shown = (call for call in self.find_key(key) if (call.outcome, call.record.result) == (hit.outcome, hit.result))
        return hit if any(True for _ in shown) else None

    def find(self, template: QueryCall) -> Iterable[LazyCall]:
        """Return the calls that match a template and are shown, oldest first."""
        return (call for call in super().find(template) if self.predicate(call))

    def find_key(self, key: Digest) -> Iterable[LazyCall]:
        """Return the call of a full key, if it is shown, or nothing."""
        return (call for call in super().find_key(key) if self.predicate(call))

    def takers(self, key: Digest, limit: int = 1 << 40) -> list[LazyCall]:
        """Return the calls that are shown and took the result of a call, or made it; see `BaseCache.takers`."""
        return [call for call in super().takers(key) if self.predicate(call)][:limit]

    def users(self, digest: Digest, limit: int = 1 << 40) -> list[LazyCall]:
        """Return the calls that are shown and have a value as an argument; see `BaseCache.users`."""
        return [call for call in super().users(digest) if self.predicate(call)][:limit]

    def load(self, key: Digest | str) -> LazyCall:
        """Return a stored call by key, or by a prefix that names one among those that are shown."""
        whole = Digest(key)
        if len(whole) != chosen().length:
            whole = _resolve_prefix(whole, self.candidates(whole)[0])
        call = super().load(whole)
        if not self.predicate(call):
            raise UnknownDigestError(f"call {whole} is not one that {self} shows", digest=str(whole))
        return call

    def candidates(self, prefix: str) -> tuple[list[Digest], list[Digest]]:
        """Return the keys that are shown and the value digests that start with a prefix, two at most of each."""
        calls, values = super().candidates(prefix)
        if len(calls) > 1:  # there may be more behind those that are not shown
            return sorted(call.key for call in self.find(EVERYTHING) if call.key.startswith(prefix.lower()))[:2], values
        return [key for key in calls if self._shows(key)], values

    def shrink(self, key: Digest | str, /, *keys: Digest | str) -> Any:
        """Return short prefixes that each name one key, also among those that are not shown.

        Raises:
            KeyError: A key is not shown.
        """
        for each in (key, *keys):
            if not any(self._shows(whole) for whole in self.candidates(Digest(each))[0]):
                raise UnknownDigestError(f"call {each} is not one that {self} shows", digest=str(each))
        return super().shrink(key, *keys)

    def recent(self, count: int) -> list[LazyCall]:
        """Return the calls that are shown and started last, newest first."""
        asked = count
        while True:
            found = super().recent(asked)
            kept = [call for call in found if self.predicate(call)]
            if len(kept) >= count or len(found) < asked:
                return kept[:count]
            asked *= 4

    def pick(self, key: Digest) -> Parcel:
        """Return a record by its full key with its values, if it is shown."""
        if not self._shows(key):
            raise UnknownDigestError(f"call {key} is not one that {self} shows", digest=str(key))
        return super().pick(key)

    def _shows(self, key: Digest) -> bool:
        return any(True for _ in self.find_key(key))


class FilteredCache(FilteringMixin, ReadOnlyMixin, CacheWrapper):
    """A read-only view of those calls of a cache for which a function returns true.

    Args:
        cache: The cache to look at.
        predicate: Given a `LazyCall`, whether it is shown. What it raises comes out where the call is asked for.

    >>> from fleche.caches import Cache
    >>> from fleche.call import Call
    >>> from fleche.storage.memory import MemoryStore
    >>> store = MemoryStore()
    >>> cache = Cache(store.values, store.calls)
    >>> keys = [cache.save(Call(module="m", name=name, result=1)) for name in ("train", "test")]
    >>> [call.name for call in cache.filter(lambda call: call.name == "train").query()]
    ['train']
    """

    def __init__(self, cache: BaseCache, predicate: Callable[[LazyCall], bool]) -> None:
        super().__init__(cache)
        self.predicate = predicate

    def __repr__(self) -> str:
        return f"FilteredCache({self.cache!r}, {self.predicate!r})"
