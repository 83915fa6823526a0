"""What a query found: lazy, read again on each iteration, chained by methods."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload, runtime_checkable

from fleche.call import CallSource, Forgetting, LazyCall, Outcome, QueryCall
from fleche.call.conditions import Comparison, Condition, Operator, Path, field_of, kind_of_scalar, path_of

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd
    import polars as pl

    from fleche.caches.base import BaseCache
    from fleche.caches.reports import TransferReport
    from fleche.digest import Digest

__all__ = ["Findable", "QueryIterator"]


@runtime_checkable
class HasPath(Protocol):
    """A field of a call, as ``q`` gives it."""

    @property
    def path(self) -> Path:
        """Where it is."""


By = Callable[[LazyCall], Any] | HasPath | str
"""What calls are sorted, grouped or told apart by."""

_MANY = 1 << 62  # more calls than there are

Step = Callable[[Iterable[LazyCall]], Iterable[LazyCall]]


class Findable(CallSource, Protocol):
    """What a query asks of a cache."""

    def find(self, template: QueryCall) -> Iterable[LazyCall]:
        """Return the calls that match, oldest first."""

    def columns(self, template: QueryCall) -> Mapping[str, list[Any]] | None:
        """Return the calls that match as columns, or None where they must be looked at one by one."""

    def evict(self, key: Digest | str) -> None:
        """Remove a record."""

    def glance(self, template: QueryCall, first: int, limit: int) -> tuple[list[LazyCall], int, bool] | None:
        """Return the first calls that match, how many there are up to a limit, and whether that is all; or None."""

    def draw_calls(self, calls: Sequence[LazyCall], shown: str = "") -> str:
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
        found = [(self.by(call), call) for call in calls]
        there = [(value, call) for value, call in found if value is not None]
        try:
            there.sort(key=itemgetter(0), reverse=self.reverse)
        except TypeError:  # values of several kinds
            there.sort(key=_by_kind, reverse=self.reverse)
        return [call for _, call in there] + [call for value, call in found if value is None]


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

    def where(self, *conditions: Condition | str) -> QueryIterator:
        """Return the calls that meet conditions, which the store looks up where it can.

        Args:
            *conditions: What ``q`` begins: ``q.arg.lr < 0.1``, combined by ``&``, ``|`` and ``~``. Text is read as
                `fleche.query.parse` does: ``"arg.lr < 0.1 and meta.runtime.walltime > 60"``.

        Raises:
            TypeError: A condition is something else.
            ValueError: A text is no condition.

        >>> from fleche.query import q
        >>> import fleche
        >>> @fleche.cached(cache="memory")
        ... def cube(x):
        ...     return x**3
        >>> [cube(n) for n in range(5)]
        [0, 1, 8, 27, 64]
        >>> cube.calls.where((q.arg.x > 1) & (q.result < 60)).count()
        2
        """
        found = self
        for condition in conditions:
            found = found._meeting(_asked(condition))
        return found

    def _meeting(self, condition: Condition) -> QueryIterator:
        if self._steps:  # a condition after take() or skip() is about what those left
            return self._then(_Filter(partial(_meets, condition)))
        before = self._template.where
        where = condition if before is None else before & condition
        return QueryIterator(self._cache, replace(self._template, where=where))

    def filter(self, predicate: Callable[[LazyCall], bool]) -> QueryIterator:
        """Return the calls for which a function returns true."""
        return self._then(_Filter(predicate))

    def take(self, count: int) -> QueryIterator:
        """Return the first so many calls."""
        return self._then(_Slice(0, count))

    def skip(self, count: int) -> QueryIterator:
        """Return the calls after the first so many."""
        return self._then(_Slice(count, None))

    def sorted(self, by: By, *, reverse: bool = False) -> QueryIterator:
        """Return the calls in the order of something of each; those that have no such thing come last.

        Args:
            by: A field (``q.arg.lr``), its name (``"arg.lr"``, ``"meta.runtime.walltime"``), or a function of a call.
                Fields of several kinds are sorted by kind first, so that nothing is compared that has no order.
            reverse: Whether the largest comes first.
        """
        return self._then(_Sort(_getter(by), reverse))

    def unique(self, by: By | None = None) -> QueryIterator:
        """Return the first call of each kind: of each result by default, else by a field, its name or a function."""
        return self._then(_Unique(_result_digest if by is None else _getter(by)))

    def groupby(self, by: By) -> dict[Any, list[LazyCall]]:
        """Return the calls in lists, by a field, its name, or what a function returns for each.

        Calls that have no such field are under None.
        """
        of = _getter(by)
        groups: dict[Any, list[LazyCall]] = {}
        for call in self:
            groups.setdefault(of(call), []).append(call)
        return groups

    def since(self, moment: datetime) -> QueryIterator:
        """Return the calls that started then or later.

        Raises:
            TypeError: The time has no timezone.
        """
        return self.where(Comparison(("at",), Operator.GE, moment))

    def until(self, moment: datetime) -> QueryIterator:
        """Return the calls that started before a time.

        Raises:
            TypeError: The time has no timezone.
        """
        return self.where(Comparison(("at",), Operator.LT, moment))

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
        counted = self._glance(0, _MANY)
        return counted[1] if counted is not None and counted[2] else sum(1 for _ in self)

    def total(self, limit: int) -> tuple[int, bool] | None:
        """Return how many calls there are, up to a limit, and whether that is all, without looking at each.

        Returns:
            None where each must be looked at.
        """
        counted = self._glance(0, limit)
        return None if counted is None else counted[1:]

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

    @overload
    def forget(self, *, downstream: Literal[False] = False) -> int: ...
    @overload
    def forget(self, *, downstream: Literal[True]) -> Forgetting: ...
    def forget(self, *, downstream: bool = False) -> int | Forgetting:
        """Remove these records from the cache and return how many there were. Their values stay stored.

        Args:
            downstream: Whether every call that depends on one of them goes too. Then nothing is removed yet: what would
                be is returned, and its `confirm` does it.

        Raises:
            Rejected: The cache is read-only.
        """
        return Forgetting(self, self._cache, downstream=True) if downstream else self.evict()

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
        """Return `rows` as a pandas table, one row a call; no value is loaded."""
        import pandas as pd

        columns = None if self._steps else self._cache.columns(self._template)
        return pd.DataFrame(self.rows() if columns is None else dict(columns))

    df = table

    def pl(self) -> pl.DataFrame:
        """Return `rows` as a polars table, one row a call; no value is loaded.

        What a call does not have is null. A column whose values are of several types becomes text.

        Raises:
            ImportError: polars is not installed; ``pip install 'fleche[frames]'``.
        """
        import polars as pl

        rows = self.rows()
        names = dict.fromkeys(name for row in rows for name in row)
        return pl.DataFrame({name: _one_type([row.get(name) for row in rows]) for name in names}, strict=False)

    def __len__(self) -> int:
        return self.count()

    def __bool__(self) -> bool:
        return self.any()

    def __repr__(self) -> str:
        try:
            shown = [repr(call) for call in self.take(11)]
        except Exception as error:
            return f"<calls that cannot be shown: {type(error).__qualname__}: {error}>"
        more = ["  …"] if len(shown) > 10 else []
        return "\n".join(["[", *(f"  {line}," for line in shown[:10]), *more, "]"]) if shown else "[]"

    def _repr_html_(self) -> str:
        from fleche.display import drawn
        from fleche.query.view import shown

        return drawn(lambda: self._cache.draw_calls(*shown(self, self._glance)), "calls")

    def _glance(self, first: int, limit: int) -> tuple[list[LazyCall], int, bool] | None:
        return None if self._steps else self._cache.glance(self._template, first, limit)


def _asked(condition: Condition | str) -> Condition:
    if isinstance(condition, Condition):
        return condition
    if isinstance(condition, str):
        from fleche.query.parse import parse

        return parse(condition)
    raise TypeError(f"where() takes conditions such as q.arg.lr < 0.1, not {condition!r}; .filter takes functions")


def _meets(condition: Condition, call: LazyCall) -> bool:
    return bool(condition.decide(call.record, call))


def _by_kind(item: tuple[Any, LazyCall]) -> tuple[str, Any]:
    value = item[0]
    kind = kind_of_scalar(value)
    return (kind, value) if kind is not None else (type(value).__qualname__, repr(value))


def _getter(by: By) -> Callable[[LazyCall], Any]:
    """Return the function that a field, or its name, stands for."""
    if isinstance(by, str):
        return partial(field_of, path=path_of(by))
    return partial(field_of, path=by.path) if isinstance(by, HasPath) else by


def _started(call: LazyCall) -> float:
    return call.at.timestamp() if call.at is not None else float("-inf")


def _one_type(values: list[Any]) -> list[Any]:
    """Return a column of one type: as it is, as floats where ints are among them, or else as text."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1 or kinds == {int, float}:
        return values
    return [value if value is None else str(value) for value in values]


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
