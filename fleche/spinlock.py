"""`SpinLock`: a lock for short sections that several threads enter again and again."""

from __future__ import annotations

import threading
import time
from typing import Any, Self

__all__ = ["SpinLock"]

_LOOKS = 1000  # before a thread blocks as on any other lock: its holder is then not just about to leave


class SpinLock:
    """A reentrant lock for sections that are short and never block.

    A thread that blocks on an ordinary lock is given it while it still waits for the interpreter, so the thread that
    has the interpreter soon blocks on the lock in turn, and so on: two threads that do small things change places at
    each of them, which takes longer than the things do. A thread that finds this one taken lets go of the interpreter
    and looks again, so that whoever has the lock has the interpreter, too, or is about to get it.

    >>> with SpinLock() as lock, lock:
    ...     pass
    """

    __slots__ = ("_acquire_restore", "_is_owned", "_release_save", "_take", "release")

    def __init__(self) -> None:
        lock: Any = threading.RLock()
        self._take = lock.acquire
        self.release = lock.release
        # what a condition asks of a reentrant lock
        self._is_owned = lock._is_owned  # noqa: SLF001
        self._release_save = lock._release_save  # noqa: SLF001
        self._acquire_restore = lock._acquire_restore  # noqa: SLF001

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock, as `threading.RLock.acquire` does."""
        taken: bool = self._take(False)
        if taken or not blocking:
            return taken
        for _ in range(_LOOKS if timeout < 0 else 0):
            time.sleep(0)  # lets go of the interpreter
            if self._take(False):
                return True
        found: bool = self._take(True, timeout)
        return found

    def condition(self) -> threading.Condition:
        """Return a condition of this lock: whoever waits for it blocks, and holds the lock at no time meanwhile."""
        lock: Any = self
        return threading.Condition(lock)

    def __enter__(self) -> Self:
        if not self._take(False):
            self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
