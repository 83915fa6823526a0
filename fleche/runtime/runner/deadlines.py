"""`Deadlines`: calls something when a time has come, unless that is taken back before."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Hashable
from itertools import count

__all__ = ["Deadlines"]


class Deadlines:
    """Calls functions when their time has come, in one thread, which is there only while something is waited for.

    Thread-safe. A function must be short and must not raise.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Hashable]] = []
        self._calls: dict[Hashable, Callable[[], None]] = {}
        self._changed = threading.Condition()
        self._numbers = count()
        self._thread: threading.Thread | None = None

    def add(self, key: Hashable, seconds: float, call: Callable[[], None]) -> None:
        """Call a function in so many seconds, unless the key is dropped before."""
        with self._changed:
            self._calls[key] = call
            heapq.heappush(self._waiting, (time.monotonic() + seconds, next(self._numbers), key))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            self._changed.notify()

    def drop(self, key: Hashable) -> bool:
        """Call nothing for a key; return whether that is in time."""
        with self._changed:
            found = self._calls.pop(key, None)
            self._changed.notify()
            return found is not None

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._waiting and self._waiting[0][2] not in self._calls:
                    heapq.heappop(self._waiting)
                if not self._waiting:
                    self._thread = None
                    return
                left = self._waiting[0][0] - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                    continue
                call = self._calls.pop(heapq.heappop(self._waiting)[2])
            call()
