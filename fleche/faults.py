"""Named fault points: places where a test may make the disk fill, the process die or the world pause.

`reach` does nothing unless a test armed its point. A point is named ``part:place``, such as ``file:before-rename``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["armed", "reach"]

_ARMED: dict[str, Callable[[], None]] = {}


def reach(point: str) -> None:
    """Pass a fault point: run what a test armed there, else nothing."""
    if _ARMED:
        action = _ARMED.get(point)
        if action is not None:
            action()


@contextmanager
def armed(point: str, action: Callable[[], None]) -> Iterator[None]:
    """Arm one fault point with an action for the length of a ``with`` block (tests only)."""
    _ARMED[point] = action
    try:
        yield
    finally:
        del _ARMED[point]
