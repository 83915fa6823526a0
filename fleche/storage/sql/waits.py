"""Who waits for whom, as rows of the table of leases, so that circles over several hosts are found."""

from __future__ import annotations

import json
import secrets
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from fleche.clock import Clock
from fleche.digest import Digest
from fleche.errors import StoreError
from fleche.storage.forks import FORKS
from fleche.storage.leases import Owner, closed_circle
from fleche.storage.sql import core

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from fleche.storage.sql.connections import Connections

__all__ = ["SqlWaits"]

_MARK = b"wait"
_SIZE = 13  # bytes of such a row's key: no digest has so few


class _Wait:
    """One wait of this process: its rows, and for which lease they were written."""

    __slots__ = ("rows", "stale_at", "token")

    def __init__(self, token: int, stale_at: float, rows: list[bytes]) -> None:
        self.token = token
        self.stale_at = stale_at
        self.rows = rows


class SqlWaits:
    """The waits of this process, told to the others.

    A row says: the lease ``held`` with its number waits for the lease ``wanted`` with its number. It counts only while
    both leases are the current ones of their keys, so what a dead process left, or one that forgot to leave, closes no
    circle.

    Args:
        connections: To the database.
        term: Seconds after which a row that is not written again is over.
        clock: What measures the term.
    """

    def __init__(self, connections: Connections, *, term: float, clock: Clock) -> None:
        self._connections = connections
        self._term = term
        self._clock = clock
        self.after_fork_in_child()
        FORKS.add(self)

    def after_fork_in_child(self) -> None:
        """Wait for nothing: the parent does."""
        self._lock = threading.Lock()
        self._waits: dict[tuple[Digest, Owner], _Wait] = {}

    def closes_circle(self, wanted: Digest, token: int, owner: Owner) -> bool:
        """Publish a wait, and say whether it is the one to be left.

        Args:
            wanted: The key that is waited for.
            token: The number of its current lease.
            owner: Who waits.

        Raises:
            StoreError: The database cannot be used.
        """
        if wanted in owner.holding:
            return True
        self._publish(wanted, token, owner)
        found = self._connections.read(_all_waits)
        if closed_circle(wanted, owner.holding, _graph(found)) is None:
            return False
        # All waits were read at one instant. Where both leases of a wait are current now, they were so at that instant.
        keys = {Digest(key) for held, _, other, _ in found for key in (held, other)}
        current = self._connections.read(partial(_tokens, sorted(key.raw for key in keys)))
        valid = [wait for wait in found if current.get(wait[0]) == wait[1] and current.get(wait[2]) == wait[3]]
        return closed_circle(wanted, owner.holding, _graph(valid)) is not None

    def leave(self, wanted: Digest, owner: Owner) -> None:
        """Say that an owner no longer waits for a key."""
        if owner.holding:
            with self._lock:
                wait = self._waits.pop((wanted, owner), None)
            if wait is not None:
                self._erase(wait.rows)

    def leave_all(self, held: Digest) -> None:
        """Forget the waits of whoever held a key: it cannot wait with that in hand any more."""
        for wanted, owner in [wait for wait in list(self._waits) if held in wait[1].holding]:
            self.leave(wanted, owner)

    def close(self) -> None:
        """Leave all waits."""
        for wanted, owner in list(self._waits):
            self.leave(wanted, owner)

    def _publish(self, wanted: Digest, token: int, owner: Owner) -> None:
        now = self._clock.monotonic()
        with self._lock:
            wait = self._waits.get((wanted, owner))
            if wait is not None and wait.token == token and now < wait.stale_at:
                return
            old = [] if wait is None else wait.rows
            rows = [_MARK + secrets.token_bytes(_SIZE - len(_MARK)) for _ in owner.holding]
            self._waits[wanted, owner] = _Wait(token, now + self._term / 3, rows)
        held = self._connections.read(partial(_tokens, sorted(key.raw for key in owner.holding)))
        for row, mine in zip(rows, owner.holding, strict=True):
            if mine in held:  # what nobody holds nobody waits for
                said = {"held": str(mine), "by": held[mine], "wanted": str(wanted), "of": token}
                cells = {"key": row, "owner": json.dumps(said), "term": round(self._term * 1_000_000)}
                self._connections.one(core.inserts(self._connections.address.dialect).claim, cells)
        self._erase(old)

    def _erase(self, rows: list[bytes]) -> None:
        for row in rows:
            with suppress(StoreError):  # the row ends by itself
                self._connections.one(core.ERASE, {"key": row})


_Found = tuple[str, int, str, int]
"""Held key, its number, wanted key, its number."""


def _graph(waits: list[_Found]) -> dict[str, list[str]]:
    graph: dict[str, list[str]] = {}
    for held, _, wanted, _ in waits:
        graph.setdefault(held, []).append(wanted)
    return graph


def _all_waits(connection: Connection) -> list[_Found]:
    ends = {"low": _MARK, "high": _MARK + b"\xff" * (_SIZE - len(_MARK))}
    rows = connection.execute(core.WAITS, ends)
    return [wait for key, owner in rows if len(key) == _SIZE and (wait := _wait(owner)) is not None]


def _wait(owner: str) -> _Found | None:
    try:
        said: Any = json.loads(owner)
        return Digest(said["held"]), int(said["by"]), Digest(said["wanted"]), int(said["of"])
    except (ValueError, KeyError, TypeError):  # not written by fleche
        return None


def _tokens(keys: list[bytes], connection: Connection) -> dict[str, int]:
    rows = connection.execute(core.LIVE_TOKENS, {"digests": keys})
    return {Digest.from_bytes(bytes(key)): int(token) for key, token in rows}
