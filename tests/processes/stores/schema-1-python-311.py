"""A script whose calls take and return a value of every type; it prints whose body ran."""

from __future__ import annotations

import array
import asyncio
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import ipaddress
import json
import operator
import pathlib
import random
import re
import sys
import types
import typing
import uuid
import zoneinfo

import numpy as np
import pandas as pd

from fleche import cached

pd.set_option("mode.string_storage", "python")  # how it was where pyarrow was not installed: part of the value

ran: list[str] = []


class Colour(enum.Enum):
    RED = 1


class Permission(enum.IntFlag):
    R = 1
    W = 2


@dataclasses.dataclass
class Point:
    x: float
    tags: frozenset[str] = frozenset({"a", "b", "c"})


class Pair(typing.NamedTuple):
    a: int
    b: list[int]


class Plain:
    def __init__(self, **fields: object) -> None:
        self.__dict__.update(fields)

    def __eq__(self, other: object) -> bool:
        return self.__dict__ == other.__dict__

    def scaled(self, by: int) -> int:
        return self.n * by


class Slots:
    __slots__ = ("a", "b")

    def __init__(self, a: int, b: int) -> None:
        self.a, self.b = a, b

    def __eq__(self, other: object) -> bool:
        return (self.a, self.b) == (other.a, other.b)


def cyclic() -> list[object]:
    loop: list[object] = [1]
    loop.append(loop)
    return loop


def double(x: int) -> int:
    return 2 * x


utc = datetime.UTC
frame = pd.DataFrame(
    {"i": [1, 2, 3], "f": [0.5, np.nan, 2.0], "s": ["x", None, "zé"], "d": pd.to_datetime(["2026-01-01"] * 3)}
)

