"""Normalised source: an encoding of a syntax tree that changes with what the code does, not with how it is laid out.

Left out: positions, comments, layout, docstrings and other statements that are a bare constant, ``pass``, type
comments, annotations of functions and their locals, and every field that is empty (versions of Python differ in which
fields exist). ``docs/formats/code.md`` gives the encoding.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Callable, Iterable
from typing import Any

from fleche.digest.code.frames import constant, text, word

__all__ = ["FUNCTIONS", "normalise"]

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_DEFS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SKIPPED = frozenset({"ctx", "kind", "type_comment", "type_ignores", "simple"})


def normalise(
    node: ast.AST, *, owner: str | None = None, decorators: list[ast.expr] | None = None, optimised: bool | None = None
) -> bytes:
    """Return the normalised encoding of a function or of any other syntax tree.

    The default expressions of a function given as ``node`` are left out too: their values count, not their text.

    Args:
        node: The syntax tree.
        owner: The class around it, whose name private names (``__x``) carry.
        decorators: Those of the function's decorators that count; None for all.
        optimised: Whether assertions are left out, as ``python -O`` does; None for as this process runs.
    """
    writer = _Writer(owner, bool(sys.flags.optimize) if optimised is None else optimised)
    if isinstance(node, FUNCTIONS):
        writer.function(node, getattr(node, "decorator_list", []) if decorators is None else decorators, outermost=True)
    else:
        writer.value(node)
    return b"".join(writer.parts)


class _Writer:
    """Writes one tree; knows the class around what it writes."""

    def __init__(self, owner: str | None, optimised: bool) -> None:
        self.parts: list[bytes] = []
        self.add = self.parts.append
        self._owner = owner.lstrip("_") if owner else None
        self._optimised = optimised
        self._annotated = False  # inside a decorated class, whose decorator may read the annotations of methods
        self._in_class = False

    def value(self, value: Any) -> None:
        _HOW[type(value)](self, value)

    def on_list(self, values: list[Any]) -> None:
        items = self.items(values)
        self.add(b"l" + word(len(items)))
        for item in items:
            _HOW[type(item)](self, item)

    def on_text(self, name: str) -> None:
        self.add(_identifier(name if self._owner is None else self._mangled(name)))

    def on_other(self, value: Any) -> None:
        self.add(constant(value))

    def on_constant(self, node: ast.Constant) -> None:
        value = node.value
        self.add(b"k" + (_string(value) if type(value) is str else constant(value)))

    def on_name(self, node: ast.Name) -> None:
        if node.id == "__debug__":
            self.add(b"k" + constant(not self._optimised))
        else:
            self.add(_named(node.id if self._owner is None else self._mangled(node.id)))

    def on_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        self.function(node, getattr(node, "decorator_list", []), outermost=False)

    def on_annotation(self, node: ast.AnnAssign) -> None:
        if self._in_class:
            _plain(_ANNOTATED, self, node)
        elif node.value is None:
            self.fields("AnnAssign", [("target", node.target)])  # it makes the name local
        else:
            self.fields("Assign", [("targets", [node.target]), ("value", node.value)])

    def fields(self, name: str, fields: Iterable[tuple[str, Any]]) -> None:
        kept = [
            (field, value)
            for field, value in fields
            if field not in _SKIPPED and value is not None and not (isinstance(value, list) and not self.items(value))
        ]
        self.add(b"n" + text(name) + word(len(kept)))
        for field, value in kept:
            self.add(text(field))
            self.value(value)

    def function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, decorators: list[ast.expr], *, outermost: bool
    ) -> None:
        keep = self._annotated or bool(decorators)
        fields: list[tuple[str, Any]] = [("args", _Arguments(node.args, annotations=keep, defaults=not outermost))]
        if isinstance(node, _DEFS):
            fields = [("name", node.name), *fields, ("decorator_list", decorators)]
            fields.append(("returns", node.returns if keep else None))
            fields.append(("type_params", getattr(node, "type_params", [])))
        self.fields(type(node).__name__, fields)
        before = self._annotated, self._in_class
        self._annotated, self._in_class = False, False
        self.value(node.body)
        self._annotated, self._in_class = before

    def on_class(self, node: ast.ClassDef) -> None:
        outside = [(field, value) for field, value in ast.iter_fields(node) if field != "body"]
        self.fields("ClassDef", outside)
        before = self._annotated, self._in_class, self._owner
        self._annotated, self._in_class = bool(node.decorator_list), True
        self._owner = node.name.lstrip("_") or None
        self.value(node.body)
        self._annotated, self._in_class, self._owner = before

    def on_joined(self, node: ast.JoinedStr) -> None:
        values: list[ast.expr] = []
        for part in node.values:
            last = values[-1] if values else None
            if isinstance(part, ast.Constant) and isinstance(last, ast.Constant):
                values[-1] = ast.Constant(last.value + part.value)  # type: ignore[operator]
            elif not (isinstance(part, ast.Constant) and part.value == ""):
                values.append(part)
        self.fields("JoinedStr", [("values", values)])

    def on_parameters(self, node: _Arguments) -> None:
        self.fields("arguments", ((field, getattr(node, field)) for field in node._fields))

    def items(self, values: list[Any]) -> list[Any]:
        if not values or not isinstance(values[0], ast.stmt):
            return values
        return [value for value in values if not self._idle(value)]

    def _idle(self, statement: ast.stmt) -> bool:
        kind = type(statement)
        if kind is ast.Expr:
            return type(statement.value) is ast.Constant  # type: ignore[attr-defined]
        return kind is ast.Pass or (kind is ast.Assert and self._optimised)

    def _mangled(self, name: str) -> str:
        private = self._owner and name.startswith("__") and not name.endswith("__") and "." not in name
        return f"_{self._owner}{name}" if private else name


class _Arguments:
    """Parameters, without what does not count."""

    _fields = ("posonlyargs", "args", "vararg", "kwonlyargs", "kw_defaults", "kwarg", "defaults")

    def __init__(self, node: ast.arguments, *, annotations: bool, defaults: bool) -> None:
        for field in self._fields:
            value = getattr(node, field)
            if field in ("kw_defaults", "defaults"):
                value = value if defaults else []
            elif not annotations:
                value = [_bare(arg) for arg in value] if isinstance(value, list) else value and _bare(value)
            setattr(self, field, value)


def _bare(argument: ast.arg) -> ast.arg:
    return ast.arg(arg=argument.arg)


_BLOCKS = frozenset({"body", "orelse", "finalbody"})  # the lists of statements


class _Kind:
    """What is known of a class of nodes: its fields, and how a node with so many kept ones begins."""

    def __init__(self, kind: type[ast.AST]) -> None:
        self.fields = [(field, text(field), field in _BLOCKS) for field in kind._fields if field not in _SKIPPED]
        self.heads = [b"n" + text(kind.__name__) + word(number) for number in range(len(self.fields) + 1)]


_ANNOTATED = _Kind(ast.AnnAssign)


class _How(dict[type, Callable[[_Writer, Any], None]]):
    """How values are written, by their type."""

    def __missing__(self, kind: type) -> Callable[[_Writer, Any], None]:
        found: Callable[[_Writer, Any], None] = _Writer.on_other
        if issubclass(kind, ast.AST):
            known = _Kind(kind)
            found = functools.partial(_plain if known.fields else _empty, known)
        self[kind] = found
        return found


def _plain(kind: _Kind, writer: _Writer, node: ast.AST) -> None:
    """Write a node as its class says: what most nodes of a tree are."""
    have = node.__dict__
    kept: list[tuple[bytes, Any]] = []
    for field, frame, block in kind.fields:
        value = have.get(field)
        if value is None or (type(value) is list and (not value or (block and not writer.items(value)))):
            continue
        kept.append((frame, value))
    add = writer.add
    add(kind.heads[len(kept)])
    for frame, value in kept:
        add(frame)
        _HOW[type(value)](writer, value)


def _empty(kind: _Kind, writer: _Writer, node: ast.AST) -> None:  # noqa: ARG001 - called as `_plain` is
    """Write a node without fields, such as an operator."""
    writer.add(kind.heads[0])


_HOW = _How(
    {
        list: _Writer.on_list,
        str: _Writer.on_text,
        ast.Constant: _Writer.on_constant,
        ast.Name: _Writer.on_name,
        ast.FunctionDef: _Writer.on_function,
        ast.AsyncFunctionDef: _Writer.on_function,
        ast.Lambda: _Writer.on_function,
        ast.ClassDef: _Writer.on_class,
        ast.AnnAssign: _Writer.on_annotation,
        ast.JoinedStr: _Writer.on_joined,
        _Arguments: _Writer.on_parameters,
    }
)


@functools.lru_cache(maxsize=1 << 14)
def _identifier(name: str) -> bytes:
    return b"s" + text(name)


@functools.lru_cache(maxsize=1 << 14)
def _named(name: str) -> bytes:
    return b"n" + text("Name") + word(1) + text("id") + b"s" + text(name)


@functools.lru_cache(maxsize=1 << 14)
def _string(value: str) -> bytes:
    return constant(value)
