"""Sketches: what is kept of arguments that are too large to be stored, and what it tells."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import fleche
from fleche import cached
from fleche.caches import Cache, CacheStack
from fleche.caches.archive import export_calls, import_calls
from fleche.call import LazyCall
from fleche.call.lazy import SKETCHES
from fleche.call.sketch import BLOCK, MOST_PARTS, sketch, sketches_of
from fleche.digest import digest
from fleche.memo.explain.sketches import against_sketch, between_sketches
from fleche.storage.memory import MemoryStore

RANDOM = np.random.default_rng(1)
BIG = RANDOM.random(1_000_000)
TABLE = pd.DataFrame({name: RANDOM.random(50_000) for name in ("price", "size", "day")})


@dataclass
class Model:
    weights: Any
    name: str = "m"


def changed(of: Any, place: Any, value: Any) -> Any:
    made = of.copy()
    made[place] = value
    return made


CASES: list[tuple[str, Any, Any, str]] = [
    ("array", BIG, changed(BIG, 500_000, 7.0), "x: 1 of 8 parts differ, between element 393,216 and 524,287"),
    ("dtype", BIG, BIG.astype("f4"), "x: dtype float64 -> float32"),
    ("shape", BIG, BIG[:-1], "x: shape (1000000,) -> (999999,), the first 917,504 elements are equal"),
    ("small array", BIG[:10], BIG[1:11], "x: differs (only a sketch"),
    ("transposed", BIG.reshape(1000, 1000).T, BIG.reshape(1000, 1000), "x: 8 of 8 parts differ"),
    ("objects", np.array([1, "a"], dtype=object), np.array([1, "b"], dtype=object), "x: differs; of the stored one"),
    ("columns", TABLE, TABLE.assign(size=0.0), "x['size']: differs (float64; only a digest was kept)"),
    ("column added", TABLE, TABLE.assign(more=1), "x['more']: column added (int64)"),
    ("column removed", TABLE, TABLE.drop(columns="day"), "x['day']: column removed (float64)"),
    ("column type", TABLE, TABLE.astype({"day": "float32"}), "x['day']: dtype float64 -> float32"),
    ("column order", TABLE, TABLE[["size", "price", "day"]], "x: the order of the columns: price, size, day -> size,"),
    ("rows", TABLE, TABLE.iloc[1:], "x: 50,000 -> 49,999 rows"),
    ("index", TABLE, TABLE.set_axis(range(1, 50_001)), "x.index: differs"),
    ("series", TABLE["price"], changed(TABLE["price"], 7, 0.0), "x: differs"),
    ("polars", pl.DataFrame({"a": [1], "b": [2]}), pl.DataFrame({"a": [1], "b": [3]}), "x['b']: differs (Int64"),
    ("polars series", pl.Series("a", [1]), pl.Series("a", [2]), "x['a']: differs (Int64"),
    ("arrow", pa.table({"a": [1], "b": ["x"]}), pa.table({"a": [2], "b": ["x"]}), "x['a']: differs (int64"),
    ("text", "ab" * BLOCK, "ab" * BLOCK + "c", "x: 2,097,152 -> 2,097,153 characters"),
    ("text inside", "ab" * BLOCK, "b" + ("ab" * BLOCK)[1:], "x: 1 of 2 parts differ"),
    ("bytes", b"ab" * BLOCK, b"ab" * (BLOCK - 1) + b"cd", "x: 1 of 2 parts differ, between byte 1,048,576 and"),
    ("list", [1, 2, 3], [1, 2, 4], "x[2]: 3 -> 4"),
    ("long list", list(range(5000)), [*range(4999), 0], "x: 1 of 1,000 parts differ, between item 4,995 and 4,999"),
    ("list length", [1], [1, 2], "x: 1 -> 2 items"),
    ("dict", {"lr": 0.1, "w": BIG}, {"lr": 0.2, "w": BIG}, "x['lr']: 0.1 -> 0.2"),
    (
        "dict array",
        {"w": BIG},
        {"w": changed(BIG, 3, 0.0)},
        "x['w']: 1 of 8 parts differ, between element 0 and 131,071",
    ),
    ("dict key", {"a": 1}, {"b": 1}, "x['a']: removed 1 (int)"),
    ("dict of ints", {1: 2}, {2: 2}, "x: other keys"),
    ("record", Model(BIG), Model(changed(BIG, 3, 0.0)), "x.weights: 1 of 8 parts differ"),
    ("record field", Model(BIG), Model(BIG, "n"), "x.name: 'm' -> 'n'"),
    ("nested", {"a": [{"b": 1}]}, {"a": [{"b": 2}]}, "x['a'][0]['b']: 1 -> 2"),
    ("types", [1], BIG, "x: <list> -> <numpy.ndarray>"),
    ("set", {1, 2}, {1, 3}, "x: differs; of the stored one only a sketch was kept"),
]


@pytest.mark.parametrize(("old", "new", "told"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_a_sketch_tells(old: Any, new: Any, told: str) -> None:
    """Which part, column or field differs; and between two sketches the same."""
    kept = sketch(old)
    assert str(against_sketch(kept, new, name="x")).startswith(told)
    assert str(between_sketches(kept, sketch(new), name="x")).startswith(told)
    assert sketch(old) == kept


@pytest.mark.parametrize("value", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_sketches_are_small_plain_data(value: Any) -> None:
    """Whatever the value is: what the safe loader builds, and bounded in size."""
    from fleche.storage.envelope import Envelope
    from fleche.storage.safe_loader import SAFE

    made = sketch(value)
    assert Envelope.pack(made).seal().load(SAFE) == made
    assert len(pickle.dumps(made)) < 64 * MOST_PARTS


def test_many_columns_and_keys_are_bounded() -> None:
    """No more than so many digests are kept."""
    wide = pd.DataFrame(np.zeros((1, 3000)), columns=[f"c{n}" for n in range(3000)])
    made = sketch(wide)
    assert len(made["columns"]) == MOST_PARTS
    assert made["more"] == 3000 - MOST_PARTS
    assert "named" not in sketch({str(n): n for n in range(3000)})
    assert len(sketch(np.zeros(300_000_000, "u1"))["blocks"]) <= MOST_PARTS * 32


@pytest.mark.parametrize(
    "damage", [{}, {"type": "list"}, {"type": "list", "length": "x"}, {"shape": 3}, {"columns": 1}]
)
def test_what_is_no_sketch_is_told_as_nothing_known(damage: dict[str, Any]) -> None:
    """Of another version, or written by others."""
    assert "differs" in str(against_sketch(damage, [1, 2], name="x")) or "->" in str(
        against_sketch(damage, [1, 2], name="x")
    )


def test_a_sketch_costs_about_a_digest() -> None:
    """Counted in bytes hashed, not in time: each part once."""
    import fleche.call.sketch as module

    hashed = 0

    class Counting:
        def __init__(self, inner: Any) -> None:
            self._inner = inner
            self.length, self.hasher, self.name = inner.length, inner.hasher, inner.name

        def hash(self, data: Any) -> bytes:
            nonlocal hashed
            hashed += memoryview(data).nbytes
            return self._inner.hash(data)

    original = module.chosen
    module.chosen = lambda: Counting(original())  # type: ignore[assignment, return-value]
    try:
        sketch(BIG)
    finally:
        module.chosen = original
    assert hashed == BIG.nbytes


# -- kept ------------------------------------------------------------------------------------------------------------


@cached
def total(data: Any, factor: int = 1) -> float:
    return float(np.sum(data)) * factor


def only(cache: Any) -> LazyCall:
    return cache.query().only()  # type: ignore[no-any-return]


def test_large_arguments_leave_a_sketch(cache: Cache) -> None:
    """In the transaction of the call, under its own digest; small ones are stored as they are."""
    total(BIG)
    call = only(cache)
    ((name, text),) = sketches_of(call.record)
    assert name == "data"
    kept = cache.load_value(fleche.Digest(text))
    assert kept == sketch(BIG)
    assert digest(kept) == text
    with pytest.raises(KeyError):
        cache.load_value(call.record.arguments["data"])
    assert cache.verify(values=True).ok
    total.forget(BIG)
    total(BIG[:10])
    assert SKETCHES not in only(cache).metadata


def test_why_tells_which_part_differs(cache: Cache) -> None:
    """From the sketch."""
    total(BIG)
    why = total.why(changed(BIG, 5, 0.0))
    assert why.arguments["data"][0].text.startswith("1 of 8 parts differ, between element 0 and 131,071")
    assert why.nearest is not None


def test_what_the_body_does_to_its_argument_does_not_show(cache: Cache) -> None:
    """The sketch is taken before the body runs."""

    @cached
    def wipe(data: Any) -> int:
        data[:] = 0
        return 1

    mine = BIG.copy()
    wipe(mine)
    ((_, text),) = sketches_of(only(cache).record)
    assert cache.load_value(fleche.Digest(text)) == sketch(BIG)


def test_nothing_is_kept_where_nothing_is_asked_for(cache: Cache) -> None:
    """``store_arguments="none"`` keeps no sketch either, and ``"all"`` needs none."""

    @cached(store_arguments="none")
    def none(data: Any) -> int:
        return 1

    @cached(store_arguments="all")
    def everything(data: Any) -> int:
        return 2

    none(BIG), everything(BIG)
    assert all(SKETCHES not in call.metadata for call in cache.query())
    assert "differs" not in str(none.why(BIG[1:])) or none.why(BIG[1:]).arguments


def test_what_cannot_be_stored_leaves_a_sketch(cache: Cache) -> None:
    """An argument that no pickle takes, of which each part has a digest."""

    @cached
    def run(step: Any) -> int:
        return 1

    run({"n": 1, "f": Unpicklable(1)})
    why = run.why({"n": 2, "f": Unpicklable(1)})
    assert str(why.arguments["step"]) == "step['n']: 1 -> 2"


class Unpicklable:
    def __init__(self, x: int) -> None:
        self.x = x

    def __digest__(self) -> int:
        return self.x

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("never")


def test_sketches_are_not_for_people(cache: Cache) -> None:
    """Neither pictures nor tables show them."""
    total(BIG)
    call = only(cache)
    assert f"<th>{SKETCHES}</th>" not in call._repr_html_()
    assert not any(SKETCHES in name for name in cache.query().rows()[0])


def test_sketches_travel(cache: Cache, tmp_path: Path) -> None:
    """Through a transfer, an archive, and the stack's copy of a hit."""
    total(BIG)
    ((_, text),) = sketches_of(only(cache).record)
    key = fleche.Digest(text)
    stores = [MemoryStore() for _ in range(3)]
    other, third, near = (Cache(store.values, store.calls) for store in stores)
    assert cache.transfer(other).ok
    assert other.load_value(key) == sketch(BIG)
    export_calls(cache, tmp_path / "a.fleche", [only(cache).key])
    assert import_calls(tmp_path / "a.fleche", third).ok
    assert third.load_value(key) == sketch(BIG)
    with fleche.cache(CacheStack((near, other))):
        assert total(BIG) == only(cache).result
    assert near.load_value(key) == sketch(BIG)


def test_a_sketch_that_fails_costs_no_call(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call is stored without one."""

    def broken(value: Any) -> Any:
        raise RuntimeError("no sketch")

    monkeypatch.setattr("fleche.call.sketch.sketch", broken)
    assert total(BIG) == total(BIG)
    assert total.info().stored == 1
    assert SKETCHES not in only(cache).metadata
