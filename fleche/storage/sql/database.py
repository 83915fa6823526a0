"""One SQLite file, used by many threads and processes: connections, transactions, and what can go wrong with both."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote

from fleche.errors import StoreError
from fleche.faults import reach
from fleche.storage.forks import FORKS

__all__ = ["Database", "create"]

Result = TypeVar("Result")

_BUSY = 60.0  # seconds that a writer waits for the others
_CHECKPOINT = 4000  # pages (16 MB) of the log between two checkpoints, each of which waits for the disk
_ATTEMPTS = 5  # how often a commit is repeated because the file was replaced meanwhile
_DAMAGED = ("malformed", "not a database", "no such table", "no such column")
_FULL = ("full", "disk I/O error")


def create(path: Path, statements: tuple[str, ...]) -> None:
    """Make a database with its tables, in WAL mode, all of it in one file when this returns.

    Raises:
        OSError: It cannot be written.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(statement)
            connection.execute("COMMIT")
        finally:
            connection.close()
        path.chmod(0o600)
    except sqlite3.Error as error:
        raise _translated(error, path) from error


class _Slot:
    """A connection of one thread. It is closed when the thread ends, and before the process forks."""

    __slots__ = ("__weakref__", "connection", "end", "identity", "lock", "open")

    def __init__(self, connection: sqlite3.Connection, identity: tuple[int, int]) -> None:
        self.connection = connection
        self.identity = identity
        self.open = True
        self.lock = threading.RLock()  # held while the connection works; whoever closes it waits
        self.end = weakref.finalize(self, FORKS.close, connection)

    def close(self) -> None:
        with self.lock:
            self.open = False
            if self.end.detach() is not None:
                self.connection.close()


class _Local(threading.local):
    slot: _Slot | None = None


