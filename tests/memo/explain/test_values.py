"""What differs between two values: the places, in the words that a person would use."""

from __future__ import annotations

import array
import enum
import functools
import re
import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import attrs
import hypothesis.strategies as st
import msgspec
import networkx as nx
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest
import scipy.sparse
import xarray as xr
from hypothesis import given, settings

from fleche.digest import Digest, digest
from fleche.memo.explain import Differences, difference
from fleche.memo.explain.differences import Kind
from fleche.testing.strategies import scalars


@dataclass
class Layer:
    units: int
    kind: str = "dense"


@dataclass
class Config:
    layers: list[Layer]
    lr: float = 0.1
    extra: dict[str, Any] = field(default_factory=dict)


@attrs.define
class Attrs:
    a: int
    b: Any = None


class Pydantic(pydantic.BaseModel):
    a: int
    b: list[int] = []


class Struct(msgspec.Struct):
    a: int
    b: str = "x"


Point = namedtuple("Point", "x y")  # noqa: PYI024 - as older code has it


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Plain:
    def __init__(self, **state: Any) -> None:
        self.__dict__.update(state)


class Slots:
    __slots__ = ("a", "b")

    def __init__(self, a: Any, b: Any) -> None:
        self.a, self.b = a, b


class Custom:
    def __init__(self, x: Any) -> None:
        self.x = x

    def __digest__(self) -> Any:
        return self.x


class MyList(list[Any]):
    pass


class MyArray(np.ndarray[Any, Any]):
    pass


def twice(x: int) -> int:
    return 2 * x


def thrice(x: int) -> int:
    return 3 * x


def config(units: int = 64, **more: Any) -> Config:
    return Config([Layer(1), Layer(2), Layer(3), Layer(units)], **more)


def frame(**changes: Any) -> pd.DataFrame:
    columns = {"price": [1.0, 2.0, 3.0], "name": ["a", "b", "c"], "day": pd.to_datetime(["2020-01-01"] * 3)}
    return pd.DataFrame({**columns, **changes})


def changed(of: Any, *places: tuple[Any, Any]) -> Any:
    made = of.copy()
    for place, value in places:
        made[place] = value
    return made


def without(mapping: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}


GRID = np.arange(12.0).reshape(3, 4)
RECORDS = np.array([(1, 2.0), (3, 4.0)], dtype=[("a", "i4"), ("b", "f8")])
LONG = "lorem ipsum " * 20
LINES = "".join(f"line {n}\n" for n in range(40))
SPARSE = scipy.sparse.csr_array(np.diag([1.0, 2.0, 3.0]))
ARROW = pa.table({"a": [1, 2, 3], "b": ["x", "y", None]})
LABELLED = xr.DataArray(np.arange(4.0), dims="t", coords={"t": [0, 1, 2, 3]}, name="temp")

