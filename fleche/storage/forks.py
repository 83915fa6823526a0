"""What must be dropped in a forked child: locks of other threads, open descriptors, the parent's rights."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["FORKS", "Forks"]


class Forgets(Protocol):
    """A thing that a forked child must not share.

    It may also have ``before_fork`` and ``after_fork_in_parent``, both without arguments.
    """

    def after_fork_in_child(self) -> None:
        """Become as new; no other thread runs."""


class Forks:
    """The living objects that are told when the process is forked: before, and after in parent and child."""

    def __init__(self) -> None:
        self._objects: WeakSet[Forgets] = WeakSet()
        self._told: list[Forgets] = []  # those told before a fork are told after it, and no others
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=lambda: self._tell("before_fork"),
                after_in_parent=lambda: self._tell("after_fork_in_parent"),
                after_in_child=lambda: self._tell("after_fork_in_child"),
            )

    def add(self, thing: Forgets) -> None:
        """Tell this object from now on, as long as it lives."""
        self._objects.add(thing)

    def _tell(self, event: str) -> None:
        if event == "before_fork":
            self._told = list(self._objects)
        for thing in self._told or list(self._objects):
            react = getattr(thing, event, None)
            if react is not None:
                react()
        if event != "before_fork":
            self._told = []


FORKS = Forks()
