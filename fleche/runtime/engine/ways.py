"""`way`: how to get from one thing to another along edges."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

__all__ = ["way"]

T = TypeVar("T", bound=Hashable)


def way(start: T, goal: T, beyond: Callable[[T], Iterable[T]]) -> list[T] | None:
    """Return what is on a shortest way from one thing to another, without the latter; None: there is no way.

    Args:
        start: Where it begins.
        goal: Where it ends.
        beyond: Returns what there is an edge to.

    >>> way("a", "c", {"a": "b", "b": "ac", "c": ""}.__getitem__)
    ['a', 'b']
    """
    came: dict[T, T | None] = {start: None}
    todo = deque([start])
    while todo:
        here = todo.popleft()
        if here == goal:
            return _back(came, here)
        for other in beyond(here):
            if other not in came:
                came[other] = here
                todo.append(other)
    return None


def _back(came: dict[T, T | None], goal: T) -> list[T]:
    found = []
    step = came[goal]
    while step is not None:
        found.append(step)
        step = came[step]
    return found[::-1]
