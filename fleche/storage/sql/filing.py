"""What is written in one transaction: a record with its values, one value, and the setting aside of damage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from fleche.call.records import DigestedCall
from fleche.clock import SYSTEM, to_micros
from fleche.digest import Digest
from fleche.errors import DamagedError, SaveError, StoreError, UnreadableError
from fleche.storage.authenticity import Authenticity
from fleche.storage.base import CodeRecord, check_key
from fleche.storage.envelope import Envelope
from fleche.storage.leases import Lease
from fleche.storage.packing import links
from fleche.storage.sql import core, core_records
from fleche.storage.sql.leases import SqlLease
from fleche.storage.sql.records import Filed, Prepared
from fleche.storage.sql.schema import calls, values
from fleche.storage.sql.seal import quarantine

__all__ = ["Context", "Filing", "KeptValue", "SettingAside"]

_IN_ROW = 1024  # bytes of the largest result that lives in the row of its call
_CHANCES = 100  # how often a key may be filed and evicted by others while one transaction looks at it


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What filing needs to know of its store.

    Attributes:
        place: Where the store is, for messages.
        largest: Bytes of the largest value that is taken.
        known: Functions and environments that are in the database.
        authenticity: What is believed, and which forms of values are of no use here, so that they are written again.
    """

    place: str
    largest: int
    known: set[object]
    authenticity: Authenticity


class KeptValue:
    """One form of one value on its way into the store.

    Raises:
        SaveError: It is larger than the store takes.
        ValueError: The digest is not whole.
    """

    def __init__(self, digest: Digest, envelope: Envelope, context: Context) -> None:
        if envelope.size > context.largest:
            raise SaveError(
                f"a value of {envelope.size:,} bytes is larger than {context.largest:,}, the most that {context.place} "
                f"takes. Keep large values in files (a store in a directory, with this one for calls), return a path "
                f"or smaller parts, or raise the limit with SqlStore(largest=...), up to 1 GB.",
                reason="too large",
            )
        self.digest = check_key(digest)
        self.form = envelope.form
        self._envelope = envelope
        self._authenticity = context.authenticity
        self.row = digest.raw, bytes.fromhex(self.form)

    def put(self, connection: Connection) -> None:
        """Keep it, within a transaction."""
        connection.execute(core.inserts(connection.dialect.name).value, self._cells())

    def put_newest(self, connection: Connection) -> None:
        """Keep it as the form that is loaded where none is asked for."""
        digest, form = self.row
        newest = connection.execute(core.NEWEST_FORM, {"digest": digest}).scalar()
        if newest in (None, form) and present(connection, [self]) and not self.is_unusable:
            return
        connection.execute(core.DROP_VALUE_FORM, {"digest": digest, "form": form})
        self.put(connection)
        named = [_link(pair) for pair in links([(self.digest, self._envelope)])]
        if named:
            connection.execute(core.inserts(connection.dialect.name).part, named)

    @property
    def is_unusable(self) -> bool:
        """Whether what is there in this form is of no use here."""
        return self._authenticity.is_unusable(self.digest, self.form)

    def _cells(self) -> dict[str, Any]:
        digest, form = self.row
        return {"digest": digest, "form": form, "size": self._envelope.size, "envelope": self._envelope.to_bytes()}


def present(connection: Connection, wanted: Iterable[KeptValue]) -> set[tuple[bytes, bytes]]:
    """Return which of some values, by digest and form, are in the store."""
    rows = {value.row for value in wanted}
    found = connection.execute(core.PRESENT, {"digests": sorted({digest for digest, _ in rows})})
    return rows.intersection((bytes(digest), bytes(form)) for digest, form in found if form is not None)


