"""Normalised source: an encoding of a syntax tree that changes with what the code does, not with how it is laid out.

Left out: positions, comments, layout, docstrings and other statements that are a bare constant, ``pass``, type
comments, annotations of functions and their locals, and every field that is empty (versions of Python differ in which
fields exist). ``docs/formats/code.md`` gives the encoding.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
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
        self._owner = owner.lstrip("_") if owner else None
        self._optimised = optimised
        self._annotated = False  # inside a decorated class, whose decorator may read the annotations of methods
        self._in_class = False

    def value(self, value: Any) -> None:
        if isinstance(value, ast.AST):
            self._node(value)
        elif isinstance(value, list):
            items = self._items(value)
            self.parts.append(b"l" + word(len(items)))
            for item in items:
                self.value(item)
        elif isinstance(value, str):
            self.parts.append(b"s" + text(self._mangled(value)))
        else:
            self.parts.append(constant(value))

    def _node(self, node: ast.AST) -> None:
        if isinstance(node, ast.Constant):
            self.parts.append(b"k" + constant(node.value))
        elif isinstance(node, FUNCTIONS):
            self.function(node, getattr(node, "decorator_list", []), outermost=False)
        elif isinstance(node, ast.ClassDef):
            self._class(node)
        elif isinstance(node, ast.AnnAssign) and not self._in_class:
            self._local(node)
        elif isinstance(node, ast.JoinedStr):
            self._joined(node)
        elif isinstance(node, _Arguments):
            self.fields("arguments", ast.iter_fields(node))
        elif isinstance(node, ast.Name) and node.id == "__debug__":
            self.parts.append(b"k" + constant(not self._optimised))
        else:
            self.fields(type(node).__name__, ast.iter_fields(node))

    def fields(self, name: str, fields: Iterable[tuple[str, Any]]) -> None:
        kept = [
            (field, value)
            for field, value in fields
            if field not in _SKIPPED and value is not None and not (isinstance(value, list) and not self._items(value))
        ]
        self.parts.append(b"n" + text(name) + word(len(kept)))
        for field, value in kept:
            self.parts.append(text(field))
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

    def _class(self, node: ast.ClassDef) -> None:
        outside = [(field, value) for field, value in ast.iter_fields(node) if field != "body"]
        self.fields("ClassDef", outside)
        before = self._annotated, self._in_class, self._owner
        self._annotated, self._in_class = bool(node.decorator_list), True
        self._owner = node.name.lstrip("_") or None
        self.value(node.body)
        self._annotated, self._in_class, self._owner = before

    def _local(self, node: ast.AnnAssign) -> None:
        if node.value is None:
            self.fields("AnnAssign", [("target", node.target)])  # it makes the name local
        else:
            self.fields("Assign", [("targets", [node.target]), ("value", node.value)])

    def _joined(self, node: ast.JoinedStr) -> None:
        values: list[ast.expr] = []
        for part in node.values:
            last = values[-1] if values else None
            if isinstance(part, ast.Constant) and isinstance(last, ast.Constant):
                values[-1] = ast.Constant(last.value + part.value)  # type: ignore[operator]
            elif not (isinstance(part, ast.Constant) and part.value == ""):
                values.append(part)
        self.fields("JoinedStr", [("values", values)])

    def _items(self, values: list[Any]) -> list[Any]:
        return [value for value in values if not (isinstance(value, ast.stmt) and self._idle(value))]

    def _idle(self, statement: ast.stmt) -> bool:
        if isinstance(statement, ast.Assert):
            return self._optimised
        bare = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        return bare or isinstance(statement, ast.Pass)

    def _mangled(self, name: str) -> str:
        private = self._owner and name.startswith("__") and not name.endswith("__") and "." not in name
        return f"_{self._owner}{name}" if private else name


class _Arguments(ast.AST):
    """Parameters, without what does not count."""

    _fields = ("posonlyargs", "args", "vararg", "kwonlyargs", "kw_defaults", "kwarg", "defaults")

    def __init__(self, node: ast.arguments, *, annotations: bool, defaults: bool) -> None:
        super().__init__()
        for field in self._fields:
            value = getattr(node, field)
            if field in ("kw_defaults", "defaults"):
                value = value if defaults else []
            elif not annotations:
                value = [_bare(arg) for arg in value] if isinstance(value, list) else value and _bare(value)
            setattr(self, field, value)


def _bare(argument: ast.arg) -> ast.arg:
    return ast.arg(arg=argument.arg)
