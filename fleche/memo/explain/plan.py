"""`Plan`: what a grid of calls would cost, and why, before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from fleche.call import scalar_fits
from fleche.digest import Digest
from fleche.display import duration, size
from fleche.memo.explain.reasons import Cause
from fleche.memo.explain.texts import value_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Group", "Plan", "Planned", "Status"]

_GROUPS = 20  # causes that are told


class Status(StrEnum):
    """What would happen to a call.

    ``hit``: it is stored. ``join``: another computes it now, or it is in the grid before. ``miss``: it would be
    computed and stored. ``uncached``: it would run outside the cache.
    """

    HIT = "hit"
    JOIN = "join"
    MISS = "miss"
    UNCACHED = "uncached"


@dataclass(frozen=True, slots=True)
class Planned:
    """One call of a plan.

    Attributes:
        status: What would happen.
        key: Its key, or None where it has none.
        arguments: Its arguments by name, as values.
        kind: What kind of cause, if it is no hit.
        cause: Why it is no hit, in words.
    """

    status: Status
    key: Digest | None
    arguments: Mapping[str, Any]
    kind: Cause | None = None
    cause: str = ""

    def row(self) -> dict[str, Any]:
        """Return one flat dictionary: scalars as they are, other arguments as short text."""
        told = {f"arg.{name}": each if scalar_fits(each) else value_text(each) for name, each in self.arguments.items()}
        return {
            "status": str(self.status),
            "cause": self.cause,
            "key": None if self.key is None else str(self.key),
            **told,
        }


@dataclass(frozen=True, slots=True)
class Group:
    """The calls that have one cause.

    Attributes:
        status: What would happen to them.
        kind: What kind of cause.
        text: The cause, in words.
        count: How many calls.
    """

    status: Status
    kind: Cause | None
    text: str
    count: int

    def __str__(self) -> str:
        because = "because " if self.kind in (Cause.CODE, Cause.VERSION, Cause.ENVIRONMENT) else ""
        return f"{self.count:,} {because}{self.text}"


@dataclass(frozen=True, kw_only=True, repr=False)
class Plan:
    """What a grid of calls would cost. Printing it says so, a notebook draws it, and iterating gives the calls.

    Attributes:
        function: The module and name of the function.
        calls: The calls, in the order of the grid.
        seconds: How long the misses would take one after the other, or None where nothing tells.
        bytes: How much their results would take up, or None where nothing tells.
        basis: What both are estimated from, in words.
    """

    function: str
    calls: tuple[Planned, ...]
    seconds: float | None = None
    bytes: int | None = None
    basis: str = ""
    _counts: dict[Status, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        counts = Counter(call.status for call in self.calls)
        object.__setattr__(self, "_counts", {status: counts.get(status, 0) for status in Status})

    @property
    def hits(self) -> int:
        """How many calls are stored."""
        return self._counts[Status.HIT]

    @property
    def joins(self) -> int:
        """How many calls another computes now, or are in the grid before."""
        return self._counts[Status.JOIN]

    @property
    def misses(self) -> int:
        """How many calls would be computed and stored."""
        return self._counts[Status.MISS]

    @property
    def uncached(self) -> int:
        """How many calls would run outside the cache."""
        return self._counts[Status.UNCACHED]

    @property
    def causes(self) -> tuple[Group, ...]:
        """Why those that are no hits are none: one group for each cause, the largest first."""
        counts = Counter((call.status, call.kind, call.cause) for call in self.calls if call.status is not Status.HIT)
        return tuple(Group(*cause, count) for cause, count in counts.most_common())

    def __iter__(self) -> Iterator[Planned]:
        return iter(self.calls)

    def __len__(self) -> int:
        return len(self.calls)

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat dictionary a call: ``status cause key``, then ``arg.NAME`` for each argument."""
        return [call.row() for call in self.calls]

    def df(self) -> pd.DataFrame:
        """Return `rows` as a pandas table.

        Raises:
            ImportError: pandas is not installed; ``pip install 'fleche[frames]'``.
        """
        import pandas as pd

        return pd.DataFrame(self.rows())

    def summary(self) -> str:
        """Return the counts and the estimate, in one line."""
        told = [
            _count(self.hits, "hit", "hits"),
            *([_count(self.joins, "join", "joins")] if self.joins else []),
            _count(self.misses, "miss", "misses"),
            *([f"{self.uncached:,} uncached"] if self.uncached else []),
        ]
        costs = [] if self.seconds is None else [duration(self.seconds)]
        costs += [] if self.bytes is None else [size(self.bytes)]
        return ", ".join(told) + (f"; about {', '.join(costs)}" if costs and self.misses else "")

    def __str__(self) -> str:
        lines = [f"{_count(len(self.calls), 'call', 'calls')} of {self.function}: {self.summary()}"]
        causes = self.causes
        lines += [f"  {group}" for group in causes[:_GROUPS]]
        lines += [f"  and {len(causes) - _GROUPS:,} more causes"] if len(causes) > _GROUPS else []
        lines += [f"  estimated from {self.basis}"] if self.basis and self.misses else []
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def json(self) -> dict[str, Any]:
        """Return the counts, causes and estimate, as plain data."""
        return {
            "function": self.function,
            "calls": len(self.calls),
            **{name: getattr(self, name) for name in ("hits", "joins", "misses", "uncached", "seconds", "bytes")},
            "causes": [
                {"status": str(each.status), "kind": each.kind, "text": each.text, "count": each.count}
                for each in self.causes
            ],
        }

    def _repr_html_(self) -> str:
        from fleche.display import drawn
        from fleche.display.plan import plan_html

        counts = {str(status): count for status, count in self._counts.items()}
        causes = [(str(group.status), group.text, group.count) for group in self.causes]
        return drawn(lambda: plan_html(self.function, counts, self.summary(), causes, self.basis), str(self))


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
