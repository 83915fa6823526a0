"""How a plan is made: each call sealed and looked up, its cause found by keys alone, and the rest estimated."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any, NamedTuple

from fleche.caches import BaseCache
from fleche.caches.progress import Bar
from fleche.call import DigestedCall, LazyCall, QueryCall, Version
from fleche.call.key import call_prefix, lookup_key
from fleche.digest import Digest
from fleche.digest.code.renamed import Place
from fleche.errors import Indigestible
from fleche.memo.explain.grid import Grid, calls_of
from fleche.memo.explain.plan import Plan, Planned, Status
from fleche.memo.explain.reasons import Cause
from fleche.memo.explain.why import Explanation
from fleche.memo.memo import Memo, Sealed
from fleche.storage.acceptances import Acceptance

__all__ = ["planned"]

_BATCH = 1000  # keys that are looked for at once
_SAMPLE = 500  # stored calls that the estimate, and the search for earlier code, look at
_VARIANTS = 20  # earlier versions of the code whose keys are looked for
_ESTIMATED = 300  # misses whose time is estimated; the others are taken to be like them
_NEAREST = 5  # stored calls that one miss is compared with
_SIZES = 40  # results whose size is looked at
_ASKING = 5.0  # seconds that are spent on asking who computes what

_NEW = "never computed with these arguments"


def planned(memo: Memo, receiver: tuple[Any, ...], grid: Grid) -> Plan:
    """Return what a grid of calls would cost; see `CachedFunction.plan`.

    Args:
        memo: The function's memory.
        receiver: What comes before the arguments of each call.
        grid: The calls.

    Raises:
        TypeError: A call cannot be made so.
        StoreError: The cache cannot be opened or read.
    """
    calls = calls_of(grid)
    return _Planner(memo, memo.cache()).plan([((*receiver, *args), kwargs) for args, kwargs in calls])


class _Planner:
    def __init__(self, memo: Memo, cache: BaseCache) -> None:
        self._memo = memo
        self._cache = cache
        places = memo.adoption.filed_places  # under its own name first, then under those that it had
        self._sample = [
            call for at in places for call in cache.latest(QueryCall(module=at.module, name=at.name), _SAMPLE)
        ][:_SAMPLE]
        self._former = [
            _Former(place, *variant) for place in places for variant in cache.variants(place.module, place.name)
        ][:_VARIANTS]
        self._said: Any = _Said(cache)
        self._told: dict[tuple[_Former, Digest | None], tuple[Cause, str]] = {}
        self._asked = 0.0

    def plan(self, calls: Sequence[tuple[tuple[Any, ...], Mapping[str, Any]]]) -> Plan:
        """Return the plan of calls, given as arguments by position and by name."""
        made: list[Planned] = []
        seen: set[Digest] = set()
        misses: list[Sealed] = []
        with Bar("plan", len(calls)) as bar:
            for start in range(0, len(calls), _BATCH):
                batch = [self._sealed(args, kwargs) for args, kwargs in calls[start : start + _BATCH]]
                fresh = [each for each in batch if isinstance(each, Sealed)]
                there = self._cache.present([each.key for each in fresh])
                adopted = self._adopted([each for each in fresh if each.key not in there])
                left = [each for each in fresh if each.key not in there and each.key not in adopted]
                before = self._before(left)
                for each in batch:
                    bar.step()
                    if isinstance(each, Planned):
                        made.append(each)
                        continue
                    known = each.key in there or each.key in adopted
                    found = self._planned(each, known, before.get(each.key), each.key in seen)
                    seen.add(each.key)
                    made.append(found)
                    if found.status is Status.MISS:
                        misses.append(each)
        seconds, basis = self._seconds(misses)
        return Plan(
            function=self._memo.label,
            calls=tuple(made),
            seconds=seconds,
            bytes=self._bytes(len(misses)),
            basis=basis,
        )

    # -- one call ----------------------------------------------------------------------------------------------

    def _sealed(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sealed | Planned:
        memo = self._memo
        missing = memo.profile.missing(kwargs) if memo.profile.required or not memo.profile.settled else []
        try:
            if not missing:
                return memo.seal(args, kwargs)
            told = f"{', '.join(missing)} must be given by keyword"
        except Indigestible as refusal:
            told = f"{refusal.path} has no digest: its type is {refusal.type_name}"
        return Planned(Status.UNCACHED, None, memo.profile.bind(args, kwargs), Cause.NO_KEY, told)

    def _planned(self, sealed: Sealed, there: bool, former: _Former | None, again: bool) -> Planned:
        def made(status: Status, kind: Cause | None = None, text: str = "") -> Planned:
            return Planned(status, sealed.key, sealed.arguments, kind, text)

        kind, text = None, ""
        if there:
            kind, text = self._standing(sealed)
            if kind is Cause.HIT:
                return made(Status.HIT)
        if again:
            return made(Status.JOIN, Cause.RUNNING, "in the grid before")
        holder = self._holder(sealed.key)
        if holder:
            return made(Status.JOIN, Cause.RUNNING, f"being computed by {holder}")
        if kind is None:
            kind, text = (Cause.NEVER, _NEW) if former is None else self._changed(former, sealed)
        return made(Status.MISS, kind, text)

    def _standing(self, sealed: Sealed) -> tuple[Cause | None, str]:
        hit = self._cache.lookup(sealed.key)
        if hit is None:
            adopted = Explanation(self._memo, self._cache, sealed).adopted(self._said)
            return (None if adopted is None else Cause.HIT), ""
        if self._memo.counts(hit) and hit.envelope is not None and self._memo.options.valid_if is None:
            return Cause.HIT, ""
        found = Explanation(self._memo, self._cache, sealed).standing(hit, None)
        return found.kind, _STANDING.get(found.kind, str(found.kind))

    def _holder(self, key: Digest) -> str:
        if self._asked > _ASKING:
            return ""
        began = time.monotonic()
        try:
            leases = self._cache.leases
            holder = None if leases is None else leases.holder(key)
        except Exception:
            return ""
        finally:
            self._asked += time.monotonic() - began
        return "" if holder is None else f"pid {holder.pid} on {holder.host}"

    def _adopted(self, missing: Sequence[Sealed]) -> set[Digest]:
        """Return the keys of those calls that may be stored for an earlier name or accepted code."""
        others = {each.key: list(self._memo.adoption.keys(self._said, each)) for each in missing}
        there = self._cache.present([key for keys in others.values() for key in keys])
        return {key for key, keys in others.items() if not there.isdisjoint(keys)}

    # -- earlier code ------------------------------------------------------------------------------------------

    def _before(self, missing: Sequence[Sealed]) -> dict[Digest, _Former]:
        """Return under which earlier name, code or version calls are stored, by their key now; told by keys alone."""
        found: dict[Digest, _Former] = {}
        left = list(missing)
        for former in self._former:
            if not left:
                break
            prefix = call_prefix(former.place.module, former.place.name, former.version, former.code)
            then = {lookup_key(prefix, digests): each for each in left for digests in self._arguments(each)}
            there = self._cache.present(list(then))
            found |= {each.key: former for old, each in then.items() if old in there}
            left = [each for each in left if each.key not in found]
        return found

    def _arguments(self, sealed: Sealed) -> list[Mapping[str, Digest]]:
        """Return the arguments of a call, and without those that it did not have before they were added."""
        meant, whole = self._memo.adoption.meant, sealed.digests
        bare = {name: each for name, each in whole.items() if meant.get(name) != each}
        return [whole, bare] if len(bare) < len(whole) else [whole]

    def _changed(self, former: _Former, sealed: Sealed) -> tuple[Cause, str]:
        """Return what changed since an earlier version of the code; compared once for each."""
        place = former, sealed.code
        if place not in self._told:
            self._told[place] = self._compared(former, sealed)
        return self._told[place]

    def _compared(self, former: _Former, sealed: Sealed) -> tuple[Cause, str]:
        variant = former.version, former.code
        asked = QueryCall(module=former.place.module, name=former.place.name, version=former.version, code=former.code)
        near = next((call for call in self._cache.latest(asked, _VARIANTS) if _variant(call) == repr(variant)), None)
        if near is None:
            return Cause.CODE, "the code differs"
        alone = near.record.evolve(arguments=sealed.digests)  # so that nothing but the code differs
        reasons = Explanation(self._memo, self._cache, sealed).changes(LazyCall(alone, near.source))
        told = [reason.text for reason in reasons]
        kind = reasons[0].kind if reasons else Cause.CODE
        more = f" (and {len(told) - 3:,} more changes)" if len(told) > 3 else ""
        return kind, "; ".join(told[:3]) + more if told else "the code differs"

    # -- the estimate ------------------------------------------------------------------------------------------

    def _seconds(self, misses: Sequence[Sealed]) -> tuple[float | None, str]:
        """Return how long misses would take together, and what tells so."""
        timed = [(call.record, float(wall)) for call in self._sample if isinstance(wall := call.walltime, int | float)]
        if not timed or not misses:
            return (0.0 if not misses else None), ""
        step = max(1, len(misses) // _ESTIMATED)
        some = misses[::step][:_ESTIMATED]
        seconds = fmean(_likely(each, timed) for each in some) * len(misses)
        nearest = min(_NEAREST, len(timed))
        basis = (
            f"the median time of the {nearest} stored calls that share most arguments, among the latest {len(timed):,}"
        )
        return seconds, basis if len(timed) > 1 else "the one stored call"

    def _bytes(self, misses: int) -> int | None:
        """Return how many bytes the results of misses would take up, by the median of stored ones."""
        sizes = [found for call in self._sample[:_SIZES] if (found := self._size(call)) is not None]
        return round(median(sizes) * misses) if sizes else None

    def _size(self, call: LazyCall) -> int | None:
        record = call.record
        try:
            found = None if record.result is None else self._cache.glimpse(record.result, record.form, 0)
        except Exception:
            return None
        return None if found is None else found.size


class _Former(NamedTuple):
    """What calls of the function are stored under.

    Attributes:
        place: The module and name.
        version: The version.
        code: The fingerprint.
    """

    place: Place
    version: Version
    code: Digest | None


class _Said:
    """What was accepted, asked once for each fingerprint.

    Args:
        cache: Where it is kept.
    """

    def __init__(self, cache: BaseCache) -> None:
        self._cache = cache
        self._known: dict[Digest | None, Sequence[Acceptance]] = {}

    def acceptances(self, new: Digest | None = None) -> Sequence[Acceptance]:
        """Return what was accepted for a fingerprint; see `BaseCache.acceptances`."""
        if new not in self._known:
            self._known[new] = self._cache.acceptances(new)
        return self._known[new]


_STANDING = {
    Cause.EXPIRED: "expired",
    Cause.REFUSED: "refused by valid_if",
    Cause.FAILED: "failed before",
    Cause.PARTIAL: "read only in part before",
    Cause.DAMAGED: "stored, and damaged",
    Cause.GONE: "stored, and its result is gone",
    Cause.UNREADABLE: "stored, and cannot be read here",
    Cause.HIT: "",
}


def _variant(call: LazyCall) -> str:
    return repr((call.version, call.code))


def _likely(sealed: Sealed, timed: Sequence[tuple[DigestedCall, float]]) -> float:
    """Return the median time of the stored calls that share most arguments with one."""
    shared = sorted(((_shared(sealed.digests, record), wall) for record, wall in timed), key=_most, reverse=True)
    return median(wall for _, wall in shared[:_NEAREST])


def _most(item: tuple[int, float]) -> int:
    return item[0]


def _shared(digests: Mapping[str, Digest], record: DigestedCall) -> int:
    return sum(record.arguments.get(name) == digest for name, digest in digests.items())
