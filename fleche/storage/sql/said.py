"""What people said of code and of calls, in a database: acceptances, and traces of records that were removed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, func, inspect, select
from sqlalchemy.dialects import postgresql, sqlite

from fleche.clock import from_micros, to_micros
from fleche.digest import Digest
from fleche.storage.acceptances import TRACES, Acceptance, Forgotten, trace
from fleche.storage.authenticity import Authenticity
from fleche.storage.sql import core, core_records
from fleche.storage.sql.connections import Connections
from fleche.storage.sql.schema import aliases
from fleche.storage.sql.schema import forgotten as traces

__all__ = ["accept", "acceptances", "forget", "forgotten", "withdraw"]

_KEY: BindParameter[bytes] = bindparam("key")
_SAID = select(aliases.c.old, aliases.c.new, aliases.c.who, aliases.c.at).order_by(aliases.c.at, aliases.c.old)
_SAID_OF = _SAID.where(aliases.c.new == bindparam("new"))
_WITHDRAW = delete(aliases).where(aliases.c.old == bindparam("before"), aliases.c.new == bindparam("after"))
_TRACE = select(traces.c.at, traces.c.who, traces.c.why).where(traces.c.key == _KEY)
_DROP_TRACE = delete(traces).where(traces.c.key == _KEY)
_TRIM = delete(traces).where(traces.c.id <= select(func.max(traces.c.id)).scalar_subquery() - TRACES)


def accept(connections: Connections, acceptance: Acceptance) -> None:
    """Keep an acceptance."""
    connections.write(partial(_accept, acceptance))


def acceptances(connections: Connections, authenticity: Authenticity, new: Digest | None) -> Sequence[Acceptance]:
    """Return the acceptances that can be believed, oldest first."""
    if new is None:
        rows = connections.read(partial(_all, _SAID, {}))
    else:
        known = {"new": new.raw}
        if connections.one(_SAID_OF, known) is None:  # as nearly always
            return ()
        rows = connections.read(partial(_all, _SAID_OF, known))
    found = (_acceptance(*row) for row in rows)
    return [each for each in found if each is not None and authenticity.of_acceptance(each)]


def withdraw(connections: Connections, old: Digest, new: Digest) -> bool:
    """Remove an acceptance, and return whether there was one."""
    return connections.write(partial(_count, _WITHDRAW, {"before": old.raw, "after": new.raw})) > 0


def forget(connections: Connections, key: Digest, known: bytes, why: str) -> None:
    """Remove a record and leave a trace of it, in one transaction."""
    connections.write(partial(_forget, known, trace(key, why)))


def forgotten(connections: Connections, key: Digest, known: bytes) -> Forgotten | None:
    """Return the trace of a record, or None."""
    row = connections.read(partial(_trace, known))
    return None if row is None else Forgotten(key=key, at=from_micros(row[0]), who=row[1], why=row[2])


def _accept(acceptance: Acceptance, connection: Connection) -> None:
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    cells = {"old": acceptance.old.raw, "new": acceptance.new.raw, "at": to_micros(acceptance.at)}
    put = insert(aliases).values(cells | {"who": json.dumps(acceptance.told())})
    renewed = {"who": put.excluded.who, "at": put.excluded.at}
    connection.execute(put.on_conflict_do_update(index_elements=["old", "new"], set_=renewed))


def _acceptance(old: bytes, new: bytes, told: str | None, at: int | None) -> Acceptance | None:
    with suppress(ValueError, TypeError):
        before, after = Digest.from_bytes(bytes(old)), Digest.from_bytes(bytes(new))
        return Acceptance.of(before, after, json.loads(told or ""), at or 0)
    return None


def _all(statement: Any, parameters: dict[str, Any], connection: Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(statement, parameters)]


def _count(statement: Any, parameters: dict[str, Any], connection: Connection) -> int:
    return int(connection.execute(statement, parameters).rowcount)


def _forget(known: bytes, left: Forgotten, connection: Connection) -> None:
    number: Any = connection.execute(core.CALL_LOCKED, {"key": known}).scalar()
    if number is None:
        return
    core_records.drop(connection, number)
    if not _keeps_traces(connection):  # of a store that was made before there were any
        traces.create(connection, checkfirst=True)
    connection.execute(_DROP_TRACE, {"key": known})
    connection.execute(traces.insert(), {"key": known, "at": to_micros(left.at), "who": left.who, "why": left.why})
    connection.execute(_TRIM)


def _trace(known: bytes, connection: Connection) -> tuple[Any, ...] | None:
    if not _keeps_traces(connection):
        return None
    row = connection.execute(_TRACE, {"key": known}).first()
    return None if row is None else tuple(row)


def _keeps_traces(connection: Connection) -> bool:
    schema = connection.get_execution_options().get("schema_translate_map", {}).get(None)
    return bool(inspect(connection).has_table(traces.name, schema=schema))
