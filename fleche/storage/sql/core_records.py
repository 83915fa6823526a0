"""Records of calls in any database: filed, dropped and loaded by SQLAlchemy, on a connection that the caller holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from fleche.call.records import DigestedCall
from fleche.digest import Digest
from fleche.digest.algorithm import chosen
from fleche.storage.sql import core
from fleche.storage.sql.records import Filed, Loaded, Prepared
from fleche.storage.sql.rows import record_of

__all__ = ["Row", "add_rest", "drop", "filed", "load"]

_HEAD = "outcome", "result", "form", "at", "start", "wall", "cpu", "sys"
_TAIL = "parent", "expires", "signature"
_ARGUMENT = "position", "name", "digest", "kind", "i", "r", "t"


class Row:
    """The row of one record in ``calls``, inserted if its key is free, with the function and environment it names.

    Functions and environments are looked for and added before; what is known from earlier transactions is not. A
    database is given up on only if it loses such rows twice.
    """

    def __init__(self, rows: Prepared, envelope: bytes | None, known: set[object]) -> None:
        self._rows = rows
        self._known = known
        environment = rows.environment
        self.function = dict(zip(("module", "name", "version", "code"), rows.function, strict=True))
        self.environment = (
            None if environment is None else {"digest": chosen().hash(environment.encode()), "json": environment}
        )
        self.cells: dict[str, Any] = {
            **self.function,
            **dict(zip(_HEAD, rows.head, strict=True)),
            **dict(zip(_TAIL, rows.tail, strict=True)),
            "key": rows.key,
            "digest": None if self.environment is None else self.environment["digest"],
            "envelope": envelope,
        }

    def prepare(self, connection: Connection, *, trusting: bool) -> None:
        """Add function and environment where they are not there.

        Args:
            connection: Within a transaction.
            trusting: Whether what this process saw is believed to be there still.
        """
        inserts = core.inserts(connection.dialect.name)
        if not (trusting and self._function_mark in self._known) and not _there(
            connection, core.KNOWN_FUNCTION, self.function
        ):
            connection.execute(inserts.function, self.function)
        given = self.environment
        if given is None or (trusting and self._environment_mark in self._known):
            return
        if not _there(connection, core.KNOWN_ENVIRONMENT, {"digest": given["digest"]}):
            connection.execute(inserts.environment, given)

    def insert(self, connection: Connection) -> int | None:
        """Insert the row and return its number; None where the key is taken: another transaction is waited for."""
        row = connection.execute(core.inserts(connection.dialect.name).call, self.cells).first()
        return None if row is None else int(row[0])

    def remember(self) -> None:
        """Note, after the commit, that function and environment are there."""
        if len(self._known) > _KNOWN:
            self._known.clear()
        self._known.add(self._function_mark)
        if self.environment is not None:
            self._known.add(self._environment_mark)

    @property
    def _function_mark(self) -> object:
        return self._rows.function

    @property
    def _environment_mark(self) -> object:
        return self.cells["digest"]


_KNOWN = 10_000  # functions and environments that a process remembers


def _there(connection: Connection, query: Any, parameters: dict[str, Any]) -> bool:
    return connection.execute(query, parameters).first() is not None


def add_rest(connection: Connection, number: int, rows: Prepared) -> None:
    """Insert what belongs to a row of ``calls``: arguments, metadata and inputs."""
    inserts = core.inserts(connection.dialect.name)
    for statement, names, cells in (
        (inserts.argument, _ARGUMENT, rows.arguments),
        (inserts.metadata, ("namespace", "json"), rows.metadata),
        (inserts.edge, ("position", "input"), list(enumerate(rows.inputs))),
    ):
        if cells:
            connection.execute(statement, [{"call": number, **dict(zip(names, c, strict=True))} for c in cells])


def filed(connection: Connection, call: DigestedCall, key: bytes) -> Filed | None:
    """Return what is there under a call's key, and lock its row until the transaction ends."""
    row = connection.execute(core.OLD, {"key": key}).first()
    return None if row is None else Filed(tuple(row), call)


def drop(connection: Connection, number: int) -> None:
    """Delete a record. A result that lives in its row is kept among the values."""
    connection.execute(core.inserts(connection.dialect.name).keep_inline, {"id": number})
    for statement in core.DROP:
        connection.execute(statement, {"id": number})


def load(connection: Connection, numbers: Sequence[int]) -> list[Loaded]:
    """Return records in the order of their numbers; numbers that are not there any more are left out.

    The connection sees one state of the database.
    """
    wanted = {"ids": list(numbers)}
    arguments = _by_call(connection.execute(core.ARGUMENTS, wanted))
    metadata = _by_call(connection.execute(core.METADATA, wanted))
    edges = _by_call(connection.execute(core.EDGES, wanted))
    found: dict[int, Loaded] = {}
    for row in connection.execute(core.RECORDS, wanted):
        number = row[0]
        its = arguments.get(number, ()), metadata.get(number, ()), edges.get(number, ())
        found[number] = number, Digest.from_bytes(row[1]), record_of(tuple(row), *its)
    return [found[number] for number in numbers if number in found]


def _by_call(rows: Iterable[Any]) -> dict[int, list[tuple[Any, ...]]]:
    return {call: [tuple(row) for row in group] for call, group in groupby(rows, _first)}


def _first(row: Any) -> int:
    number: int = row[0]
    return number
