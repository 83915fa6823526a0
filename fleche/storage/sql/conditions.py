"""Conditions as SQL: which rows may meet them.

The text is a superset, exact where the columns are: rows whose values are not in columns are let through, and
`Condition.decide` decides. Two-valued throughout, so that negation is exact: every comparison stands inside of EXISTS
or beside IS NOT NULL.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fleche.call.conditions import Both, Comparison, Condition, Either, Kind, Negation, Operator, is_nan
from fleche.clock import to_micros
from fleche.storage.sql.words import escaped

__all__ = ["POSTGRESQL", "SQLITE", "Clause", "Dialect", "may_hold", "must_hold"]


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of SQL with ``?`` for its parameters.

    Attributes:
        text: The piece; true or false of a row of ``calls``, never null.
        parameters: In order.
    """

    text: str
    parameters: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Dialect:
    """How databases differ here.

    Attributes:
        order: What makes text compare by code points.
        starts: Whether a text starts so: ``{}`` is the column.
        contains: Whether a text contains another.
        escape: How names are kept, where that is not as they are; their order is then not theirs.
        schema: What stands before the name of a table, with its dot.
    """

    order: str = ""
    starts: str = "substr({0}, 1, length(?)) = ?"
    contains: str = "instr({0}, ?) > 0"
    escape: Callable[[str], str] | None = None
    schema: str = ""


SQLITE = Dialect()
POSTGRESQL = Dialect(' COLLATE "C"', "starts_with({0}, ?)", "strpos({0}, ?) > 0", escaped)

_SOME_ARGUMENT = (
    "EXISTS (SELECT 1 FROM {}arguments AS arguments WHERE arguments.call = calls.id AND arguments.name = ? AND ({}))"
)
_BY_DIGEST = (
    "calls.id IN (SELECT arguments.call FROM {}arguments AS arguments "
    "WHERE arguments.digest IN ({}) AND arguments.name = ?)"
)
_RUNTIME = (
    "EXISTS (SELECT 1 FROM {}metadata AS metadata WHERE metadata.call = calls.id AND metadata.namespace = 'runtime')"
)
_ALL = Clause("1 = 1")
_NONE = Clause("1 = 0")
_LOW, _HIGH = -(2**63), 2**63 - 1
_WORDS = {
    Kind.BOOL: ("bool",),
    Kind.NUMBER: ("int", "float"),
    Kind.TEXT: ("str",),
    Kind.MOMENT: ("datetime",),
    Kind.DAY: ("date",),
    Kind.NOTHING: ("None",),
}
_FLIPPED = {Operator.LT: Operator.GE, Operator.LE: Operator.GT, Operator.GT: Operator.LE, Operator.GE: Operator.LT}
_SQL = {Operator.EQ: "=", Operator.NE: "<>"}


def may_hold(condition: Condition, dialect: Dialect = SQLITE) -> Clause:
    """Return what is true of every row that may meet a condition, and false of as many others as columns can tell."""
    return _Compiler(dialect).clause(condition, certain=False)


def must_hold(condition: Condition, dialect: Dialect = SQLITE) -> Clause:
    """Return what is true only of rows that surely meet a condition, and of as many of them as columns can tell."""
    return _Compiler(dialect).clause(condition, certain=True)


