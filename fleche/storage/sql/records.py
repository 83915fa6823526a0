"""Records of calls in SQLite: filed, dropped, loaded and found, on a connection that the caller holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from sqlite3 import Connection
from typing import Any

from fleche.call.records import DigestedCall, QueryCall
from fleche.clock import from_micros, to_micros
from fleche.digest import Digest
from fleche.digest.algorithm import chosen
from fleche.errors import SaveError
from fleche.storage.authenticity import Authenticity
from fleche.storage.base import CodeRecord
from fleche.storage.canonical import check_text, to_json
from fleche.storage.sql import statements
from fleche.storage.sql.rows import (
    OUTCOMES,
    argument_rows,
    metadata_rows,
    outcome_number,
    record_of,
    runtime_columns,
    version_text,
    whole,
)

__all__ = ["Filed", "Loaded", "Prepared", "add_code", "drop", "file", "filed", "find", "latest", "load"]

_CALL_FIELDS = "functions.name = ?", "functions.module = ?", "functions.version = ?", "functions.code = ?"
_ARGUMENT = "EXISTS (SELECT 1 FROM arguments WHERE arguments.call = calls.id AND name = ? AND digest = ?)"
_FIRST_ARGUMENT = "calls.id IN (SELECT arguments.call FROM arguments WHERE digest = ? AND name = ?)"
_FIND = (
    "SELECT calls.id FROM calls JOIN functions ON functions.id = calls.function WHERE {} ORDER BY calls.at, calls.key"
)

_FIRST = itemgetter(0)


class Prepared:
    """A record as rows, made before the transaction begins.

    Args:
        call: The record.
        signature: Its signature, or None.

    Raises:
        SaveError: Something in the record cannot be stored.
    """

    __slots__ = ("arguments", "environment", "function", "head", "inputs", "key", "metadata", "tail")

    def __init__(self, call: DigestedCall, signature: bytes | None = None) -> None:
        try:
            self._fill(call, signature)
        except (ValueError, OverflowError, UnicodeError) as error:
            raise SaveError(f"the record of {call.module}.{call.name} cannot be stored: {error}") from error

    def _fill(self, call: DigestedCall, signature: bytes | None) -> None:
        check_text(call)
        at = None if call.at is None else to_micros(call.at)
        runtime = runtime_columns(call.metadata.get("runtime"), at)
        environment = call.metadata.get("environment")
        self.key = whole(call.key)
        self.function = (
            call.module,
            call.name,
            version_text(call.version),
            b"" if call.code is None else whole(call.code),
        )
        self.environment = None if environment is None else to_json(environment)
        self.head = (
            outcome_number(call.outcome),
            None if call.result is None else whole(call.result),
            None if call.form is None else bytes.fromhex(call.form),
            at,
            *runtime,
        )
        self.tail = (
            None if call.parent is None else whole(call.parent),
            None if call.expires is None else to_micros(call.expires),
            signature,
        )
        self.arguments = argument_rows(call)
        self.metadata = list(metadata_rows(call, runtime))
        self.inputs = [whole(key) for key in call.inputs]


class Filed:
    """What is there already under a key.

    Attributes:
        id: The number of the row.
        call: The record, with no more than `DigestedCall.replaces` looks at.
        form: The form of its result.
        whole: Whether its result is there.
        signature: Its signature, or None.
    """

    __slots__ = ("call", "form", "id", "signature", "whole")

    def __init__(self, row: tuple[Any, ...], call: DigestedCall) -> None:
        self.id, outcome, result, form, expires, whole, signature = row
        self.call = call.evolve(
            outcome=OUTCOMES[outcome],
            result=None if result is None else Digest.from_bytes(result),
            expires=None if expires is None else from_micros(expires),
        )
        self.form: str | None = None if form is None else form.hex()
        self.whole = bool(whole)
        self.signature: bytes | None = None if signature is None else bytes(signature)

    def is_authentic(self, key: Digest, authenticity: Authenticity) -> bool:
        """Whether the record can be believed."""
        return authenticity.of_record(key, self.call.outcome, self.call.result, self.form, self.signature)


def filed(connection: Connection, call: DigestedCall, key: bytes) -> Filed | None:
    """Return what is there already under a call's key."""
    row = connection.execute(statements.OLD, (key,)).fetchone()
    return None if row is None else Filed(row, call)


def file(connection: Connection, rows: Prepared, envelope: bytes | None) -> None:
    """Insert a record; its key is free.

    Args:
        connection: Within a transaction.
        rows: The record.
        envelope: The result's bytes, if they live in the row.
    """
    function = _number(connection, statements.FUNCTION, statements.ADD_FUNCTION, rows.function, rows.function)
    environment = None
    if rows.environment is not None:
        digest = chosen().hash(rows.environment.encode())
        found = (digest,), (digest, rows.environment)
        environment = _number(connection, statements.ENVIRONMENT, statements.ADD_ENVIRONMENT, *found)
    cells = (rows.key, function, *rows.head, environment, *rows.tail, envelope)
    call = connection.execute(statements.ADD_CALL, cells).lastrowid
    connection.executemany(statements.ADD_ARGUMENT, [(call, *row) for row in rows.arguments])
    if rows.metadata:
        connection.executemany(statements.ADD_METADATA, [(call, *row) for row in rows.metadata])
    if rows.inputs:
        connection.executemany(statements.ADD_EDGE, [(call, *row) for row in enumerate(rows.inputs)])


