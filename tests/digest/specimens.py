# ruff: noqa: F401, PIE796, PYI024, SLOT000 - names for expressions, and the kinds of classes that people write
"""Classes and names for the expressions in ``confusable.py`` and ``golden.json``."""

from __future__ import annotations

import array
import calendar
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import ipaddress
import itertools
import math
import operator
import pathlib
import random
import re
import statistics
import string
import types
import typing
import uuid
import zoneinfo
from typing import Any


class Color(enum.Enum):
    RED = 1
    BLUE = 2
    CRIMSON = 1


class Shade(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    ONE = 1


class Word(enum.StrEnum):
    A = "a"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Bits(enum.IntFlag):
    READ = 1


@dataclasses.dataclass
class Point:
    x: Any
    y: Any = 0


@dataclasses.dataclass
class Vector:
    x: Any
    y: Any = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    x: Any


@dataclasses.dataclass
class Hidden:
    x: Any
    secret: Any = dataclasses.field(default=0, compare=False, repr=False)


class Pair(typing.NamedTuple):
    a: Any
    b: Any


Other = collections.namedtuple("Other", "a b")


class Text(str):
    pass


class Number(int):
    pass


class Real(float):
    pass


class Items(list):
    pass


class Mapping(dict):
    pass


class Row(tuple):
    __slots__ = ()


class Plain:
    def __init__(self, **state: Any) -> None:
        self.__dict__.update(state)


class Bare:
    __slots__ = ("a", "b")

    def __init__(self, **state: Any) -> None:
        for name, value in state.items():
            setattr(self, name, value)


class Walked:
    """What iteration yields is not what it is."""

    def __init__(self, nodes: Any, edges: Any) -> None:
        self.nodes, self.edges = nodes, edges

    def __iter__(self) -> Any:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        return "Walked"

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        return True


class Fitted:
    """Refuses to be made anew without its state, as estimators do."""

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha
        self.coefficients: list[float] | None = None

    def fit(self, data: list[float]) -> Fitted:
        self.coefficients = [self.alpha * item for item in data]
        return self


class Reduced:
    def __init__(self, content: Any, noise: Any = None) -> None:
        self.content, self.noise = content, noise

    def __reduce__(self) -> Any:
        return Reduced, (self.content,)


class Standing:
    def __init__(self, content: Any, noise: Any = None) -> None:
        self.content, self.noise = content, noise

    def __digest__(self) -> Any:
        return self.content


def with_attributes(value: Any, **state: Any) -> Any:
    for name, item in state.items():
        setattr(value, name, item)
    return value


def counter(**counts: int) -> collections.Counter[str]:
    return collections.Counter(counts)


NAMES: dict[str, Any] = dict(globals())