class _Compiler:
    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def clause(self, condition: Condition, *, certain: bool) -> Clause:
        """Return what is true of rows that certainly, or possibly, meet a condition."""
        match condition:
            case Both(one, other):
                return _joined("AND", self.clause(one, certain=certain), self.clause(other, certain=certain))
            case Either(one, other):
                return _joined("OR", self.clause(one, certain=certain), self.clause(other, certain=certain))
            case Negation(one):
                inner = self.clause(one, certain=not certain)
                return Clause(f"NOT {inner.text}", inner.parameters)
            case Comparison():
                return self._comparison(condition, certain=certain)
            case _:
                return _NONE if certain else _ALL

    def _comparison(self, asked: Comparison, *, certain: bool) -> Clause:
        head = asked.path[0]
        if head == "arg":
            return self._argument(asked, certain=certain)
        if head == "result":
            return self._result(asked, certain=certain)
        if head == "at":
            return self._moment(asked)
        if head in ("name", "module") and asked.kind is Kind.TEXT:
            if self._dialect.escape is not None:
                if asked.operator not in (Operator.EQ, Operator.NE):
                    return _NONE if certain else _ALL
                asked = replace(asked, value=self._dialect.escape(asked.value))
            test = self._text(f"functions.{head}", asked, certain=certain)
            return Clause(f"({test.text})", test.parameters)
        if asked.path == ("meta", "runtime", "walltime"):
            return self._walltime(asked, certain=certain)
        return _NONE if certain else _ALL

    def _argument(self, asked: Comparison, *, certain: bool) -> Clause:
        name = asked.path[-1]
        if asked.operator is Operator.EXISTS:
            return self._some_argument(name, _ALL)
        if asked.operator is Operator.EQ and asked.kind is not Kind.MOMENT:
            if is_nan(asked.value):
                return _NONE
            raw = [bytes.fromhex(digest) for digest in sorted(asked.digests) if _is_hex(digest)]
            kept = self._name(name)
            return (
                _NONE
                if kept is None or not raw
                else Clause(_BY_DIGEST.format(self._dialect.schema, _marks(raw)), (*raw, kept))
            )
        kind = Kind.NUMBER if asked.operator is Operator.ISNAN else asked.kind
        if kind is None:  # pragma: no cover - only == takes such values
            return _NONE
        of_kind, words = self._kind(_WORDS[kind])
        test = self._column(asked, kind, certain=certain)
        exact = _joined("AND", Clause(of_kind, words), test)
        if certain:
            return self._some_argument(name, exact)
        loose = self._not_in_columns(kind)
        return self._some_argument(name, _joined("OR", exact, loose))

    def _name(self, name: str) -> str | None:
        """Return a name as columns keep it; None where no row can have it."""
        kept = name if self._dialect.escape is None else self._dialect.escape(name)
        return kept if _storable(kept) else None

    def _some_argument(self, name: str, test: Clause) -> Clause:
        kept = self._name(name)
        return (
            _NONE
            if kept is None
            else Clause(_SOME_ARGUMENT.format(self._dialect.schema, test.text), (kept, *test.parameters))
        )

    def _kind(self, words: Sequence[str]) -> tuple[str, tuple[object, ...]]:
        texts, values = [], []
        for word in words:
            texts.append("arguments.kind IN (?, ?) OR arguments.kind LIKE ?")
            values += [word, f"{word}-", f"{word}=%"]
        return f"({' OR '.join(texts)})", tuple(values)

    def _not_in_columns(self, kind: Kind) -> Clause:
        """Return what is true of arguments that may be of a kind and whose value is not where it could be compared."""
        if kind is Kind.NOTHING:
            return Clause("arguments.kind IS NULL OR arguments.kind = '=None'")
        nothing = "arguments.i IS NULL AND arguments.r IS NULL AND arguments.t IS NULL"
        told = [*_WORDS[kind]]
        if kind is Kind.NUMBER:  # ints of more than 64 bits are text
            big = "arguments.i IS NULL AND arguments.r IS NULL AND arguments.t IS NOT NULL"
            return Clause(
                f"arguments.kind IS NULL OR ({nothing} AND arguments.kind IN (?, ?)) OR "
                f"({big} AND (arguments.kind IN (?, ?) OR arguments.kind LIKE ?))",
                (*told, "int", "int-", "int=%"),
            )
        return Clause(f"arguments.kind IS NULL OR ({nothing} AND arguments.kind = ?)", (*told,))

    def _column(self, asked: Comparison, kind: Kind, *, certain: bool) -> Clause:
        if asked.operator is Operator.ISNAN:
            return Clause("arguments.t IS NOT NULL AND arguments.t = 'nan'")
        if kind is Kind.NUMBER:
            return _number(asked.operator, asked.value)
        if kind is Kind.BOOL:
            return _compared("arguments.i", asked.operator, int(asked.value))
        if kind is Kind.MOMENT:
            return _compared("arguments.i", asked.operator, to_micros(asked.value))
        if kind is Kind.NOTHING:
            return _ALL if asked.operator in (Operator.EQ, Operator.LE, Operator.GE) else _NONE
        if kind is Kind.DAY:
            return _compared("arguments.t", asked.operator, asked.value.isoformat(), self._dialect.order)
        return self._text("arguments.t", asked, certain=certain)

    def _text(self, column: str, asked: Comparison, *, certain: bool) -> Clause:
        value = asked.value
        if not _storable(value):  # no row holds such text, but it has a place in the order of those that do
            return _NONE if certain else _ALL
        if asked.operator is Operator.STARTS:
            test = self._dialect.starts.format(column)
        elif asked.operator is Operator.CONTAINS:
            test = self._dialect.contains.format(column)
        else:
            return _compared(column, asked.operator, value, self._dialect.order)
        return Clause(f"{column} IS NOT NULL AND {test}", (value,) * test.count("?"))

    def _result(self, asked: Comparison, *, certain: bool) -> Clause:
        is_result = "calls.outcome = 0 AND calls.result IS NOT NULL"
        if asked.operator is Operator.EXISTS:
            return Clause(f"({is_result})")
        if asked.operator is Operator.EQ and asked.kind is not Kind.MOMENT:
            if is_nan(asked.value):
                return _NONE
            raw = [bytes.fromhex(digest) for digest in sorted(asked.digests) if _is_hex(digest)]
            return Clause(f"({is_result} AND calls.result IN ({_marks(raw)}))", tuple(raw)) if raw else _NONE
        return _NONE if certain else Clause(f"({is_result})")

    def _moment(self, asked: Comparison) -> Clause:
        if asked.operator is Operator.EXISTS:
            return Clause("(calls.at IS NOT NULL)")
        if asked.kind is not Kind.MOMENT:
            return _NONE
        test = _compared("calls.at", asked.operator, to_micros(asked.value))
        return Clause(f"({test.text})", test.parameters)

    def _walltime(self, asked: Comparison, *, certain: bool) -> Clause:
        """Return what the column of whole microseconds tells; at its edges seconds as floats decide."""
        value = asked.value
        ordered = asked.operator in _FLIPPED
        if certain or not ordered or asked.kind is not Kind.NUMBER or not -1e12 < value < 1e12:
            return _NONE if certain else _ALL
        micros = math.floor(value * 1_000_000)
        below = asked.operator in (Operator.LT, Operator.LE)
        edge = f"calls.wall <= {micros + 2}" if below else f"calls.wall >= {micros - 2}"
        elsewhere = _RUNTIME.format(self._dialect.schema)
        return Clause(f"((calls.wall IS NOT NULL AND {edge}) OR (calls.wall IS NULL AND {elsewhere}))")


