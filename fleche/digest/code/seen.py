"""`Seen`: what a walk read, so that a later call can check that it still holds."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from fleche.digest.code.frames import MISSING
from fleche.digest.text import Digest

__all__ = ["Seen", "contents"]


class Seen:
    """What a walk read, and must find again for its result to hold.

    Attributes:
        names: Namespace, name and the object that was bound to it.
        functions: Functions with their code and defaults.
        cells: Closure cells with their contents.
        sizes: Containers with their lengths.
        items: Containers, or views of them, with the objects that they hold.
        values: Small mutable values with their digests.
    """

    def __init__(self) -> None:
        self._names: dict[tuple[int, str], tuple[Any, str, Any]] = {}
        self.functions: dict[int, tuple[FunctionType, Any, Any, Any]] = {}
        self.cells: dict[int, tuple[Any, Any]] = {}
        self.sizes: dict[int, tuple[Any, int]] = {}
        self.items: list[tuple[Any, tuple[Any, ...]]] = []
        self.values: dict[int, tuple[Any, Digest | None]] = {}

    @property
    def names(self) -> tuple[tuple[Any, str, Any], ...]:
        """Namespace, name and the object that was bound to it."""
        return tuple(self._names.values())

    def name(self, space: Any, name: Any) -> Any:
        """Read a name, once: what was read is what is checked."""
        key = (id(space), name)
        known = self._names.get(key)
        if known is None:
            known = self._names[key] = (space, name, space.get(name, MISSING))
        return known[2]

    def cell(self, cell: Any) -> Any:
        """Read a closure cell."""
        known = self.cells.get(id(cell))
        if known is None:
            known = self.cells[id(cell)] = (cell, contents(cell))
        return known[1]


def contents(cell: Any) -> Any:
    """Return what a closure cell holds, or MISSING."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING
