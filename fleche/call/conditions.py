"""Conditions on stored calls, as data: what a query asks beyond exact equality of fields.

A comparison is between values of one kind: bool; int and float together, compared exactly; str; datetime with a
timezone; date; None. A value of another kind, a missing one or one that is no scalar does not match, whatever the
operator, and is never an error. NaN matches nothing but ``isnan``. ``==`` with any other value compares digests.

`Condition.decide` is the definition; a backend that pushes a condition into its index agrees with it on every record.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

from fleche.clock import to_micros
from fleche.digest import Digest, digest

if TYPE_CHECKING:
    from fleche.call.records import DigestedCall

__all__ = [
    "ABSENT",
    "UNKNOWN",
    "Both",
    "Comparison",
    "Condition",
    "Either",
    "Kind",
    "Negation",
    "Operator",
    "Path",
    "Values",
    "field_of",
    "is_nan",
    "kind_of_scalar",
    "look",
    "path_of",
]

Path = tuple[str, ...]
"""What is compared: ``("arg", name)``, ``("meta", namespace, entry)``, or one of ``FIELDS`` alone."""

FIELDS = frozenset({"result", "name", "module", "version", "code", "key", "at"})


class Kind(StrEnum):
    """Values that can be compared with each other."""

    BOOL = "bool"
    NUMBER = "number"
    TEXT = "str"
    MOMENT = "datetime"
    DAY = "date"
    NOTHING = "None"


class Operator(StrEnum):
    """How two values are compared. ``isnan`` and ``exists`` look at one only."""

    EQ = "=="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    STARTS = "startswith"
    CONTAINS = "contains"
    ISNAN = "isnan"
    EXISTS = "exists"


_COMPARE: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: operator.eq,
    Operator.NE: operator.ne,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
    Operator.STARTS: str.startswith,
    Operator.CONTAINS: operator.contains,
}
_KINDS: Mapping[type, Kind] = {
    bool: Kind.BOOL,
    int: Kind.NUMBER,
    float: Kind.NUMBER,
    str: Kind.TEXT,
    date: Kind.DAY,
    type(None): Kind.NOTHING,
}
_NAMES: Mapping[Kind, frozenset[str]] = {
    Kind.BOOL: frozenset({"bool"}),
    Kind.NUMBER: frozenset({"int", "float"}),
    Kind.TEXT: frozenset({"str"}),
    Kind.MOMENT: frozenset({"datetime"}),
    Kind.DAY: frozenset({"date"}),
    Kind.NOTHING: frozenset({"None"}),
}


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()
"""Stands for a value that a record does not hold: it must be loaded before it can be compared."""

ABSENT: Final = object()
"""Stands for a value that is not there."""


class Values(Protocol):
    """Where the values of a record are loaded from: a `LazyCall` is one."""

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The arguments by name; reading one may raise."""

    @property
    def result(self) -> Any:
        """The result; reading it may raise."""


def kind_of_scalar(value: Any) -> Kind | None:
    """Return what a value can be compared with, or None where it has no order here.

    >>> kind_of_scalar(2.5), kind_of_scalar([1])
    (<Kind.NUMBER: 'number'>, None)
    """
    if type(value) is datetime:
        return Kind.MOMENT if value.utcoffset() is not None else None
    return _KINDS.get(type(value))


def look(record: DigestedCall, path: Path, values: Values | None = None) -> Any:
    """Return what lies at a path; ABSENT where nothing does, UNKNOWN where it must be loaded and cannot be here."""
    head, name = path[0], path[-1]
    if head == "meta":
        return record.metadata.get(path[1], {}).get(name, ABSENT)
    if head == "arg":
        if name in record.scalars:
            return record.scalars[name]
        there = name in record.arguments
    elif head == "result":
        there = record.outcome == "result"
    else:
        found = getattr(record, head)
        if found is None and head != "version":
            return ABSENT
        return str(found) if isinstance(found, Digest) else found
    if not there:
        return ABSENT
    if values is None:
        return UNKNOWN
    try:
        return values.result if head == "result" else values.arguments[name]
    except Exception:
        return ABSENT  # what cannot be loaded has no value


def is_nan(value: Any) -> bool:
    """Whether a value is the float NaN."""
    return type(value) is float and value != value


