"""Circles of invocations that wait: for each other, and for the running slots that others hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain

from fleche.runtime.engine.ways import way
from fleche.runtime.identifiers import InvocationId

__all__ = ["circle"]

_Edges = Callable[[InvocationId], Iterable[InvocationId]]


def circle(start: InvocationId, goal: InvocationId, waits: _Edges, held_up: _Edges) -> list[InvocationId] | None:
    """Return the way from one invocation to another that would have to end first, without the latter.

    Args:
        start: Whom somebody is about to wait for.
        goal: Who that is.
        waits: Returns whom an invocation waits for: each of these has to end first.
        held_up: Returns who holds the running slots that an invocation waits for, if none is free: one of these has to
            end first.

    Returns:
        None: the first can end without the second.
    """
    edges = _reached(start, goal, waits, held_up)
    if goal not in edges:
        return None
    stuck = _stuck(edges, goal)
    if start not in stuck:
        return None
    return way(start, goal, lambda here: (other for other in chain(*edges[here]) if other in stuck))


_Graph = dict[InvocationId, tuple[tuple[InvocationId, ...], tuple[InvocationId, ...]]]


def _reached(start: InvocationId, goal: InvocationId, waits: _Edges, held_up: _Edges) -> _Graph:
    edges: _Graph = {}
    todo = [start]
    while todo:
        here = todo.pop()
        if here in edges:
            continue
        edges[here] = ((), ()) if here == goal else (tuple(waits(here)), tuple(held_up(here)))
        todo += [*edges[here][0], *edges[here][1]]
    return edges


def _stuck(edges: _Graph, goal: InvocationId) -> set[InvocationId]:
    """Return those that cannot end before the goal does: all, without those that can, until no more can."""
    stuck = set(edges)
    while True:
        free = {
            each
            for each in stuck - {goal}
            if stuck.isdisjoint(edges[each][0]) and not (edges[each][1] and stuck.issuperset(edges[each][1]))
        }
        if not free:
            return stuck
        stuck -= free
