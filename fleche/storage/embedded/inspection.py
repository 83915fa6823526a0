"""What is wrong with an embedded store: its index, its values, its files, and each against the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from fleche.call.records import DigestedCall
from fleche.digest import Digest
from fleche.digest.algorithm import chosen
from fleche.errors import DamagedError, StoreError, UnreadableError
from fleche.storage.checking import Fault, Finding
from fleche.storage.directory import StoreDirectory
from fleche.storage.embedded.filing import SettingAside
from fleche.storage.embedded.recovery import recover
from fleche.storage.envelope import Envelope
from fleche.storage.sql import records, statements
from fleche.storage.sql.database import Database
from fleche.storage.value_files import ValueFiles
from fleche.storage.whole import TEMPORARY

__all__ = ["Inspection"]

_LEFT_OVER = 3600.0  # seconds after which a file in the making has no writer any more
_YOUNG = 60.0  # seconds in which whoever wrote a value may still be about to name it in the index
_ANY = DigestedCall(module="", name="")


class Inspection:
    """Looks over an embedded store.

    Args:
        directory: Its directory.
        database: Its index.
        files: Its large values.
        make_index: Makes an empty index at a path.
    """

    def __init__(
        self, directory: StoreDirectory, database: Database, files: ValueFiles, make_index: Callable[[Path], None]
    ) -> None:
        self._directory = directory
        self._database = database
        self._files = files
        self._make_index = make_index
        self._repair = False

    def findings(self, *, repair: bool) -> Iterator[Finding]:
        """Yield what is wrong, as it is found; see `Checkable.check`."""
        self._repair = repair
        broken = self._broken()
        if broken:
            yield self._index(broken)
            if not repair:
                return
        for path in self._files_here():
            finding = self._file(path)
            if finding is not None:
                yield finding
        for (digest,) in self._rows(statements.VALUE_KEYS):
            if digest is not None:
                yield from self._value(Digest.from_bytes(digest))
        for (key,) in self._rows(statements.CALL_KEYS):
            finding = self._call(key)
            if finding is not None:
                yield finding

    # -- the index ---------------------------------------------------------------------------------------------

    def _broken(self) -> str:
        """Return what SQLite finds wrong with the index; empty: nothing."""
        try:
            rows = self._rows("PRAGMA integrity_check(1)")
            self._rows(statements.CALL_COUNT)
        except StoreError as error:
            if getattr(error, "damaged", False):
                return str(error)
            raise
        return "" if rows == [("ok",)] else str(rows[0][0])

    def _index(self, broken: str) -> Finding:
        mended = ""
        if self._repair:
            self._database.close()
            kept: list[int] = []
            old = self._directory.replace_index(lambda old, made: kept.append(recover(old, made, self._make_index)))
            self._database.reopen()
            mended = f"a new index was made of the {kept[0]} rows that could be read; the old one is {old}"
        return Finding(fault=Fault.INDEX, what="store", place=str(self._directory.index), message=broken, mended=mended)

    # -- files -------------------------------------------------------------------------------------------------

    def _files_here(self) -> Iterator[Path]:
        for folder in sorted(self._directory.values.glob("*")):
            if folder.is_dir():
                yield from sorted(folder.iterdir())
            else:
                yield folder

    def _file(self, path: Path) -> Finding | None:
        if path.name.endswith(TEMPORARY):
            return self._left_over(path)
        digest, _, form = path.name.partition(".")
        if not _is_hex(digest, chosen().length) or not _is_hex(form, 8) or path.parent.name != digest[:2]:
            mended = self._set_aside(path)
            return _finding(Fault.ORPHAN, "store", "", path, "it is not the file of a value", mended)
        row = self._database.one(statements.VALUE_FORM, (bytes.fromhex(digest), bytes.fromhex(form)))
        if (row is not None and row[3] is None) or (not self._repair and _age(path) < _YOUNG):
            return None
        return self._orphan(path, Digest(digest), form)

    def _left_over(self, path: Path) -> Finding | None:
        if _age(path) < _LEFT_OVER:
            return None
        if self._repair:
            path.unlink(missing_ok=True)
        mended = "removed" if self._repair else ""
        return _finding(Fault.ORPHAN, "store", "", path, "whoever was writing it is gone", mended)

    def _orphan(self, path: Path, digest: Digest, form: str) -> Finding | None:
        """Return a value that the index does not know; adopt it if its bytes are whole and of the form it is named."""
        try:
            envelope = Envelope.open(path, mapped=False, verify_buffers=True)
            whole = envelope.form == form
        except UnreadableError:
            return _finding(Fault.ORPHAN, "value", digest, path, "the index does not know it", "")
        except FileNotFoundError:
            return None
        except DamagedError:
            whole = False
        if not whole:
            mended = self._set_aside(path)
            return _finding(Fault.DAMAGED, "value", digest, path, "its bytes are not what was written", mended)
        if self._repair:
            row = digest.raw, bytes.fromhex(form), envelope.size, self._files.stat(digest, form), None
            self._database.write(partial(_execute, statements.PUT_VALUE, row))
        mended = "adopted" if self._repair else ""
        return _finding(Fault.ORPHAN, "value", digest, path, "the index does not know it", mended)

    def _set_aside(self, path: Path) -> str:
        if not self._repair:
            return ""
        self._directory.quarantine.mkdir(mode=0o700, exist_ok=True)
        path.rename(self._directory.quarantine / f"{path.name}.{time.time_ns():x}")
        return "set aside"

    # -- values and calls --------------------------------------------------------------------------------------

    def _value(self, digest: Digest) -> Iterator[Finding]:
        """Yield what is wrong with each copy of a value."""
        found = []
        for text in (statements.VALUE_COPIES, statements.INLINE_COPIES):
            for _, form, data in self._rows(text, (digest.raw,)):
                finding = self._copy(digest, "" if form is None else form.hex(), data)
                if finding is not None:
                    found.append(finding)
        if self._repair and any(finding.mended for finding in found):
            self._database.write(SettingAside(self._files, digest))
        yield from found

    def _copy(self, digest: Digest, form: str, data: bytes | None) -> Finding | None:
        place = str(self._database.path) if data is not None else str(self._files.path_of(digest, form))
        try:
            if data is None:
                self._files.check(digest, form)
            else:
                Envelope.parse(data, place=place)
        except UnreadableError as error:
            return _finding(Fault.UNREADABLE, "value", digest, place, str(error), "")
        except DamagedError as error:
            return _finding(Fault.DAMAGED, "value", digest, place, str(error), "set aside" if self._repair else "")
        except FileNotFoundError:
            mended = "the index forgot it" if self._repair else ""
            return _finding(Fault.MISSING, "value", digest, place, "its file is gone", mended)
        except OSError as error:
            return _finding(Fault.UNREADABLE, "value", digest, place, str(error), "")
        return None

    def _call(self, key: bytes) -> Finding | None:
        row = self._database.one(statements.OLD, (key,))
        if row is None or records.Filed(row, _ANY).whole:
            return None
        if self._repair:
            self._database.write(partial(_drop_lost, key))
        message = f"its result {row[2].hex()} is not stored in the form {'' if row[3] is None else row[3].hex()}"
        mended = "removed, so that it is computed anew" if self._repair else ""
        return _finding(Fault.MISSING, "call", Digest.from_bytes(key), self._database.path, message, mended)

    def _rows(self, text: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        return self._database.read(partial(_fetch, text, parameters))


def _finding(fault: Fault, what: str, digest: str, place: Path | str, message: str, mended: str) -> Finding:
    return Finding(fault=fault, what=what, digest=str(digest), place=str(place), message=message, mended=mended)


def _age(path: Path) -> float:
    """Return how many seconds ago a file was written; one that is gone is new."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _fetch(text: str, parameters: tuple[object, ...], connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(text, parameters).fetchall()


def _execute(text: str, parameters: tuple[object, ...], connection: Connection) -> None:
    connection.execute(text, parameters)


def _drop_lost(key: bytes, connection: Connection) -> None:
    """Delete the record of a key if it still lacks its result."""
    row = connection.execute(statements.OLD, (key,)).fetchone()
    if row is not None and not records.Filed(row, _ANY).whole:
        records.drop(connection, row[0])


def _is_hex(text: str, length: int) -> bool:
    return len(text) == length and set(text) <= set("0123456789abcdef")
