"""Calls with everything that belongs to them, from one cache to another."""

from __future__ import annotations

import time
from collections.abc import Sequence

from fleche.caches.base import BaseCache
from fleche.caches.parcels import Parcel, Receipt
from fleche.caches.places import writable_places
from fleche.caches.progress import Bar
from fleche.caches.reports import TransferReport
from fleche.digest import Digest
from fleche.errors import Rejected, SaveError

__all__ = ["transfer"]


def transfer(
    source: BaseCache, keys: Sequence[Digest], target: BaseCache, *, pop: bool, overwrite: bool
) -> TransferReport:
    """File calls of one cache in another; see `BaseCache.transfer`.

    Args:
        source: Where they are.
        keys: Which.
        target: Where they go.
        pop: Whether each is removed from the source once the target has it.
        overwrite: Whether records that are there are replaced.

    Raises:
        Rejected: The target is read-only; or ``pop`` is given, and the source is, or both keep calls in one place.
        TypeError: The target is no cache.
    """
    if not isinstance(target, BaseCache):
        raise TypeError(f"transfer({target!r}): give a cache")
    for cache, needed in ((target, True), (source, pop)):
        if needed and not cache.writable:
            raise Rejected(
                f"{cache} is read-only: nothing can be transferred {'to' if cache is target else 'out of'} it"
            )
    if pop and writable_places(source) & writable_places(target):
        raise Rejected(
            f"{target} keeps calls where {source} does, so that what is removed there would be gone here; transfer "
            f"out of the part that only the source has"
        )
    work = _Transfer(source, target, pop=pop, overwrite=overwrite)
    with Bar("transfer", len(keys)) as bar:
        for key in keys:
            work.move(key)
            bar.step()
    return work.report()


class _Transfer:
    def __init__(self, source: BaseCache, target: BaseCache, *, pop: bool, overwrite: bool) -> None:
        self._source = source
        self._target = target
        self._pop = pop
        self._overwrite = overwrite
        self._began = time.perf_counter()
        self._moved: list[Receipt] = []
        self._there = 0
        self._failed: list[tuple[Digest, str]] = []

    def move(self, key: Digest) -> None:
        """Move one call. One that fails does not stop the others; one that is gone meanwhile is none."""
        try:
            parcel = self._source.pick(key)
            receipt = self._target.receive(parcel, overwrite=self._overwrite)
            if receipt is None:
                self._there += 1
            else:
                self._moved.append(receipt)
            if self._pop and (receipt is not None or self._has(key, parcel.record.result)):
                self._remove(parcel)
        except Exception as error:
            self._failed.append((key, f"{type(error).__name__}: {error}"))

    def _remove(self, parcel: Parcel) -> None:
        """Remove from the source what the target has."""
        key = parcel.record.key
        there = next(iter(self._source.find_key(key)), None)
        if there is not None and (there.outcome, there.record.result) != (parcel.record.outcome, parcel.record.result):
            raise SaveError("another record was filed under its key meanwhile; it stays")
        self._source.evict(key)
        if next(iter(self._target.find_key(key)), None) is None:  # one place behind both, which nothing told
            self._target.receive(parcel)
            raise SaveError("the target keeps calls where the source does; it stays")

    def _has(self, key: Digest, result: Digest | None) -> bool:
        """Whether the target has the same result, as after a transfer that was interrupted."""
        hit = self._target.lookup(key)
        return hit is not None and hit.result == result and (result is None or hit.envelope is not None)

    def report(self) -> TransferReport:
        """Return what was done."""
        return TransferReport(
            seconds=time.perf_counter() - self._began,
            moved=len(self._moved),
            there=self._there,
            failed=tuple(self._failed),
            left_out=tuple(entry for receipt in self._moved for entry in receipt.left_out),
            bytes=sum(receipt.bytes for receipt in self._moved),
        )
