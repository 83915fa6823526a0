"""The file of an archive: named entries in one SQLite table. ``docs/formats/archive.md`` is its specification."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from fleche.digest.algorithm import FORMAT as DIGEST_FORMAT
from fleche.digest.algorithm import chosen
from fleche.errors import FormatError, StoreError
from fleche.faults import reach
from fleche.storage.directory import Seal

__all__ = ["FORMAT", "LAYOUT", "Entries"]

FORMAT = 1
"""The major format that is written and read."""
LAYOUT = "archive"

_PART = 64 * 1024 * 1024  # bytes: SQLite takes no field above 1 GB
_BATCH = 64 * 1024 * 1024  # bytes that may be lost by an interruption, to be written again
_BATCH_ENTRIES = 2000
_SCHEMA = """
CREATE TABLE archive (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE entries (number INTEGER PRIMARY KEY, name TEXT NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL);
CREATE UNIQUE INDEX entries_by_name ON entries (name, part);
"""
_TABLES = {("table", "archive"), ("table", "entries"), ("index", "entries_by_name")}


class Entries:
    """The entries of an archive. Used by one process at a time to write, by one thread at a time.

    What is written is on the disk after `flush`, or `close`; an interruption loses the entries since the last one, and
    never damages the others.

    Args:
        path: The file.
        create: Whether it may be made and written to; else it is only read.

    Raises:
        FormatError: It is no archive, or of another format or algorithm.
        StoreError: It cannot be opened.
    """

    def __init__(self, path: Path, *, create: bool) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._pending = self._pending_bytes = 0
        if not create and not path.is_file():
            raise StoreError(f"there is no archive at {path}", path=str(path))
        self._writes = create
        with self._told():
            self._database = self._connect()
        try:
            with self._told():
                self._check()
        except BaseException:
            self._database.close()
            raise

    def get(self, name: str) -> bytes | None:
        """Return the bytes of an entry, or None."""
        with self._told(), self._lock:
            parts = self._database.execute("SELECT data FROM entries WHERE name = ? ORDER BY part", (name,)).fetchall()
        return b"".join(bytes(data) for (data,) in parts) if parts else None

    def put(self, name: str, data: bytes) -> None:
        """Write an entry, in place of one of the same name."""
        pieces = [data[start : start + _PART] for start in range(0, len(data), _PART)] or [b""]
        with self._told(), self._lock:
            self.remove(name)
            rows = [(name, part, piece) for part, piece in enumerate(pieces)]
            self._database.executemany("INSERT INTO entries (name, part, data) VALUES (?, ?, ?)", rows)
            self._pending += 1
            self._pending_bytes += len(data)

    def remove(self, name: str) -> None:
        """Remove an entry, if it is there."""
        with self._told(), self._lock:
            self._begin()
            self._database.execute("DELETE FROM entries WHERE name = ?", (name,))

    def has(self, name: str) -> bool:
        """Whether there is an entry."""
        with self._told(), self._lock:
            return self._database.execute("SELECT 1 FROM entries WHERE name = ?", (name,)).fetchone() is not None

    def names(self, start: str) -> list[str]:
        """Return the names that start so, in the order in which they were first written."""
        with self._told(), self._lock:
            found = self._database.execute(
                "SELECT name FROM entries WHERE name >= ? AND name < ? AND part = 0 ORDER BY number",
                (start, start + "\U0010ffff"),
            )
            return [str(name) for (name,) in found]

    def size(self) -> int:
        """Return how many bytes all values have."""
        with self._told(), self._lock:
            (total,) = self._database.execute(
                "SELECT coalesce(sum(length(data)), 0) FROM entries WHERE name >= 'values/' AND name < 'values0'"
            ).fetchone()
            return int(total)

    def settle(self) -> None:
        """Say that what is written belongs together: a good moment to have it on the disk, where there is much."""
        if self._pending >= _BATCH_ENTRIES or self._pending_bytes >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Have everything on the disk."""
        with self._told(), self._lock:
            if self._database.in_transaction:
                reach("archive:before-commit")
                self._database.commit()
                reach("archive:after-commit")
            self._pending = self._pending_bytes = 0

    def close(self) -> None:
        """Have everything on the disk, and close the file."""
        try:
            self.flush()
        finally:
            self._database.close()

    def _begin(self) -> None:
        if not self._writes:
            raise StoreError(f"the archive {self.path} was opened to be read", path=str(self.path))
        if not self._database.in_transaction:
            self._database.execute("BEGIN IMMEDIATE")

    def _connect(self) -> sqlite3.Connection:
        mode = "rwc" if self._writes else "ro"
        if self._writes and not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        database = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False, timeout=30)
        # A file from elsewhere may be made to mislead: no function of its schema is called.
        for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0"):
            database.execute(f"PRAGMA {pragma}")
        return database

    def _check(self) -> None:
        found = {tuple(row) for row in self._database.execute("SELECT type, name FROM sqlite_master")}
        found = {row for row in found if not str(row[1]).startswith("sqlite_")}
        if not found and self._writes:
            self._make()
            return
        if not found >= _TABLES or any(row[0] in ("view", "trigger") for row in found):
            raise self._foreign("it is no archive of fleche")
        rows = self._database.execute("SELECT value FROM archive WHERE name = 'FORMAT'").fetchall()
        try:
            self._checked(json.loads(rows[0][0]))
        except (IndexError, TypeError, ValueError):
            raise self._foreign("its FORMAT cannot be read") from None

    def _make(self) -> None:
        seal = Seal(algorithm=chosen().name, id=secrets.token_hex(8), layout=LAYOUT)
        self._database.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA.strip().split(";")[:-1]:
            self._database.execute(statement)
        self._database.execute("INSERT INTO archive VALUES ('FORMAT', ?)", (json.dumps(asdict(seal)),))
        self._database.commit()

    def _checked(self, seal: Mapping[str, object]) -> None:
        if seal.get("program") != "fleche" or seal.get("layout") != LAYOUT:
            raise self._foreign("it is no archive of fleche")
        if seal.get("format") != FORMAT or seal.get("digest") != DIGEST_FORMAT:
            raise self._foreign(
                f"it has format {seal.get('format')} (digests {seal.get('digest')}), and this version reads format "
                f"{FORMAT} (digests {DIGEST_FORMAT})"
            )
        if seal.get("algorithm") != chosen().name:
            raise self._foreign(
                f"its keys are {seal.get('algorithm')} digests, those of this process {chosen().name}: set "
                f"FLECHE_DIGEST={seal.get('algorithm')}"
            )

    def _foreign(self, why: str) -> FormatError:
        return FormatError(f"the archive {self.path} cannot be used: {why}.", path=str(self.path))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn errors of SQLite into those of stores."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if "not a database" in str(error):
                raise self._foreign("it is no archive of fleche") from error
            raise StoreError(f"the archive {self.path}: {error}", path=str(self.path)) from error
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"the archive {self.path}: {error.strerror or error}", path=str(self.path)) from error