def _number(
    connection: Connection, find: str, add: str, known: tuple[object, ...], row: tuple[object, ...]
) -> int | None:
    """Return the number of a shared row, which is added if it is not there."""
    found = connection.execute(find, known).fetchone()
    if found is not None:
        number: int = found[0]
        return number
    return connection.execute(add, row).lastrowid


def add_code(connection: Connection, code: CodeRecord) -> None:
    """Keep what stands behind a fingerprint, if it is not there."""
    connection.execute(statements.ADD_CODE, (bytes.fromhex(code.digest), code.kind, code.tree, code.source))


def drop(connection: Connection, number: int) -> None:
    """Delete a record. Its result stays, as a value of its own."""
    connection.execute(statements.KEEP_INLINE, (number,))
    for statement in (
        statements.DROP_ARGUMENTS,
        statements.DROP_METADATA,
        statements.DROP_EDGES,
        statements.DROP_CALL,
    ):
        connection.execute(statement, (number,))


Loaded = tuple[int, Digest, DigestedCall]
"""The number of a row, the key under which it is filed, and the record."""


def load(numbers: Sequence[int], connection: Connection) -> list[Loaded]:
    """Return records in the order of their numbers; numbers that are not there any more are left out."""
    wanted = (json.dumps(list(numbers)),)
    arguments = _by_call(connection.execute(statements.ARGUMENTS, wanted))
    metadata = _by_call(connection.execute(statements.METADATA, wanted))
    edges = _by_call(connection.execute(statements.EDGES, wanted))
    found: dict[int, Loaded] = {}
    for row in connection.execute(statements.CALLS, wanted):
        number = row[0]
        its = arguments.get(number, ()), metadata.get(number, ()), edges.get(number, ())
        found[number] = number, Digest.from_bytes(row[1]), record_of(row, *its)
    return [found[number] for number in numbers if number in found]


def _by_call(rows: Iterable[tuple[Any, ...]]) -> dict[int, list[tuple[Any, ...]]]:
    return {call: list(group) for call, group in groupby(rows, _FIRST)}


def makers(digests: Iterable[Digest], but: Digest | None, connection: Connection) -> dict[Digest, Digest]:
    """Return, for each of several values that a call returned, the key of the one that was filed last."""
    found = {}
    for digest in digests:
        row = connection.execute(statements.MAKER, (digest.raw, b"" if but is None else but.raw)).fetchone()
        if row is not None:
            found[digest] = Digest.from_bytes(row[0])
    return found


def find(template: QueryCall) -> tuple[str, list[object]]:
    """Return the query for the numbers of all records that a template may match, oldest first.

    The query narrows as far as indexes go; `QueryCall.matches` decides.

    Args:
        template: Digested.
    """
    given = (
        template.name,
        template.module,
        None if template.version is None else version_text(template.version),
        None if template.code is None else _raw(template.code),
    )
    conditions = [text for text, value in zip(_CALL_FIELDS, given, strict=True) if value is not None]
    values: list[object] = [value for value in given if value is not None]
    if template.result is not None:
        conditions.append("calls.result = ?")
        values.append(_raw(template.result))
    conditions.append(f"calls.outcome IN ({', '.join('?' * len(template.outcomes))})")
    values += [outcome_number(outcome) for outcome in template.outcomes]
    for number, (name, digest) in enumerate(template.arguments.items()):
        conditions.append(_ARGUMENT if number else _FIRST_ARGUMENT)
        values += (name, _raw(digest)) if number else (_raw(digest), name)
    if template.where is not None:
        from fleche.storage.sql.conditions import may_hold

        clause = may_hold(template.where)
        conditions.append(clause.text)
        values += clause.parameters
    return _FIND.format(" AND ".join(conditions)), values


def latest(template: QueryCall, limit: int, *, by: str = "calls.id DESC") -> tuple[str, list[object]]:
    """Return the query for the numbers of those records that a template may match which were filed last.

    Args:
        template: Digested, and nothing in it that only Python can decide: no condition, no metadata.
        limit: How many at most.
        by: What tells which is later.
    """
    text, values = find(template)
    return f"{text.partition(' ORDER BY ')[0]} ORDER BY {by} LIMIT ?", [*values, limit]


def _raw(digest: str) -> bytes:
    """Return a digest as bytes; what is no whole digest gives bytes that match nothing."""
    try:
        return bytes.fromhex(digest)
    except ValueError:
        return b""
