"""The values of an embedded store."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any, ClassVar

from fleche.digest import Digest, digest
from fleche.errors import UnknownDigestError
from fleche.storage.base import Intent, ValueStorage
from fleche.storage.embedded.filing import StoredValue
from fleche.storage.embedded.keys import EmbeddedKeys
from fleche.storage.envelope import Envelope
from fleche.storage.sql import statements
from fleche.storage.sql.database import Database
from fleche.storage.value_files import ValueFiles

if TYPE_CHECKING:
    from fleche.storage.embedded.store import EmbeddedStore

__all__ = ["EmbeddedValues"]


class EmbeddedValues(EmbeddedKeys, ValueStorage):
    """The values of an embedded store, in every form that was saved.

    Args:
        store: The store that this is a face of.
        database: Its index.
        files: Its large values.
    """

    _FACE = "values"
    _STATEMENTS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "keys": (statements.VALUE_KEYS,),
        "candidates": (statements.VALUE_CANDIDATES, statements.INLINE_CANDIDATES),
        "below": (statements.VALUE_BELOW, statements.INLINE_BELOW),
        "above": (statements.VALUE_ABOVE, statements.INLINE_ABOVE),
    }

    def __init__(self, store: EmbeddedStore, database: Database, files: ValueFiles) -> None:
        super().__init__(store, database)
        self._files = files

    def save(self, value: Any, key: Digest | None = None) -> Digest:
        """Store a value under a key, or under its digest; see `ValueStorage.save`."""
        if key is None:
            key = digest(value)
            if isinstance(value, Digest):
                return key
        self.put_envelope(key, self.store.pack(value))
        return key

    def load(self, key: Digest | str) -> Any:
        """Return a value; see `ValueStorage.load`."""
        whole = self._normalize_key(key)
        return self.store.decode(whole, self.get_envelope(whole))

    def put_envelope(self, key: Digest, envelope: Envelope) -> None:
        """Keep one form of a value beside the others; see `EnvelopeStorage.put_envelope`."""
        with self._operation_context(key, intent=Intent.WRITE):
            value = StoredValue(key, self.store.packing.signed(envelope, key), self._files, self._database)
            newest = self._database.one(statements.VALUE, (key.raw,))
            is_newest = newest is None or newest[0].hex() == value.form
            if is_newest and self._database.read(value.is_here):
                return
            self._database.write(value.put_newest)

    def get_envelope(self, key: Digest, form: str | None = None) -> Envelope:
        """Return a value's bytes in one form, or in any; see `EnvelopeStorage.get_envelope`."""
        with self._operation_context(key, intent=Intent.READ):
            try:
                known = (bytes.fromhex(key),) if form is None else (bytes.fromhex(key), bytes.fromhex(form))
            except ValueError:
                raise self._absent(key, form) from None
            row = self._database.one(statements.VALUE if form is None else statements.VALUE_FORM, known)
            if row is not None:
                return self.store.open_value(key, *row)
            envelope = self.inline(key, form)
            if envelope is None:
                raise self._absent(key, form)
            return envelope

    def peek(self, key: Digest, form: str | None, limit: int) -> tuple[int, Envelope | None]:
        """Return the size of a value, and its envelope where little must be read; see `Peekable.peek`."""
        with self._operation_context(key, intent=Intent.READ):
            known = (key.raw,) if form is None else (key.raw, bytes.fromhex(form))
            row = self._database.one(statements.VALUE if form is None else statements.VALUE_FORM, known)
            if row is not None and row[3] is None:
                return row[1], self._files.peek(key, row[0].hex(), limit)
            if row is None:
                inline = self._database.one(statements.INLINE if form is None else statements.INLINE_FORM, known)
                if inline is None:
                    raise self._absent(key, form)
                row = (*inline[:1], len(inline[1]), None, inline[1])
            return row[1], Envelope.parse(row[3], place=str(self.store.root)) if row[1] <= limit else None

    def inline(self, key: Digest, form: str | None) -> Envelope | None:
        """Return the bytes of a value that lives in the row of some call, or None.

        Raises:
            DamagedError: They are damaged, and were set aside.
        """
        known = (key.raw,) if form is None else (key.raw, bytes.fromhex(form))
        row = self._database.one(statements.INLINE if form is None else statements.INLINE_FORM, known)
        return None if row is None else self.store.open_value(key, row[0], len(row[1]), None, row[1])

    def _absent(self, key: Digest, form: str | None) -> UnknownDigestError:
        shape = "" if form is None else f" in the form {form}"
        return UnknownDigestError(f"{self.store.root} holds no value {key}{shape}", digest=str(key))

    def _contains(self, key: Digest) -> bool:
        try:
            known = (bytes.fromhex(key),)
        except ValueError:
            return False
        return any(self._database.one(text, known) for text in (statements.VALUE, statements.INLINE))

    def _evict(self, key: Digest) -> None:
        with suppress(ValueError):
            known = (bytes.fromhex(key),)
            self._database.write(lambda connection: self._drop(connection, key, known))

    def _drop(self, connection: Connection, key: Digest, known: tuple[bytes]) -> None:
        for (form,) in connection.execute(statements.VALUE_FILES, known).fetchall():
            self._files.remove(key, form.hex())  # before the commit, so that who writes it again sees that it is gone
        connection.execute(statements.DROP_VALUE, known)
        connection.execute(statements.CLEAR_INLINE, known)
