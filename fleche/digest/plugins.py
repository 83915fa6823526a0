"""Digest functions that installed packages bring along, by entry points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from fleche.digest.hook import Hook

__all__ = ["Plugins"]

GROUP = "fleche.digest"
GENERAL = ("fleche", "digest")


class Plugins:
    """What installed packages registered.

    In the group ``fleche.digest`` an entry's name is the qualified name of a type and its object a function, as for
    `register_digest`. In the group ``fleche`` an entry named ``digest`` is a hook, that is a pair of a type and such a
    function, or a list of hooks; or one function that is shown every value of a type that nothing else knows, and
    returns what stands for it, or None. Packages are looked through once, when the first type is met that the format
    does not name. Those of the first group are imported when their type is met, the others at once.
    """

    def named(self, name: str) -> Callable[[Any], Any] | None:
        """Return the function for the type of this qualified name, or None."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        function: Callable[[Any], Any] = entry.load()
        return function

    @cached_property
    def hooks(self) -> dict[type, Callable[[Any], Any]]:
        """The functions for types, by type; of two for one type the first in the order of the entries counts."""
        found: dict[type, Callable[[Any], Any]] = {}
        for origin, value in self._loaded:
            for hook in () if _is_function(value) else _hooks(value, origin):
                found.setdefault(*hook)
        return found

    @cached_property
    def general(self) -> tuple[Callable[[Any], Any], ...]:
        """The functions that are shown every value of an unknown type."""
        return tuple(value for _, value in self._loaded if _is_function(value))

    @cached_property
    def _loaded(self) -> tuple[tuple[str, Any], ...]:
        from importlib.metadata import entry_points

        group, name = GENERAL
        found = sorted(entry_points(group=group, name=name), key=lambda entry: entry.value)
        return tuple((entry.value, entry.load()) for entry in found)

    @cached_property
    def _entries(self) -> dict[str, Any]:
        from importlib.metadata import entry_points

        return {entry.name: entry for entry in entry_points(group=GROUP)}


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, tuple | list)


def _hooks(value: Any, origin: str) -> Iterator[Hook]:
    if isinstance(value, list):
        for each in value:
            yield from _hooks(each, origin)
    elif isinstance(value, tuple):
        yield Hook.of(value)
    else:
        raise TypeError(
            f"the entry point {origin} gives {value!r}: give a Hook, a pair of a type and a function, a list of these, "
            "or a function"
        )