class HasRecord(Values, Protocol):
    """A stored call: its record, and its values."""

    @property
    def record(self) -> DigestedCall:
        """What is kept of it."""


def path_of(name: str) -> Path:
    """Return the path that a name stands for: ``arg.lr``, ``meta.runtime.walltime``, ``at``.

    Raises:
        ValueError: It names no part of a call.

    >>> path_of("meta.runtime.walltime")
    ('meta', 'runtime', 'walltime')
    """
    parts = tuple(name.removeprefix("q.").split("."))
    if parts[0] == "arg" and len(parts) > 1:
        return "arg", ".".join(parts[1:])
    if (parts[0] == "meta" and len(parts) == 3) or (len(parts) == 1 and name in FIELDS):
        return parts
    raise ValueError(f"{name!r} is no part of a call: give arg.NAME, meta.NAMESPACE.ENTRY, {', '.join(sorted(FIELDS))}")


def field_of(call: HasRecord, path: Path) -> Any:
    """Return one value of a stored call, loaded if need be; None where there is none."""
    found = look(call.record, path, call)
    return None if found is ABSENT else found


class Condition(ABC):
    """What a stored call must be like. Combined by ``&``, ``|`` and ``~``."""

    __slots__ = ()

    @abstractmethod
    def decide(self, record: DigestedCall, values: Values | None = None) -> bool | None:
        """Whether a record meets the condition.

        Args:
            record: The record.
            values: Where values that the record does not hold are loaded from.

        Returns:
            None where that depends on a value that the record does not hold, and ``values`` is not given.
        """

    def __and__(self, other: Condition) -> Condition:
        return Both(self, _condition(other))

    def __or__(self, other: Condition) -> Condition:
        return Either(self, _condition(other))

    def __invert__(self) -> Condition:
        return Negation(self)

    def __bool__(self) -> bool:
        raise TypeError(
            "a condition is neither true nor false before it is asked of a call: combine conditions by & | ~ (not by "
            "and, or, not), put each comparison into parentheses, and write (1 < q.arg.x) & (q.arg.x < 3) for 1 < x < 3"
        )


def _condition(other: object) -> Condition:
    if not isinstance(other, Condition):
        raise TypeError(f"a condition is combined with another condition, not with {other!r}: parentheses missing?")
    return other


@dataclass(frozen=True, slots=True)
class Both(Condition):
    """Both conditions hold."""

    one: Condition
    other: Condition

    def decide(self, record: DigestedCall, values: Values | None = None) -> bool | None:
        """Whether both hold; see `Condition.decide`."""
        one = self.one.decide(record, values)
        if one is False:
            return False
        other = self.other.decide(record, values)
        return other if one is True or other is False else None

    def __repr__(self) -> str:
        return f"({self.one!r} & {self.other!r})"


@dataclass(frozen=True, slots=True)
class Either(Condition):
    """One of the conditions holds, or both."""

    one: Condition
    other: Condition

    def decide(self, record: DigestedCall, values: Values | None = None) -> bool | None:
        """Whether one holds; see `Condition.decide`."""
        one = self.one.decide(record, values)
        if one is True:
            return True
        other = self.other.decide(record, values)
        return other if one is False or other is True else None

    def __repr__(self) -> str:
        return f"({self.one!r} | {self.other!r})"


@dataclass(frozen=True, slots=True)
class Negation(Condition):
    """The condition does not hold: also of calls in which there is nothing to compare."""

    one: Condition

    def decide(self, record: DigestedCall, values: Values | None = None) -> bool | None:
        """Whether it does not hold; see `Condition.decide`."""
        one = self.one.decide(record, values)
        return None if one is None else not one

    def __repr__(self) -> str:
        return f"~{self.one!r}"


