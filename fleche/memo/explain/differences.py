"""`Differences`: what differs between two values, place by place, as text and as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["Difference", "Differences", "Kind"]


class Kind(StrEnum):
    """What is different at a place."""

    VALUE = "value"
    TYPE = "type"
    ADDED = "added"
    REMOVED = "removed"
    LENGTH = "length"
    ORDER = "order"
    SHAPE = "shape"
    DTYPE = "dtype"
    ELEMENTS = "elements"
    CODE = "code"
    CONTENT = "content"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One place where two values differ.

    Attributes:
        path: The place, as a person would type it: ``cfg.layers[3].units``.
        kind: What is different there.
        text: What differs, in words: ``64 -> 128``.
    """

    path: str
    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"

    def json(self) -> dict[str, str]:
        """Return the fields, as plain data."""
        return {"path": self.path, "kind": str(self.kind), "text": self.text}


@dataclass(frozen=True, slots=True, repr=False)
class Differences:
    """The places where two values differ, in the order of the values; true if there is one.

    Attributes:
        items: The first of them.
        more: How many more there are, as far as they were counted.
        whole: Whether everything was compared; not so where a value is very large.
    """

    items: tuple[Difference, ...] = ()
    more: int = 0
    whole: bool = True

    def __getitem__(self, place: int) -> Difference:
        return self.items[place]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Difference]:
        return iter(self.items)

    def __bool__(self) -> bool:
        return bool(self.items) or not self.whole

    @property
    def total(self) -> int:
        """How many there are, as far as they were counted."""
        return len(self.items) + self.more

    @property
    def rest(self) -> str:
        """What is not among the items, in words; empty where nothing is."""
        if self.more:
            return f"and {self.more:,} more{'' if self.whole else ', as far as was compared'}"
        return "" if self.whole else "the rest was not compared: it is too much"

    def __str__(self) -> str:
        return "\n".join([*map(str, self.items), *([self.rest] if self.rest else [])])

    def __repr__(self) -> str:
        return str(self) or "nothing differs"

    def json(self) -> dict[str, Any]:
        """Return the fields, as plain data."""
        return {"differences": [item.json() for item in self.items], "more": self.more, "whole": self.whole}

    def brief(self) -> str:
        """Return the first difference, and how many more there are, in one line."""
        if not self.items:
            return self.rest
        others = self.total - 1
        return str(self.items[0]) + (f" (and {others:,} more)" if others else "")
