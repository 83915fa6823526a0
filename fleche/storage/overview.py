"""What a store can tell quickly, however much it holds. Abilities: not every store has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from fleche.call.records import DigestedCall, Outcome, QueryCall
from fleche.digest import Digest

if TYPE_CHECKING:
    from fleche.storage.envelope import Envelope

__all__ = ["FunctionTotal", "Glance", "Peekable", "Surveyed", "longest", "totals_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FunctionTotal:
    """What a store holds of one function, of whatever code and version.

    Attributes:
        module: Where it was defined.
        name: Its qualified name.
        calls: How many records, of every outcome.
        failed: How many of them did not return.
        seconds: How long their bodies took together, as far as that was noted.
        latest: When the last of them started, or None.
    """

    module: str
    name: str
    calls: int
    failed: int
    seconds: float
    latest: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Glance:
    """The first records of a query, and how many there are.

    Attributes:
        records: The first of them, oldest first.
        total: How many there are, as far as they were counted.
        whole: Whether all were counted.
    """

    records: Sequence[DigestedCall]
    total: int
    whole: bool


@runtime_checkable
class Surveyed(Protocol):
    """A call storage that counts quickly."""

    def totals(self, limit: int) -> Sequence[FunctionTotal]:
        """Return what is held of each function, among at most so many records that were filed last."""

    def glance(self, template: QueryCall, first: int, limit: int) -> Glance | None:
        """Return the first records that a template matches and count them, up to a limit.

        Returns:
            None where only whole records, or values, can tell which ones match.
        """


@runtime_checkable
class Peekable(Protocol):
    """A value storage that tells the size of a value before it reads it."""

    def peek(self, key: Digest, form: str | None, limit: int) -> tuple[int, Envelope | None]:
        """Return the stored size of a value in bytes, and its envelope where little must be read to look at it.

        Nothing is set aside, verified beyond what is read, or built.

        Args:
            key: Its digest.
            form: In which form, or None for any.
            limit: Bytes that may be read. Buffers that are mapped do not count: they are read where they are touched.

        Raises:
            KeyError: It is not here in this form.
            DamagedError: What was read is not what was written.
        """


def totals_of(records: Iterable[DigestedCall]) -> list[FunctionTotal]:
    """Return what records hold of each function, those that took longest first."""
    calls: Counter[tuple[str, str]] = Counter()
    failed: Counter[tuple[str, str]] = Counter()
    seconds: dict[tuple[str, str], float] = {}
    latest: dict[tuple[str, str], datetime] = {}
    for record in records:
        name = record.module, record.name
        calls[name] += 1
        failed[name] += record.outcome is not Outcome.RESULT
        wall = record.metadata.get("runtime", {}).get("walltime")
        seconds[name] = seconds.get(name, 0.0) + (wall if isinstance(wall, int | float) else 0.0)
        if record.at is not None:
            latest[name] = max(record.at, latest.get(name, record.at))
    found = [
        FunctionTotal(
            module=name[0],
            name=name[1],
            calls=count,
            failed=failed[name],
            seconds=seconds[name],
            latest=latest.get(name),
        )
        for name, count in calls.items()
    ]
    return sorted(found, key=longest)


def longest(total: FunctionTotal) -> tuple[float, int, str, str]:
    """Return what functions are sorted by: those that took longest first."""
    return -total.seconds, -total.calls, total.module, total.name
