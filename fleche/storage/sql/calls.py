"""The records of a store in a database."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from sqlalchemy import Connection, Executable

from fleche.call.records import DigestedCall, QueryCall
from fleche.digest import Digest
from fleche.errors import UnknownDigestError
from fleche.storage.acceptances import Forgotten
from fleche.storage.base import CallStorage, Intent, Variant
from fleche.storage.sql import core, core_records, said
from fleche.storage.sql.conditions import POSTGRESQL, SQLITE, Dialect
from fleche.storage.sql.filing import Filing
from fleche.storage.sql.keys import SqlKeys, whole_key
from fleche.storage.sql.records import Loaded
from fleche.storage.sql.replanning import planned
from fleche.storage.sql.store import SqlStore

__all__ = ["Sql", "SqlCalls"]

_BATCH = 200  # records that are loaded at once


class SqlCalls(SqlKeys, CallStorage):
    """The records of a store in a database; made by `SqlStore`."""

    _FACE = "calls"
    _STATEMENTS: ClassVar[Mapping[str, tuple[Executable, ...]]] = {
        "keys": core.CALL_KEYS,
        "candidates": core.CALL_CANDIDATES,
        "below": core.CALL_BELOW,
        "above": core.CALL_ABOVE,
    }

    def save(self, call: DigestedCall) -> Digest:
        """File a record under its lookup key; see `CallStorage.save`."""
        key = call.key
        with self._operation_context(key, intent=Intent.WRITE):
            self.store.record(call, {})
        return key

    def load(self, key: Digest | str) -> DigestedCall:
        """Return a record; see `CallStorage.load`."""
        whole = self._normalize_key(key)
        with self._operation_context(whole, intent=Intent.READ):
            known = whole_key(whole)
            for _, _, record in [] if known is None else self._connections.read(partial(_found, known)):
                return record
            raise UnknownDigestError(f"{self.store.place} holds no call {whole}", digest=str(whole))

    def query(self, template: QueryCall) -> Iterator[DigestedCall]:
        """Return the records that a template matches; see `CallStorage.query`.

        Which records there are is decided at once; each is loaded when it is reached, and left out if it was evicted
        meanwhile.
        """
        template = template.digested()
        return filter(template.matches, self._records(self._numbers(core.find(template, self._dialect()), {})))

    def _dialect(self) -> Dialect:
        schema = self._connections.address.schema
        if schema is None:
            return SQLITE
        quoted = schema.replace('"', '""').replace(":", "\\:")
        return replace(POSTGRESQL, schema=f'"{quoted}".')

    def recent(self, limit: int) -> Iterator[DigestedCall]:
        """Return at most so many records, newest first; see `CallStorage.recent`."""
        return self._records(self._numbers(core.RECENT_IDS, {"limit": limit}))

    def latest(self, template: QueryCall, limit: int) -> Iterable[DigestedCall]:
        """Return the records that a template matches which were filed last; see `CallStorage.latest`."""
        if template.where is not None or template.metadata:
            return super().latest(template, limit)
        template = template.digested()
        query = core.latest(template, self._dialect(), limit)
        return filter(template.matches, self._records(self._numbers(query, {})))

    def present(self, keys: Iterable[Digest]) -> set[Digest]:
        """Return which of several full keys have a record; see `CallStorage.present`."""
        known = [raw for key in keys if (raw := whole_key(key)) is not None]
        return self._connections.read(partial(_present, known))

    def variants(self, module: str, name: str) -> Sequence[Variant]:
        """Return the versions and codes under which calls were filed; see `CallStorage.variants`."""
        return self._connections.read(partial(_variants, {"module": module, "name": name}))

    def count(self) -> int:
        """Return how many records there are."""
        row = self._connections.one(core.CALL_COUNT)
        return 0 if row is None else int(row[0])

    def forget(self, key: Digest | str, why: str = "forgotten") -> None:
        """Remove a record, and leave a trace of it; see `CallStorage.forget`."""
        with self._operation_context(key, intent=Intent.WRITE):
            whole = self._normalize_key(key)
            known = whole_key(whole)
            if known is not None:
                said.forget(self._connections, whole, known, why)

    def forgotten(self, key: Digest) -> Forgotten | None:
        """Return the trace of a record that was removed, or None; see `CallStorage.forgotten`."""
        known = whole_key(key)
        return None if known is None else said.forgotten(self._connections, key, known)

    def transform(self, func: Callable[[DigestedCall], DigestedCall] | None = None) -> None:
        """Replace every record, in one transaction; see `CallStorage.transform`.

        All records are in memory meanwhile. Records that are filed by others while it runs stay as they are.
        """
        old = list(self.rows())
        signing = self.store.authenticity.signing(self._connections.read(partial(_pairs, core.SIGNATURES, {})))
        gone, new = planned(old, func, signing)
        context = self.store.context
        filings = [Filing(record, None, {}, context, None, None, signing.of(record)) for record in new]
        self._connections.write(partial(_refile, gone, filings))

    def rows(self) -> Iterator[Loaded]:
        """Return all records, oldest first, each with its number and the key under which it is filed."""
        return self._loaded(self._numbers(core.CALL_IDS, {}))

    def makers(self, digests: Sequence[Digest], but: Digest | None = None) -> Mapping[Digest, Digest]:
        """Return the key of the call that was filed last, for each of several results; see `CallStorage.makers`."""
        asked = {"digests": [digest.raw for digest in digests], "key": b"" if but is None else but.raw}
        found = self._connections.read(partial(_pairs, core.MAKERS, asked))
        return {Digest.from_bytes(result): Digest.from_bytes(key) for result, key in found}

    def takers(self, key: Digest, limit: int) -> Iterator[DigestedCall]:
        """Return records that have a key among their inputs; see `CallStorage.takers`."""
        return self._records(self._numbers(core.TAKERS, {"key": key.raw, "limit": limit}))

    def users(self, digest: Digest, limit: int) -> Iterator[DigestedCall]:
        """Return records that have a value as an argument; see `CallStorage.users`."""
        return self._records(self._numbers(core.USERS, {"digest": digest.raw, "limit": limit}))

    def _numbers(self, statement: Executable, parameters: Mapping[str, object]) -> list[int]:
        return self._connections.read(partial(_firsts, statement, parameters))

    def _records(self, numbers: list[int]) -> Iterator[DigestedCall]:
        return (record for _, _, record in self._loaded(numbers))

    def _loaded(self, numbers: list[int]) -> Iterator[Loaded]:
        for start in range(0, len(numbers), _BATCH):
            yield from self._connections.read(partial(_load, numbers[start : start + _BATCH]))

    def _contains(self, key: Digest) -> bool:
        known = whole_key(key)
        return known is not None and self._connections.one(core.CALL_ID, {"key": known}) is not None

    def _evict(self, key: Digest) -> None:
        known = whole_key(key)
        if known is not None:
            self._connections.write(partial(_drop, known))


class Sql(SqlCalls):
    """Records in a database, without values: for a cache whose values lie elsewhere.

    Args:
        url: Such as ``sqlite:///calls.db`` or ``postgresql://user@host/database``; None for this process's memory.
        echo: Whether SQLAlchemy logs each statement.

    Raises:
        ConfigError: The URL is none, or of another kind of database.
        StoreError: The database cannot be opened.

    >>> calls = Sql()
    >>> calls.load(calls.save(DigestedCall(module="m", name="f"))).name
    'f'
    """

    def __init__(self, url: str | None = None, echo: bool = False) -> None:
        store = SqlStore("sqlite://" if url is None else url, echo=echo)
        super().__init__(store, store.connections)
        store.calls = self

    def close(self) -> None:
        """Close all connections. Later use opens new ones; what was in memory is gone."""
        self.store.close()


def _load(numbers: Sequence[int], connection: Connection) -> list[Loaded]:
    return core_records.load(connection, numbers)


def _firsts(statement: Executable, parameters: Mapping[str, object], connection: Connection) -> list[int]:
    return [int(row[0]) for row in connection.execute(statement, parameters)]


def _pairs(
    statement: Executable, parameters: Mapping[str, object], connection: Connection
) -> list[tuple[bytes, bytes]]:
    return [(bytes(row[0]), bytes(row[1])) for row in connection.execute(statement, parameters)]


def _present(known: Sequence[bytes], connection: Connection) -> set[Digest]:
    found: set[Digest] = set()
    for start in range(0, len(known), _BATCH):
        rows = connection.execute(core.PRESENT_CALLS, {"keys": list(known[start : start + _BATCH])})
        found.update(Digest.from_bytes(bytes(row[0])) for row in rows)
    return found


def _variants(given: Mapping[str, str], connection: Connection) -> list[Variant]:
    rows = connection.execute(core.VARIANTS, dict(given))
    return [(json.loads(row[0]), Digest.from_bytes(bytes(row[1])) if row[1] else None) for row in rows]


def _found(known: bytes, connection: Connection) -> list[Loaded]:
    number = connection.execute(core.CALL_ID, {"key": known}).scalar()
    return [] if number is None else core_records.load(connection, [number])


def _drop(known: bytes, connection: Connection) -> None:
    number: Any = connection.execute(core.CALL_LOCKED, {"key": known}).scalar()
    if number is not None:
        core_records.drop(connection, number)


def _refile(gone: Sequence[int], new: Sequence[Filing], connection: Connection) -> None:
    """Delete records, then file others; where someone filed one of these keys meanwhile, the usual rule decides."""
    for number in gone:
        core_records.drop(connection, number)
    for filing in new:
        filing(connection)
