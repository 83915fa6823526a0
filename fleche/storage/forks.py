"""What must be dropped in a forked child: locks of other threads, open descriptors, the parent's rights."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol
from weakref import WeakSet

__all__ = ["FORKS", "Forks"]


class Forgets(Protocol):
    """A thing that a forked child must not share.

    It may also have ``before_fork`` and ``after_fork_in_parent``, both without arguments.
    """

    def after_fork_in_child(self) -> None:
        """Become as new; no other thread runs."""


class Closes(Protocol):
    """A thing to be closed."""

    def close(self) -> None:
        """Let go of it."""


class Forks:
    """The living objects that are told when the process is forked: before, and after in parent and child.

    Of several threads one forks at a time, and nothing is added meanwhile, so that who is told of the end of a fork was
    told of its beginning.
    """

    def __init__(self) -> None:
        self._objects: WeakSet[Forgets] = WeakSet()
        self._told: list[Forgets] = []
        self._turn = threading.RLock()
        self._closing: deque[Closes] = deque()
        self._inherited: list[Closes] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before, after_in_parent=self._after_in_parent, after_in_child=self._after_in_child
            )

    def add(self, thing: Forgets) -> None:
        """Tell this object from now on, as long as it lives."""
        with self.still():
            self._objects.add(thing)

    @contextmanager
    def still(self) -> Iterator[None]:
        """Let no other thread fork for the length of a ``with`` block; hold no lock that a fork waits for."""
        with self._turn:
            yield
        self._close_all()

    def close(self, thing: Closes) -> None:
        """Close a thing while no other thread forks, now or when that is over; never blocks.

        For finalizers, which run at any place: a library that works without the interpreter's lock while another thread
        forks may leave its own locks held in the child for ever.
        """
        self._closing.append(thing)
        self._close_all()

    def _close_all(self) -> None:
        while self._closing and self._turn.acquire(blocking=False):
            try:
                with suppress(IndexError):
                    self._closing.popleft().close()
            finally:
                self._turn.release()

    def _before(self) -> None:
        self._turn.acquire()
        for thing in list(self._objects):
            if hasattr(thing, "before_fork"):
                thing.before_fork()
            self._told.append(thing)
        self._close_all()

    def _after_in_parent(self) -> None:
        told, self._told = self._told, []
        try:
            for thing in told:
                if hasattr(thing, "after_fork_in_parent"):
                    thing.after_fork_in_parent()
        finally:
            self._turn.release()
        self._close_all()

    def _after_in_child(self) -> None:
        self._turn = threading.RLock()
        self._told = []
        self._inherited.extend(self._closing)  # of the parent, and never touched here
        self._closing.clear()
        for thing in list(self._objects):
            thing.after_fork_in_child()


FORKS = Forks()
