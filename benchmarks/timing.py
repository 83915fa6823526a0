"""Taking times, and saying them."""

from __future__ import annotations

import statistics
import timeit
from collections.abc import Callable

ROUNDS = 7


def median(function: Callable[[], object]) -> float:
    """Return the median seconds of one call, over some rounds of a tenth of a second each."""
    timer = timeit.Timer(function)
    function()
    number = max(1, int(0.1 / max(timer.timeit(1), 1e-9)))
    return statistics.median(time / number for time in timer.repeat(ROUNDS, number))


def duration(seconds: float) -> str:
    """Return seconds in the unit that suits them."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
