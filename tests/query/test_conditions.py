"""Conditions on stored calls: their one meaning, on every kind of store, with values loaded where they decide."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleche import q
from fleche.caches import Cache
from fleche.call import Call
from fleche.call.conditions import Condition
from fleche.digest import digest
from fleche.query import QueryIterator, parse
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.memory import MemoryStore
from fleche.testing.strategies import conditions, scalars

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TOKYO = NOON.astimezone(ZoneInfo("Asia/Tokyo"))
LONG = "b" * 300
NUMBERS = [1, 2, 2.5, -0.0, 2**70, 10**400, float("inf")]
OTHERS = [
    True,
    None,
    "abc",
    LONG,
    float("nan"),
    [1, 2],
    NOON,
    NOON.replace(tzinfo=None),
    TOKYO,
    date(2026, 1, 1),
    b"abc",
]


@pytest.fixture
def calls(cache: Cache) -> QueryIterator:
    """One call of each value, and one without the argument; the result is the value."""
    for number, value in enumerate([*NUMBERS, *OTHERS]):
        cache.save(Call(module="m", name="f", arguments={"x": value, "n": number}, result=value))
    cache.save(Call(module="m", name="g", arguments={"y": 1}, result=None, metadata={"tags": {"run": "first"}}))
    return cache.query()


def found(calls: QueryIterator, condition: Condition | str) -> list[Any]:
    return sorted(repr(call.arguments["x"]) for call in calls.where(condition) if "x" in call.record.arguments)


def these(*values: Any) -> list[Any]:
    return sorted(map(repr, values))


@pytest.mark.parametrize("field", [q.arg.x, q.result], ids=repr)
def test_values_are_compared_with_values_of_their_kind(calls: QueryIterator, field: Any) -> None:
    """Numbers with numbers, exactly; text with text; times with a timezone as moments; nothing else matches."""
    calls = calls.where(q.name == "f")
    assert found(calls, field > 2) == these(2.5, 2**70, 10**400, float("inf"))
    assert found(calls, field <= 1) == these(1, -0.0)
    assert found(calls, field == 1.0) == these(1)
    assert found(calls, field == 0) == these(-0.0)
    assert found(calls, field != 2.5) == these(*(x for x in NUMBERS if x != 2.5))
    assert found(calls, field >= 2**70 + 1) == these(10**400, float("inf"))
    assert found(calls, field > "abc") == these(LONG)
    assert found(calls, field != LONG) == these("abc")
    assert found(calls, field == NOON) == found(calls, field <= NOON) == these(NOON, TOKYO)
    assert found(calls, field > NOON - timedelta(seconds=1)) == these(NOON, TOKYO)
    assert found(calls, field == NOON.replace(tzinfo=None)) == these(NOON.replace(tzinfo=None))
    assert found(calls, field < date(2026, 1, 2)) == these(date(2026, 1, 1))
    assert found(calls, field == True) == found(calls, field > False) == these(True)  # noqa: E712
    assert found(calls, field == None) == these(None)  # noqa: E711
    assert found(calls, field == [1, 2]) == found(calls, field == digest([1, 2])) == these([1, 2])


@pytest.mark.parametrize("field", [q.arg.x, q.result], ids=repr)
def test_nan_matches_nothing_but_isnan(calls: QueryIterator, field: Any) -> None:
    """NaN is not equal, unequal, less or greater, on either side."""
    nan = float("nan")
    assert found(calls, field.isnan()) == these(nan)
    for condition in (field == nan, field != nan, field < nan, field >= nan):
        assert found(calls, condition) == []
    assert repr(nan) not in found(calls, (field == 1) | (field != 1))


def test_text_is_looked_into(calls: QueryIterator) -> None:
    """``startswith`` and ``contains`` are of text only, long text too."""
    assert found(calls, q.arg.x.startswith("ab")) == found(calls, q.arg.x.contains("c")) == these("abc")
    assert found(calls, q.arg.x.startswith("b")) == these(LONG)
    assert len(found(calls, q.arg.x.contains(""))) == 2


def test_a_missing_argument_does_not_match_and_its_negation_does(calls: QueryIterator) -> None:
    """Every operator is false of what is not there; ``~`` turns that round."""
    assert calls.where(q.arg.y == 1).only().name == "g"
    assert calls.where(q.arg.y != 2).only().name == "g"
    assert calls.where(~(q.arg.y == 1)).count() == len(NUMBERS + OTHERS)
    assert calls.where(~q.arg.x.exists()).only().name == "g"
    assert calls.where(q.arg.x.isin([])).empty()
    assert found(calls, q.arg.x.isin([1, "abc", LONG])) == these(1, "abc", LONG)
    assert found(calls, q.arg.x.between(1, 2.5)) == these(1, 2, 2.5)


def test_metadata_and_fields(calls: QueryIterator) -> None:
    """Metadata by namespace and entry, name, module, version, key and time of the call."""
    assert calls.where(q.meta.tags.run == "first").only().name == "g"
    assert calls.where(q.meta["tags"]["run"].exists()).count() == 1
    assert calls.where(q.meta.runtime.walltime > 0).empty()
    assert calls.where((q.module == "m") & q.name.isin(["g", "h"])).only().name == "g"
    assert calls.where(q.version == None).count() == calls.count()  # noqa: E711
    key = calls.latest().key
    assert calls.where(q.key == key).only().key == key
    assert calls.where(q.at > NOON).count() == calls.since(NOON).count() == calls.count()
    assert calls.until(NOON).empty()


def test_what_cannot_be_asked_is_said_at_once() -> None:
    """Values without order, chained comparisons, ``and``, naive times and functions are refused with the way out."""
    for wrong, way_out in (
        (lambda: q.arg.x < [1], "=="),
        (lambda: q.arg.x < np.float64(1), "float"),
        (lambda: np.float64(1) < q.arg.x, "float"),
        (lambda: q.at > datetime(2026, 1, 1), "astimezone"),
        (lambda: 1 < q.arg.x < 3, "&"),
        (lambda: (q.arg.x < 3) and (q.arg.x > 1), "&"),
        (lambda: (q.arg.x < 3) & 4, "parenthes"),
        (lambda: bool(q.arg.x), "exists"),
        (lambda: QueryIterator(None, None).where(lambda call: True), "filter"),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError, match=way_out):
            wrong()
    with pytest.raises(AttributeError, match="filter"):
        q.arg.cfg.lr


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("arg.lr < 0.1 and meta.runtime.walltime > 60", (q.arg.lr < 0.1) & (q.meta.runtime.walltime > 60)),
        ("q.arg['a b'] == None or not name != 'f'", (q.arg["a b"] == None) | ~(q.name != "f")),  # noqa: E711
        ("1 < arg.x <= -3", (q.arg.x > 1) & (q.arg.x <= -3)),
        ("arg.x in (1, 'a') and arg.y not in [2]", q.arg.x.isin([1, "a"]) & ~q.arg.y.isin([2])),
        ("arg.p.startswith('s3://') & (result.isnan() | key.exists())",
         q.arg.p.startswith("s3://") & (q.result.isnan() | q.key.exists())),
        ("at >= '2026-01-01T12:00+00:00'", q.at >= NOON),
        ("arg.d < date('2026-01-01') and arg.t > datetime('2026-01-01 12:00+00:00')",
         (q.arg.d < date(2026, 1, 1)) & (q.arg.t > NOON)),
        ("arg.x == inf", q.arg.x == float("inf")),
    ],
)  # fmt: skip
def test_text_says_the_same(text: str, meant: Condition) -> None:
    """A condition may be written as text."""
    assert repr(parse(text)) == repr(meant)


@pytest.mark.parametrize(
    "text",
    ["", "arg.lr <", "1 < 2", "lr < 1", "arg.lr", "arg.x < y", "arg.x < __import__('os')", "arg.a.b.c < 1",
     "meta.x < 1", "arg.x < [1]", "arg.x.upper() == 'A'", "lambda: 1", "at > 'noon'", "(arg.x := 1) < 2",
     "arg.x.contains()",
     "arg.x." + "(" * 300],
)  # fmt: skip
def test_text_that_is_no_condition_is_refused(text: str) -> None:
    """Nothing is executed, and the message says what a condition looks like."""
    with pytest.raises(ValueError, match=r"arg|literal|isoformat|=="):
        parse(text)


def test_conditions_after_take_are_about_what_is_left(calls: QueryIterator) -> None:
    """Steps apply in the order in which they are written."""
    assert calls.take(3).where(q.arg.n > 0).count() == 2
    assert calls.where(q.arg.n > 0).take(3).count() == 3
    assert calls.where(q.arg.n > 0, "arg.n < 3").count() == 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(scalars() | st.just([1]), max_size=6), asked=st.lists(conditions(), min_size=1, max_size=6))
def test_stores_agree_where_values_decide(tmp_path: Path, values: list[Any], asked: list[Condition]) -> None:
    """What the embedded store finds, with the values that it loads, is what each call says by itself."""
    embedded, memory = EmbeddedStore(tmp_path / digest(values) / "store"), MemoryStore()
    caches = [Cache(store.values, store.calls) for store in (embedded, memory)]
    for cache in caches:
        for number, value in enumerate(values):
            at = {"runtime": {"timestart": 1e9 + number, "walltime": 1.5}}
            made = Call(module="m", name="f", arguments={"x": value, "y": number}, result=value)
            cache.prepare(made).commit(value, at)
    for condition in asked:
        expected = [call.key for call in caches[1].query() if condition.decide(call.record, call)]
        for cache in caches:
            assert [call.key for call in cache.query().where(condition)] == expected, condition
            assert list(cache.query().where(condition).df().get("key", [])) == expected, condition
    embedded.close()
