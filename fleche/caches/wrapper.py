"""`CacheWrapper`: a cache that does everything by another one, for views to override a little."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fleche.caches.base import BaseCache, Filing
from fleche.caches.parcels import Parcel, Receipt
from fleche.caches.surrounded import surrounded
from fleche.call import Call, DigestedCall, LazyCall, PreparedCall, QueryCall
from fleche.digest import Digest
from fleche.errors import UntrustedError
from fleche.storage.base import CodeRecord, Hit, Intent, Variant

if TYPE_CHECKING:
    from fleche.display import Summary
    from fleche.storage.acceptances import Acceptance, Forgotten
    from fleche.storage.checking import Finding
    from fleche.storage.leases import Leases
    from fleche.storage.overview import FunctionTotal

__all__ = ["CacheWrapper"]


class CacheWrapper(BaseCache):
    """Does everything by another cache. Calls that it returns are its own: what they do, they do by this view.

    Args:
        cache: The other cache.
    """

    def __init__(self, cache: BaseCache) -> None:
        self.cache = cache
        self._direct = self._is_plain()

    def lookup(self, key: Digest) -> Hit | None:
        """Return what is stored under the full key of a call; see `BaseCache.lookup`."""
        if self._direct:
            return self.cache.lookup(key)
        with self._operation_context(key, intent=Intent.READ):
            return self.cache.lookup(key)

    def open(self, hit: Hit) -> Any:
        """Return the value of a hit; see `BaseCache.open`."""
        return self.cache.open(hit)

    def refuses(self, value: Any) -> UntrustedError | None:
        """Return why the store will not build a value when it is read here; see `BaseCache.refuses`."""
        return self.cache.refuses(value)

    def prepare(
        self, call: Call | DigestedCall, filing: Filing | None = None, *, values: Mapping[str, Any] | None = None
    ) -> PreparedCall:
        """Seal a call before its body runs; see `BaseCache.prepare`."""
        prepared = self.cache.prepare(call, filing, values=values)
        return prepared if self._direct else surrounded(prepared, self._operation_context)

    def find(self, template: QueryCall) -> Iterable[LazyCall]:
        """Return the calls that match a template, oldest first."""
        return self._own(self.cache.find(template))

    def find_key(self, key: Digest) -> Iterable[LazyCall]:
        """Return the call of a full key, whatever its outcome, or nothing."""
        return self._own(self.cache.find_key(key))

    def makers(self, digests: Sequence[Digest], but: Digest | None = None) -> Mapping[Digest, Digest]:
        """Return, for each of several results, the key of the call that was filed last; see `BaseCache.makers`."""
        return self.cache.makers(digests, but)

    def takers(self, key: Digest, limit: int = 1 << 40) -> list[LazyCall]:
        """Return the calls that took the result of a call, or made it; see `BaseCache.takers`."""
        return [*self._own(self.cache.takers(key, limit))]

    def users(self, digest: Digest, limit: int = 1 << 40) -> list[LazyCall]:
        """Return the calls that have a value as an argument; see `BaseCache.users`."""
        return [*self._own(self.cache.users(digest, limit))]

    def load(self, key: Digest | str) -> LazyCall:
        """Return a stored call by key or prefix; see `BaseCache.load`."""
        with self._operation_context(key, intent=Intent.READ):
            return LazyCall(self.cache.load(key).record, self)

    def load_value(self, key: Digest | str, form: str | None = None) -> Any:
        """Return a stored value by digest or prefix; see `BaseCache.load_value`."""
        return self.cache.load_value(key, form)

    def open_result(self, record: DigestedCall) -> Any:
        """Return the result of a record; see `BaseCache.open_result`."""
        return self.cache.open_result(record)

    def code_record(self, digest: Digest) -> CodeRecord | None:
        """Return the code tree and the sources behind a fingerprint; see `BaseCache.code_record`."""
        return self.cache.code_record(digest)

    def keep(self, value: Any) -> tuple[Digest, str]:
        """Store a value by itself; see `BaseCache.keep`."""
        return self.cache.keep(value)

    def evict(self, key: Digest | str) -> None:
        """Remove a record by key or prefix."""
        with self._operation_context(key, intent=Intent.WRITE):
            self.cache.evict(key)

    def forgotten(self, key: Digest) -> Forgotten | None:
        """Return what is left of a call that was removed; see `BaseCache.forgotten`."""
        return self.cache.forgotten(key)

    def accept(self, acceptance: Acceptance) -> None:
        """Keep what somebody said of an edit; see `BaseCache.accept`."""
        self.cache.accept(acceptance)

    def acceptances(self, new: Digest | None = None) -> Sequence[Acceptance]:
        """Return what was accepted and not withdrawn; see `BaseCache.acceptances`."""
        return self.cache.acceptances(new)

    def withdraw(self, old: Digest, new: Digest) -> bool:
        """Take back what was accepted; see `BaseCache.withdraw`."""
        return self.cache.withdraw(old, new)

    def candidates(self, prefix: str) -> tuple[list[Digest], list[Digest]]:
        """Return the record keys and value digests that start with a prefix, two at most of each."""
        return self.cache.candidates(prefix)

    def shrink(self, key: Digest | str, /, *keys: Digest | str) -> Any:
        """Return the shortest prefixes that each name one key today."""
        return self.cache.shrink(key, *keys)

    def recent(self, count: int) -> list[LazyCall]:
        """Return the calls that started last, newest first."""
        return [*self._own(self.cache.recent(count))]

    def latest(self, template: QueryCall, count: int) -> list[LazyCall]:
        """Return the calls that a template matches which were filed last; see `BaseCache.latest`."""
        return self.cache.latest(template, count) if self._finds_all else super().latest(template, count)

    def present(self, keys: Sequence[Digest]) -> set[Digest]:
        """Return which of several full keys have a record; see `BaseCache.present`."""
        looks = type(self).lookup is CacheWrapper.lookup
        return self.cache.present(keys) if looks else super().present(keys)

    def variants(self, module: str, name: str) -> Sequence[Variant]:
        """Return the versions and codes under which calls were filed; see `BaseCache.variants`."""
        return self.cache.variants(module, name) if self._finds_all else super().variants(module, name)

    def describe(self) -> Mapping[str, Any]:
        """Return what this view is, and the cache behind it."""
        return {"view": type(self).__name__, **self.cache.describe()}

    def sketch(self) -> Mapping[str, Any]:
        """Return what `describe` does, as far as that is told at once."""
        return {"view": type(self).__name__, **self.cache.sketch()}

    def totals(self, limit: int) -> Sequence[FunctionTotal]:
        """Return what is remembered of each function; see `BaseCache.totals`."""
        return self.cache.totals(limit) if self._finds_all else super().totals(limit)

    def glance(self, template: QueryCall, first: int, limit: int) -> tuple[list[LazyCall], int, bool] | None:
        """Return the first calls that match a template and count them; see `BaseCache.glance`."""
        found = self.cache.glance(template, first, limit) if self._finds_all else None
        return None if found is None else ([*self._own(found[0])], *found[1:])

    def glimpse(self, key: Digest, form: str | None, limit: int) -> Summary | None:
        """Return a stored value at a glance; see `BaseCache.glimpse`."""
        return self.cache.glimpse(key, form, limit)

    def _own(self, calls: Iterable[LazyCall]) -> Iterator[LazyCall]:
        return (LazyCall(call.record, self) for call in calls)

    @property
    def _finds_all(self) -> bool:
        """Whether this view finds what the cache behind it does."""
        return type(self).find is CacheWrapper.find

    def pick(self, key: Digest) -> Parcel:
        """Return a record by its full key with its values; see `BaseCache.pick`."""
        return self.cache.pick(key)

    def receive(self, parcel: Parcel, *, overwrite: bool = False) -> Receipt | None:
        """File a record of another cache with its values; see `BaseCache.receive`."""
        with self._operation_context(parcel.record.key, intent=Intent.WRITE):
            return self.cache.receive(parcel, overwrite=overwrite)

    def check(self, *, values: bool = False, repair: bool = False) -> Iterable[Finding]:
        """Yield what is wrong with the cache behind this view."""
        return self.cache.check(values=values, repair=repair)

    @property
    def leases(self) -> Leases | None:
        """The leases of the cache behind this view."""
        return self.cache.leases

    @property
    def writable(self) -> bool:
        """Whether calls can be filed here."""
        return self.cache.writable

    @property
    def algorithm(self) -> str:
        """The hash of all keys."""
        return self.cache.algorithm

    def close(self) -> None:
        """Release every connection and file of the cache behind this view."""
        self.cache.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.cache!r})"
