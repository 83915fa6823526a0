"""Digest functions that installed packages bring along, by entry points."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

__all__ = ["Plugins"]

GROUP = "fleche.digest"
GENERAL = ("fleche", "digest")


class Plugins:
    """What installed packages registered.

    In the group ``fleche.digest`` an entry's name is the qualified name of a type and its object a function, as for
    `register_digest`. In the group ``fleche`` an entry named ``digest`` is a function that is shown every value of a
    type that nothing else knows, and returns what stands for it, or None. Packages are looked through once, when the
    first type is met that the format does not name, and imported when their type is.
    """

    def named(self, name: str) -> Callable[[Any], Any] | None:
        """Return the function for the type of this qualified name, or None."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        function: Callable[[Any], Any] = entry.load()
        return function

    @cached_property
    def general(self) -> tuple[Callable[[Any], Any], ...]:
        """The functions that are shown every value of an unknown type."""
        from importlib.metadata import entry_points

        group, name = GENERAL
        found = sorted(entry_points(group=group, name=name), key=lambda entry: entry.value)
        return tuple(entry.load() for entry in found)

    @cached_property
    def _entries(self) -> dict[str, Any]:
        from importlib.metadata import entry_points

        return {entry.name: entry for entry in entry_points(group=GROUP)}
