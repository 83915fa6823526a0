"""Analysis: what is known of one code object, remembered, so that a process reads each function once."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any

from fleche.digest.code.bytecode import MAGIC, encode_code
from fleche.digest.code.frames import MISSING, text
from fleche.digest.code.names import Names, names_of_source
from fleche.digest.code.normal import normalise
from fleche.digest.code.opcodes import names_of_code
from fleche.digest.code.sources import Looked, Sources

__all__ = ["Analysis", "Part", "is_ours"]


def is_ours(value: Any) -> bool:
    """Whether a value is of this library: what a decorator of ours is, or what it made."""
    for name in (getattr(value, "__module__", None), getattr(type(value), "__module__", None)):
        if isinstance(name, str) and (name == "fleche" or name.startswith("fleche.")):
            return True
    return isinstance(value, ModuleType) and value.__name__.partition(".")[0] == "fleche"


@dataclass(frozen=True, slots=True)
class Part:
    """What is known of one code object: its encoding, how that was found, the names in it, and its source text.

    Not its syntax tree, which would stay in memory as long as the function does.
    """

    label: bytes
    how: str
    names: Names
    source: str | None


class Analysis:
    """What a process knows of code objects. Thread-safe: at worst one is analysed twice."""

    LIMIT = 20_000

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._parts: dict[tuple[int, int], tuple[CodeType, dict[str, Any], Part]] = {}

    def of(self, function: FunctionType, looked: Looked) -> Part:
        """Return the encoding and the names of a function's code; ``looked`` is what this walk knows of files."""
        code, space = function.__code__, function.__globals__
        key = (id(code), id(space))
        known = self._parts.get(key)
        if known is None:
            if len(self._parts) >= self.LIMIT:
                self._parts.clear()
            known = self._parts[key] = (code, space, self._part(code, space, looked))
        return known[2]

    def _part(self, code: CodeType, space: dict[str, Any], looked: Looked) -> Part:
        source = self._sources.find(code, space, looked)
        if source is None:
            return Part(b"B" + text(MAGIC) + encode_code(code), "bytecode", names_of_code(code), None)
        kept = [d for d in getattr(source.node, "decorator_list", []) if not _is_our_decorator(d, space, source.ours)]
        label = b"S" + normalise(source.node, owner=source.owner, decorators=kept)
        return Part(label, "source", names_of_source(source.node), source.text)


def _is_our_decorator(expression: Any, space: dict[str, Any], ours: frozenset[str]) -> bool:
    """Whether a decorator is one of this library's, by what its name is bound to.

    A function that was pickled by value brings only the globals that its body uses: there its module's imports tell.
    """
    names: list[str] = []
    while not hasattr(expression, "id"):
        names.append(getattr(expression, "attr", ""))
        expression = getattr(expression, "func", None) or getattr(expression, "value", None)
        if expression is None:
            return False
    value = space.get(expression.id, MISSING)
    if value is MISSING:
        return expression.id in ours
    for name in reversed([name for name in names if name]):
        if is_ours(value):
            break
        value = vars(value).get(name, MISSING) if isinstance(value, ModuleType) else MISSING
    if isinstance(value, functools.partial):
        value = value.func
    return value is not MISSING and is_ours(value) and not hasattr(value, "__wrapped__")
