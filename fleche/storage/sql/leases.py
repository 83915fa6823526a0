"""Leases by rows of a database: among processes on any hosts, by the server's clock."""

from __future__ import annotations

import json
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from fleche.clock import SYSTEM, Clock, from_micros
from fleche.digest import Digest
from fleche.errors import StoreError
from fleche.storage.forks import FORKS
from fleche.storage.leases import Holder, Owner, Waited
from fleche.storage.leases_process import ProcessLease, ProcessLeases
from fleche.storage.sql import core
from fleche.storage.sql.waits import SqlWaits

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from fleche.storage.sql.connections import Connections

__all__ = ["SqlLease", "SqlLeases"]

_FIRST_PAUSE = 0.002  # seconds
_LAST_PAUSE = 0.05
_BEATS = 3  # how often in its term a lease is renewed
_CHANCES = 10  # how often a key may change hands while it is asked for
_SWEEP = 1000  # claims between two removals of old rows
_KEPT = 24 * 3600 * 1_000_000  # microseconds that the row of a lease that is over keeps its number


class SqlLease:
    """A lease of `SqlLeases`."""

    __slots__ = ("_leases", "_own", "good_until", "token")

    def __init__(self, leases: SqlLeases, own: ProcessLease, token: int, good_until: float) -> None:
        self._leases = leases
        self._own = own
        self.token = token
        self.good_until = good_until
        """When it ends unless it is renewed, by this process's clock, never later than by the server's."""

    @property
    def key(self) -> Digest:
        """What it is for."""
        return self._own.key

    @property
    def lost(self) -> bool:
        """Whether the right ended without `release`: it could not be renewed in time, or this is a forked child."""
        return self._own.lost or (not self._own.released and self._leases.is_over(self.good_until))

    def is_lost_in(self, connection: Connection) -> bool:
        """Whether it is lost, within a transaction: if not, nobody can take it over before that ends."""
        if self._own.released or self._own.lost:
            return self._own.lost
        return connection.execute(core.HELD, {"of": self.key.raw, "held": self.token}).first() is None

    def release(self) -> None:
        """Give the right back; whoever waits in this process is woken, others notice within 50 ms."""
        self._leases.release(self._own, self.token)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


@dataclass(frozen=True, slots=True)
class _Told:
    """A row of somebody's lease."""

    token: int
    holder: Holder


