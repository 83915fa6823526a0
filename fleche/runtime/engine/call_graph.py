"""`CallGraph`: which calls make which, so that a circle is found before it closes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from fleche.runtime.engine.ways import way
from fleche.runtime.identifiers import CallId, InvocationId

__all__ = ["CallGraph"]


class CallGraph:
    """Edges between calls, each borne by the invocations that made them. Not thread-safe by itself."""

    def __init__(self) -> None:
        self._edges: dict[CallId, Counter[CallId]] = defaultdict(Counter)
        self._borne: dict[InvocationId, set[tuple[InvocationId, InvocationId]]] = defaultdict(set)
        self._calls: dict[InvocationId, CallId] = {}

    def link(self, caller: tuple[InvocationId, CallId], callee: tuple[InvocationId, CallId]) -> list[CallId]:
        """Add an edge; or return the circle that it would close, from the caller on, and add nothing."""
        found = way(callee[1], caller[1], self._made)
        if found is not None:
            return [caller[1], *found]
        pair = (caller[0], callee[0])
        if pair not in self._borne[caller[0]]:
            self._edges[caller[1]][callee[1]] += 1
            for id_, call in (caller, callee):
                self._borne[id_].add(pair)
                self._calls[id_] = call
        return []

    def _made(self, call: CallId) -> Iterable[CallId]:
        return self._edges.get(call, ())

    def drop(self, invocation_id: InvocationId) -> None:
        """Remove the edges that an invocation bears."""
        for pair in self._borne.pop(invocation_id, ()):
            caller, callee = pair
            made = self._edges[self._calls[caller]]
            made[self._calls[callee]] -= 1
            if made[self._calls[callee]] <= 0:
                del made[self._calls[callee]]
            if not made:
                del self._edges[self._calls[caller]]
            other = callee if caller == invocation_id else caller
            borne = self._borne.get(other)
            if borne is not None:
                borne.discard(pair)
                if not borne:
                    del self._borne[other]
                    self._calls.pop(other, None)
        self._calls.pop(invocation_id, None)

    def __len__(self) -> int:
        return sum(len(made) for made in self._edges.values())