def _number(test: Operator, value: float) -> Clause:
    """Compare both columns of numbers with one number, exactly: each with the nearest bound of its own type."""
    if is_nan(value):
        return _NONE
    whole = _bounded("arguments.i", test, *_int_bound(test, value))
    real = _bounded("arguments.r", test, *_float_bound(test, value))
    return _joined("OR", whole, real)


def _int_bound(test: Operator, value: float) -> tuple[int | None, bool]:
    """Return the int to compare ints with by the same operator, or whether all of them hold."""
    if value == math.inf or value == -math.inf or not _LOW <= value <= _HIGH:
        return None, _beyond(test, above=value > 0)
    if value == math.floor(value):
        return int(value), False
    if test in (Operator.EQ, Operator.NE):
        return None, test is Operator.NE
    return (math.floor(value) if test in (Operator.LE, Operator.GT) else math.ceil(value)), False


def _float_bound(test: Operator, value: float) -> tuple[float | None, bool]:
    """Return the float to compare floats with by the same operator, or whether all of them hold."""
    try:
        near = float(value)
    except OverflowError:
        near = math.inf if value > 0 else -math.inf
    if near == value:
        return near, False
    if test in (Operator.EQ, Operator.NE):
        return None, test is Operator.NE
    if test in (Operator.LE, Operator.GT):  # the greatest float below
        return (near if near < value else math.nextafter(near, -math.inf)), False
    return (near if near > value else math.nextafter(near, math.inf)), False


def _beyond(test: Operator, *, above: bool) -> bool:
    """Whether every int of a column holds against a number above, or below, all of them."""
    return test is Operator.NE or test in ((Operator.LT, Operator.LE) if above else (Operator.GT, Operator.GE))


def _bounded(column: str, test: Operator, bound: float | None, everything: bool) -> Clause:
    if bound is not None:
        return _compared(column, test, bound)
    return Clause(f"{column} IS NOT NULL") if everything else _NONE


def _compared(column: str, test: Operator, value: object, order: str = "") -> Clause:
    return Clause(f"{column} IS NOT NULL AND {column}{order} {_SQL.get(test, test.value)} ?", (value,))


def _joined(word: str, one: Clause, other: Clause) -> Clause:
    return Clause(f"(({one.text}) {word} ({other.text}))", (*one.parameters, *other.parameters))


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return True


def _storable(text: str) -> bool:
    """Whether a column can hold a text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text