@dataclass(frozen=True)
class Comparison(Condition):
    """One value of a call, compared with a given one.

    Attributes:
        path: What of the call.
        operator: How.
        value: With what; None for the operators that look at one value only.

    Raises:
        TypeError: The operator needs an order, or kinds, that the value does not have.
    """

    path: Path
    operator: Operator
    value: Any = None

    def __post_init__(self) -> None:
        if isinstance(self.value, Digest) and self.path[0] in ("code", "key"):
            object.__setattr__(self, "value", str(self.value))
        if self.operator in (Operator.STARTS, Operator.CONTAINS) and type(self.value) is not str:
            raise TypeError(f"{_shown(self.path)}.{self.operator}() takes text, not {self.value!r}")
        if self.kind is not None or self.operator is Operator.EQ:
            return
        shown = f"{_shown(self.path)} {self.operator} {self.value!r}"
        if isinstance(self.value, datetime):
            raise TypeError(f"{shown}: the time has no timezone; give value.astimezone(), or one made with tzinfo=")
        raise TypeError(
            f"{shown}: a {type(self.value).__qualname__} can only be compared by ==, which compares digests; give a "
            f"bool, int, float, str, date, datetime or None (float(value) of a numpy number), or ~(... == value)"
        )

    @cached_property
    def kind(self) -> Kind | None:
        """What the given value can be compared with; None: with digests only."""
        return kind_of_scalar(self.value)

    @cached_property
    def digests(self) -> frozenset[Digest]:
        """The digests of all values that are equal to the given one: ``1`` and ``1.0`` are equal numbers."""
        value = self.value
        if isinstance(value, Digest):
            return frozenset({value})
        if self.kind is not Kind.NUMBER:
            return frozenset({digest(value)})
        return frozenset(digest(twin) for twin in _twins(value))

    def decide(self, record: DigestedCall, values: Values | None = None) -> bool | None:
        """Whether the comparison holds; see `Condition.decide`."""
        known = self._by_digest(record)
        if known is not None:
            return known
        found = self._find(record)
        if found is UNKNOWN:
            if values is None:
                return None
            found = look(record, self.path, values)
        return found is not ABSENT and self._holds(found)

    def _by_digest(self, record: DigestedCall) -> bool | None:
        """Decide without a value, where digests are enough; else None."""
        if self.path[0] not in ("arg", "result"):
            return None
        if self.path[0] == "result":
            stored = record.result if record.outcome == "result" else None
        else:
            stored = record.arguments.get(self.path[-1])
        if self.operator is Operator.EXISTS or stored is None:
            return stored is not None
        if self.operator is not Operator.EQ:
            return None
        if is_nan(self.value):
            return False
        if stored in self.digests:
            return True
        return None if self.kind is Kind.MOMENT else False  # the same moment has another digest in another zone

    def _find(self, record: DigestedCall) -> Any:
        found = look(record, self.path)
        if found is UNKNOWN and self.path[0] == "arg":  # the name of its type may tell that it cannot match
            told = record.kinds.get(self.path[-1])
            wanted = Kind.NUMBER if self.operator is Operator.ISNAN else self.kind
            return UNKNOWN if told is None or wanted is None or told in _NAMES[wanted] else ABSENT
        return found

    def _holds(self, found: Any) -> bool:
        if self.operator is Operator.EXISTS:
            return True
        if self.operator is Operator.ISNAN:
            return is_nan(found)
        if self.kind is None:
            return digest(found) in self.digests
        if kind_of_scalar(found) is not self.kind:
            return False
        if self.kind is Kind.NUMBER and (is_nan(found) or is_nan(self.value)):
            return False
        if self.kind is Kind.MOMENT:
            return _COMPARE[self.operator](to_micros(found), to_micros(self.value))
        if self.kind is Kind.NOTHING:
            return self.operator in (Operator.EQ, Operator.LE, Operator.GE)
        return _COMPARE[self.operator](found, self.value)

    def __repr__(self) -> str:
        shown = _shown(self.path)
        if self.operator in (Operator.ISNAN, Operator.EXISTS):
            return f"{shown}.{self.operator}()"
        if self.operator in (Operator.STARTS, Operator.CONTAINS):
            return f"{shown}.{self.operator}({self.value!r})"
        return f"({shown} {self.operator} {self.value!r})"


def _twins(value: float) -> list[int | float]:
    """Return all ints and floats that are equal to a number."""
    found: list[int | float] = [value]
    if type(value) is int:
        try:
            if float(value) == value:
                found.append(float(value))
        except OverflowError:
            pass
    elif value.is_integer():
        found.append(int(value))
    return [*found, 0.0, -0.0] if value == 0 else found


def _shown(path: Path) -> str:
    return "q" + "".join(f".{name}" if name.isidentifier() else f"[{name!r}]" for name in path)