class Filing:
    """One record with its values, filed in one transaction.

    The key's row is inserted first. If it is taken, by a transaction that may not be over yet and is waited for, the
    row that is there is locked and decides. So of two that file one key at once the second sees what the first did.

    Raises:
        SaveError: Something cannot be stored.
    """

    def __init__(
        self,
        call: DigestedCall,
        own: Envelope | None,
        values: Mapping[Digest, Envelope],
        context: Context,
        lease: Lease | None,
        code: CodeRecord | None,
        signature: bytes | None = None,
        parts: Sequence[tuple[Digest, Envelope]] = (),
    ) -> None:
        self._call = call
        self._rows = Prepared(call, signature)
        self._context = context
        kept = {digest: KeptValue(digest, envelope, context) for digest, envelope in values.items()}
        self._result = None if call.result is None else kept.pop(call.result, None)
        # In one order everywhere, so that two transactions do not wait for each other.
        apart = [KeptValue(digest, envelope, context) for digest, envelope in parts]
        self._others = sorted([*apart, *kept.values()], key=_by_row)
        self._links = [_link(pair) for pair in links((*parts, *values.items()))]
        inline = own.to_bytes() if own is not None and own.size <= _IN_ROW else None
        self._is_inline = inline is not None
        self._row = core_records.Row(self._rows, inline, context.known)
        self._lease = lease
        self._code = code
        self._tries = 0

    def __call__(self, connection: Connection) -> None:
        """File it, within a transaction; may be called again."""
        self._tries += 1
        self._row.prepare(connection, trusting=self._tries == 1)
        for _ in range(_CHANCES):
            number = self._row.insert(connection)
            if number is not None:
                self._complete(connection, number)
                return
            old = core_records.filed(connection, self._call, self._rows.key)
            if old is None:  # evicted, or replaced, by the transaction that was waited for
                continue
            if self._lease is not None and _is_lost(self._lease, connection):
                return
            if not self._replaces(old):
                if old.call.result == self._call.result:
                    self._keep(connection, [*self._others, *([] if self._result is None else [self._result])])
                return
            core_records.drop(connection, old.id)
        raise StoreError(
            f"the record {self._call.key} in {self._context.place} was replaced {_CHANCES} times while it was filed; "
            f"find out what replaces it",
            path=self._context.place,
        )

    def remember(self) -> None:
        """Note, after the commit, what is known to be there."""
        self._row.remember()
        if self._code is not None:
            self._context.known.add(self._code.digest)

    def _complete(self, connection: Connection, number: int) -> None:
        core_records.add_rest(connection, number, self._rows)
        self._keep(connection, [*self._others, *([] if self._result is None or self._is_inline else [self._result])])
        code = self._code
        if code is not None and not (self._tries == 1 and code.digest in self._context.known):
            cells = {"digest": code.digest.raw, "kind": code.kind, "tree": code.tree, "source": code.source}
            connection.execute(core.inserts(connection.dialect.name).code, cells)

    def _replaces(self, old: Filed) -> bool:
        authentic = self._context.authenticity
        if self._call.replaces(old.call) or not old.is_authentic(self._call.key, authentic):
            return True
        lost = not old.whole or (old.call.result is not None and authentic.is_unusable(old.call.result, old.form))
        return lost and self._result is not None and self._call.outcome is old.call.outcome

    def _keep(self, connection: Connection, kept: list[KeptValue]) -> None:
        if not kept:
            return
        if self._links:
            connection.execute(core.inserts(connection.dialect.name).part, self._links)
        there = present(connection, kept)
        for value in kept:
            if value.row not in there or value.is_unusable:
                value.put(connection)


def _link(pair: tuple[bytes, bytes]) -> dict[str, bytes]:
    return {"parent": pair[0], "child": pair[1]}


def _by_row(value: KeptValue) -> tuple[bytes, bytes]:
    return value.row


def _is_lost(lease: Lease, connection: Connection) -> bool:
    return lease.is_lost_in(connection) if isinstance(lease, SqlLease) else lease.lost


class SettingAside:
    """Moves every damaged copy of a value to the table ``quarantine``; the others stay.

    Args:
        digest: The value.
        place: Where the store is, for messages.
    """

    def __init__(self, digest: Digest, place: str) -> None:
        self._digest = digest
        self._place = place
        self.moved = 0
        """How many copies were moved."""

    def __call__(self, connection: Connection) -> None:
        """Do it, within a transaction."""
        self.moved = 0
        raw = self._digest.raw
        for copies, own, drop in (
            (core.VALUE_COPIES, values.c.digest, core.DROP_VALUE_COPY),
            (core.INLINE_COPIES, calls.c.result, core.DROP_INLINE_COPY),
        ):
            for number, _, form, data in connection.execute(copies.where(own == raw)).all():
                if data is not None and damage(data, self._place) is not None:
                    now = to_micros(SYSTEM.now())
                    cells = {"digest": raw, "form": form, "at": now, "envelope": data}
                    connection.execute(quarantine.insert(), cells)
                    connection.execute(drop, {"number": number})
                    self.moved += 1


def damage(data: bytes, place: str) -> DamagedError | None:
    """Return what is wrong with the bytes of an envelope, if anything is; what only cannot be read here is whole."""
    try:
        Envelope.parse(data, place=place)
    except UnreadableError:
        return None
    except DamagedError as error:
        return error
    return None
