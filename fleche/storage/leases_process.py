"""Leases among the threads and tasks of one process."""

from __future__ import annotations

import itertools
import os
import threading
from datetime import datetime
from types import TracebackType
from typing import Self

from fleche.clock import SYSTEM, Clock
from fleche.digest import Digest
from fleche.spinlock import SpinLock
from fleche.storage.forks import FORKS
from fleche.storage.host import host_name
from fleche.storage.leases import Holder, Owner, Waited, closed_circle

__all__ = ["ProcessLease", "ProcessLeases"]


class ProcessLease:
    """A lease of `ProcessLeases`."""

    __slots__ = ("_changed", "_function", "_leases", "key", "released", "since", "thread", "token")

    def __init__(self, leases: ProcessLeases, key: Digest, token: int, function: str, since: datetime) -> None:
        self.key = key
        self.token = token
        self._leases = leases
        self._function = function
        self.thread = threading.current_thread().name
        self.since = since
        self._changed: threading.Condition | None = None
        self.released = False

    @property
    def lost(self) -> bool:
        """Whether the right ended without `release`."""
        return not self.released and not self._leases.holds(self)

    def release(self) -> None:
        """Give the right back; whoever waits is woken."""
        self._leases.release(self)

    def holder(self) -> Holder:
        """Return who holds it."""
        return Holder(host_name(), os.getpid(), self.thread, self._function, self.since)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class ProcessLeases:
    """Grants leases to the threads of this process: nothing is written, and waiting is by event.

    Args:
        clock: What tells when a lease was claimed, for people.
    """

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self._tokens = itertools.count(1)
        self.after_fork_in_child()
        FORKS.add(self)

    def claim(self, key: Digest, owner: Owner) -> ProcessLease | Holder:
        """Return the lease of a key, or who holds it; see `Leases.claim`."""
        with self._lock:
            held = self._held.get(key)
            if held is not None:
                return held.holder()
            lease = ProcessLease(self, key, next(self._tokens), owner.function, self._clock.now())
            self._held[key] = lease
            return lease

    def wait(self, key: Digest, owner: Owner, timeout: float | None = None) -> Waited:
        """Block until nobody holds the key, or waiting is pointless; see `Leases.wait`."""
        until = None if timeout is None else self._clock.monotonic() + timeout
        with self._lock:
            try:
                while True:
                    answer = self._step(key, owner)
                    if answer is not None:
                        return answer
                    left = None if until is None else until - self._clock.monotonic()
                    if left is not None and left <= 0:
                        return Waited.TIMEOUT
                    self._changed(self._held[key]).wait(left)
            finally:
                self._unpublish(key, owner)

    def poll(self, key: Digest, owner: Owner) -> Waited | None:
        """Take one step of `wait` without blocking; see `Leases.poll`."""
        with self._lock:
            answer = self._step(key, owner)
            if answer is not None:
                self._unpublish(key, owner)
            return answer

    def leave(self, key: Digest, owner: Owner) -> None:
        """Say that this owner no longer waits for the key."""
        with self._lock:
            self._unpublish(key, owner)

    def holder(self, key: Digest) -> Holder | None:
        """Return who holds a key, or None."""
        with self._lock:
            held = self._held.get(key)
            return None if held is None else held.holder()

    def holds(self, lease: ProcessLease) -> bool:
        """Whether a lease is still good."""
        return self._held.get(lease.key) is lease

    def release(self, lease: ProcessLease) -> None:
        """Take a lease back."""
        with self._lock:
            lease.released = True
            if self._held.get(lease.key) is lease:
                del self._held[lease.key]
                self._waits.pop(lease.key, None)
                self._wake(lease)

    def close(self) -> None:
        """Give everything back. Leases still held are lost."""
        with self._lock:
            leases = list(self._held.values())
            self._held.clear()
            self._waits.clear()
            for lease in leases:
                self._wake(lease)

    def after_fork_in_child(self) -> None:
        """Hold nothing: the parent does."""
        self._lock = SpinLock()
        self._held: dict[str, ProcessLease] = {}
        self._waits: dict[str, set[str]] = {}

    def _step(self, key: Digest, owner: Owner) -> Waited | None:
        if key not in self._held:
            return Waited.GONE
        if not owner.holding:
            return None
        if closed_circle(key, owner.holding, self._waits) is not None:
            return Waited.CYCLE
        if self._publish(key, owner):
            # The circle may be closed by this wait and still be another's to leave: the one who waits for its largest.
            for waited in self._held.values():
                if waited.key > key:
                    self._wake(waited)
        return None

    def _publish(self, key: Digest, owner: Owner) -> bool:
        new = False
        for mine in owner.holding:
            waits = self._waits.setdefault(mine, set())
            new = new or key not in waits
            waits.add(key)
        return new

    def _unpublish(self, key: Digest, owner: Owner) -> None:
        for mine in owner.holding:
            waits = self._waits.get(mine)
            if waits is not None:
                waits.discard(key)
                if not waits:
                    del self._waits[mine]

    def _changed(self, lease: ProcessLease) -> threading.Condition:
        if lease._changed is None:  # noqa: SLF001
            lease._changed = self._lock.condition()  # noqa: SLF001
        return lease._changed  # noqa: SLF001

    def _wake(self, lease: ProcessLease) -> None:
        if lease._changed is not None:  # noqa: SLF001
            lease._changed.notify_all()  # noqa: SLF001
