"""Leases among the threads, tasks and processes of one machine."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from fleche.clock import SYSTEM, Clock, to_micros
from fleche.digest import Digest
from fleche.storage.flight import Flight, open_flight
from fleche.storage.forks import FORKS
from fleche.storage.host import host_name
from fleche.storage.leases import Holder, Owner, Waited, closed_circle
from fleche.storage.leases_process import ProcessLease, ProcessLeases
from fleche.storage.notices import Notices, Wait

__all__ = ["LocalLease", "LocalLeases"]

_FIRST_PAUSE = 0.002  # seconds
_LAST_PAUSE = 0.05


class LocalLease:
    """A lease of `LocalLeases`."""

    __slots__ = ("_leases", "_line", "_own", "token")

    def __init__(self, leases: LocalLeases, own: ProcessLease, token: int, line: int | None) -> None:
        self._leases = leases
        self._own = own
        self._line = line
        self.token = token

    @property
    def key(self) -> Digest:
        """What it is for."""
        return self._own.key

    @property
    def lost(self) -> bool:
        """Whether the right ended without `release`."""
        return self._own.lost or (not self._own.released and not self._leases.flies(self.key))

    def release(self) -> None:
        """Give the right back; whoever waits in this process is woken, others notice within 50 ms."""
        line, self._line = self._line, None
        self._leases.release(self._own, line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


@dataclass(slots=True)
class _Waiter:
    """What is remembered of one wait between two steps."""

    lines: list[int | None] = field(default_factory=list)
    circle: tuple[Wait, ...] | None = None


class LocalLeases:
    """Grants leases to the processes of this machine; the kernel ends those of a process that dies.

    A thread first needs the lease of its process, then that of the machine, so the threads of a process do not compete
    outside of it.

    Args:
        folder: Where the locks are, on a local disk; created when first needed.
        clock: What tells when a lease was claimed, and waits.
        flight: The locks of the machine, or None for the best kind that works in the folder.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     leases = LocalLeases(Path(folder))
    ...     with leases.claim(Digest("5eed" * 8), Owner("train.fit")) as lease:
    ...         held = leases.claim(Digest("5eed" * 8), Owner("train.fit"))
    ...     leases.close()
    >>> held.function
    'train.fit'
    """

    def __init__(self, folder: Path | str, *, clock: Clock = SYSTEM, flight: Flight | None = None) -> None:
        self._folder = Path(folder)
        self._clock = clock
        self._process = ProcessLeases(clock)
        self._flight = flight
        self._notices: Notices | None = None
        self._lock = threading.Lock()
        self._waiters: dict[tuple[Digest, Owner], _Waiter] = {}
        FORKS.add(self)

    def claim(self, key: Digest, owner: Owner) -> LocalLease | Holder:
        """Return the lease of a key, or who holds it; see `Leases.claim`.

        Raises:
            OSError: The folder cannot be written.
        """
        own = self._process.claim(key, owner)
        if isinstance(own, Holder):
            return own
        try:
            flight, notices = self._opened()
            token = flight.acquire(key)
        except BaseException:
            own.release()
            raise
        if token is None:
            own.release()
            return self._stranger(key)
        line = notices.holds(key, own.thread, owner.function, to_micros(own.since))
        return LocalLease(self, own, token, line)

    def wait(self, key: Digest, owner: Owner, timeout: float | None = None) -> Waited:
        """Block until nobody holds the key, or waiting is pointless; see `Leases.wait`."""
        until = None if timeout is None else self._clock.monotonic() + timeout
        pause = _FIRST_PAUSE
        try:
            while (answer := self.poll(key, owner)) is None:
                left = None if until is None else until - self._clock.monotonic()
                if left is not None and left <= 0:
                    return Waited.TIMEOUT
                if self._process.holder(key) is None:
                    self._clock.sleep(pause if left is None else min(pause, left))
                else:
                    # Only this process can close a circle of its own; others are looked for between naps.
                    nap = left if not owner.holding else pause if left is None else min(pause, left)
                    if self._process.wait(key, owner, nap) is Waited.CYCLE:
                        return Waited.CYCLE
                pause = min(pause * 1.5, _LAST_PAUSE)
            return answer
        finally:
            self.leave(key, owner)

    def poll(self, key: Digest, owner: Owner) -> Waited | None:
        """Take one step of `wait` without blocking; see `Leases.poll`."""
        flight, notices = self._opened()
        if self._process.holder(key) is None and not flight.elsewhere(key):
            self.leave(key, owner)
            return Waited.GONE
        if owner.holding and self._in_circle(key, owner, notices):
            self.leave(key, owner)
            return Waited.CYCLE
        return None

    def leave(self, key: Digest, owner: Owner) -> None:
        """Say that this owner no longer waits for the key."""
        if not owner.holding:
            return
        with self._lock:
            waiter = self._waiters.pop((key, owner), None)
        if waiter is not None and self._notices is not None:
            for line in waiter.lines:
                self._notices.erase(line)

    def holder(self, key: Digest) -> Holder | None:
        """Return who holds a key, or None."""
        mine = self._process.holder(key)
        if mine is not None:
            return mine
        flight, _ = self._opened()
        return self._stranger(key) if flight.elsewhere(key) else None

    def flies(self, key: Digest) -> bool:
        """Whether this process still holds the machine's lock of a key."""
        return self._flight is not None and self._flight.holds(key)

    def release(self, own: ProcessLease, line: int | None) -> None:
        """Take a lease back."""
        if own.released or own.lost or self._flight is None:
            own.release()
            return
        if self._notices is not None:
            self._notices.erase(line)
        # Who polled with this key in hand and did not come back cannot wait any more.
        for key, owner in [wait for wait in list(self._waiters) if own.key in wait[1].holding]:
            self.leave(key, owner)
        self._flight.release(own.key)
        own.release()

    def close(self) -> None:
        """Give everything back. Leases still held are lost."""
        if self._notices is not None:
            self._notices.close()
        if self._flight is not None:
            self._flight.close()
        self._process.close()

    def after_fork_in_child(self) -> None:
        """Wait for nothing: the parent does."""
        self._lock = threading.Lock()
        self._waiters = {}

    def _opened(self) -> tuple[Flight, Notices]:
        if self._flight is None or self._notices is None:
            with self._lock:
                if self._flight is None:
                    self._flight = open_flight(self._folder)
                if self._notices is None:
                    self._notices = Notices(self._folder, self._flight)
        return self._flight, self._notices

    def _stranger(self, key: Digest) -> Holder:
        _, notices = self._opened()
        said = notices.holder(key)
        return said or Holder(host_name(), 0, "unknown", "unknown", self._clock.now())

    def _in_circle(self, key: Digest, owner: Owner, notices: Notices) -> bool:
        """Whether this wait is the one to be left, seen at two steps in a row.

        The files are not read at one instant, so a circle may be put together of waits that never were at one time. A
        circle whose waits are the same at two looks stood between the two.
        """
        with self._lock:
            waiter = self._waiters.setdefault((key, owner), _Waiter())
            if not waiter.lines:
                waiter.lines = [notices.waits(mine, key) for mine in owner.holding]
        if None in waiter.lines:
            return True  # others cannot see this wait, as on a full disk: to compute unshared is safe, to hang is not
        found: dict[tuple[str, str], Wait] = {(w.held, w.wanted): w for w in notices.all_waits()}
        waits: dict[str, list[str]] = {}
        for held, wanted in found:
            waits.setdefault(held, []).append(wanted)
        steps = closed_circle(key, owner.holding, waits)
        circle = None if steps is None else tuple(found[step] for step in steps)
        before, waiter.circle = waiter.circle, circle
        return circle is not None and (circle == () or circle == before)