CASES: list[tuple[Any, Any, str]] = [
    # scalars
    (64, 128, "x: 64 -> 128"),
    (3, 3.0, "x: 3 (int) -> 3.0 (float)"),
    (True, 1, "x: True (bool) -> 1 (int)"),
    (0.0, -0.0, "x: 0.0 -> -0.0"),
    (None, 0, "x: None -> 0 (int)"),
    ("1", 1, "x: '1' (str) -> 1 (int)"),
    ("adam", "sgd", "x: 'adam' -> 'sgd'"),
    ("a", b"a", "x: 'a' (str) -> b'a' (bytes)"),
    (b"ab", b"ac", "x: b'ab' -> b'ac'"),
    (1 + 2j, 1 + 3j, "x: (1+2j) -> (1+3j)"),
    (2**70, 2**70 + 1, "x: 1180591620717411303424 -> 1180591620717411303425"),
    (Decimal("1.0"), Decimal("1.00"), "x: Decimal('1.0') -> Decimal('1.00')"),
    (Fraction(1, 2), Fraction(1, 3), "x: Fraction(1, 2) -> Fraction(1, 3)"),
    (date(2020, 1, 1), date(2020, 1, 2), "x: datetime.date(2020, 1, 1) -> datetime.date(2020, 1, 2)"),
    (timedelta(1), timedelta(2), "x: datetime.timedelta(days=1) -> datetime.timedelta(days=2)"),
    (range(3), range(4), "x: range(0, 3) -> range(0, 4)"),
    (slice(1), slice(2), "x: slice(None, 1, None) -> slice(None, 2, None)"),
    (UUID(int=1), UUID(int=2), f"x: {UUID(int=1)!r} -> {UUID(int=2)!r}"),
    (PurePosixPath("a"), PurePosixPath("b"), "x: PurePosixPath('a') -> PurePosixPath('b')"),
    ("a", PurePosixPath("a"), "x: 'a' (str) -> PurePosixPath('a') (pathlib.PurePosixPath)"),
    (Colour.RED, Colour.BLUE, "x: Colour.RED -> Colour.BLUE"),
    (
        LONG + "a" + LONG,
        LONG + "b" + LONG,
        (
            "x: part at character 240: …'lorem ipsum alorem ipsum lorem ipsum'… -> "
            "…'lorem ipsum blorem ipsum lorem ipsum'…"
        ),
    ),
    (
        LINES,
        LINES.replace("line 7\n", "LINE 7\n"),
        (
            "x: part at line 8, column 0: …'ne 5\\nline 6\\nline 7\\nline 8\\nline 9\\nlin'… -> "
            "…'ne 5\\nline 6\\nLINE 7\\nline 8\\nline 9\\nlin'…"
        ),
    ),
    (LONG, LONG + "!", "x: part at character 240: …'lorem ipsum ' -> …'lorem ipsum !', 240 -> 241 characters"),
    # containers
    ([1, 2, 3], [1, 2, 3.0], "x[2]: 3 (int) -> 3.0 (float)"),
    ([1, 2], (1, 2), "x: [1, 2] (list) -> (1, 2) (tuple)"),
    ([1, 2], [1, 2, 3], "x: 2 items -> 3 items\nx[2]: added 3"),
    ([1, 2, 3], [2, 3], "x: 3 items -> 2 items\nx[0]: removed 1"),
    ([1, 2, 3, 4], [1, 9, 2, 3, 4], "x: 4 items -> 5 items\nx[1]: added 9"),
    ([[1], [2, [3]]], [[1], [2, [4]]], "x[1][1][0]: 3 -> 4"),
    ({"a": {"b": [0, 1]}}, {"a": {"b": [0, 2]}}, "x['a']['b'][1]: 1 -> 2"),
    ({"a": 1, "b": 2}, {"a": 1, "c": 3}, "x['b']: removed 2\nx['c']: added 3"),
    ({1: "a"}, {1.0: "a"}, "x[1]: removed 'a'\nx[1.0]: added 'a'"),
    ({(1, 2): 3}, {(1, 2): 4}, "x[(1, 2)]: 3 -> 4"),
    (OrderedDict(a=1, b=2), OrderedDict(b=2, a=1), "x: the order of the keys: 'a', 'b' -> 'b', 'a'"),
    (defaultdict(int, a=1), defaultdict(float, a=1), "x.default_factory: int -> float"),
    (Counter("aab"), Counter("abb"), "x['a']: 2 -> 1\nx['b']: 1 -> 2"),
    (deque([1], maxlen=2), deque([1], maxlen=3), "x.maxlen: 2 -> 3"),
    ({1, 2}, {1, 3}, "x: removed 2\nx: added 3"),
    (frozenset({1}), frozenset({1.0}), "x: removed 1\nx: added 1.0"),
    (array.array("i", [1]), array.array("i", [2]), "x[0]: 1 -> 2"),
    (SimpleNamespace(a=1), SimpleNamespace(a=2), "x.a: 1 -> 2"),
    (MyList([1, 2]), MyList([1, 3]), "x[1]: 2 -> 3"),
    (
        datetime(2020, 1, 1),
        datetime(2020, 1, 1, tzinfo=UTC),
        "x: datetime.datetime(2020, 1, 1, 0, 0) -> datetime.datetime(2020, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)",
    ),
    (re.compile("a"), re.compile("b"), "x: re.compile('a') -> re.compile('b')"),
    # records
    (config(64), config(128), "x.layers[3].units: 64 -> 128"),
    (config(), config(lr=0.2), "x.lr: 0.1 -> 0.2"),
    (config(extra={"a": 1}), config(extra={"a": 2}), "x.extra['a']: 1 -> 2"),
    (Attrs(1, [2]), Attrs(1, [3]), "x.b[0]: 2 -> 3"),
    (Pydantic(a=1), Pydantic(a=2), "x.a: 1 -> 2"),
    (Struct(1), Struct(1, "y"), "x.b: 'x' -> 'y'"),
    (Point(1, 2), Point(1, 3), "x.y: 2 -> 3"),
    (Plain(a=1), Plain(a=1, b=2), "x.b: added 2"),
    (Plain(a=1, b=2), Plain(a=1), "x.b: removed 2"),
    (Slots(1, 2), Slots(1, 3), "x.b: 2 -> 3"),
    (ValueError(1, "a"), ValueError(1, "b"), "x.args[1]: 'a' -> 'b'"),
    (ValueError(1), TypeError(1), "x: <ValueError> -> <TypeError>"),
    (Custom([1]), Custom([2]), "x.__digest__()[0]: 1 -> 2"),
    (Layer(1), Attrs(1), "x: <Layer> -> <Attrs>"),
    (functools.partial(twice, 1), functools.partial(twice, 2), "x.args[0]: 1 -> 2"),
    (functools.partial(twice, x=1), functools.partial(twice, x=2), "x.keywords['x']: 1 -> 2"),
    (twice, thrice, f"x: {__name__}.twice -> {__name__}.thrice"),
    (int, float, "x: int -> float"),
    (Digest("a" * 32), Digest("b" * 32), "x: <digest aaaaaaaaaaaa> -> <digest bbbbbbbbbbbb>"),
    # arrays
    (GRID, changed(GRID, ((1, 2), 5.0)), "x[1, 2]: 6.0 -> 5.0"),
    (
        GRID,
        changed(GRID, ((1, 2), 5.0), ((2, 0), 8.5)),
        "x: 2 of 12 elements differ, first [1, 2]: 6.0 -> 5.0, by at most 1",
    ),
    (GRID, GRID.astype("f4"), "x: dtype float64 -> float32, all elements equal as numbers"),
    (GRID, GRID[:, :3], "x: shape (3, 4) -> (3, 3)"),
    (GRID, np.vstack([GRID, GRID]), "x: shape (3, 4) -> (6, 4), the first 3 rows are equal"),
    (np.array([0.0, 1.0]), np.array([-0.0, 1.0]), "x[0]: 0.0 -> -0.0"),
    (np.array([1, 2]), np.array([1, 3]), "x[1]: 2 -> 3"),
    (np.array(["a", "b"]), np.array(["a", "c"]), "x[1]: 'b' -> 'c'"),
    (np.array([1, [2]], dtype=object), np.array([1, [3]], dtype=object), "x[1][0]: 2 -> 3"),
    (RECORDS, changed(RECORDS, (1, (3, 5.0))), "x['b'][1]: 4.0 -> 5.0"),
    (np.array(["2020-01-01"], "M8[D]"), np.array(["2020-01-02"], "M8[D]"), "x[0]: 2020-01-01 -> 2020-01-02"),
    (np.float64(1), np.float32(1), "x: 1.0 (numpy.float64) -> 1.0 (numpy.float32)"),
    (1.0, np.float64(1), "x: 1.0 (float) -> 1.0 (numpy.float64)"),
    (GRID.view(MyArray), changed(GRID, ((0, 0), 9.0)).view(MyArray), "x[0, 0]: 0.0 -> 9.0"),
    (np.ma.array([1, 2], mask=[0, 0]), np.ma.array([1, 2], mask=[0, 1]), "x.mask[1]: False -> True"),
    ({"w": GRID}, {"w": changed(GRID, ((0, 1), 7.0))}, "x['w'][0, 1]: 1.0 -> 7.0"),
    (SPARSE, SPARSE * 2, "x.data: 3 of 3 elements differ, first [0]: 1.0 -> 2.0, by at most 3"),
    (SPARSE, scipy.sparse.csr_array(np.eye(3, 4)), "x: shape (3, 3) -> (3, 4)"),
    # tables
    (frame(), frame(price=[1.0, 2.5, 3.0]), "x['price'].iloc[1]: 2.0 -> 2.5"),
    (frame(), frame(price=[1.5, 2.5, 3.0]), "x['price']: 2 of 3 rows differ, first row 0: 1.0 -> 1.5"),
    (frame(), frame(price=[1, 2, 3]), "x['price']: dtype float64 -> int64"),
    (frame(), frame(name=["a", "b", "z"]), "x['name'].iloc[2]: 'c' -> 'z'"),
    (frame(), frame(more=1), "x['more']: column added (int64)"),
    (frame(), frame().drop(columns="day"), "x['day']: column removed (datetime64["),
    (
        frame(),
        frame()[["name", "price", "day"]],
        "x: the order of the columns: 'price', 'name', 'day' -> 'name', 'price', 'day'",
    ),
    (frame(), frame().iloc[:2], "x: 3 -> 2 rows\nx.index.stop: 3 -> 2"),
    (frame(), frame().set_axis([5, 6, 7]), "x.index: <pandas.RangeIndex (3,) int64> -> <pandas.Index (3,) int64>"),
    (frame().set_axis([5, 6, 7]), frame().set_axis([5, 6, 8]), "x.index[2]: 7 -> 8"),
    (pd.Series([1, 2], name="s"), pd.Series([1, 3], name="s"), "x.iloc[1]: 2 -> 3"),
    (pd.Series([1], name="s"), pd.Series([1], name="t"), "x.name: 's' -> 't'"),
    (pd.Series([1, None], dtype="Int64"), pd.Series([1, 2], dtype="Int64"), "x.iloc[1]: <NA> -> 2"),
    (pd.Categorical(["a", "b"]), pd.Categorical(["a", "a"], categories=["a", "b"]), "x[1]: 'b' -> 'a'"),
    (pd.Index([1, 2]), pd.Index([1, 3]), "x[1]: 2 -> 3"),
    (pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [1, 3]}), "x['a'][1]: 2 -> 3"),
    (pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [1, 2], "b": [0, 0]}), "x['b']: column added (Int64)"),
    (pl.Series("a", [1, 2]), pl.Series("b", [1, 2]), "x.name: 'a' -> 'b'"),
    (ARROW, ARROW.set_column(0, "a", pa.array([1, 2, 4])), "x['a'][2]: 3 -> 4"),
    (ARROW, ARROW.drop_columns(["b"]), "x['b']: column removed (string)"),
    (LABELLED, LABELLED.copy(data=[0.0, 1.0, 2.0, 9.0]), "x.values[3]: 3.0 -> 9.0"),
    (LABELLED, LABELLED.assign_coords(t=[0, 1, 2, 4]), "x.coords['t'].values[3]: 3 -> 4"),
    (LABELLED.to_dataset(), LABELLED.copy(data=[5.0, 1.0, 2.0, 3.0]).to_dataset(), "x['temp'].values[0]: 0.0 -> 5.0"),
    (nx.path_graph(3), nx.path_graph(4), "x.nodes[3]: added {}\nx.edges[(2, 3)]: added {}"),
]


