"""What finds records without reading all of their files: an SQLite file on a disk of this host.

It is never trusted over the files. Before a question is asked, the folders that changed are read again; and each record
that is found is compared with its file. It can be deleted at any moment.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from fleche.call.records import DigestedCall, QueryCall
from fleche.digest import Digest
from fleche.errors import SaveError, StoreError
from fleche.faults import reach
from fleche.storage.call_text import call_text
from fleche.storage.file.call_files import CallFiles, Sight
from fleche.storage.forks import FORKS
from fleche.storage.host import host_name
from fleche.storage.network import is_network
from fleche.storage.sql import records, statements
from fleche.storage.sql.database import Database, create
from fleche.storage.trust import assess
from fleche.storage.whole import TEMPORARY

__all__ = ["HostIndex", "index_place"]

_TABLES = (
    "CREATE TABLE files (key BLOB PRIMARY KEY, shard TEXT NOT NULL, call INTEGER, sight TEXT) WITHOUT ROWID",
    "CREATE INDEX files_shard ON files (shard)",
    "CREATE INDEX files_call ON files (call)",
    "CREATE TABLE shards (name TEXT PRIMARY KEY, stamp TEXT, seen INTEGER NOT NULL, settled INTEGER NOT NULL)",
)
_NEW_GENERATION = "INSERT INTO meta VALUES ('generation', lower(hex(randomblob(8))))"
_GENERATION = "SELECT value FROM meta WHERE name = 'generation'"
_SHARDS = "SELECT name, CASE WHEN settled THEN stamp END FROM shards"
_SHARD = "SELECT stamp, seen FROM shards WHERE name = ?"
_PUT_SHARD = "INSERT OR REPLACE INTO shards (name, stamp, seen, settled) VALUES (?, ?, ?, ?)"
_DROP_SHARD = "DELETE FROM shards WHERE name = ?"
_FILES = "SELECT key, call, sight FROM files WHERE shard = ?"
_PUT_FILE = "INSERT OR REPLACE INTO files (key, shard, call, sight) VALUES (?, ?, ?, ?)"
_DROP_FILE = "DELETE FROM files WHERE key = ?"
_ALL = "SELECT id, key FROM calls"
_KEYS = "SELECT id, key FROM calls WHERE id IN (SELECT value FROM json_each(?))"
_SIGHTS = "SELECT key, sight FROM files WHERE call IN (SELECT value FROM json_each(?))"

_TICK = 2_500_000_000  # nanoseconds; no file system's times are coarser than the 2 s of FAT
_BATCH = 200  # records that are loaded at once
_ATTEMPTS = 5
_OWN = 10_000  # results of this process that are remembered
_PATIENCE = 20  # the time that bringing the index up to date takes, before that is done again while calls are filed
_MAKER = "SELECT key FROM calls WHERE result = ? AND outcome = 0 AND key != ? ORDER BY at DESC, key DESC LIMIT 1"


def index_place(store: str) -> Path:
    """Return where the index of a store lies on this host: a file on a local disk.

    That is the user's cache directory, or, where that is on a network, a folder of the user's for temporary files.

    Args:
        store: The store's id.

    Raises:
        StoreError: There is no such place that is the user's alone.
    """
    import platformdirs

    folder = Path(platformdirs.user_cache_dir("fleche-index", appauthor=False))
    if is_network(folder):
        folder = _temporary_folder()
    return folder / f"{store}.{host_name()}.db"


def _temporary_folder() -> Path:
    """Return a folder for temporary files that nobody else can write to."""
    import tempfile

    user = os.getuid() if hasattr(os, "getuid") else "index"
    folder = Path(tempfile.gettempdir()) / f"fleche-index-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _unmade(folder, error) from error
    if hasattr(os, "getuid") and not (found := assess(folder)).trusted:
        raise StoreError(f"{folder} is no place for an index: {found.reason}", path=str(folder))
    return folder


class HostIndex:
    """The index of one folder of records.

    Args:
        place: Returns its path; asked when it is first needed.
        files: What it is an index of.
    """

    def __init__(self, place: Callable[[], Path], files: CallFiles) -> None:
        self._place = place
        self._files = files
        self._opened: Database | None = None
        self._own: dict[Digest, Digest] = {}  # the results that this process filed, and the keys
        self._due = 0.0  # when the index is to be brought up to date next, for `makers`

    def find(self, template: QueryCall) -> Iterator[DigestedCall] | None:
        """Return all records that a template may match, oldest first; None where there can be no index.

        Args:
            template: Digested.
        """
        return self._ask(*records.find(template))

    def recent(self, limit: int) -> Iterator[DigestedCall] | None:
        """Return at most so many records, newest first; None where there can be no index."""
        return self._ask(statements.RECENT_IDS, [limit])

    def latest(self, template: QueryCall, limit: int) -> Iterator[DigestedCall] | None:
        """Return the records that a template may match which came last; None where there can be no index."""
        return self._ask(*records.latest(template, limit, by="calls.at DESC, calls.key DESC"))

    def makers(self, digests: Sequence[Digest], but: Digest | None) -> dict[Digest, Digest] | None:
        """Return the key of the latest call with each of several results; None where there can be no index.

        This is asked while a call is filed. So that bringing the index up to date takes no more than a small share of
        the time, however often calls are filed, what was filed in the last moments may be missing.
        """
        try:
            if time.monotonic() >= self._due:
                self._refresh_seldom()
            found = self._confirmed_makers(digests, but)
            if found is None:  # the index is older than what it says
                self._refresh_seldom()
                found = self._confirmed_makers(digests, but)
        except StoreError:
            return None
        return found or {}

    def note(self, result: Digest, key: Digest) -> None:
        """Note that this process filed a result, which `makers` is to know at once."""
        if len(self._own) >= _OWN:
            self._own.clear()
        self._own[result] = key

    def _refresh_seldom(self) -> None:
        began = time.monotonic()
        self.refresh()
        ended = time.monotonic()
        self._due = ended + _PATIENCE * (ended - began)

    def _confirmed_makers(self, digests: Sequence[Digest], but: Digest | None) -> dict[Digest, Digest] | None:
        """Return what the index says, or None where a file says something else."""
        found = self._database().read(partial(_made, digests, but))
        found.update((digest, own) for digest in digests if (own := self._own.get(digest)) not in (None, but))
        for digest, key in found.items():
            record = self._files.read(key)
            if record is None or record.result != digest:
                self._own.pop(digest, None)
                return None
        return found

    def takers(self, key: Digest, limit: int) -> Iterator[DigestedCall] | None:
        """Return at most so many records that take a call's result, oldest first; None where there can be no index."""
        return self._ask(statements.TAKERS, [key.raw, limit])

    def users(self, digest: Digest, limit: int) -> Iterator[DigestedCall] | None:
        """Return at most so many records that have an argument, oldest first; None where there can be no index."""
        return self._ask(statements.USERS, [digest.raw, limit])

    def disagreements(self) -> list[Digest]:
        """Return each key of which the index says something else than its file, though it believes to know the file.

        The index is not brought up to date, and nothing is set aside.
        """
        try:
            if not self._database().path.exists():
                return []
            rows = self._database().read(lambda connection: connection.execute(_ALL).fetchall())
        except StoreError:  # the next question makes it anew
            return []
        found = []
        for batch in _batches([(number, Digest.from_bytes(key)) for number, key in rows]):
            loaded = self._loaded([number for number, _ in batch])
            for key, (sight, record) in loaded.items():
                there = self._files.sight(key)
                filed = None if there is None or sight != there.identity else self._files.peek(key)
                if record is not None and filed is not None and call_text(record) != call_text(filed):
                    found.append(key)
        return found

    def rebuild(self) -> None:
        """Throw the index away; the next question makes it anew.

        Raises:
            StoreError: It cannot be removed.
        """
        path = self._database().path
        self.close()
        try:
            with _making(path):
                _remove(path)
        except OSError as error:
            raise _unmade(path, error) from error

    def close(self) -> None:
        """Close all connections."""
        if self._opened is not None:
            self._opened.close()

    def refresh(self) -> str:
        """Read the folders again that changed; return which index it was that now knows them.

        Each folder is listed within the transaction that notes what is in it, so what the index says of a folder
        never gets older.

        Raises:
            StoreError: The index cannot be written, or a folder not be read.
        """
        database = self._database()
        generation, known = database.read(_state)
        names = self._files.shards()
        for name in names:
            stamp = self._files.stamp(name)
            if stamp is None or stamp[0] != known.get(name):
                database.write(partial(self._update, name))
                reach("index:between")
        for name in known.keys() - set(names):
            database.write(partial(self._update, name))
        return generation

    def _database(self) -> Database:
        if self._opened is None:
            path = self._place()
            self._opened = Database(path, partial(_make, path))
        return self._opened

    def _ask(self, text: str, values: Sequence[object]) -> Iterator[DigestedCall] | None:
        for attempt in range(_ATTEMPTS):
            try:
                generation = self.refresh()
                reach("index:refreshed")
                found = self._database().read(partial(_keys, generation, text, values))
            except StoreError as error:
                if attempt == _ATTEMPTS - 1 or not self._recovered(error):
                    return None
            else:
                if found is not None:
                    return self._confirmed(found)
        return None

    def _recovered(self, error: StoreError) -> bool:
        """Whether the index was damaged and is thrown away now."""
        if "damaged" not in str(error):
            return False
        with suppress(StoreError):
            self.rebuild()
        return True

    def _confirmed(self, found: Sequence[tuple[int, Digest]]) -> Iterator[DigestedCall]:
        """Yield records in order: from the index where the file is as it was read, else from the file."""
        for batch in _batches(found):
            loaded = self._loaded([number for number, _ in batch])
            for _, key in batch:
                sight, record = loaded.get(key, (None, None))
                there = None if sight is None else self._files.sight(key)
                if there is None or there.identity != sight:
                    record = self._files.read(key)
                if record is not None:
                    yield record

    def _loaded(self, numbers: list[int]) -> dict[Digest, tuple[str | None, DigestedCall | None]]:
        try:
            return self._database().read(partial(_rows, numbers))
        except StoreError:
            return {}

    def _update(self, name: str, connection: Connection) -> None:
        """Note what is in one folder, within a transaction.

        A folder may change again without a new time, as long as its clock has not ticked. So it counts as settled only
        when it is listed unchanged some seconds after it was first seen so, by the clock of this host; until then it is
        listed at each question, and files that are about as young as the folder's last change are read each time.
        """
        stamp, now = self._files.stamp(name), _now()
        row = connection.execute(_SHARD, (name,)).fetchone()
        steady = row is not None and stamp is not None and row[0] == stamp[0] and now >= row[1]
        seen = row[1] if steady else now
        settled = steady and now - seen >= _TICK
        young = float("inf") if stamp is None or settled else stamp[1] - _TICK
        sights = self._files.sights(name)
        known = {Digest.from_bytes(key): rest for key, *rest in connection.execute(_FILES, (name,)).fetchall()}
        for key in known.keys() - sights.keys():
            _drop(connection, key, known[key][0])
        for key, sight in sights.items():
            number, identity = known.get(key, (None, None))
            if identity is None or identity != sight.identity:
                self._read(connection, name, key, number, None if sight.written >= young else sight)
        if stamp is None:
            connection.execute(_DROP_SHARD, (name,))
        else:
            connection.execute(_PUT_SHARD, (name, stamp[0], seen, int(settled)))

    def _read(self, connection: Connection, shard: str, key: Digest, number: int | None, sight: Sight | None) -> None:
        """Take one record from its file into the index."""
        _drop(connection, key, number)
        record = self._files.read(key)
        if record is None:
            return
        try:
            rows = records.Prepared(record)
        except SaveError as error:  # of a later version, perhaps: then files are read instead
            raise StoreError(f"the index cannot hold the record {key}: {error}") from error
        rows.key = key.raw  # which differs where keys were made by another scheme
        records.file(connection, rows, None)
        (number,) = connection.execute(statements.CALL_ID, (key.raw,)).fetchone()
        connection.execute(_PUT_FILE, (key.raw, shard, number, None if sight is None else sight.identity))


