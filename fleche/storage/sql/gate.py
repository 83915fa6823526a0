"""A gate that a fork closes: it waits for who is inside, and lets nobody in until it is over."""

from __future__ import annotations

import threading
from collections import Counter
from types import TracebackType

__all__ = ["Gate"]


class Gate:
    """Counts who is inside by thread. As a context manager: pass in, and out again; a thread that is inside may pass.

    A library at work without the interpreter's lock when the process forks may leave its own locks held in the child
    for ever, and SQLite must have no open connection then. So no statement runs while a process forks.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside: Counter[int] = Counter()
        self._shut = 0

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._changed:
            while self._shut and not self._inside[me]:
                self._changed.wait()
            self._inside[me] += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        me = threading.get_ident()
        with self._changed:
            self._inside[me] -= 1
            if not self._inside[me]:
                del self._inside[me]
                self._changed.notify_all()

    def shut(self) -> None:
        """Let nobody else in, and wait until all others are out."""
        me = threading.get_ident()
        with self._changed:
            self._shut += 1
            while any(thread != me for thread, depth in self._inside.items() if depth):
                self._changed.wait()

    def open(self) -> None:
        """Let others in again."""
        with self._changed:
            self._shut -= 1
            self._changed.notify_all()
