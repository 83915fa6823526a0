"""`WaitGraph`: which invocations wait for which others."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from fleche.runtime.identifiers import InvocationId

__all__ = ["WaitGraph"]

_NOBODY: frozenset[InvocationId] = frozenset()


class WaitGraph:
    """Edges from those who wait to those that they wait for. Not thread-safe by itself."""

    def __init__(self) -> None:
        self._waited: dict[InvocationId, set[InvocationId]] = {}  # by who waits
        self._waiters: dict[InvocationId, set[InvocationId]] = {}  # by what is waited for

    def add(self, waiter: InvocationId, waited: InvocationId) -> None:
        """Add an edge; adding it again changes nothing."""
        self._waited.setdefault(waiter, set()).add(waited)
        self._waiters.setdefault(waited, set()).add(waiter)

    def blocks(self, invocation_id: InvocationId) -> bool:
        """Whether someone waits for an invocation which itself waits for none."""
        return invocation_id in self._waiters and invocation_id not in self._waited

    def is_waited(self, invocation_id: InvocationId) -> bool:
        """Whether someone waits for an invocation."""
        return invocation_id in self._waiters

    def leave(self, waiter: InvocationId) -> None:
        """Remove the edges of one that waits for nothing any more."""
        for waited in self._waited.pop(waiter, _NOBODY):
            waiters = self._waiters[waited]
            waiters.discard(waiter)
            if not waiters:
                del self._waiters[waited]

    def release(self, waited: InvocationId) -> Iterator[InvocationId]:
        """Remove the edges to one that is waited for no more; yield those who now wait for nothing."""
        for waiter in self._waiters.pop(waited, _NOBODY):
            others = self._waited[waiter]
            others.discard(waited)
            if not others:
                del self._waited[waiter]
                yield waiter

    def waited_by(self, waiter: InvocationId) -> Collection[InvocationId]:
        """Return those that one waits for."""
        return self._waited.get(waiter, _NOBODY)
