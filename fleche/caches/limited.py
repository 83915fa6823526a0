"""`SizeLimitedCache`: keeps so many calls, and forgets the oldest."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from fleche.caches.base import Filing
from fleche.caches.cache import Cache
from fleche.caches.parcels import Parcel, Receipt
from fleche.caches.surrounded import followed
from fleche.call import Call, DigestedCall, PreparedCall
from fleche.clock import SYSTEM, Clock
from fleche.digest import Digest
from fleche.errors import FlecheError
from fleche.storage.base import CallStorage, ValueStorage
from fleche.storage.forks import FORKS

__all__ = ["SizeLimitedCache", "SizeLimitedMixin"]

log = logging.getLogger("fleche")


class SizeLimitedMixin(Cache):
    """Evicts the oldest records whenever one is filed and there are more than ``max_size``.

    Records of every outcome count. The one that was just filed stays. Put it before a `Cache` that has an attribute
    ``max_size``.
    """

    max_size: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turn = _Turn()

    def prepare(
        self, call: Call | DigestedCall, filing: Filing | None = None, *, values: Mapping[str, Any] | None = None
    ) -> PreparedCall:
        """Seal a call before its body runs; see `BaseCache.prepare`."""
        return followed(super().prepare(call, filing, values=values), self._trim)

    def receive(self, parcel: Parcel, *, overwrite: bool = False) -> Receipt | None:
        """File a record of another cache with its values; see `BaseCache.receive`."""
        receipt = super().receive(parcel, overwrite=overwrite)
        self._trim(parcel.record.key)
        return receipt

    def _trim(self, filed: Digest) -> None:
        try:
            with self._turn.lock:  # or two count each other's records, and both evict
                self._evict_oldest(self.calls.count() - self.max_size, filed)
        except FlecheError as error:  # the call is filed; that there are too many is no failure of it
            log.warning("%s: the oldest calls were not evicted: %s", self, error)

    def _evict_oldest(self, excess: int, filed: Digest) -> None:
        if excess <= 0:
            return
        oldest = [record.key for record in self.calls.oldest(excess + 1)]
        for key in [key for key in oldest if key != filed][:excess]:
            if self.calls.count() <= self.max_size:  # other processes evict too
                return
            self._remove(key, "evicted")


class _Turn:
    """Of the threads of a process, one evicts at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        FORKS.add(self)

    def after_fork_in_child(self) -> None:
        """Begin with a lock that nobody holds."""
        self.lock = threading.Lock()


class SizeLimitedCache(SizeLimitedMixin, Cache):
    """A cache of at most so many calls, of which the oldest go first.

    Values stay stored: another call may have them too.

    Args:
        values: Where values live.
        calls: Where records live.
        max_size: How many calls are kept.
        clock: Tells the time of calls whose metadata does not.

    Raises:
        ValueError: ``max_size`` is less than 1.

    >>> from fleche.call import Call
    >>> from fleche.storage.memory import MemoryStore
    >>> store = MemoryStore()
    >>> cache = SizeLimitedCache(store.values, store.calls, 2)
    >>> keys = [cache.save(Call(module="m", name="f", arguments={"x": x}, result=x)) for x in range(3)]
    >>> [call.arguments["x"] for call in cache.query()]
    [1, 2]
    """

    def __init__(self, values: ValueStorage, calls: CallStorage, max_size: int, *, clock: Clock = SYSTEM) -> None:
        if max_size < 1:
            raise ValueError(f"max_size is {max_size}: at least one call must fit; the cache 'void' keeps none")
        self.max_size = max_size
        super().__init__(values, calls, clock=clock)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "max_size": self.max_size}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["values"], state["calls"], state["max_size"], clock=state["clock"])  # type: ignore[misc]

    def describe(self) -> Mapping[str, Any]:
        """Return what this cache is, where it is and what it holds."""
        return {**super().describe(), "max_size": self.max_size}

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, max_size={self.max_size})".replace("Cache(", "SizeLimitedCache(", 1)