@pytest.mark.parametrize(("old", "new", "told"), CASES, ids=[f"{n}-{case[2][:40]}" for n, case in enumerate(CASES)])
def test_what_differs_is_named(old: Any, new: Any, told: str) -> None:
    """Path and text are what a person would write."""
    assert str(difference(old, new, name="x")).startswith(told)
    assert not difference(old, old, name="x")
    assert not difference(new, new, name="x")


def test_there_are_many_cases() -> None:
    """More than enough to see that no kind of value was forgotten."""
    assert len(CASES) >= 80


# -- properties ----------------------------------------------------------------------------------------------------


class Counted:
    """Fails where its text or its equality is asked for: neither is code that a digest runs."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __repr__(self) -> str:
        raise AssertionError("a comparison asked for a text")

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        raise AssertionError("a comparison asked whether it is equal")

    def __hash__(self) -> int:
        raise AssertionError("a comparison asked for a hash")


_HASHABLE = st.recursive(
    scalars(), lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4
)
_VALUES = st.recursive(
    scalars() | st.binary(max_size=4) | st.sampled_from([Layer(1), Layer(2), Point(1, 2), twice, int, Colour.RED]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(_HASHABLE, inner, max_size=3),
        st.sets(_HASHABLE, max_size=3),
        st.dictionaries(_HASHABLE, inner, max_size=3).map(OrderedDict),
        st.builds(Plain, a=inner, b=inner),
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(_VALUES, _VALUES)
def test_something_differs_if_and_only_if_the_digests_do(one: Any, other: Any) -> None:
    """Of any two values, and of each with itself."""
    assert bool(difference(one, other)) is (digest(one) != digest(other))
    assert not difference(one, one)
    assert not difference(other, other)


_TREES = st.recursive(
    st.integers() | st.text(max_size=3) | st.floats() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=4),
    max_leaves=20,
)


def leaves(value: Any, path: str) -> list[tuple[str, Callable[[Any], Any]]]:
    """Return each leaf of a tree: its path, and what replaces it there."""
    if type(value) is list:
        items: Any = enumerate(value)
    elif type(value) is dict:
        items = value.items()
    else:
        return [(path, lambda new: new)]
    found = []
    for key, item in items:
        for place, put in leaves(item, f"{path}[{key!r}]"):
            found.append((place, functools.partial(_put, value, key, put)))
    return found


def _put(value: Any, key: Any, put: Callable[[Any], Any], new: Any) -> Any:
    made = value.copy()
    made[key] = put(new)
    return made


@settings(max_examples=300)
@given(_TREES, st.data())
def test_a_single_edit_is_named_at_its_place(tree: Any, data: st.DataObject) -> None:
    """Wherever it is in a tree, and nothing else is."""
    places = leaves(tree, "x")
    if not places:
        return
    path, put = data.draw(st.sampled_from(places))
    edited = put(("edited",))
    found = difference(tree, edited, name="x")
    assert [item.path for item in found] == [path]


@settings(max_examples=100)
@given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 3), max_size=12))
def test_lists_of_any_two_lengths(one: list[int], other: list[int]) -> None:
    """What is equal at both ends is not told."""
    found = difference(one, other, name="x")
    assert bool(found) is (one != other)
    assert found.total <= max(len(one), len(other)) + 1


# -- safety --------------------------------------------------------------------------------------------------------


def test_no_code_of_a_value_runs() -> None:
    """Neither its text, nor its equality, nor its hash."""
    found = difference([Counted(1), Counted([Counted(2)])], [Counted(1), Counted([Counted(3)])], name="x")
    assert str(found) == "x[1].x[0].x: 2 -> 3"
    assert str(difference(Counted(1), 5, name="x")) == "x: <Counted> -> 5 (int)"


def test_cycles() -> None:
    """Values that hold themselves are compared once around; another knot is told as such."""
    one: list[Any] = [1]
    one.append(one)
    other: list[Any] = [2]
    other.append(other)
    knot: list[Any] = [1]
    knot.append([1, knot])
    assert str(difference(one, other, name="x")) == "x[0]: 1 -> 2"
    assert not difference(one, one)
    assert str(difference(one, knot, name="x")).startswith("x[1]: differs inside (digest")


def test_depth_is_bounded_by_memory_only() -> None:
    """Ten thousand levels, and sharing that doubles at each of them."""
    one: Any = 1
    other: Any = 2
    for _ in range(10_000):
        one, other = [one, one], [other, other]
    found = difference(one, other, limit=3)
    assert len(found.items) == 3
    assert found.more > 100
    assert all(len(item.path) < 500 for item in found)
    deep: Any = 1
    for _ in range(10_000):
        deep = {"a": deep}
    assert difference(deep, one)


def test_the_limit() -> None:
    """No more differences are told than asked for, and the others are counted."""
    found = difference(list(range(100)), list(range(1, 101)), name="x", limit=5)
    assert len(found) == 5
    assert found.total == 100
    assert str(found).endswith("and 95 more")
    assert found.brief() == "x[0]: 0 -> 1 (and 99 more)"
    many = difference(list(range(10**5)), list(range(1, 10**5 + 1)), limit=5)
    assert many.more >= 900
    assert not many.whole


def test_what_has_no_digest() -> None:
    """Is told as such; the rest is compared."""
    found = difference([1, (n for n in range(3))], [2, (n for n in range(3))], name="x")
    assert [item.path for item in found] == ["x[0]", "x[1]"]
    assert "cannot be taken apart" in found[1].text or "no digest" in found[1].text


def test_a_failure_is_told_and_never_raised() -> None:
    """Of a value whose state cannot be read."""

    class Broken:
        def __reduce_ex__(self, protocol: Any) -> Any:
            raise ValueError("broken")

    assert "cannot be taken apart" in str(difference([Broken()], [Broken()], name="x"))


def test_classes_of_one_name_with_other_code() -> None:
    """An object whose class was defined anew differs by that."""

    def make(step: int) -> Any:
        class Inner:
            def run(self) -> int:
                return step

        return Inner()

    found = difference(make(1), make(2), name="x")
    assert found[0].kind is Kind.CODE
    assert "its code differs" in found[0].text


def test_functions_differ_by_their_code() -> None:
    """Down to the constant in a closure."""

    def make(step: int) -> Callable[[int], int]:
        return lambda x: x + step

    assert "step, which" in str(difference(make(1), make(2), name="x"))


def test_differences_as_data() -> None:
    """Fields, length, truth and JSON."""
    found = difference({"a": 1}, {"a": 2}, name="cfg")
    assert found
    assert len(found) == 1
    assert found[0].path == "cfg['a']"
    assert found.json() == {
        "differences": [{"path": "cfg['a']", "kind": "value", "text": "1 -> 2"}],
        "more": 0,
        "whole": True,
    }
    assert repr(Differences()) == "nothing differs"


def test_nothing_heavy_is_imported() -> None:
    """Comparing plain values, and objects of a class, needs no other package."""
    code = (
        "import sys; from fleche.memo.explain import difference;"
        "assert str(difference({'a': [1]}, {'a': [2]}, name='x')) == \"x['a'][0]: 1 -> 2\";"
        "heavy = {'numpy', 'pandas', 'polars', 'sqlalchemy', 'typer', 'rich', 'cloudpickle', 'asyncio'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_large_values_take_little_time_and_text(tmp_path: Path) -> None:
    """A million items, an array of 80 MB and a table: one line each."""
    numbers = list(range(10**6))
    assert str(difference(numbers, [*numbers[:-1], 0], name="x")) == "x[999999]: 999999 -> 0"
    big = np.zeros(10**7)
    other = big.copy()
    other[5 * 10**6 :] = 1
    assert str(difference(big, other, name="x")).startswith("x: 5,000,000 of 10,000,000 elements differ")
    table = pd.DataFrame({"a": np.zeros(10**6), "b": ["x"] * 10**6})
    assert str(difference(table, table.assign(a=1.0), name="t")).startswith("t['a']: 1,000,000 of 1,000,000 rows")
