"""What must be dropped in a forked child: locks of other threads, open descriptors, the parent's rights."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["FORKS", "Forks"]


class Forgets(Protocol):
    """A thing that a forked child must not share."""

    def after_fork_in_child(self) -> None:
        """Become as new; no other thread runs."""


class Forks:
    """The living objects that are told, in the child, that the process was forked."""

    def __init__(self) -> None:
        self._objects: WeakSet[Forgets] = WeakSet()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._tell)

    def add(self, thing: Forgets) -> None:
        """Tell this object from now on, as long as it lives."""
        self._objects.add(thing)

    def _tell(self) -> None:
        for thing in list(self._objects):
            thing.after_fork_in_child()


FORKS = Forks()
