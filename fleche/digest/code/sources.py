"""Source that is proven to be the code that runs: parsed files, and the syntax tree of a code object.

A file or notebook cell is compiled once, as a whole, and a function's source is used only where one of the code
objects that come out equals the function's own. An edited file, an import hook or a missing file therefore gives no
source.
"""

from __future__ import annotations

import ast
import linecache
import os
import tokenize
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from fleche.digest.code.bytecode import encode_code, nested
from fleche.digest.code.normal import FUNCTIONS

__all__ = ["Source", "Sources"]

_FUTURE = 0x1FF0000  # the flags of ``from __future__`` imports; a notebook cell inherits those of earlier cells


@dataclass(frozen=True, slots=True)
class Source:
    """The syntax tree of one function.

    Attributes:
        node: The function's definition or lambda.
        owner: The class around it, or None.
        text: Its literal source.
        ours: The names that its module imports from this library.
    """

    node: Any
    owner: str | None
    text: str
    ours: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Entry:
    code: CodeType
    node: Any
    owner: str | None


class _Parsed:
    """One text, compiled: its functions by qualified name."""

    def __init__(self, content: str, flags: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(content)
            code = compile(tree, "<source>", "exec", flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        self._lines = content.splitlines(keepends=True)
        self._nodes: dict[tuple[int, str], list[tuple[Any, str | None]]] = {}
        self._codes: dict[str, list[CodeType]] = {}
        self._ours = _imported_from_us(tree)
        self._index_nodes(tree, None)
        self._index_codes(code)

    def find(self, code: CodeType) -> Source | None:
        wanted = encode_code(code)
        found = [other for other in self._codes.get(code.co_qualname, ()) if encode_code(other) == wanted]
        found.sort(key=lambda other: (other.co_firstlineno != code.co_firstlineno, _span(other) != _span(code)))
        for other in found:
            at = self._node_of(other)
            if at is not None:
                return Source(at[0], at[1], self._text(at[0]), self._ours)
        return None

    def _index_nodes(self, tree: ast.AST, owner: str | None) -> None:
        for child in ast.iter_child_nodes(tree):
            if isinstance(child, FUNCTIONS):
                decorators = getattr(child, "decorator_list", [])
                line = min([child.lineno, *(decorator.lineno for decorator in decorators)])
                self._nodes.setdefault((line, getattr(child, "name", "<lambda>")), []).append((child, owner))
            self._index_nodes(child, child.name if isinstance(child, ast.ClassDef) else owner)

    def _index_codes(self, code: CodeType) -> None:
        for inner in nested(code):
            self._codes.setdefault(inner.co_qualname, []).append(inner)
            self._index_codes(inner)

    def _node_of(self, code: CodeType) -> tuple[Any, str | None] | None:
        nodes = self._nodes.get((code.co_firstlineno, code.co_name), [])
        if len(nodes) < 2:
            return nodes[0] if nodes else None
        span = _span(code)  # lambdas on one line: the innermost around the code
        around = [(node, owner) for node, owner in nodes if span is not None and _contains(node, span)]
        return min(around, key=lambda at: _size(at[0]), default=None)

    def _text(self, node: Any) -> str:
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        if isinstance(node, ast.Lambda):
            return ast.get_source_segment("".join(self._lines), node) or ""
        return "".join(self._lines[first - 1 : node.end_lineno])


def _imported_from_us(tree: ast.AST) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").partition(".")[0] == "fleche":
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            names.update(a.asname or "fleche" for a in node.names if a.name.partition(".")[0] == "fleche")
    return frozenset(names)


def _span(code: CodeType) -> tuple[int, int, int, int] | None:
    # The last instruction returns the body of a lambda; the first ones have the position of the whole line.
    for start, end, left, right in reversed(list(code.co_positions())):
        if start is not None and end is not None and left is not None and right is not None and right > 0:
            return start, left, end, right
    return None


def _contains(node: Any, span: tuple[int, int, int, int]) -> bool:
    inside: bool = (node.lineno, node.col_offset) <= span[:2] and span[2:] <= (node.end_lineno, node.end_col_offset)
    return inside


def _size(node: Any) -> tuple[int, int]:
    return node.end_lineno - node.lineno, node.end_col_offset - node.col_offset


class Sources:
    """What a process has parsed, by path, size, time and future flags. Thread-safe: at worst a text is parsed twice."""

    def __init__(self) -> None:
        self._parsed: dict[Any, _Parsed | None] = {}

    def find(self, code: CodeType, namespace: dict[str, Any]) -> Source | None:
        """Return the source that a code object was compiled from, or None where nothing proves it.

        Args:
            code: The code object of a function.
            namespace: The globals of the function.
        """
        flags = code.co_flags & _FUTURE
        for name in dict.fromkeys((code.co_filename, namespace.get("__file__"))):
            if isinstance(name, str) and name:
                found = self._find(code, name, namespace, flags)
                if found is not None:
                    return found
        return None

    def _find(self, code: CodeType, name: str, namespace: dict[str, Any], flags: int) -> Source | None:
        mark, content = _read(name, namespace, self._parsed, flags)
        key = (name, mark, flags)
        if key not in self._parsed:
            self._parsed[key] = _parse(content, flags)
        parsed = self._parsed[key]
        return None if parsed is None else parsed.find(code)


def _parse(content: str | None, flags: int) -> _Parsed | None:
    if content is None:
        return None
    try:
        return _Parsed(content, flags)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _read(name: str, namespace: dict[str, Any], parsed: dict[Any, Any], flags: int) -> tuple[Any, str | None]:
    """Return what tells one content of a file from another, and the content unless it was parsed already."""
    entry: tuple[Any, ...] | None = linecache.cache.get(name)
    if entry is None or len(entry) < 2 or entry[1] is not None:
        try:
            stat = os.stat(name)  # noqa: PTH116 - a path object costs more than the call
        except (OSError, ValueError):
            pass
        else:
            mark = (stat.st_size, stat.st_mtime_ns)
            if (name, mark, flags) in parsed:
                return mark, None
            return mark, _content(name)
    lines = linecache.getlines(name, namespace)
    content = "".join(lines)
    return content, content or None


def _content(name: str) -> str | None:
    if not name.endswith((".py", ".pyw")) and b"\0" in Path(name).read_bytes()[:64]:
        return None
    try:
        with tokenize.open(name) as file:
            return file.read()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None
