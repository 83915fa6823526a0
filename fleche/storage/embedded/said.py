"""What people said of code and of calls, in an embedded store: acceptances, and traces of records that were removed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from sqlite3 import Connection

from fleche.clock import from_micros, to_micros
from fleche.digest import Digest
from fleche.storage.acceptances import TRACES, Acceptance, Forgotten, trace
from fleche.storage.authenticity import Authenticity
from fleche.storage.sql import records, statements
from fleche.storage.sql.database import Database

__all__ = ["accept", "acceptances", "forget", "forgotten", "withdraw"]

_MADE = next(text for text in statements.SCHEMA if text.startswith("CREATE TABLE forgotten "))

Row = tuple[bytes, bytes, str | None, int | None]


def accept(database: Database, acceptance: Acceptance) -> None:
    """Keep an acceptance."""
    told = json.dumps(acceptance.told())
    row = acceptance.old.raw, acceptance.new.raw, told, to_micros(acceptance.at)
    database.write(lambda connection: connection.execute(statements.ADD_ALIAS, row))


def acceptances(database: Database, authenticity: Authenticity, new: Digest | None) -> Sequence[Acceptance]:
    """Return the acceptances that can be believed, oldest first."""
    if new is None:
        rows = database.read(lambda connection: connection.execute(statements.ALIASES).fetchall())
    else:
        known = (new.raw,)
        if database.one(statements.ALIASES_OF, known) is None:  # as nearly always
            return ()
        rows = database.read(lambda connection: connection.execute(statements.ALIASES_OF, known).fetchall())
    found = (_acceptance(row) for row in rows)
    return [each for each in found if each is not None and authenticity.of_acceptance(each)]


def withdraw(database: Database, old: Digest, new: Digest) -> bool:
    """Remove an acceptance, and return whether there was one."""
    row = old.raw, new.raw
    return database.write(lambda connection: connection.execute(statements.DROP_ALIAS, row).rowcount) > 0


def forget(database: Database, key: Digest, why: str) -> None:
    """Remove a record and leave a trace of it, in one transaction."""
    with suppress(ValueError):
        database.write(partial(_forget, (bytes.fromhex(key),), trace(key, why)))


def forgotten(database: Database, key: Digest) -> Forgotten | None:
    """Return the trace of a record, or None."""
    with suppress(ValueError):
        row = database.read(partial(_trace, (bytes.fromhex(key),)))
        if row is not None:
            return Forgotten(key=key, at=from_micros(row[0]), who=row[1], why=row[2])
    return None


def _acceptance(row: Row) -> Acceptance | None:
    old, new, told, at = row
    with suppress(ValueError, TypeError):
        return Acceptance.of(Digest.from_bytes(old), Digest.from_bytes(new), json.loads(told or ""), at or 0)
    return None


def _forget(known: tuple[bytes], left: Forgotten, connection: Connection) -> None:
    row = connection.execute(statements.CALL_ID, known).fetchone()
    if row is None:
        return
    records.drop(connection, row[0])
    if not _keeps_traces(connection):  # of a store that was made before there were any
        connection.execute(_MADE)
    connection.execute(statements.DROP_FORGOTTEN, known)
    connection.execute(statements.ADD_FORGOTTEN, (*known, to_micros(left.at), left.who, left.why))
    connection.execute(statements.TRIM_FORGOTTEN, (TRACES,))


def _trace(known: tuple[bytes], connection: Connection) -> tuple[int, str, str] | None:
    if not _keeps_traces(connection):
        return None
    found: tuple[int, str, str] | None = connection.execute(statements.FORGOTTEN, known).fetchone()
    return found


def _keeps_traces(connection: Connection) -> bool:
    return connection.execute(statements.HAS_FORGOTTEN).fetchone() is not None