class Database:
    """The connections to one SQLite file.

    Each thread has its own, made on first use. All are closed before the process forks, and made again after: SQLite
    notes its locks per process, so a child that inherits an open connection does not hold the locks that it believes
    to hold, even by connections of its own. The file may be replaced or deleted while it is open: whoever writes then
    opens the new one and writes again.

    Args:
        path: The file.
        restore: Called when the file is not there; makes it, or raises.
    """

    def __init__(self, path: Path, restore: Callable[[], object]) -> None:
        self.path = path
        self._restore = restore
        self._inherited: list[sqlite3.Connection] = []
        self._slots: weakref.WeakSet[_Slot] = weakref.WeakSet()
        self._renew()
        FORKS.add(self)

    def _renew(self) -> None:
        self._local = _Local()
        self._opening = threading.Lock()

    def connection(self) -> sqlite3.Connection:
        """Return this thread's connection, for maintenance; it is closed before a fork.

        Raises:
            StoreError: The file cannot be opened.
        """
        slot = self._held()
        slot.lock.release()
        return slot.connection

    def one(self, statement: str, parameters: tuple[object, ...] = ()) -> tuple[Any, ...] | None:
        """Return the first row of one query: the fastest way in.

        Raises:
            StoreError: The database cannot be read.
        """
        slot = self._held()
        try:
            row: tuple[Any, ...] | None = slot.connection.execute(statement, parameters).fetchone()
        except sqlite3.Error as error:
            failure = error
        else:
            return row
        finally:
            slot.lock.release()
        again: tuple[Any, ...] | None = self._again(failure, partial(_first, statement, parameters))
        return again

    def read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run queries that see one state of the database.

        Args:
            work: What to do with the connection; it may be called twice.

        Raises:
            StoreError: The database cannot be read.
        """
        try:
            return self._read(work)
        except sqlite3.Error as error:
            return self._again(error, work)

    def _again(self, failure: sqlite3.Error, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Read once more where the file was replaced; else raise what the failure means."""
        if not self._is_replaced():
            self.refuse(failure)
        self.reopen()
        try:
            return self._read(work)
        except sqlite3.Error as error:
            self.refuse(error)

    def _read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        slot = self._held()
        try:
            slot.connection.execute("BEGIN")
            return work(slot.connection)
        finally:
            _roll_back(slot.connection)
            slot.lock.release()

    def write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run one transaction, whole or not at all.

        Args:
            work: What to do with the connection; it is called again if the file was replaced meanwhile.

        Raises:
            StoreError: The database cannot be written: read-only, full, locked for a minute, damaged.
        """
        for _ in range(_ATTEMPTS):
            try:
                result = self._write(work)
            except sqlite3.Error as error:
                if not self._is_replaced():
                    self.refuse(error)
            else:
                if not self._is_replaced():
                    return result
            self.reopen()
        raise StoreError(
            f"{self.path} was replaced each of the {_ATTEMPTS} times that something was written to it; "
            f"find out what replaces it",
            path=str(self.path),
        )

    def _write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        slot = self._held()
        try:
            slot.connection.execute("BEGIN IMMEDIATE")
            result = work(slot.connection)
            reach("record:before-commit")
            slot.connection.execute("COMMIT")
            reach("record:after-commit")
            return result
        finally:
            _roll_back(slot.connection)
            slot.lock.release()

    def refuse(self, error: sqlite3.Error) -> NoReturn:
        """Raise what an error of the driver means."""
        raise _translated(error, self.path) from error

    def reopen(self) -> None:
        """Close this thread's connection, so that the next use makes a new one."""
        if self._local.slot is not None:
            self._local.slot.close()

    def close(self) -> None:
        """Close the connections of all threads, as soon as each has done what it is at. Later use opens new ones."""
        with self._opening:
            slots = list(self._slots)
        for slot in slots:
            slot.close()

    def before_fork(self) -> None:
        """Close all connections, and open none until the fork is over."""
        self._opening.acquire()
        for slot in list(self._slots):
            slot.close()

    def after_fork_in_parent(self) -> None:
        """Open connections again when they are asked for."""
        self._opening.release()

    def after_fork_in_child(self) -> None:
        """Begin anew; a connection that is open nevertheless (a fork behind Python's back) is never touched again."""
        for slot in list(self._slots):
            if slot.end.detach() is not None:
                self._inherited.append(slot.connection)
        self._slots.clear()
        self._renew()

    def _held(self) -> _Slot:
        """Return this thread's connection, made if need be, with its lock held."""
        while True:
            slot = self._local.slot
            if slot is None or not slot.open:
                slot = self._connect()
            slot.lock.acquire()
            if slot.open:
                return slot
            slot.lock.release()

    def _connect(self) -> _Slot:
        for _ in range(_ATTEMPTS):
            if self._identity() is None:
                self._restore()  # not while opening: it takes locks that a fork may wait for
            try:
                with self._opening:
                    slot = self._opened()
                    if slot is not None:
                        self._slots.add(slot)
            except sqlite3.Error as error:
                self.refuse(error)
            if slot is not None:
                self._local.slot = slot
                return slot
        raise StoreError(f"{self.path} is not there, and making it again did not help", path=str(self.path))

    def _opened(self) -> _Slot | None:
        """Return a connection, or None where the file is not there or was replaced meanwhile."""
        identity = self._identity()
        if identity is None:
            return None
        connection = self._open_file()
        if self._identity() == identity:
            return _Slot(connection, identity)
        connection.close()
        return None

    def _open_file(self) -> sqlite3.Connection:
        try:
            return _connected(self.path, "mode=rw")
        except sqlite3.OperationalError:
            # A read-only mount has no place for the files that readers share; without writers none are needed.
            if os.access(self.path.parent, os.W_OK):
                raise
            return _connected(self.path, "mode=ro&immutable=1")

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self.path} cannot be reached: {error.strerror}", path=str(self.path)) from error
        return found.st_dev, found.st_ino

    def _is_replaced(self) -> bool:
        slot = self._local.slot
        return slot is not None and slot.identity != self._identity()


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?{mode}",
        uri=True,
        timeout=_BUSY,
        isolation_level=None,
        check_same_thread=False,  # only so that another thread may close it
    )
    try:
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT}")
        connection.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _first(statement: str, parameters: tuple[object, ...], connection: sqlite3.Connection) -> Any:
    return connection.execute(statement, parameters).fetchone()


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def _translated(error: sqlite3.Error, path: Path) -> StoreError:
    text = str(error)
    damaged = any(word in text for word in _DAMAGED)
    if damaged:
        advice = "the index is damaged. repair() makes a new one of what can be read; or bring it back from a backup"
    elif any(word in text for word in _FULL):
        advice = "make room on the disk, or choose another place with FLECHE_DIR"
    elif "locked" in text or "busy" in text:
        advice = f"another process has held the database for {_BUSY:.0f} s: find it, and end it"
    elif "readonly" in text or "unable to open" in text:
        advice = "give permission to write to the file and its folder, or choose another place with FLECHE_DIR"
    else:
        advice = "see the cause"
    return StoreError(f"{path} cannot be used: {text}: {advice}.", path=str(path), reason=text, damaged=damaged)
