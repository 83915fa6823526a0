"""Conditions written as text, for the command line: ``arg.lr < 0.1 and meta.runtime.walltime > 60``."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import reduce
from itertools import pairwise
from operator import and_, or_
from typing import Any

from fleche.call.conditions import FIELDS, Condition
from fleche.query.expression import Field, q

__all__ = ["parse"]

_OPERATORS: Mapping[type[ast.cmpop], Callable[[Any, Any], Condition]] = {
    ast.Eq: lambda one, other: one == other,
    ast.NotEq: lambda one, other: one != other,
    ast.Lt: lambda one, other: one < other,
    ast.LtE: lambda one, other: one <= other,
    ast.Gt: lambda one, other: one > other,
    ast.GtE: lambda one, other: one >= other,
    ast.Is: lambda one, other: one == other,
    ast.IsNot: lambda one, other: one != other,
    ast.In: lambda one, other: one.isin(other),
    ast.NotIn: lambda one, other: ~one.isin(other),
}
_METHODS = frozenset({"between", "contains", "exists", "isin", "isnan", "startswith"})
_MOMENTS = {"datetime": datetime.fromisoformat, "date": date.fromisoformat}


def parse(text: str) -> Condition:
    """Return the condition that a text says; nothing in it is executed.

    Comparisons (``== != < <= > >= in``, chained too) of ``arg.NAME``, ``meta.NAMESPACE.ENTRY``, ``result``, ``name``,
    ``module``, ``version``, ``code``, ``key`` and ``at`` with literals, combined by ``and``, ``or``, ``not`` and
    parentheses; the methods of `Field`, such as ``arg.path.startswith("s3://")``; ``datetime("2026-01-31 12:00")`` and
    ``date("2026-01-31")``. What ``at`` is compared with may be text. A time without a timezone is local.

    Args:
        text: The condition; a leading ``q.`` may be left out.

    Raises:
        ValueError: It is not a condition; the message points to where.

    >>> parse("arg.lr < 0.1 and not name.startswith('test')")
    ((q.arg.lr < 0.1) & ~q.name.startswith('test'))
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{text!r} is not a condition: {getattr(error, 'msg', error)}; {_HINT}") from None
    try:
        return _Reader(text.strip()).condition(tree.body)
    except TypeError as error:
        raise ValueError(f"{text!r}: {error}") from None


_HINT = "write, for example, arg.lr < 0.1 and meta.runtime.walltime > 60"


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text

    def condition(self, node: ast.expr) -> Condition:
        match node:
            case ast.BoolOp(op, values):
                return reduce(and_ if isinstance(op, ast.And) else or_, map(self.condition, values))
            case ast.UnaryOp(ast.Not() | ast.Invert(), operand):
                return ~self.condition(operand)
            case ast.BinOp(left, ast.BitAnd(), right):
                return self.condition(left) & self.condition(right)
            case ast.BinOp(left, ast.BitOr(), right):
                return self.condition(left) | self.condition(right)
            case ast.Compare(left, operators, others):
                sides = [left, *others]
                return reduce(and_, map(self._compared, operators, *zip(*pairwise(sides), strict=True)))
            case ast.Call(ast.Attribute(owner, method), arguments, []) if method in _METHODS:
                field = self._field(owner)
                made: Condition = getattr(field, method)(*(self._value(each, field) for each in arguments))
                return made
        raise self._wrong(node, "is no condition by itself")

    def _compared(self, test: ast.cmpop, left: ast.expr, right: ast.expr) -> Condition:
        apply = _OPERATORS[type(test)]
        if self._is_field(left):
            field = self._field(left)
            return apply(field, self._value(right, field))
        if self._is_field(right) and not isinstance(test, ast.In | ast.NotIn):
            field = self._field(right)
            return apply(self._value(left, field), field)
        raise self._wrong(left, f"compares nothing of a call: start with arg, meta, {', '.join(sorted(FIELDS))}")

    def _is_field(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Attribute | ast.Subscript | ast.Name) and self._path(node) is not None

    def _field(self, node: ast.expr) -> Field:
        path = self._path(node)
        if path is None:
            raise self._wrong(node, f"is no part of a call: start with arg, meta, {', '.join(sorted(FIELDS))}")
        return path

    def _path(self, node: ast.expr) -> Field | None:
        names: list[str] = []
        while not isinstance(node, ast.Name):
            match node:
                case ast.Attribute(owner, name):
                    names.append(name)
                case ast.Subscript(owner, ast.Constant(str() as name)):
                    names.append(name)
                case _:
                    return None
            node = owner
        names.append(node.id)
        if names[-1] == "q" and len(names) > 1:
            names.pop()
        match names[::-1]:
            case ["arg", name]:
                return q.arg[name]
            case ["meta", space, name]:
                return q.meta[space][name]
            case [name] if name in FIELDS:
                field: Field = getattr(q, name)
                return field
        return None

    def _value(self, node: ast.expr, field: Field) -> Any:
        value = self._literal(node)
        if repr(field) == "q.at":
            return [_moment(each) for each in value] if isinstance(value, list | tuple | set) else _moment(value)
        return value

    def _literal(self, node: ast.expr) -> Any:
        match node:
            case ast.Call(ast.Name(kind), [ast.Constant(str() as text)], []) if kind in _MOMENTS:
                try:
                    found = _MOMENTS[kind](text)
                except ValueError as error:
                    raise self._wrong(node, f"is no {kind}: {error}") from None
                return _moment(found) if kind == "datetime" else found
            case ast.Name(("nan" | "inf") as word):
                return float(word)
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            raise self._wrong(node, "is no literal: text needs quotes") from None

    def _wrong(self, node: ast.expr, why: str) -> ValueError:
        shown = ast.get_source_segment(self._text, node) or self._text
        return ValueError(f"{self._text!r}: {shown!r} {why}; {_HINT}")


def _moment(value: Any) -> Any:
    """Return a time for ``at``: text is read, and what has no timezone is local."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.astimezone() if isinstance(value, datetime) and value.tzinfo is None else value