def _drop(connection: Connection, key: Digest, number: int | None) -> None:
    if number is not None:
        records.drop(connection, number)
    connection.execute(_DROP_FILE, (key.raw,))


def _state(connection: Connection) -> tuple[str, dict[str, str | None]]:
    return connection.execute(_GENERATION).fetchone()[0], dict(connection.execute(_SHARDS).fetchall())


def _keys(
    generation: str, text: str, values: Sequence[object], connection: Connection
) -> list[tuple[int, Digest]] | None:
    """Return the numbers and keys that a statement finds, or None where this is not the index that was refreshed."""
    if connection.execute(_GENERATION).fetchone()[0] != generation:
        return None
    numbers = [number for (number,) in connection.execute(text, values).fetchall()]
    keys = dict(connection.execute(_KEYS, (json.dumps(numbers),)).fetchall())
    return [(number, Digest.from_bytes(keys[number])) for number in numbers]


def _made(digests: Sequence[Digest], but: Digest | None, connection: Connection) -> dict[Digest, Digest]:
    found = {}
    for digest in digests:
        row = connection.execute(_MAKER, (digest.raw, b"" if but is None else but.raw)).fetchone()
        if row is not None:
            found[digest] = Digest.from_bytes(row[0])
    return found


def _rows(numbers: list[int], connection: Connection) -> dict[Digest, tuple[str | None, DigestedCall | None]]:
    sights = dict(connection.execute(_SIGHTS, (json.dumps(numbers),)).fetchall())
    return {key: (sights.get(key.raw), record) for _, key, record in records.load(numbers, connection)}


def _batches(found: Sequence[tuple[int, Digest]]) -> Iterator[Sequence[tuple[int, Digest]]]:
    for start in range(0, len(found), _BATCH):
        yield found[start : start + _BATCH]


def _make(path: Path) -> None:
    """Make an empty index, elsewhere first; of several processes one makes it."""
    try:
        with _making(path):
            if path.exists():
                return
            _remove(path)  # what was beside an index that was deleted; never to be applied to a new one
            made = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
            tables = (*statements.SCHEMA, *_TABLES, _NEW_GENERATION)
            try:
                with FORKS.still():
                    create(made, tables)
                made.rename(path)
            finally:
                made.unlink(missing_ok=True)
    except StoreError:
        raise
    except OSError as error:
        raise _unmade(path, error) from error


def _unmade(path: Path, error: OSError) -> StoreError:
    return StoreError(f"the index {path} cannot be made: {error.strerror or error}", path=str(path))


def _making(path: Path) -> Any:
    from filelock import FileLock

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return FileLock(path.with_name(f"{path.name}.lock"))


def _remove(path: Path) -> None:
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


def _now() -> int:
    """Return nanoseconds of a clock that is never set, the same for all processes of this host."""
    return time.monotonic_ns()
