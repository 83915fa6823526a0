"""Hypothesis strategies for what stores keep: scalars, JSON metadata, records; and how records are compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from fleche.call.conditions import Both, Comparison, Condition, Either, Negation, Operator
from fleche.call.records import DigestedCall, Outcome
from fleche.digest import Digest, digest
from fleche.digest.algorithm import chosen

__all__ = [
    "conditions",
    "digests",
    "json_values",
    "metadata",
    "plain",
    "records",
    "runtimes",
    "scalars",
    "values_in_forms",
]

_TEXT = st.text(max_size=8)
_NAMES = st.sampled_from(["f", "g", "Outer.method", "<lambda>", "ä"])
_ZONES = st.builds(lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-1439, 1439))
_MOMENTS = st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)


def digests() -> st.SearchStrategy[Digest]:
    """Generate whole digests that are the digest of nothing in particular."""
    size = chosen().length // 2
    return st.binary(min_size=size, max_size=size).map(Digest.from_bytes)


def scalars() -> st.SearchStrategy[Any]:
    """Generate values of the kinds that live in a row, whether or not each fits."""
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**300, 2**53 + 1]),
        st.floats(),
        st.sampled_from([0.0, -0.0, 1.0, 1e308, 5e-324]),
        st.text(max_size=300),
        st.sampled_from(["", "None", "a=b", "x-", "nan", "\x00", "\ud800", "é"]),
        st.dates(),
        st.datetimes(),
        st.datetimes(timezones=_ZONES),
    )


def conditions() -> st.SearchStrategy[Condition]:
    """Generate conditions on records: every operator, on every part of a call, with values of every kind, combined."""
    return st.recursive(_comparisons(), _combined, max_leaves=4)


@st.composite
def _comparisons(draw: st.DrawFn) -> Condition:
    fixed = [("result",), ("name",), ("module",), ("version",), ("code",), ("key",), ("at",)]
    entries = [("meta", "runtime", "walltime"), ("meta", "tags", "a"), ("meta", "runtime", "cputime")]
    path = draw(st.sampled_from([*([("arg", name) for name in "xyzw"] * 4), *fixed, *entries]))
    test = draw(st.sampled_from(Operator))
    if test in (Operator.ISNAN, Operator.EXISTS):
        return Comparison(path, test)
    value = draw(scalars() | st.integers(0, 2) | st.floats(-1, 3) | _MOMENTS | _NAMES | st.just([1]) | digests())
    if test in (Operator.STARTS, Operator.CONTAINS):
        value = draw(_TEXT | st.just(""))
    try:
        return Comparison(path, test, value)
    except TypeError:  # a value without order
        return Comparison(path, Operator.EQ, value)


def _combined(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    return st.one_of(st.builds(Both, inner, inner), st.builds(Either, inner, inner), st.builds(Negation, inner))


def json_values() -> st.SearchStrategy[Any]:
    """Generate JSON values."""
    leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), _TEXT)
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3))


def runtimes() -> st.SearchStrategy[dict[str, Any]]:
    """Generate the entries of the namespace ``runtime``: mostly exact to the microsecond, some not."""
    micros = st.integers(0, 10**9)
    exact = st.builds(_runtime, st.integers(10**15, 2 * 10**15), micros, micros, micros)
    names = ["timestart", "timestop", "walltime", "cputime", "systime"]
    return exact | st.fixed_dictionaries(dict.fromkeys(names, st.floats(allow_nan=False) | st.integers()))


def _runtime(start: int, wall: int, cpu: int, system: int) -> dict[str, Any]:
    return {
        "timestart": start / 1e6,
        "timestop": (start + wall) / 1e6,
        "walltime": wall / 1e6,
        "cputime": cpu / 1e6,
        "systime": system / 1e6,
    }


def metadata() -> st.SearchStrategy[Mapping[str, Mapping[str, Any]]]:
    """Generate namespaces of JSON values, among them those that have columns of their own."""
    entries = st.dictionaries(_TEXT, json_values(), max_size=3)
    known = st.fixed_dictionaries(
        {}, optional={"runtime": runtimes() | entries, "environment": entries, "tags": entries}
    )
    return st.builds(lambda one, other: {**one, **other}, st.dictionaries(_TEXT, entries, max_size=2), known)


@st.composite
def records(draw: st.DrawFn, outcomes: st.SearchStrategy[Outcome] | None = None) -> DigestedCall:
    """Generate records, many of them with the same key."""
    names = draw(st.lists(st.sampled_from("xyz"), unique=True, max_size=3))
    given = {name: draw(scalars() if draw(st.booleans()) else st.integers(0, 2)) for name in names}
    loose = {name: draw(digests()) for name in names if draw(st.integers(0, 4)) == 0}
    outcome = draw(outcomes if outcomes is not None else st.sampled_from(Outcome))
    return DigestedCall(
        module=draw(st.sampled_from(["m", "__main__", "p.q"])),
        name=draw(_NAMES),
        version=draw(st.sampled_from([None, 1, "1", True, 10**30])),
        code=draw(st.none() | st.sampled_from([digest("one"), digest("two")])),
        arguments={name: loose.get(name) or _digest(value) for name, value in given.items()},
        scalars={name: value for name, value in given.items() if name not in loose},
        kinds={
            name: draw(st.sampled_from(["None", "int", "str", "float", "datetime", "a=b", "c-", "=", ""]))
            for name in names
            if draw(st.booleans())
        },
        result=None if outcome is Outcome.ERROR and draw(st.booleans()) else digest(draw(st.integers(0, 2))),
        outcome=outcome,
        metadata=draw(metadata()),
        at=draw(st.none() | _MOMENTS),
        expires=None,
        parent=draw(st.none() | digests()),
        inputs=tuple(draw(st.lists(digests(), max_size=2))),
    )


def _digest(value: Any) -> Digest:
    return digest(value)


def values_in_forms() -> st.SearchStrategy[tuple[Any, Any]]:
    """Generate two equal values that differ in form: the order of their dicts."""
    keys = st.lists(_TEXT, min_size=2, max_size=5, unique=True)
    return keys.map(lambda names: (dict.fromkeys(names, 1), dict.fromkeys(reversed(names), 1)))


def plain(record: DigestedCall) -> tuple[Any, ...]:
    """Return a record as something whose equality is exact: by type, sign of zero and NaN too.

    >>> one, other = (DigestedCall(module="m", name="f", version=v) for v in (1, True))
    >>> one == other, plain(one) == plain(other)
    (True, False)
    """
    mappings = (record.arguments, record.scalars, record.kinds)
    return (
        record.module,
        record.name,
        repr(record.version),
        record.code,
        *(repr(list(mapping.items())) for mapping in mappings),
        record.result,
        record.form,
        record.outcome,
        json.dumps({space: dict(entries) for space, entries in record.metadata.items()}, sort_keys=True),
        record.at,
        record.expires,
        record.parent,
        record.inputs,
    )
