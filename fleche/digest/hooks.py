"""Digest functions as hooks: adding one, and looking at those that there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleche.digest import walk
from fleche.digest.hook import Hook

__all__ = ["add_hook", "get_hooks", "load_entry_points"]


def add_hook(hook: Hook | tuple[type, Callable[[Any], Any]]) -> None:
    """Say what identifies values of a type, as `register_digest` does; the earlier way to say it.

    >>> from fleche.digest import digest
    >>> class Reading:
    ...     def __init__(self, celsius):
    ...         self.celsius = celsius
    >>> add_hook(Hook(Reading, lambda reading: digest(reading.celsius)))
    >>> digest(Reading(20)) == digest(Reading(20)) != digest(Reading(21))
    True

    Raises:
        TypeError: It is no pair of a type and a function.
        ValueError: The type is one whose bytes are part of the format.
    """
    walk.register_digest(*Hook.of(hook))


def get_hooks() -> tuple[Hook, ...]:
    """Return what is registered for types: in this process, and by the hooks of installed packages, which it loads."""
    return walk.DEFAULT.hooks()


def load_entry_points() -> None:
    """Load the hooks of installed packages now; without it they are loaded when the first unknown type is met."""
    walk.DEFAULT.hooks()
