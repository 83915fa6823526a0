"""Between a record and its rows: which column holds what, so that everything comes back exactly.

``docs/formats/schema.md`` states these rules.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

from fleche.call.records import DigestedCall, Outcome, Scalar, Version
from fleche.call.scalars import scalar_fits
from fleche.clock import from_micros, to_micros
from fleche.digest import Digest
from fleche.digest.algorithm import chosen
from fleche.storage.canonical import from_json, to_json

__all__ = [
    "OUTCOMES",
    "Cells",
    "Runtime",
    "argument_of",
    "argument_rows",
    "metadata_rows",
    "outcome_number",
    "record_of",
    "runtime_columns",
    "version_text",
    "whole",
]

OUTCOMES = (Outcome.RESULT, Outcome.ERROR, Outcome.PARTIAL)
"""Outcomes by their number in the table."""

Cells = tuple[str | None, int | None, float | None, str | None]
"""kind, i, r, t."""

Runtime = tuple[int | None, int | None, int | None, int | None]
"""start, wall, cpu, sys, in microseconds; ``start`` is None where it is ``at``, ``wall`` is None where none is here."""

_NO_RUNTIME: Runtime = (None, None, None, None)
_RUNTIME = {"timestart", "timestop", "walltime", "cputime", "systime"}
_MICROS = 1_000_000
_NUMBERS = {outcome: number for number, outcome in enumerate(OUTCOMES)}
_WORDS: dict[type, str] = {
    type(None): "None",
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    date: "date",
    datetime: "datetime",
}


def outcome_number(outcome: Outcome) -> int:
    """Return the number of an outcome in the table."""
    return _NUMBERS[outcome]


def whole(digest: str) -> bytes:
    """Return a digest as bytes.

    Raises:
        ValueError: It is not a whole digest of this process's algorithm.
    """
    raw = bytes.fromhex(digest)
    if len(raw) * 2 != chosen().length:
        raise ValueError(f"{digest!r} is not a whole {chosen().name} digest")
    return raw


def argument_rows(call: DigestedCall) -> list[tuple[Any, ...]]:
    """Return the rows of a call's arguments, each without the number of the call."""
    scalars, kinds = call.scalars, call.kinds
    rows = []
    for position, (name, digest) in enumerate(call.arguments.items()):
        kind = kinds.get(name)
        if name in scalars and scalar_fits(scalars[name]):
            cells = _scalar_cells(scalars[name], kind)
        else:
            cells = (_plain_kind(kind), None, None, None)
        rows.append((position, name, whole(digest), *cells))
    return rows


def _scalar_cells(value: Scalar, kind: str | None) -> Cells:
    """Return the cells of a scalar. Where its word is not the kind that the record gives, both are kept."""
    word = _WORDS[type(value)]
    if kind != word:
        word = f"{word}-" if kind is None else f"{word}={kind}"
    if value is None:
        return word, None, None, None
    if isinstance(value, int):  # bool too
        return (word, int(value), None, None) if -(2**63) <= value < 2**63 else (word, None, None, str(value))
    if isinstance(value, float):
        if math.isnan(value):
            return word, None, None, "nan"
        return word, None, value, "-0.0" if value == 0 and math.copysign(1, value) < 0 else None
    if isinstance(value, str):
        return word, None, None, value
    if isinstance(value, datetime) and value.tzinfo is not None:
        return word, to_micros(value), None, value.isoformat()
    return word, None, None, value.isoformat()


def _plain_kind(kind: str | None) -> str | None:
    """Return the cell for the kind of an argument that is not in its row: never mistaken for a scalar's."""
    return None if kind is None else f"={kind}" if kind == "None" or "=" in kind or kind.endswith("-") else kind


def _scalar_of(kind: str | None, i: int | None, r: float | None, t: str | None) -> tuple[bool, Scalar, str | None]:
    """Return whether an argument is in its row, its value, and its kind as the record gave it."""
    if kind is None or kind.startswith("="):
        return False, None, kind if kind is None else kind[1:]
    word, equals, given = kind.partition("=")
    shown: str | None = given if equals else word
    if not equals and word.endswith("-"):
        word, shown = word[:-1], None
    if word == "None":
        return True, None, shown
    if i is None and r is None and t is None:
        return False, None, shown
    return True, _value_of(word, i, r, t), shown


def argument_of(digest: bytes, kind: str | None, i: int | None, r: float | None, t: str | None) -> Any:
    """Return what stands for an argument in a table: its value where that is in the row, else its digest as text."""
    if kind == "int" and i is not None:
        return i
    if kind == "float" and r is not None and t is None:
        return r
    in_row, value, _ = _scalar_of(kind, i, r, t)
    return value if in_row else digest.hex()


