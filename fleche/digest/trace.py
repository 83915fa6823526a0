"""`Trace`: what a walk met near the top of a value, told when somebody asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fleche.digest import _format as f
from fleche.digest.plan import Plan

__all__ = ["REACH", "Node", "Trace"]

REACH = 2
"""How deep inside a value nodes are looked for."""

LEAST = 64
"""Bytes of the encoding, with all that is inside, of the smallest node that is told."""

_LARGE = 1024  # bytes of a node that counts as large
_FEW, _MANY = 32, 1000  # nodes inside a value that are looked at at most: small ones, and those that are large alone
_SEEN = 10_000  # values that are looked at at most
_HELD = 100_000  # values that a trace keeps alive at most
_ALL = 500  # values that are listed at most


class Node(NamedTuple):
    """A composite or bulk value near the top of another, or that itself.

    Attributes:
        depth: How many values enclose it.
        identity: Its ``id``.
        raw: Its digest.
        size: The bytes of its encoding, with those of what is inside, as far as that was looked at.
    """

    depth: int
    identity: int
    raw: bytes
    size: int

    @property
    def is_large(self) -> bool:
        """Whether there is likely no other like it by chance."""
        return self.size >= _LARGE


class Trace:
    """What a walk knows of a value. It costs next to nothing to make, and keeps the parts of the value alive.

    Args:
        value: The value.
        raw: Its digest.
        size: The bytes of its encoding.
        done: What the walk has encoded, by ``id``: the value, its frame, and the size of its encoding.
        plans: How values near the top are taken apart, by ``id``.
    """

    __slots__ = ("_done", "_few", "_many", "_nodes", "_plans", "_raw", "_seen", "_size", "_value")

    def __init__(
        self,
        value: Any,
        raw: bytes,
        size: int,
        done: Mapping[int, tuple[Any, bytes, int]],
        plans: Mapping[int, Plan],
    ) -> None:
        self._value = value
        self._raw = raw
        self._size = size
        self._done = done
        self._plans = plans
        self._nodes: list[Node] | None = None
        if len(done) > _HELD:
            self._nodes = self._told()
            self._done, self._plans, self._value = {}, {}, None

    def everything(self) -> frozenset[bytes] | None:
        """Return the digests of the value and of all nodes in it, at any depth; None if there are many."""
        if self._nodes is not None or len(self._done) > _ALL:
            return None
        return frozenset({self._raw, *(frame[1:] for _, frame, _ in self._done.values())})

    def nodes(self) -> list[Node]:
        """Return the value and the nodes inside of it that are not tiny; what encloses comes first, else in order."""
        return self._told() if self._nodes is None else self._nodes

    def _told(self) -> list[Node]:
        self._few, self._many, self._seen = _FEW, _MANY, _SEEN
        found: list[Node] = []
        size = self._size + self._inside(self._value, 0, found)
        return [Node(0, id(self._value), self._raw, size), *found] if size >= LEAST else []

    def _inside(self, value: Any, depth: int, found: list[Node]) -> int:
        """Add the nodes inside a value, and return the bytes of their encodings."""
        plan = self._plans.get(id(value)) if depth < REACH else None
        if plan is None:
            return 0
        done, total = self._done, 0
        for group in plan.groups:
            for child in group:
                self._seen -= 1
                if self._seen < 0 or self._many <= 0:
                    return total
                known = done.get(id(child))
                if known is None or known[1][:1] != f.REF:
                    continue
                if known[2] < _LARGE:
                    if self._few <= 0:
                        total += known[2]
                        continue
                    self._few -= 1
                else:
                    self._many -= 1
                inside: list[Node] = []
                size = known[2] + self._inside(child, depth + 1, inside)
                total += size
                if size >= LEAST:
                    found.append(Node(depth + 1, id(child), known[1][1:], size))
                    found += inside
        return total
