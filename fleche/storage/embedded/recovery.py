"""From an index that is damaged to one that holds what could be read of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

__all__ = ["recover"]

_CHILDREN = "arguments", "metadata", "edges"
_MAGIC = b"SQLite format 3"
_LARGEST = 1 << 40  # bytes of a file whose header may be believed
_SKIPPED = "leases", "meta"  # rights that ended, and what the new index says itself


def recover(old: Path, new: Path, make_index: Callable[[Path], None]) -> int:
    """Make an index of those rows of another one that can be read, and return how many there are.

    Records without their function are left out, as are arguments and metadata without their record.

    Args:
        old: A damaged index, or a file that is none at all.
        new: A path that does not exist yet.
        make_index: Makes an empty index there.
    """
    make_index(new)
    with closing(sqlite3.connect(new, isolation_level=None)) as made:
        tables = [name for (name,) in made.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()]
        made.execute("BEGIN")
        with suppress(sqlite3.Error), closing(_opened(old)) as source:
            for table in tables:
                if table not in _SKIPPED:
                    _copy(source, made, table)
        made.execute("DELETE FROM calls WHERE function NOT IN (SELECT id FROM functions)")
        for child in _CHILDREN:
            made.execute(f"DELETE FROM {child} WHERE call NOT IN (SELECT id FROM calls)")  # noqa: S608 - constants
        rows = sum(made.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in tables)  # noqa: S608
        made.execute("COMMIT")
        made.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return int(rows)


def _opened(path: Path) -> sqlite3.Connection:
    """Open a damaged database; SQLite reads one that was cut off only once it is filled up with empty pages."""
    with path.open("r+b") as file:
        head = file.read(32)
        size = int.from_bytes(head[16:18], "big"), int.from_bytes(head[28:32], "big")
        if head.startswith(_MAGIC) and size[0] * size[1] < _LARGEST and path.stat().st_size < size[0] * size[1]:
            file.truncate(size[0] * size[1])
    return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, isolation_level=None)


def _copy(source: sqlite3.Connection, made: sqlite3.Connection, table: str) -> None:
    described = made.execute(f'PRAGMA table_info("{table}")').fetchall()
    columns = ", ".join(f'"{column[1]}"' for column in described)
    keys = ", ".join(f'"{column[1]}" DESC' for column in described if column[5])
    marks = ", ".join("?" * len(described))
    for order in ("", f" ORDER BY {keys}"):
        for row in _readable(source, f'SELECT {columns} FROM "{table}"{order}'):  # noqa: S608 - names of our tables
            with suppress(sqlite3.Error):  # a row that breaks a rule of the table is no row of ours
                made.execute(f'INSERT OR IGNORE INTO "{table}" ({columns}) VALUES ({marks})', row)  # noqa: S608


def _readable(source: sqlite3.Connection, text: str) -> Iterator[tuple[Any, ...]]:
    with suppress(sqlite3.Error, OverflowError, UnicodeDecodeError):
        yield from source.execute(text)
