"""`Forgetting`: what would be removed, and nothing is until it is confirmed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleche.call.lazy import CallSource, LazyCall

__all__ = ["Forgetting"]

_LINES = 10  # calls that a text lists


class Forgetting:
    """The records of calls that are to be removed: a report, which does nothing until `confirm`.

    Args:
        calls: The calls that were asked for.
        source: The cache that they are in.
        downstream: Whether every call that depends on them goes too.

    Attributes:
        asked: The calls that were asked for.
        downstream: Those that depend on them and would go too, the nearest first.
    """

    def __init__(self, calls: Iterable[LazyCall], source: CallSource, *, downstream: bool = False) -> None:
        self._source = source
        self.asked: tuple[LazyCall, ...] = tuple({call.key: call for call in calls}.values())
        found = {call.key: call for call in self.asked}
        if downstream:
            waiting = list(self.asked)
            while waiting:  # level by level, so that the nearest come first
                near = [each for call in waiting for each in source.takers(call.key)]
                waiting = [*{each.key: each for each in near if each.key not in found}.values()]
                found.update((each.key, each) for each in waiting)
        self.downstream: tuple[LazyCall, ...] = tuple(found.values())[len(self.asked) :]

    @property
    def calls(self) -> tuple[LazyCall, ...]:
        """All calls that would go: those asked for, then those downstream, the nearest first."""
        return self.asked + self.downstream

    @property
    def functions(self) -> dict[str, int]:
        """How many calls of each function would go, by module and name, the most first."""
        counts: dict[str, int] = {}
        for call in self.calls:
            name = f"{call.module}.{call.name}"
            counts[name] = counts.get(name, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    @property
    def bytes(self) -> int:
        """How many bytes the results of these calls have, each counted once, as far as the store tells sizes.

        They stay in the store: other calls may have them too, and cleaning up is another step.
        """
        results = {(call.record.result, call.record.form) for call in self.calls if call.record.result is not None}
        total = 0
        for digest, form in results:
            summary = self._source.glimpse(digest, form, 0)
            total += 0 if summary is None or summary.size is None else summary.size
        return total

    @property
    def seconds(self) -> float:
        """How long these calls took to compute, in seconds, as far as that was noted."""
        return sum(call.walltime or 0.0 for call in self.calls)

    def confirm(self) -> int:
        """Remove the records, the farthest downstream first, and return how many.

        A call that was removed or computed anew since this was made is left as it is. Interrupted it leaves no call
        whose cause it has removed; doing it again finishes.

        Raises:
            Rejected: The cache is read-only.
            StoreError: The store cannot be written.
        """
        removed = 0
        for call in reversed(self.calls):
            there = next(iter(self._source.find_key(call.key)), None)
            if there is not None and there.record == call.record:
                self._source.evict(call.key)
                removed += 1
        return removed

    def __len__(self) -> int:
        return len(self.asked) + len(self.downstream)

    def __str__(self) -> str:
        counts = [f"  {count:,} of {name}" for name, count in self.functions.items()]
        more = [f"  and of {len(counts) - _LINES} functions more"] if len(counts) > _LINES else []
        head = f"{len(self):,} call{'' if len(self) == 1 else 's'} would be forgotten"
        also = f", {len(self.downstream):,} of them downstream" if self.downstream else ""
        took = f"; computing them took {self.seconds:.3g} s" if self.seconds else ""
        return "\n".join([f"{head}{also}{took}", *counts[:_LINES], *more, "nothing is removed before .confirm()"])

    def __repr__(self) -> str:
        return f"<{str(self).splitlines()[0]}; .confirm() does it>"
