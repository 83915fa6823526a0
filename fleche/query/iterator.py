"""What a query found: lazy, read again on each iteration, chained by methods."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from fleche.call import LazyCall, Outcome, QueryCall

if TYPE_CHECKING:
    import pandas as pd

    from fleche.caches.base import BaseCache
    from fleche.caches.reports import TransferReport
    from fleche.digest import Digest

__all__ = ["Findable", "QueryIterator"]

Step = Callable[[Iterable[LazyCall]], Iterable[LazyCall]]


class Findable(Protocol):
    """What a query asks of a cache."""

    def find(self, template: QueryCall) -> Iterable[LazyCall]:
        """Return the calls that match, oldest first."""

    def evict(self, key: Digest | str) -> None:
        """Remove a record."""

    def draw_calls(self, calls: Iterable[LazyCall]) -> str:
        """Return several calls as an HTML table."""

    def transfer_keys(
        self, keys: Sequence[Digest], other: BaseCache, *, pop: bool = False, overwrite: bool = False
    ) -> TransferReport:
        """File calls in another cache."""


@dataclass(frozen=True, slots=True)
class _Filter:
    predicate: Callable[[LazyCall], bool]

    def __call__(self, calls: Iterable[LazyCall]) -> Iterable[LazyCall]:
        return filter(self.predicate, calls)


@dataclass(frozen=True, slots=True)
class _Slice:
    start: int
    stop: int | None

    def __call__(self, calls: Iterable[LazyCall]) -> Iterable[LazyCall]:
        return islice(calls, self.start, self.stop)


@dataclass(frozen=True, slots=True)
class _Unique:
    by: Callable[[LazyCall], Hashable]

    def __call__(self, calls: Iterable[LazyCall]) -> Iterable[LazyCall]:
        seen: set[Hashable] = set()
        for call in calls:
            mark = self.by(call)
            if mark not in seen:
                seen.add(mark)
                yield call


@dataclass(frozen=True, slots=True)
class _Sort:
    by: Callable[[LazyCall], Any]
    reverse: bool

    def __call__(self, calls: Iterable[LazyCall]) -> Iterable[LazyCall]:
        return sorted(calls, key=self.by, reverse=self.reverse)


class QueryIterator(Iterable[LazyCall]):
    """The calls that match a template, oldest first.

    Nothing is read before it is asked for, each iteration asks the store anew, and each method returns a new query
    and leaves this one as it is. Values are not loaded: a `LazyCall` loads them when they are touched.

    Args:
        cache: Where to look.
        template: What to look for.

    >>> import fleche
    >>> @fleche.cached(cache="memory")
    ... def square(x):
    ...     return x * x
    >>> [square(n) for n in (1, 2, 3)]
    [1, 4, 9]
    >>> square.calls.filter(lambda call: call.result > 3).count()
    2
    """

    def __init__(self, cache: Findable, template: QueryCall, steps: tuple[Step, ...] = ()) -> None:
        self._cache = cache
        self._template = template
        self._steps = steps

    def __iter__(self) -> Iterator[LazyCall]:
        calls: Iterable[LazyCall] = self._cache.find(self._template)
        for step in self._steps:
            calls = step(calls)
        return iter(calls)

    def _then(self, step: Step) -> QueryIterator:
        return QueryIterator(self._cache, self._template, (*self._steps, step))

    def _asking(self, outcomes: Iterable[Outcome]) -> QueryIterator:
        return QueryIterator(self._cache, replace(self._template, outcomes=frozenset(outcomes)), self._steps)

    def failed(self) -> QueryIterator:
        """Return the calls that raised, instead of those that returned."""
        return self._asking([Outcome.ERROR])

    def all(self) -> QueryIterator:
        """Return the calls of every outcome."""
        return self._asking(Outcome)

    def filter(self, predicate: Callable[[LazyCall], bool]) -> QueryIterator:
        """Return the calls for which a function returns true."""
        return self._then(_Filter(predicate))

    def take(self, count: int) -> QueryIterator:
        """Return the first so many calls."""
        return self._then(_Slice(0, count))

    def skip(self, count: int) -> QueryIterator:
        """Return the calls after the first so many."""
        return self._then(_Slice(count, None))

    def sort(self, by: Callable[[LazyCall], Any], *, reverse: bool = False) -> QueryIterator:
        """Return the calls in the order of what a function returns for each."""
        return self._then(_Sort(by, reverse))

    def unique(self, by: Callable[[LazyCall], Hashable] | None = None) -> QueryIterator:
        """Return the first call of each kind: by default, of each result."""
        return self._then(_Unique(by or _result_digest))

    def groupby(self, by: Callable[[LazyCall], Hashable]) -> dict[Any, list[LazyCall]]:
        """Return the calls in lists, by what a function returns for each."""
        groups: dict[Any, list[LazyCall]] = {}
        for call in self:
            groups.setdefault(by(call), []).append(call)
        return groups

    def only(self) -> LazyCall:
        """Return the one call that there is.

        Raises:
            LookupError: There is none, or more than one.
        """
        found = list(self.take(2))
        if len(found) != 1:
            raise LookupError(f"expected one call, found {'none' if not found else f'{self.count()}'}")
        return found[0]

    def any(self) -> bool:
        """Whether there is a call."""
        return next(iter(self), None) is not None

    def empty(self) -> bool:
        """Whether there is no call."""
        return not self.any()

    def count(self) -> int:
        """Return how many calls there are."""
        return sum(1 for _ in self)

    def latest(self) -> LazyCall | None:
        """Return the call that started last, or None."""
        return max(self, key=_started, default=None)

    def oldest(self) -> LazyCall | None:
        """Return the call that started first, or None."""
        return min(self, key=_started, default=None)

    def results(self) -> Iterator[Any]:
        """Return the results, loaded one by one.

        Raises:
            ValueNotStored: A result is gone.
        """
        return (call.result for call in self)

    def evict(self) -> int:
        """Remove these records from the cache and return how many there were. Their values stay stored."""
        keys = [call.key for call in self]
        for key in keys:
            self._cache.evict(key)
        return len(keys)

    def transfer(self, other: BaseCache, pop: bool = False, overwrite: bool = False) -> TransferReport:
        """File these calls in another cache, with their values, code and lineage; see `BaseCache.transfer`.

        Args:
            other: The other cache.
            pop: Whether each record is removed here once the other has it.
            overwrite: Whether records that are there are replaced. A result never is by a failure.

        Raises:
            Rejected: The other cache is read-only, or ``pop`` is given and this one is.
        """
        return self._cache.transfer_keys([call.key for call in self], other, pop=pop, overwrite=overwrite)

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat dictionary a call: its fields, then ``arg.NAME`` for each argument.

        Arguments that live in the row are values; others are their digests, so nothing is loaded.
        """
        return [_row(call) for call in self]

    def table(self) -> pd.DataFrame:
        """Return `rows` as a pandas table, one row a call."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    df = table

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        return self.any()

    def __repr__(self) -> str:
        shown = [repr(call) for call in self.take(11)]
        more = ["…"] if len(shown) > 10 else []
        return (
            "\n".join(["[", *(f"  {line}," for line in shown[:10]), *(f"  {line}" for line in more), "]"])
            if shown
            else "[]"
        )

    def _repr_html_(self) -> str:
        return self._cache.draw_calls(self)


def _started(call: LazyCall) -> float:
    return call.at.timestamp() if call.at is not None else float("-inf")


def _result_digest(call: LazyCall) -> Hashable:
    return call.record.result


def _row(call: LazyCall) -> dict[str, Any]:
    record = call.record
    return {
        "key": str(call.key),
        "module": record.module,
        "name": record.name,
        "version": record.version,
        "at": record.at,
        "walltime": call.walltime,
        "outcome": str(record.outcome),
        "result": None if record.result is None else str(record.result),
    } | {f"arg.{name}": record.scalars.get(name, str(digest)) for name, digest in record.arguments.items()}
