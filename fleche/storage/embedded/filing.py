"""What is written in one transaction: a record with its values, one value, and the setting aside of damage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from sqlite3 import Connection
from typing import Any

from fleche.call.records import DigestedCall
from fleche.digest import Digest
from fleche.errors import DamagedError, UnreadableError
from fleche.storage.authenticity import Authenticity
from fleche.storage.base import CodeRecord, check_key
from fleche.storage.envelope import Envelope
from fleche.storage.leases import Lease
from fleche.storage.packing import links
from fleche.storage.sql import records, statements
from fleche.storage.sql.database import Database
from fleche.storage.value_files import ValueFiles

__all__ = ["Filing", "SettingAside", "StoredValue"]

_IN_ROW = 1024  # bytes of the largest result that lives in the row of its call
_IN_INDEX = 64 * 1024  # bytes of the largest value that lives in the index


class Filing:
    """One record with its values, filed in one transaction. Large values are written before that begins.

    Raises:
        SaveError: Something cannot be stored.
    """

    def __init__(
        self,
        call: DigestedCall,
        own: Envelope | None,
        values: Mapping[Digest, Envelope],
        files: ValueFiles,
        database: Database,
        lease: Lease | None,
        code: CodeRecord | None,
        authenticity: Authenticity,
        signature: bytes | None = None,
        parts: Sequence[tuple[Digest, Envelope]] = (),
    ) -> None:
        self._call = call
        self._rows = records.Prepared(call, signature)
        self._inline = own.to_bytes() if own is not None and own.size <= _IN_ROW else None
        self._own = own
        self._others = [
            StoredValue(digest, each, files, database) for digest, each in (*parts, *values.items()) if each is not own
        ]
        self._links = links((*parts, *values.items()))
        if own is not None and call.result is not None:
            self._result = StoredValue(call.result, own, files, database)
        self._lease = lease
        self._code = code
        self._authenticity = authenticity

    def __call__(self, connection: Connection) -> None:
        """File it, within a transaction; may be called again."""
        old = records.filed(connection, self._call, self._rows.key)
        if old is not None:
            if self._lease is not None and self._lease.lost:
                return
            if not self._replaces(old):
                if old.call.result == self._call.result:
                    self._keep(connection, [*self._others, *([self._result] if self._own is not None else [])])
                return
            records.drop(connection, old.id)
        records.file(connection, self._rows, self._inline)
        if self._own is not None and self._inline is None:
            self._result.put(connection)
        self._keep(connection, self._others)
        if self._code is not None:
            records.add_code(connection, self._code)

    def _replaces(self, old: records.Filed) -> bool:
        authentic = self._authenticity
        if self._call.replaces(old.call) or not old.is_authentic(self._call.key, authentic):
            return True
        lost = not old.whole or (old.call.result is not None and authentic.is_unusable(old.call.result, old.form))
        return lost and self._own is not None and self._call.outcome is old.call.outcome

    def _keep(self, connection: Connection, values: Iterable[StoredValue]) -> None:
        if self._links:
            connection.executemany(statements.ADD_PART, self._links)
        for value in values:
            if self._authenticity.is_unusable(value.digest, value.form) or not value.is_here(connection):
                value.put(connection)


class StoredValue:
    """One form of one value on its way into the store; a large one is written to its file at once.

    A file that is there already is believed only if the index knows it as it is: one that nobody names may be what a
    power failure left.

    Raises:
        SaveError: The file cannot be written.
        ValueError: The digest is not whole.
    """

    def __init__(self, digest: Digest, envelope: Envelope, files: ValueFiles, database: Database) -> None:
        self.digest = check_key(digest)
        self._envelope = envelope
        self._files = files
        self.form = envelope.form
        self._row = digest.raw, bytes.fromhex(self.form)
        self._large = envelope.size > _IN_INDEX
        self._written = False
        if self._large and not self._is_known(database.one(statements.VALUE_FORM, self._row)):
            self._write()

    def is_here(self, connection: Connection) -> bool:
        """Whether the store has it, in this form."""
        row = connection.execute(statements.VALUE_FORM, self._row).fetchone()
        if row is not None:
            return self._is_known(row)
        return connection.execute(statements.INLINE_FORM, self._row).fetchone() is not None

    def put(self, connection: Connection) -> None:
        """Keep it, within a transaction."""
        size, stat, data = self._envelope.size, None, None
        if self._large:
            stat = self._files.stat(self.digest, self.form)
            if stat is None or not self._written:  # evicted by another process since it was looked at
                self._write()
                stat = self._files.stat(self.digest, self.form)
        else:
            data = self._envelope.to_bytes()
        connection.execute(statements.PUT_VALUE, (*self._row, size, stat, data))

    def _is_known(self, row: tuple[Any, ...] | None) -> bool:
        return row is not None and (not self._large or row[2] == self._files.stat(self.digest, self.form))

    def _write(self) -> None:
        self._files.write(self.digest, self._envelope)
        self._written = True

    def put_newest(self, connection: Connection) -> None:
        """Keep it as the form that is loaded where none is asked for."""
        connection.executemany(statements.ADD_PART, links([(self.digest, self._envelope)]))
        connection.execute(statements.DROP_VALUE_FORM, self._row)
        self.put(connection)


class SettingAside:
    """Moves every copy of a value that is damaged, or whose file is missing, to the quarantine."""

    def __init__(self, files: ValueFiles, digest: Digest) -> None:
        self._files = files
        self._digest = digest

    def __call__(self, connection: Connection) -> None:
        """Do it, within a transaction."""
        for copies, drop in (
            (statements.VALUE_COPIES, statements.DROP_VALUE_COPY),
            (statements.INLINE_COPIES, statements.DROP_INLINE_COPY),
        ):
            for number, form, data in connection.execute(copies, (self._digest.raw,)).fetchall():
                if self._is_damaged(form.hex(), data):
                    connection.execute(drop, (number,))

    def _is_damaged(self, form: str, data: bytes | None) -> bool:
        try:
            if data is None:
                self._files.check(self._digest, form)
            else:
                Envelope.parse(data, place="index")
        except (UnreadableError, PermissionError):
            return False
        except (DamagedError, FileNotFoundError):
            if data is None:
                self._files.set_aside(self._digest, form)
            else:
                self._files.keep_aside(self._digest, form, data)
            return True
        except OSError:
            return False
        return False
