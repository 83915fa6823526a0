"""Which calls of a query are shown, and how many there are, found out in bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from fleche.call import LazyCall

__all__ = ["shown"]

_ROWS = 20  # calls that are shown
_COUNTED = 100_000  # calls that are counted, where a store does that
_LISTED = 1_000  # calls that are counted one by one
_PATIENCE = 0.25  # seconds of counting one by one

Glance = Callable[[int, int], tuple[list[LazyCall], int, bool] | None]


def shown(calls: Iterable[LazyCall], glance: Glance) -> tuple[list[LazyCall], str]:
    """Return the calls to show, and which part of all they are, in words.

    Args:
        calls: The query.
        glance: What counts quickly, if something does.
    """
    counted = glance(_ROWS, _COUNTED)
    rows, total, whole = _listed(calls) if counted is None else counted
    if whole and total <= len(rows):
        return rows, f"{total:,} calls" if total > 1 else ""
    return rows, f"showing the first {len(rows):,} of {'' if whole else 'more than '}{total:,}"


def _listed(calls: Iterable[LazyCall]) -> tuple[list[LazyCall], int, bool]:
    """Count one by one, until there are many or it takes long."""
    rows: list[LazyCall] = []
    total, until = 0, time.monotonic() + _PATIENCE
    for call in calls:
        if total >= _LISTED or (len(rows) == _ROWS and time.monotonic() > until):
            return rows, total, False
        total += 1
        if len(rows) < _ROWS:
            rows.append(call)
    return rows, total, True
