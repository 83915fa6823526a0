"""`Watches`: who waits for invocations to end, in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from typing import Self

from fleche.runtime.identifiers import InvocationId

__all__ = ["MemoryWatch", "Watches"]


class MemoryWatch(Collection[InvocationId]):
    """Invocations that someone waits for, again and again; see `Watch`.

    Args:
        watches: What tells it.
        ids: The invocations; the watch's own from now on.
        ended: Those of them that are final already.
    """

    def __init__(self, watches: Watches, ids: dict[InvocationId, None], ended: list[InvocationId]) -> None:
        self._watches = watches
        self._left = ids
        self._ended = ended
        self._news = threading.Event()

    def ended(self, timeout: float | None = None, *, stop: Callable[[], bool] | None = None) -> list[InvocationId]:
        """Block until some are final, and return those, each once; see `Watch.ended`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._left and not self._ended and not (stop is not None and stop()):
            if not self._news.wait(None if deadline is None else max(0.0, deadline - time.monotonic())):
                break
            self._news.clear()
        return self._watches.taken(self)

    def close(self) -> None:
        """Watch them no more."""
        self._watches.drop(self)

    def tell(self, invocation_id: InvocationId) -> None:
        """Note that one is final."""
        self._ended.append(invocation_id)
        self._news.set()

    def wake(self) -> None:
        """Let who waits ask whether to stop."""
        self._news.set()

    def take(self) -> list[InvocationId]:
        """Return those that are final, and were not returned before."""
        ended, self._ended = self._ended, []
        for invocation_id in ended:
            self._left.pop(invocation_id, None)
        return ended

    def __contains__(self, invocation_id: object) -> bool:
        return invocation_id in self._left

    def __iter__(self) -> Iterator[InvocationId]:
        return iter([*self._left])

    def __len__(self) -> int:
        return len(self._left)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Watches:
    """The watches of one engine, whose lock is held wherever one is added or told.

    Args:
        lock: The engine's lock; reentrant.
    """

    def __init__(self, lock: AbstractContextManager[object]) -> None:
        self._lock = lock
        self._watching: dict[InvocationId, list[MemoryWatch]] = {}

    def add(self, ids: dict[InvocationId, None], ended: list[InvocationId]) -> MemoryWatch:
        """Return a watch of invocations of which some are final already."""
        watch = MemoryWatch(self, ids, ended)
        for invocation_id in ids.keys() - ended if ended else ids:
            self._watching.setdefault(invocation_id, []).append(watch)
        return watch

    def tell(self, invocation_id: InvocationId) -> None:
        """Tell those who watch an invocation that it is final."""
        for watch in self._watching.pop(invocation_id, ()):
            watch.tell(invocation_id)

    def tell_all(self) -> None:
        """Tell everyone that everything is over."""
        for invocation_id in [*self._watching]:
            self.tell(invocation_id)

    def wake(self) -> None:
        """Let everyone who waits ask whether to stop."""
        for watches in self._watching.values():
            for watch in watches:
                watch.wake()

    def taken(self, watch: MemoryWatch) -> list[InvocationId]:
        """Return what is new of a watch."""
        with self._lock:
            return watch.take()

    def drop(self, watch: MemoryWatch) -> None:
        """Forget a watch."""
        with self._lock:
            for invocation_id in watch:
                watches = self._watching.get(invocation_id, [])
                if any(each is watch for each in watches):
                    left = [each for each in watches if each is not watch]
                    if left:
                        self._watching[invocation_id] = left
                    else:
                        del self._watching[invocation_id]
