"""`SpinLock`: a lock for short sections that several threads enter again and again."""

from __future__ import annotations

import threading
import time
from typing import Any, Self

__all__ = ["SpinLock"]

_RLock: Any = type(threading.RLock())
_take = _RLock.acquire
_LOOKS = 1000  # before a thread blocks as on any other lock: its holder is then not just about to leave


class SpinLock(_RLock):  # type: ignore[misc]
    """A reentrant lock for sections that are short and never block.

    A thread that blocks on an ordinary lock is given it while it still waits for the interpreter, so the thread that
    has the interpreter soon blocks on the lock in turn, and so on: two threads that do small things change places at
    each of them, which takes longer than the things do. A thread that finds this one taken lets go of the interpreter
    and looks again, so that whoever has the lock has the interpreter, too, or is about to get it.

    >>> with SpinLock() as lock, lock:
    ...     pass
    """

    __slots__ = ()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock, as `threading.RLock.acquire` does."""
        taken: bool = _take(self, False)
        if taken or not blocking:
            return taken
        for _ in range(_LOOKS if timeout < 0 else 0):
            time.sleep(0)  # lets go of the interpreter
            if _take(self, False):
                return True
        found: bool = _take(self, True, timeout)
        return found

    def condition(self) -> threading.Condition:
        """Return a condition of this lock: whoever waits for it blocks, and holds the lock at no time meanwhile."""
        lock: Any = self
        return threading.Condition(lock)

    def __enter__(self) -> Self:
        # What is interrupted here, by Ctrl-C, would have the lock for good: no block has been entered that gives it
        # back. To leave it is the way of the lock beneath, which nothing interrupts.
        try:
            if not _take(self, False):
                self.acquire()
        except BaseException:
            if self._is_owned():
                self.release()
            raise
        return self