VALUES: dict[str, object] = {
    "None": None,
    "bool": True,
    "int": 1,
    "big int": 2**200,
    "negative": -(2**63) - 1,
    "float": 0.1,
    "nan": float("nan"),
    "-0.0": -0.0,
    "inf": float("inf"),
    "complex": 1 - 2j,
    "str": "héllo",
    "long str": "x" * 10_000,
    "surrogate": "\ud800",
    "nul": "a\x00b",
    "bytes": b"\x00\xff",
    "bytearray": bytearray(b"abc"),
    "list": [1, "a", [2.0, None]],
    "ints": list(range(1000)),
    "floats": [0.5, float("nan"), -0.0],
    "strs": ["a", "bé", ""],
    "tuple": (1, (2,), ()),
    "dict": {"b": 1, "a": [2], 3: None, (4, 5): "t"},
    "set": {"alpha", "beta", "gamma", 1, 2.5, None},
    "frozenset": frozenset({"x", "y", "z"}),
    "nested sets": {frozenset({"p", "q"}): {"r": {"s", "t"}}},
    "Decimal": decimal.Decimal("1.10"),
    "Fraction": fractions.Fraction(1, 3),
    "date": datetime.date(2026, 1, 2),
    "time": datetime.time(1, 2, 3, 4),
    "datetime": datetime.datetime(2026, 1, 2, 3, 4, 5, 6),
    "aware": datetime.datetime(2026, 1, 2, tzinfo=utc),
    "zoned": datetime.datetime(2026, 7, 2, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
    "timedelta": datetime.timedelta(days=1, microseconds=3),
    "timezone": datetime.timezone(datetime.timedelta(hours=2)),
    "UUID": uuid.UUID(int=5),
    "Path": pathlib.Path("a/b"),
    "PurePath": pathlib.PurePosixPath("/x"),
    "enum": Colour.RED,
    "flag": Permission.R | Permission.W,
    "range": range(1, 10, 3),
    "slice": slice(1, None, 2),
    "ellipsis": ...,
    "deque": collections.deque([1, 2], maxlen=3),
    "defaultdict": collections.defaultdict(list, a=[1]),
    "OrderedDict": collections.OrderedDict(b=1, a=2),
    "Counter": collections.Counter("abca"),
    "array": array.array("d", [1.0, 2.0]),
    "pattern": re.compile("a+", re.IGNORECASE),
    "ip": ipaddress.ip_address("127.0.0.1"),
    "SimpleNamespace": types.SimpleNamespace(a=1),
    "dataclass": Point(1.0),
    "namedtuple": Pair(1, [2]),
    "object": Plain(a={"k"}, b=[1]),
    "slots": Slots(1, 2),
    "random": random.Random(5),
    "exception": ValueError("x", 3),
    "function": double,
    "builtin": len,
    "class": Point,
    "stdlib class": collections.OrderedDict,
    "partial": functools.partial(double, x=3),
    "method": Plain(n=2).scaled,
    "itemgetter": operator.itemgetter(1),
    "cyclic": cyclic(),
    "numpy scalar": np.float32(1.5),
    "array 1d": np.arange(5),
    "array 2d F": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "array strided": np.arange(20)[::3],
    "array 0d": np.array(3),
    "array empty": np.zeros((0, 3)),
    "array bool": np.array([True, False]),
    "array str": np.array(["a", "bcd"]),
    "array object": np.array([1, "a", None], dtype=object),
    "array datetime": np.array(["2026-01-01", "NaT"], dtype="datetime64[s]"),
    "array structured": np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "array masked": np.ma.masked_array([1, 2, 3], mask=[0, 1, 0]),
    "array large": np.arange(20_000, dtype=np.float64),
    "dtype": np.dtype("int32"),
    "DataFrame": frame,
    "Series": frame["f"],
    "Index": pd.Index([1, 2], name="n"),
    "MultiIndex": pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", "y"]),
    "categorical": pd.Series(["a", "b", "a"], dtype="category"),
    "nullable": pd.array([1, None], dtype="Int64"),
    "tz series": pd.Series(pd.to_datetime(["2026-01-01"]).tz_localize("UTC")),
    "Timestamp": pd.Timestamp("2026-01-01", tz="UTC"),
    "Timedelta": pd.Timedelta("1D"),
    "Period": pd.Period("2026-01", "M"),
    "Interval": pd.Interval(0, 1),
}


@cached(store_arguments="all")
def same(name: str, value: object) -> object:
    ran.append(name)
    return value


@cached
def items(name: str, value: object) -> typing.Iterator[object]:
    ran.append(f"generator {name}")
    yield value
    yield [value]


@cached
async def later(name: str, value: object) -> object:
    ran.append(f"coroutine {name}")
    return [value]


def equal(one: object, other: object) -> bool:
    """Whether a result is what it was: the same type, and the same bytes or content."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        alike = one.dtype == other.dtype and one.flags.fnc == other.flags.fnc
        return alike and str(one.tolist()) == str(other.tolist())
    if isinstance(one, pd.DataFrame | pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        return bool(one.equals(other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and one[-1:] and one[-1] is one:
        return other[-1] is other and one[:-1] == other[:-1]
    if isinstance(one, list | tuple | collections.deque):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, random.Random):
        return one.getstate() == other.getstate()
    if isinstance(one, BaseException):
        return one.args == other.args
    if isinstance(one, types.MethodType):
        return one.__self__ == other.__self__ and one.__func__ is other.__func__
    if isinstance(one, functools.partial | operator.itemgetter | types.FunctionType):
        return repr(one).partition(" at ")[0] == repr(other).partition(" at ")[0]
    return one == other or (one != one and other != other) or str(one) == "-0.0" == str(other)


def main() -> None:
    wrong = []
    for name, value in VALUES.items():
        if not equal(value, same(name, value)):
            wrong.append(name)
        if not equal(value, same.query(name).latest().arguments["value"]):
            wrong.append(f"argument {name}")
    for name in ("int", "dict", "array 2d F", "DataFrame"):
        value = VALUES[name]
        if not equal([value, [value]], list(items(name, value))):
            wrong.append(f"generator {name}")
        if not equal([value], asyncio.run(later(name, value))):
            wrong.append(f"coroutine {name}")
    json.dump({"values": len(VALUES), "ran": ran, "wrong": wrong}, sys.stdout)


if __name__ == "__main__":
    main()
