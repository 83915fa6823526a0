"""Many records as columns, straight from the tables: what a data frame of calls is made of."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from sqlite3 import Connection
from typing import Any

from fleche.call.records import QueryCall
from fleche.clock import from_micros
from fleche.storage.canonical import from_json
from fleche.storage.sql.conditions import may_hold, must_hold
from fleche.storage.sql.records import find
from fleche.storage.sql.rows import OUTCOMES, argument_of

__all__ = ["ABSENT", "columns", "is_exact"]

ABSENT = math.nan
"""Stands in the column of an argument for calls that have no such argument, as it does in data frames."""

_CALLS = (
    "SELECT calls.id, calls.key, functions.module, functions.name, functions.version, calls.at, calls.wall, "
    "calls.outcome, calls.result FROM calls JOIN functions ON functions.id = calls.function "
    "WHERE calls.id IN ({}) ORDER BY calls.at, calls.key"
)
_ARGUMENTS = (
    "SELECT call, name, digest, kind, i, r, t FROM arguments WHERE call IN ({}) ORDER BY arguments.call, position"
)
_RUNTIME = "SELECT call, json FROM metadata WHERE namespace = 'runtime' AND call IN ({})"


def columns(template: QueryCall, connection: Connection) -> dict[str, list[Any]] | None:
    """Return the records that a template matches as columns, oldest first; None where Python must decide on some.

    Args:
        template: Digested.
        connection: All statements see one state of the database: within a transaction.
    """
    if template.metadata or not is_exact(template, connection):
        return None
    text, values = find(template)
    text = text.partition(" ORDER BY ")[0]
    rows = connection.execute(_CALLS.format(text), values).fetchall()
    told = {call: from_json(entries) for call, entries in connection.execute(_RUNTIME.format(text), values)}
    found: dict[str, list[Any]] = {
        "key": [row[1].hex() for row in rows],
        "module": [row[2] for row in rows],
        "name": [row[3] for row in rows],
        "version": [None if row[4] == "null" else json.loads(row[4]) for row in rows],
        "at": [None if row[5] is None else from_micros(row[5]) for row in rows],
        "walltime": [_walltime(row[6], told.get(row[0])) for row in rows],
        "outcome": [str(OUTCOMES[row[7]]) for row in rows],
        "result": [None if row[8] is None else row[8].hex() for row in rows],
    }
    places = {row[0]: place for place, row in enumerate(rows)}
    arguments: dict[str, list[Any]] = {}
    for call, name, *cells in connection.execute(_ARGUMENTS.format(text), values):
        column = arguments.get(name)
        if column is None:
            column = arguments[name] = [ABSENT] * len(rows)
        column[places[call]] = argument_of(*cells)
    return found | {f"arg.{name}": column for name, column in arguments.items()}


def is_exact(template: QueryCall, connection: Connection) -> bool:
    """Whether columns alone decide on every record: neither a value nor the rest of a record is needed."""
    if template.where is None:
        return True
    maybe, surely = may_hold(template.where), must_hold(template.where)
    text = (
        f"SELECT 1 FROM calls JOIN functions ON functions.id = calls.function WHERE {maybe.text} AND NOT {surely.text}"  # noqa: S608 - our own pieces
    )
    return connection.execute(f"{text} LIMIT 1", (*maybe.parameters, *surely.parameters)).fetchone() is None


def _walltime(wall: int | None, runtime: Mapping[str, Any] | None) -> Any:
    if wall is not None:
        return wall / 1_000_000
    return None if runtime is None else runtime.get("walltime")
