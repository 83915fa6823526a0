"""A store in an SQL database: opened, looked up, written to and described."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from fleche.call.records import DigestedCall
from fleche.digest import Digest
from fleche.errors import ConfigError, DamagedError, FlecheError, StoreError, UnreadableError, UntrustedError
from fleche.storage.acceptances import Acceptance
from fleche.storage.authenticity import Authenticity
from fleche.storage.base import CodeRecord, Hit, Intent, OperationContext
from fleche.storage.builder import Builder
from fleche.storage.checking import Finding
from fleche.storage.destructuring import parts_of
from fleche.storage.envelope import Envelope
from fleche.storage.leases import Lease
from fleche.storage.loader import Loader
from fleche.storage.packing import PLAIN, Packing
from fleche.storage.sql import core, said
from fleche.storage.sql.address import Address
from fleche.storage.sql.connections import Connections
from fleche.storage.sql.filing import Context, Filing, SettingAside
from fleche.storage.sql.leases import SqlLeases
from fleche.storage.sql.rows import OUTCOMES
from fleche.storage.sql.seal import Opening
from fleche.storage.trust import Trust

__all__ = ["LARGEST", "SqlStore"]

LARGEST = 256 * 1024 * 1024
"""Bytes of the largest value that is taken unless another limit is given: a server holds several copies in memory."""

_HARD_LIMIT = 1_000_000_000  # bytes in one field of PostgreSQL, less what surrounds it


class SqlStore(OperationContext):
    """Values and calls in the tables of one database, as one record store: PostgreSQL for a team, or an SQLite file.

    A hit is one statement, and filing a call is one transaction.

    It may be used by many threads and processes on many hosts. A forked child makes connections of its own. Pickled it
    is its address, password included.

    Others can write to a database, so it is not trusted: values are built by the safe loader, unless you say otherwise.

    Args:
        url: Such as ``postgresql://ada@db.example.org/science``. Leave the password out of it where you can:
            ``PGPASSWORD``, ``~/.pgpass`` and peer authentication are the driver's.
        schema: The PostgreSQL schema that holds the tables; made if it is not there. By default ``fleche``.
        create: Whether tables may be made.
        trust: Whether whoever can write to the database may run code in this process: any type is built.
        loader: What builds values, if neither is right.
        packing: How values are packed.
        largest: Bytes of the largest value that is taken, at most 1 GB.
        lease_term: Seconds after which the lease of a process that died is over.
        echo: Whether SQLAlchemy logs each statement.

    Raises:
        ConfigError: The URL is none, or of another kind of database; the driver is missing; two loaders are given.
        FormatError: The store is of another format or algorithm, or the tables are another program's.
        StoreError: The database cannot be opened.

    >>> store = SqlStore("sqlite://")
    >>> store.values.load(store.values.save([1, 2]))
    [1, 2]
    """

    def __init__(
        self,
        url: str,
        *,
        schema: str | None = None,
        create: bool = True,
        trust: bool = False,
        loader: Loader | None = None,
        packing: Packing = PLAIN,
        largest: int = LARGEST,
        lease_term: float = 20.0,
        echo: bool = False,
    ) -> None:
        if trust and loader is not None:
            raise ConfigError("trust=True and loader= exclude each other: give one of them")
        if not 0 < largest <= _HARD_LIMIT:
            raise ConfigError(f"largest={largest} is not between 1 and {_HARD_LIMIT}, the most that a row can hold")
        self._options: dict[str, Any] = {
            "create": create,
            "trust": trust,
            "loader": loader,
            "packing": packing,
            "largest": largest,
            "lease_term": lease_term,
            "echo": echo,
        }
        self._build(Address.of(url, schema))
        self.calls.count()

    def _build(self, address: Address) -> None:
        from fleche.storage.sql.calls import SqlCalls
        from fleche.storage.sql.values import SqlValues

        options = self._options
        self.address = address
        self.place = address.place
        self._opening = Opening(address, create=options["create"])
        self.connections = Connections(address, self._opening, echo=options["echo"])
        self._builder = Builder(options["loader"], self._trust)
        self.packing: Packing = options["packing"]
        self.authenticity = Authenticity(self.packing, self._builder, self.place)
        self._unreadable = self.authenticity.unreadable
        self.context = Context(
            place=self.place, largest=options["largest"], known=set(), authenticity=self.authenticity
        )
        self._direct = self._is_plain()
        self.leases = SqlLeases(self.connections, term=options["lease_term"])
        self.values = SqlValues(self, self.connections)
        self.calls: SqlCalls = SqlCalls(self, self.connections)

    def _trust(self) -> Trust:
        if self._options["trust"]:
            return Trust(True, "as its opener said")
        if self.address.in_memory:
            return Trust(True, "it is in the memory of this process")
        return Trust(False, "others can write to a database; say trust=True if all who can may run code here")

    @property
    def signs(self) -> bool:
        """Whether what is filed here is signed, so that whoever has the key will build it in full."""
        return bool(self.packing.keys)

    @property
    def trusted(self) -> bool:
        """Whether any type may be built; see `RecordStore.trusted`."""
        return self._builder.trusted

    def pack(self, value: Any) -> Envelope:
        """Return a value's bytes as this store keeps them; see `RecordStore.pack`."""
        return self.packing.pack(value)

    def lookup(self, key: Digest) -> Hit | None:
        """Return what is known of a call, by one statement; see `RecordStore.lookup`."""
        if self._direct:
            return self._lookup(key)
        with self._operation_context(key, intent=Intent.READ):
            return self._lookup(key)

    def _lookup(self, key: Digest) -> Hit | None:
        try:
            row = self.connections.one(core.LOOKUP, {"key": bytes.fromhex(key)})
        except ValueError:  # no hexadecimal text, so it is no key
            return None
        if row is None:
            return None
        number, result, form, at, expires, data, signature = row
        known = None if result is None else Digest.from_bytes(result)
        form = None if form is None else form.hex()
        envelope, damage = None, None
        authentic = self.authenticity
        signature = None if signature is None else bytes(signature)
        if self.packing.keys and not authentic.of_record(key, OUTCOMES[number], known, form, signature):
            damage = authentic.disowned(key, known, form)
        elif known is not None and data is not None:
            try:
                envelope = Envelope.parse(data, place=self.place)
            except DamagedError as error:
                self._note(known, form, error)
                damage = error.with_traceback(None)
            if envelope is not None and self.packing.keys and not authentic.of_value(known, envelope):
                envelope, damage = None, authentic.disowned(key, known, form)
        return Hit(OUTCOMES[number], at, expires, known, form, envelope, damage)

    def record(
        self,
        call: DigestedCall,
        values: Mapping[Digest, Envelope],
        lease: Lease | None = None,
        *,
        code: CodeRecord | None = None,
    ) -> None:
        """File a call with its values, in one transaction; see `RecordStore.record`."""
        values = self.packing.all_signed(values)
        own = None if call.result is None else values.get(call.result)
        if own is not None:
            call = call.evolve(form=own.form)
        signature, parts = self.packing.sign_record(call), self.packing.parts_of(values.items())
        filing = Filing(call, own, values, self.context, lease, code, signature, parts)
        if self._direct:
            self.connections.write(filing)
        else:
            with self._operation_context(call.key, intent=Intent.WRITE):
                self.connections.write(filing)
        filing.remember()

    def code_record(self, digest: Digest) -> CodeRecord | None:
        """Return what stands behind a code fingerprint, or None."""
        row = self.connections.one(core.CODE, {"digest": digest.raw})
        return None if row is None else CodeRecord(digest=digest, kind=row[0], tree=row[1], source=row[2])

    def open_value(self, digest: Digest, form: bytes | None, data: bytes) -> Envelope:
        """Return the bytes of a value whose row was read.

        Raises:
            DamagedError: They are damaged, and were set aside.
        """
        try:
            return Envelope.parse(data, place=self.place)
        except DamagedError as error:
            self._note(digest, None if form is None else form.hex(), error)
            raise

    def decode(self, digest: Digest, envelope: Envelope) -> Any:
        """Return the value in an envelope; see `RecordStore.decode`."""
        try:
            parts = parts_of(envelope, self.values, self.packing, self._builder, self.authenticity)
            return self.packing.load(envelope, digest, self._builder.loader, parts)
        except DamagedError as error:
            self._note(digest, envelope.form if isinstance(error, UnreadableError) else None, error)
            raise
        except UntrustedError:
            self.authenticity.refused(digest)
            raise

    def refuses(self, value: Any) -> UntrustedError | None:
        """Return why this store will not build a value that it keeps; None where it will: always, if it is trusted."""
        return self._builder.refuses(value, self.packing)

    def accept(self, acceptance: Acceptance) -> None:
        """Keep an acceptance, signed where there are keys; see `Accepting.accept`."""
        said.accept(self.connections, self.authenticity.sealed(acceptance))

    def acceptances(self, new: Digest | None = None) -> Sequence[Acceptance]:
        """Return the acceptances that can be believed; see `Accepting.acceptances`."""
        return said.acceptances(self.connections, self.authenticity, new)

    def withdraw(self, old: Digest, new: Digest) -> bool:
        """Remove an acceptance; see `Accepting.withdraw`."""
        return said.withdraw(self.connections, old, new)

    def check(self, *, repair: bool = False) -> Iterator[Finding]:
        """Read everything that is stored, and yield what is wrong; see `Checkable.check`."""
        from fleche.storage.sql.check import Check

        return Check(self, repair=repair).findings()

    def set_aside(self, digest: Digest) -> int:
        """Move the damaged copies of a value to the table ``quarantine``; return how many there were.

        Raises:
            StoreError: The database cannot be written.
        """
        setting = SettingAside(digest, self.place)
        self.connections.write(setting)
        return setting.moved

    def close(self) -> None:
        """Give leases back and close all connections. The store opens again when it is used again."""
        with suppress(StoreError):  # of a server that is gone; the leases end by themselves
            self.leases.close()
        self.connections.close()

    def describe(self) -> Mapping[str, Any]:
        """Return what the store is and holds, for people: place, format, counts, bytes, trust; never a password."""
        calls = self.calls.count()
        stored = self.connections.one(core.VALUE_TOTALS) or (0, 0)
        inline = self.connections.one(core.INLINE_TOTALS) or (0, 0)
        seal = self._opening.seal
        return {
            "path": self.place,
            "format": None if seal is None else f"{seal.format}.{seal.minor}",
            "algorithm": None if seal is None else seal.algorithm,
            "layout": None if seal is None else seal.layout,
            "calls": calls,
            "values": int(stored[0] + inline[0]),
            "bytes": int(stored[1] + inline[1]),
            "trusted": self.trusted,
            "reason": self._trust().reason,
        }

    def _note(self, digest: Digest, form: str | None, error: DamagedError) -> None:
        """Set aside what is damaged; remember what is whole and cannot be read here, so that it can be replaced."""
        if isinstance(error, UnreadableError):
            self._unreadable.add((digest, form))
            return
        with suppress(FlecheError):  # of a role that may not write; that is no failure of the read that noticed
            self.set_aside(digest)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.address.in_memory:
            raise TypeError(
                "a database in memory cannot be pickled into another process: what is computed there would not be "
                "here. Use a file (sqlite:///calls.db) or a server."
            )
        return _unpickled, (type(self), self.address.text(), self.address.schema, self._options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place!r})"


def _unpickled(kind: type[SqlStore], url: str, schema: str | None, options: dict[str, Any]) -> SqlStore:
    """Return the store of an address; it is opened when it is first used, so that a lost one fails no unpickling."""
    store = kind.__new__(kind)
    store._options = options  # noqa: SLF001
    store._build(Address.of(url, schema))  # noqa: SLF001
    return store
