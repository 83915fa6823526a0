"""Finding a class by its name."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["get_all_subclasses", "get_subclass"]

T = TypeVar("T")


def get_all_subclasses(cls: type[T]) -> list[type[T]]:
    """Return every subclass at any depth, each once, nearer ones first."""
    found: dict[type[T], None] = {}
    todo = list(cls.__subclasses__())
    while todo:
        kind = todo.pop(0)
        if kind not in found:
            found[kind] = None
            todo += kind.__subclasses__()
    return list(found)


def get_subclass(root: type[T], name: str) -> type[T]:
    """Return the subclass of a name, or the class itself.

    Raises:
        ValueError: There is none; the message lists those that there are.
    """
    kinds = [root, *get_all_subclasses(root)]
    for kind in kinds:
        if kind.__name__ == name:
            return kind
    known = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise ValueError(f"there is no {root.__name__} called {name!r}; known are {known}. Was its module imported?")
