"""A store in a database looks itself over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from fleche.call.records import Outcome
from fleche.digest import Digest
from fleche.errors import DamagedError, UnreadableError
from fleche.storage.checking import Fault, Finding
from fleche.storage.envelope import Envelope
from fleche.storage.sql import core
from fleche.storage.sql.schema import calls, values

if TYPE_CHECKING:
    from fleche.storage.sql.store import SqlStore

__all__ = ["Check"]

_BATCH = 20  # envelopes in memory at once


class Check:
    """One look over everything, in batches, so that writers are not held up.

    Args:
        store: The store.
        repair: Whether damaged values are moved to the table ``quarantine``.
    """

    def __init__(self, store: SqlStore, *, repair: bool) -> None:
        self._store = store
        self._repair = repair

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong: values first, then records."""
        for table, statement, number in (
            ("values", core.VALUE_COPIES, values.c.id),
            ("calls", core.INLINE_COPIES, calls.c.id),
        ):
            yield from self._values(table, statement, number)
        yield from self._calls()

    def _values(self, table: str, statement: Any, number: Any) -> Iterator[Finding]:
        last = 0
        while True:
            query = statement.where(number > last).order_by(number).limit(_BATCH)
            rows = self._store.connections.read(partial(_all, query))
            if not rows:
                return
            for row in rows:
                found = self._value(table, *row)
                if found is not None:
                    yield found
                yield from self._parts(table, row[0], row[3])
            last = rows[-1][0]

    def _value(self, table: str, number: int, digest: bytes, form: bytes | None, data: bytes | None) -> Finding | None:
        key = Digest.from_bytes(digest)
        place = f"{self._store.place}, table {table}, id {number}"
        if data is None:
            return Finding(
                fault=Fault.MISSING, what="value", digest=str(key), place=place, message="its row holds no bytes"
            )
        try:
            envelope = Envelope.parse(data, place=place)
        except UnreadableError as error:
            return Finding(fault=Fault.UNREADABLE, what="value", digest=str(key), place=place, message=str(error))
        except DamagedError as error:
            mended = ""
            if self._repair and self._store.set_aside(key):
                mended = "moved to the table quarantine"
            return Finding(
                fault=Fault.DAMAGED, what="value", digest=str(key), place=place, message=str(error), mended=mended
            )
        if form is not None and envelope.form != form.hex():
            message = f"it is filed as the form {form.hex()}, and is {envelope.form}"
            return Finding(fault=Fault.MISFILED, what="value", digest=str(key), place=place, message=message)
        return None

    def _parts(self, table: str, number: int, data: bytes | None) -> Iterator[Finding]:
        try:
            wanted = set() if data is None else Envelope.parse(data, place="").references()
        except DamagedError:
            return
        for digest, form in sorted(wanted):
            known = {"digest": digest.raw, "form": bytes.fromhex(form)}
            if all(self._store.connections.one(text, known) is None for text in (core.VALUE_FORM, core.INLINE_FORM)):
                yield Finding(
                    fault=Fault.MISSING,
                    what="value",
                    digest=str(digest),
                    place=f"{self._store.place}, table {table}, id {number}",
                    message="it is a part of the value in this row, and is not there; that counts as a miss",
                )

    def _calls(self) -> Iterator[Finding]:
        store = self._store
        present = set(store.values.list())
        for number, key, record in store.calls.rows():
            place = f"{store.place}, table calls, id {number}"
            if record.key != key:
                message = f"by its fields its key is {record.key}"
                yield Finding(fault=Fault.MISFILED, what="call", digest=str(key), place=place, message=message)
            if record.outcome is Outcome.RESULT and record.result is not None and record.result not in present:
                message = f"its result {record.result} is not stored; the call counts as a miss"
                yield Finding(fault=Fault.MISSING, what="call", digest=str(key), place=place, message=message)


def _all(query: Any, connection: Connection) -> Sequence[Any]:
    return connection.execute(query).all()
