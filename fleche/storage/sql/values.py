"""The values of a store in a database."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from sqlalchemy import Connection, Executable

from fleche.digest import Digest, digest
from fleche.errors import UnknownDigestError
from fleche.storage.base import Intent, ValueStorage
from fleche.storage.envelope import Envelope
from fleche.storage.sql import core
from fleche.storage.sql.filing import KeptValue
from fleche.storage.sql.keys import SqlKeys, whole_key

__all__ = ["SqlValues"]


class SqlValues(SqlKeys, ValueStorage):
    """The values of a store in a database, in every form that was saved; made by `SqlStore`."""

    _FACE = "values"
    _STATEMENTS: ClassVar[Mapping[str, tuple[Executable, ...]]] = {
        "keys": core.VALUE_KEYS,
        "candidates": core.VALUE_CANDIDATES,
        "below": core.VALUE_BELOW,
        "above": core.VALUE_ABOVE,
    }

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
        for part, child in envelope.children:
            self.put_envelope(part, child)
        with self._operation_context(key, intent=Intent.WRITE):
            self._connections.write(
                KeptValue(key, self.store.packing.signed(envelope, key), self.store.context).put_newest
            )

    def get_envelope(self, key: Digest, form: str | None = None) -> Envelope:
        """Return a value's bytes in one form, or in any; see `EnvelopeStorage.get_envelope`."""
        with self._operation_context(key, intent=Intent.READ):
            try:
                known = {"digest": bytes.fromhex(key)} | ({} if form is None else {"form": bytes.fromhex(form)})
            except ValueError:
                raise self._absent(key, form) from None
            kept, inline = (core.VALUE, core.INLINE) if form is None else (core.VALUE_FORM, core.INLINE_FORM)
            # A record that is replaced leaves its result among the values, where this has looked already: so once more.
            for statement in (kept, inline, kept):
                row = self._connections.one(statement, known)
                if row is not None and row[1] is not None:
                    return self.store.open_value(key, row[0], row[1])
            raise self._absent(key, form)

    def _absent(self, key: Digest, form: str | None) -> UnknownDigestError:
        shape = "" if form is None else f" in the form {form}"
        return UnknownDigestError(f"{self.store.place} holds no value {key}{shape}", digest=str(key))

    def _contains(self, key: Digest) -> bool:
        known = whole_key(key)
        return known is not None and self._connections.one(core.HAS_VALUE, {"digest": known}) is not None

    def _evict(self, key: Digest) -> None:
        known = whole_key(key)
        if known is not None:
            self._connections.write(partial(_drop, known))


def _drop(known: bytes, connection: Connection) -> None:
    connection.execute(core.DROP_VALUE, {"digest": known})
    connection.execute(core.CLEAR_INLINE, {"digest": known})
