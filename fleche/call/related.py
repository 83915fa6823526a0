"""`Lineage`: where a stored call's arguments came from, what took its result, and what it made."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from fleche.call.lineage import made_by, taken_by

if TYPE_CHECKING:
    from fleche.call.lazy import CallSource, LazyCall
    from fleche.digest import Digest

__all__ = ["LIMIT", "Lineage"]

LIMIT = 10_000
"""How many calls a walk over the lineage returns unless it is asked for more."""


class Lineage:
    """What is recorded of where a call's arguments came from, and where its result went.

    It is read from the store each time that it is asked. Calls that were evicted since are left out, and `missing`
    names those that the call itself depends on. In a notebook it draws itself; printed, it is a tree.

    Args:
        call: The call.
        source: The cache that it is in.
    """

    def __init__(self, call: LazyCall, source: CallSource) -> None:
        self.call = call
        self._source = source

    def parents(self) -> list[LazyCall]:
        """Return the calls whose results this one took as arguments, in the order of its arguments."""
        return self._found(taken_by(self.call.record))

    def children(self, *, limit: int | None = LIMIT) -> list[LazyCall]:
        """Return the calls that took this one's result as an argument, oldest first."""
        key = self.call.key
        return [call for call in self._takers(key, limit) if key in taken_by(call.record)]

    def inner(self) -> list[LazyCall]:
        """Return the calls that this one made while it ran, in the order in which it first made each."""
        return self._found(made_by(self.call.record))

    def outer(self, *, limit: int | None = LIMIT) -> list[LazyCall]:
        """Return the calls that made this one while they ran, oldest first."""
        key = self.call.key
        return [call for call in self._takers(key, limit) if key in made_by(call.record)]

    def missing(self) -> list[Digest]:
        """Return the keys of calls that this one depends on and that are not stored any more."""
        there = {call.key for call in self._found(self.call.record.inputs)}
        return [key for key in dict.fromkeys(self.call.record.inputs) if key not in there]

    def upstream(self, *, depth: int | None = None, limit: int | None = LIMIT) -> list[LazyCall]:
        """Return every call that this one depends on, nearest first, each once; see `LazyCall.upstream`."""
        return list(self._walk(lambda call: self._found(call.record.inputs), depth, limit))

    def downstream(self, *, depth: int | None = None, limit: int | None = LIMIT) -> list[LazyCall]:
        """Return every call that depends on this one, nearest first, each once; see `LazyCall.downstream`."""
        return list(self._walk(lambda call: self._takers(call.key, limit), depth, limit))

    def _found(self, keys: Iterable[Digest]) -> list[LazyCall]:
        found = (next(iter(self._source.find_key(key)), None) for key in dict.fromkeys(keys))
        return [call for call in found if call is not None]

    def _takers(self, key: Digest, limit: int | None) -> list[LazyCall]:
        return self._source.takers(key) if limit is None else self._source.takers(key, limit)

    def _walk(
        self, near: Callable[[LazyCall], list[LazyCall]], depth: int | None, limit: int | None
    ) -> Iterator[LazyCall]:
        seen = {self.call.key}  # a cycle cannot be recorded by us; what others wrote is guarded against
        waiting = deque([(self.call, 0)])
        found = 0
        while waiting:
            call, level = waiting.popleft()
            if depth is not None and level >= depth:
                continue
            for each in near(call):
                if each.key in seen:
                    continue
                if limit is not None and found >= limit:
                    return
                seen.add(each.key)
                found += 1
                yield each
                waiting.append((each, level + 1))

    def __str__(self) -> str:
        return self._source.tell_lineage(self.call)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self._source.draw_lineage(self.call)
