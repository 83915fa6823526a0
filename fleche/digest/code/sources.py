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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any, cast

from fleche.digest.code.bytecode import encode_code, nested
from fleche.digest.code.frames import MISSING

__all__ = ["Looked", "Source", "Sources"]

_UNNAMED = "<dynamic-code>"  # where cloudpickle says that a function is from which it pickled by value
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


class _Parsed:
    """One text, compiled: its functions by qualified name."""

    def __init__(self, content: str, flags: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._tree = ast.parse(content)
            code = compile(self._tree, "<source>", "exec", flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        self._lines = content.splitlines(keepends=True)
        self._nodes: dict[tuple[int, str], list[tuple[Any, str | None]]] = {}
        self._codes: dict[str, list[CodeType]] = {}
        self._has_lambdas = False
        ours: set[str] = set()
        self._index_statements(ours)
        self._ours = frozenset(ours)
        self._index_codes(code)

    def find(self, code: CodeType) -> Source | None:
        found = self._alike(code, self._codes.get(code.co_qualname, ()))
        for other in found:
            at = self._node_of(other)
            if at is not None:
                return Source(at[0], at[1], self._text(at[0]), self._ours)
        return None

    def _alike(self, code: CodeType, others: Sequence[CodeType]) -> list[CodeType]:
        """Return the code objects that do what a code object does, the one from the same place first."""
        if len(others) == 1 and _identical(code, others[0]):
            return [others[0]]
        wanted = encode_code(code) if others else b""
        found = [other for other in others if encode_code(other) == wanted]
        found.sort(key=lambda other: (other.co_firstlineno != code.co_firstlineno, _span(other) != _span(code)))
        return found

    def _index_statements(self, ours: set[str]) -> None:
        """Index the definitions of functions, which are statements; expressions are not looked into."""
        todo: list[tuple[Any, str | None]] = [(self._tree, None)]
        while todo:
            node, owner = todo.pop()
            for child in [child for block in _BLOCKS for child in getattr(node, block, ())]:
                kind = type(child)
                if kind in _SIMPLE:
                    continue
                if kind is ast.FunctionDef or kind is ast.AsyncFunctionDef:
                    line = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
                    self._nodes.setdefault((line, child.name), []).append((child, owner))
                elif kind is ast.Import or kind is ast.ImportFrom:
                    ours.update(_imported_from_us(child))
                todo.append((child, child.name if kind is ast.ClassDef else owner))

    def _index_lambdas(self) -> None:
        self._has_lambdas = True
        todo: list[tuple[Any, str | None]] = [(self._tree, None)]
        while todo:
            node, owner = todo.pop()
            if isinstance(node, ast.Lambda):
                self._nodes.setdefault((node.lineno, "<lambda>"), []).append((node, owner))
            owner = node.name if isinstance(node, ast.ClassDef) else owner
            todo.extend((child, owner) for child in ast.iter_child_nodes(node))

    def _index_codes(self, code: CodeType) -> None:
        for inner in nested(code):
            self._codes.setdefault(inner.co_qualname, []).append(inner)
            self._index_codes(inner)

    def _node_of(self, code: CodeType) -> tuple[Any, str | None] | None:
        if code.co_name == "<lambda>" and not self._has_lambdas:
            self._index_lambdas()
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


_BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")  # the fields that hold statements
_SIMPLE = frozenset({ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Raise, ast.Pass, ast.Assert})


def _imported_from_us(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom):
        if not node.level and (node.module or "").partition(".")[0] == "fleche":
            yield from (alias.asname or alias.name for alias in node.names)
    else:
        yield from (a.asname or "fleche" for a in node.names if a.name.partition(".")[0] == "fleche")


def _identical(code: CodeType, other: CodeType) -> bool:
    """Whether two code objects are equal to Python, positions included: then they do the same."""
    if code != other or code.co_exceptiontable != other.co_exceptiontable:  # some versions leave the table out
        return False
    return all(map(_identical, nested(code), nested(other)))


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


Looked = dict[tuple[str, int], _Parsed | None]
"""The files that one walk has looked at, by name and future flags."""


class Sources:
    """What a process parsed last, by path, size, time and future flags. Thread-safe: at worst one is parsed twice."""

    KEPT = 8  # syntax trees are large: a file of a thousand lines takes some megabytes

    def __init__(self) -> None:
        self._parsed: dict[Any, _Parsed | None] = {}

    def find(self, code: CodeType, namespace: dict[str, Any], looked: Looked) -> Source | None:
        """Return the source that a code object was compiled from, or None where nothing proves it.

        Args:
            code: The code object of a function.
            namespace: The globals of the function.
            looked: The files that one walk has looked at; it looks at each only once.
        """
        flags = code.co_flags & _FUTURE
        for name in self._places(code, namespace):
            if (name, flags) not in looked:
                looked[name, flags] = self._look(name, namespace, flags)
            parsed = looked[name, flags]
            found = None if parsed is None else parsed.find(code)
            if found is not None:
                return found
        return None

    def _places(self, code: CodeType, namespace: dict[str, Any]) -> Iterable[str]:
        named = [name for name in (code.co_filename, namespace.get("__file__")) if isinstance(name, str) and name]
        if code.co_filename == _UNNAMED:
            named += [name for name, entry in list(linecache.cache.items()) if len(entry) > 1 and entry[1] is None]
        return dict.fromkeys(named)

    def _look(self, name: str, namespace: dict[str, Any], flags: int) -> _Parsed | None:
        mark, content = _read(name, namespace)
        key = (name, mark, flags)
        found = self._parsed.pop(key, MISSING)
        if found is MISSING:
            found = _parse(_content(name) if content is None else content, flags)
        self._parsed[key] = found
        for old in list(self._parsed)[: -self.KEPT]:
            self._parsed.pop(old, None)
        return cast("_Parsed | None", found)


def _parse(content: str | None, flags: int) -> _Parsed | None:
    if not content:
        return None
    try:
        return _Parsed(content, flags)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _read(name: str, namespace: dict[str, Any]) -> tuple[Any, str | None]:
    """Return what tells one content of a file from another, and the content unless it is to be read from the file."""
    entry: tuple[Any, ...] | None = linecache.cache.get(name)
    if entry is None or len(entry) < 2 or entry[1] is not None:
        try:
            stat = os.stat(name)  # noqa: PTH116 - a path object costs more than the call
        except (OSError, ValueError):
            pass
        else:
            return (stat.st_size, stat.st_mtime_ns), None
    content = "".join(linecache.getlines(name, namespace))
    return content, content


def _content(name: str) -> str | None:
    if not name.endswith((".py", ".pyw")) and b"\0" in Path(name).read_bytes()[:64]:
        return None
    try:
        with tokenize.open(name) as file:
            return file.read()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None
