"""Counts and first records, straight from the tables, by statements whose work is bounded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from sqlite3 import Connection

from fleche.call.records import QueryCall
from fleche.clock import from_micros
from fleche.digest import Digest
from fleche.storage.base import Variant
from fleche.storage.overview import FunctionTotal, Glance, longest
from fleche.storage.sql.columns import is_exact
from fleche.storage.sql.records import find, load

__all__ = ["functions", "glance", "present", "variants"]

_TOTALS = (
    "SELECT functions.module, functions.name, count(*), sum(outcome != 0), total(wall), max(at) "
    "FROM (SELECT function, outcome, wall, at FROM calls ORDER BY id DESC LIMIT ?) AS latest "
    "JOIN functions ON functions.id = latest.function GROUP BY latest.function"
)


_VARIANTS = "SELECT version, code FROM functions WHERE module = ? AND name = ? ORDER BY id DESC"

_KEYS = 500  # keys in one statement


def present(keys: Sequence[Digest], connection: Connection) -> set[Digest]:
    """Return which of several full keys have a record."""
    found: set[Digest] = set()
    for start in range(0, len(keys), _KEYS):
        some = [bytes.fromhex(key) for key in keys[start : start + _KEYS]]
        marks = ", ".join("?" * len(some))
        rows = connection.execute(f"SELECT key FROM calls WHERE key IN ({marks})", some)  # noqa: S608 - only marks
        found.update(Digest.from_bytes(key) for (key,) in rows)
    return found


def variants(module: str, name: str, connection: Connection) -> list[Variant]:
    """Return the versions and codes under which calls of a function were filed, the latest first."""
    rows = connection.execute(_VARIANTS, (module, name)).fetchall()
    return [(json.loads(version), Digest.from_bytes(code) if code else None) for version, code in rows]


def functions(limit: int, connection: Connection) -> list[FunctionTotal]:
    """Return what is held of each function, among at most so many records that were filed last."""
    found: dict[tuple[str, str], FunctionTotal] = {}
    for module, name, calls, failed, wall, at in connection.execute(_TOTALS, (limit,)):
        latest = None if at is None else from_micros(at)
        total = FunctionTotal(
            module=module, name=name, calls=calls, failed=failed, seconds=wall / 1_000_000, latest=latest
        )
        known = found.get((module, name))
        found[module, name] = total if known is None else _joined(known, total)
    return sorted(found.values(), key=longest)


def _joined(one: FunctionTotal, other: FunctionTotal) -> FunctionTotal:
    """Return the total of two versions of one function."""
    moments = [total.latest for total in (one, other) if total.latest is not None]
    return FunctionTotal(
        module=one.module,
        name=one.name,
        calls=one.calls + other.calls,
        failed=one.failed + other.failed,
        seconds=one.seconds + other.seconds,
        latest=max(moments, default=None),
    )


def glance(template: QueryCall, first: int, limit: int, connection: Connection) -> Glance | None:
    """Return the first records that a template matches and count them; None where Python must decide on some.

    Args:
        template: Digested.
        first: How many records to return.
        limit: How many to count at most.
        connection: All statements see one state of the database: within a transaction.
    """
    if template.metadata or not is_exact(template, connection):
        return None
    text, values = find(template)
    unordered = text.partition(" ORDER BY ")[0]
    count = connection.execute(f"SELECT count(*) FROM ({unordered} LIMIT ?)", (*values, limit + 1)).fetchone()[0]  # noqa: S608 - our own pieces
    numbers = [number for (number,) in connection.execute(f"{text} LIMIT ?", (*values, first))] if first else []
    records = [record for _, _, record in load(numbers, connection)] if numbers else []
    return Glance(records=records, total=min(count, limit), whole=count <= limit)
