"""What large files held when they were read, remembered for the processes that follow: one SQLite file of the user's.

It is best effort: where it cannot be read or written, files are read. It can be deleted at any moment.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path

from fleche.digest.files import Remembers, Stamp
from fleche.storage.forks import FORKS
from fleche.storage.network import is_network

__all__ = ["FileMemo", "file_memo"]

log = logging.getLogger("fleche")

_MOST = 100_000  # files; then the tenth is forgotten that was read longest ago
_PATIENCE = 0.5  # seconds to wait for another process that writes; reading the file is the alternative
_TABLE = (
    "CREATE TABLE IF NOT EXISTS files (device TEXT, inode TEXT, algorithm TEXT, size INTEGER, modified INTEGER, "
    "changed INTEGER, digest BLOB NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (device, inode, algorithm)) "
    "WITHOUT ROWID"
)
_NUMBERS = "CREATE INDEX IF NOT EXISTS files_number ON files (number)"
_OPENING = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", _TABLE, _NUMBERS)
_GET = (
    "SELECT digest FROM files WHERE device = ? AND inode = ? AND algorithm = ? AND size = ? AND modified = ? "
    "AND changed = ?"
)
_PUT = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, (SELECT coalesce(max(number), 0) + 1 FROM files))"
_COUNT = "SELECT count(*) FROM files"
_TRIM = "DELETE FROM files WHERE number <= (SELECT number FROM files ORDER BY number LIMIT 1 OFFSET ?)"


class FileMemo:
    """Digests of contents by the stamps of files, in one SQLite file; used by many threads and processes.

    Args:
        path: The file; its folder is made if it is not there.
        most: How many files are remembered.
    """

    def __init__(self, path: Path, *, most: int = _MOST) -> None:
        self._path = path
        self._most = most
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._broken = False
        self._put = 0
        FORKS.add(self)

    def get(self, algorithm: str, stamp: Stamp) -> bytes | None:
        """Return the digest of the content of a file with this stamp, if it is known."""
        with self._lock:
            try:
                connection = self._opened()
                row = None if connection is None else connection.execute(_GET, _row(algorithm, stamp)).fetchone()
            except (sqlite3.Error, OSError) as error:
                self._give_up(error)
                return None
        return None if row is None else bytes(row[0])

    def put(self, algorithm: str, stamp: Stamp, raw: bytes) -> None:
        """Remember the content of a file; nothing is raised."""
        with self._lock:
            try:
                connection = self._opened()
                if connection is None:
                    return
                connection.execute(_PUT, (*_row(algorithm, stamp), raw))
                self._put += 1
                if self._put % 100 == 1 and connection.execute(_COUNT).fetchone()[0] > self._most:
                    connection.execute(_TRIM, (self._most // 10,))
            except (sqlite3.Error, OSError) as error:
                self._give_up(error)

    def close(self) -> None:
        """Close the connection; later use opens another."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _opened(self) -> sqlite3.Connection | None:
        if self._connection is None and not self._broken:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            try:
                for statement in _OPENING:
                    connection.execute(statement)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _give_up(self, error: Exception) -> None:
        """Go on without, in this process, unless another one was only writing."""
        log.debug("what files held is not remembered in %s: %s", self._path, error)
        if "locked" in str(error) or "busy" in str(error):
            return
        self._broken = True
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def before_fork(self) -> None:
        """Let no connection be shared with a child."""
        self._lock.acquire()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Begin with a lock that nobody holds."""
        self._lock = threading.Lock()


def _row(algorithm: str, stamp: Stamp) -> tuple[object, ...]:
    # Numbers of devices and inodes may have 64 bits without a sign, which SQLite's integers have not.
    return str(stamp.device), str(stamp.inode), algorithm, stamp.size, stamp.modified, stamp.changed


@cache
def file_memo() -> Remembers | None:
    """Return what remembers files for this user, in the user's cache directory; None where that is on a network."""
    import platformdirs

    folder = Path(platformdirs.user_cache_dir("fleche-files", appauthor=False))
    return None if is_network(folder) else FileMemo(folder / "files-1.db")