class SqlLeases:
    """Grants leases to processes that use one database.

    A row says who holds a key until when. Its holder renews it from a thread of its own; if the holder dies, the lease
    ends when its term is over, by the server's clock. Within a process threads first need the lease of their process.

    Args:
        connections: To the database.
        term: Seconds after which a lease that is not renewed is over.
        clock: What waits, and measures the term here.
    """

    def __init__(self, connections: Connections, *, term: float = 20.0, clock: Clock = SYSTEM) -> None:
        self._connections = connections
        self._term = term
        self._micros = round(term * 1_000_000)
        self._clock = clock
        self._process = ProcessLeases(clock)
        self._waits = SqlWaits(connections, term=term, clock=clock)
        self._claims = 0
        self._renew()
        FORKS.add(self)

    def _renew(self) -> None:
        self._changed = threading.Condition()
        self._held: dict[Digest, SqlLease] = {}
        self._beating: threading.Thread | None = None
        self._ending = False

    def claim(self, key: Digest, owner: Owner) -> SqlLease | Holder:
        """Return the lease of a key, or who holds it; see `Leases.claim`.

        Raises:
            StoreError: The database cannot be used.
        """
        own = self._process.claim(key, owner)
        if isinstance(own, Holder):
            return own
        try:
            told = self._claimed(key, own, owner)
        except BaseException:
            own.release()
            raise
        if isinstance(told, Holder):
            own.release()
        return told

    def _claimed(self, key: Digest, own: ProcessLease, owner: Owner) -> SqlLease | Holder:
        mine = own.holder()
        said = {"host": mine.host, "pid": mine.pid, "thread": mine.thread, "function": owner.function}
        cells = {
            "key": key.raw,
            "owner": json.dumps({"id": secrets.token_hex(8), **said}),
            "term": self._micros,
        }
        claim = core.inserts(self._connections.address.dialect).claim
        for _ in range(_CHANCES):
            good_until = self._clock.monotonic() + self._term
            row = self._connections.one(claim, cells)
            if row is not None:
                lease = SqlLease(self, own, int(row[0]), good_until)
                self._keep(lease)
                self._sweep()
                return lease
            told = self._told(key)
            if told is not None:
                return told.holder
        return Holder("unknown", 0, "unknown", "unknown", self._clock.now())

    def wait(self, key: Digest, owner: Owner, timeout: float | None = None) -> Waited:
        """Block until nobody holds the key, or waiting is pointless; see `Leases.wait`."""
        until = None if timeout is None else self._clock.monotonic() + timeout
        pause = _FIRST_PAUSE
        try:
            while (answer := self.poll(key, owner)) is None:
                left = None if until is None else until - self._clock.monotonic()
                if left is not None and left <= 0:
                    return Waited.TIMEOUT
                nap = pause if left is None else min(pause, left)
                if self._process.holder(key) is None:
                    self._clock.sleep(nap)
                elif self._process.wait(key, owner, nap if owner.holding else left) is Waited.CYCLE:
                    return Waited.CYCLE
                pause = min(pause * 1.5, _LAST_PAUSE)
            return answer
        finally:
            self.leave(key, owner)

    def poll(self, key: Digest, owner: Owner) -> Waited | None:
        """Take one step of `wait` without blocking; see `Leases.poll`."""
        here = self._process.holder(key) is not None
        if here and not owner.holding:
            return None
        told = self._told(key)
        if told is None:
            if here:  # its claim is under way
                return None
            self.leave(key, owner)
            return Waited.GONE
        if owner.holding and self._waits.closes_circle(key, told.token, owner):
            self.leave(key, owner)
            return Waited.CYCLE
        return None

    def leave(self, key: Digest, owner: Owner) -> None:
        """Say that this owner no longer waits for the key."""
        self._waits.leave(key, owner)

    def holder(self, key: Digest) -> Holder | None:
        """Return who holds a key, or None."""
        mine = self._process.holder(key)
        if mine is not None:
            return mine
        told = self._told(key)
        return None if told is None else told.holder

    def is_over(self, good_until: float) -> bool:
        """Whether a lease that was good until then is over."""
        return self._clock.monotonic() > good_until

    def release(self, own: ProcessLease, token: int) -> None:
        """Take a lease back. If the database does not answer, the lease ends with its term."""
        if not (own.released or own.lost):
            with self._changed:
                held = self._held.get(own.key)
                if held is not None and held.token == token:
                    del self._held[own.key]
            with suppress(StoreError):
                self._waits.leave_all(own.key)
                self._connections.one(core.GIVE_BACK, {"of": own.key.raw, "held": token})
        own.release()

    def close(self) -> None:
        """Give everything back. Leases still held are lost."""
        with self._changed:
            held, beating = list(self._held.items()), self._beating
            self._held.clear()
            self._ending = True
            self._changed.notify_all()
        if beating is not None and beating is not threading.current_thread():
            beating.join()
        with self._changed:
            self._ending = False
        self._process.close()
        for key, lease in held:
            self._connections.one(core.GIVE_BACK, {"of": key.raw, "held": lease.token})
        self._waits.close()

    def after_fork_in_child(self) -> None:
        """Hold nothing, and renew nothing: the parent does."""
        self._renew()

    def _told(self, key: Digest) -> _Told | None:
        row = self._connections.one(core.LIVE, {"key": key.raw})
        if row is None:
            return None
        token, owner, since = row
        said = _said(owner)
        words = [str(said.get(name, "unknown")) for name in ("host", "thread", "function")]
        pid = said.get("pid")
        host, thread, function = words
        return _Told(token, Holder(host, pid if isinstance(pid, int) else 0, thread, function, from_micros(since)))

    def _keep(self, lease: SqlLease) -> None:
        """Renew a lease from now on; the thread that does lives as long as there is one."""
        with self._changed:
            self._held[lease.key] = lease
            if self._beating is None:
                self._beating = threading.Thread(target=self._beat, name="fleche-leases", daemon=True)
                self._beating.start()

    def _beat(self) -> None:
        while True:
            with self._changed:
                if not self._ending:
                    self._changed.wait(self._term / _BEATS)
                held = list(self._held.values())
                if self._ending or not held:
                    self._beating = None
                    return
            for lease in held:
                self._renew_one(lease)

    def _renew_one(self, lease: SqlLease) -> None:
        good_until = self._clock.monotonic() + self._term
        try:
            cells = {"of": lease.key.raw, "held": lease.token, "term": self._micros}
            renewed = self._connections.one(core.BEAT, cells) is not None
        except StoreError:  # the server may be back at the next beat
            return
        with self._changed:
            if renewed:
                lease.good_until = good_until
            elif self._held.get(lease.key) is lease:
                del self._held[lease.key]
                lease.good_until = float("-inf")

    def _sweep(self) -> None:
        self._claims += 1
        if self._claims % _SWEEP == 0:
            self._connections.one(core.SWEEP, {"age": _KEPT})


def _said(owner: str) -> dict[str, Any]:
    """Return what a holder says of itself; nothing, if it was not fleche that wrote it."""
    try:
        said = json.loads(owner)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