def _value_of(word: str, i: int | None, r: float | None, t: str | None) -> Scalar:
    if word == "bool":
        return bool(i)
    if word == "int":
        return int(t) if t is not None else i
    if word == "float":
        return float(t) if t is not None else r
    if t is not None and word in ("date", "datetime"):
        return date.fromisoformat(t) if word == "date" else datetime.fromisoformat(t)
    return t


def runtime_columns(entries: Mapping[str, Any] | None, at: int | None) -> Runtime:
    """Return the columns of the ``runtime`` namespace, if they hold it exactly; else all None, and it goes to JSON."""
    if entries is None or entries.keys() != _RUNTIME or any(type(value) is not float for value in entries.values()):
        return _NO_RUNTIME
    try:
        start, stop, wall, cpu, system = (
            round(entries[name] * _MICROS) for name in ("timestart", "timestop", "walltime", "cputime", "systime")
        )
    except (OverflowError, ValueError):  # inf, nan
        return _NO_RUNTIME
    if stop != start + wall or max(map(abs, (start, stop, wall, cpu, system))) >= 2**62:
        return _NO_RUNTIME
    columns: Runtime = (None if start == at else start, wall, cpu, system)
    return columns if repr(_runtime_of(columns, at)) == repr({n: entries[n] for n in _ORDER}) else _NO_RUNTIME


_ORDER = ("timestart", "timestop", "walltime", "cputime", "systime")


def _runtime_of(columns: Runtime, at: int | None) -> dict[str, float] | None:
    start, wall, cpu, system = columns
    start = at if start is None else start
    if start is None or wall is None or cpu is None or system is None:
        return None
    return {
        "timestart": start / _MICROS,
        "timestop": (start + wall) / _MICROS,
        "walltime": wall / _MICROS,
        "cputime": cpu / _MICROS,
        "systime": system / _MICROS,
    }


def version_text(version: Version) -> str:
    """Return a version as the table keeps it: JSON, so that ``5`` and ``"5"`` are two."""
    return json.dumps(version)


def metadata_rows(call: DigestedCall, runtime: Runtime) -> Iterator[tuple[str, str]]:
    """Yield namespace and JSON for each namespace that has no column of its own."""
    for space, entries in call.metadata.items():
        if space == "environment" or (space == "runtime" and runtime[1] is not None):
            continue
        yield space, to_json(entries)


def record_of(
    row: tuple[Any, ...],
    arguments: Iterable[tuple[Any, ...]],
    metadata: Iterable[tuple[Any, ...]],
    inputs: Iterable[tuple[Any, ...]],
) -> DigestedCall:
    """Return the record that its rows hold.

    Args:
        row: What the statement ``CALLS`` selects.
        arguments: What ``ARGUMENTS`` selects, in order.
        metadata: What ``METADATA`` selects.
        inputs: What ``EDGES`` selects, in order.
    """
    (_, _, module, name, version, code, outcome, result, form, at, *runtime, environment, parent, expires) = row
    spaces: dict[str, Mapping[str, Any]] = {}
    found = _runtime_of((runtime[0], runtime[1], runtime[2], runtime[3]), at)
    if found is not None:
        spaces["runtime"] = found
    if environment is not None:
        spaces["environment"] = from_json(environment)
    spaces.update((space, from_json(text)) for _, space, text in metadata)
    digests: dict[str, Digest] = {}
    scalars: dict[str, Scalar] = {}
    kinds: dict[str, str] = {}
    for _, _, argument, digest, *cells in arguments:
        digests[argument] = Digest.from_bytes(digest)
        in_row, value, kind = _scalar_of(*cells)
        if in_row:
            scalars[argument] = value
        if kind is not None:
            kinds[argument] = kind
    return DigestedCall(
        module=module,
        name=name,
        version=json.loads(version),
        code=Digest.from_bytes(code) if code else None,
        arguments=digests,
        scalars=scalars,
        kinds=kinds,
        result=None if result is None else Digest.from_bytes(result),
        form=None if form is None else form.hex(),
        outcome=OUTCOMES[outcome],
        metadata=spaces,
        at=None if at is None else from_micros(at),
        expires=None if expires is None else from_micros(expires),
        parent=None if parent is None else Digest.from_bytes(parent),
        inputs=tuple(Digest.from_bytes(key) for _, key in inputs),
    )
