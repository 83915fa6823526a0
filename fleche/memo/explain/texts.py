"""Values as short text for people, and where two texts part. No code of a value runs here, not even its ``repr``."""

from __future__ import annotations

import re
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from fleche.call import kind_of
from fleche.digest import Digest
from fleche.display import brief

__all__ = ["change", "digest_text", "index_text", "name_of", "parting", "printable", "type_name", "value_text"]

_LONG = 60  # characters of a text that is shown whole
_BEFORE, _AFTER = 12, 24  # characters around the place where two texts part
_TIMES = frozenset({"datetime64", "timedelta64"})
_SCALARS = _TIMES | {"str_", "bytes_", "Timestamp", "Timedelta", "Period", "NAType", "NaTType"}
_MOST = 80  # characters of any other value


def printable(text: str) -> str:
    """Return text without what steers a terminal: names and sources may come from a store that others can write to."""
    return text if text.isprintable() else "".join(mark if mark.isprintable() else "�" for mark in text)


def type_name(value: Any) -> str:
    """Return how a value's type is called: ``int``, ``numpy.ndarray``, ``study.Point``."""
    return kind_of(value)


def name_of(obj: Any) -> str:
    """Return how a function or class is called where it lives."""
    module, name = getattr(obj, "__module__", None), getattr(obj, "__qualname__", None)
    if not isinstance(name, str):
        return f"<{type(obj).__qualname__}>"
    return name if not isinstance(module, str) or module == "builtins" else f"{module}.{name}"


def value_text(value: Any) -> str:
    """Return a value in at most some eighty characters.

    >>> value_text([1, 2]), value_text(0.5), value_text(int)
    ('[1, 2]', '0.5', 'int')
    """
    kind = type(value)
    if isinstance(value, Digest):
        return f"<digest {str.__str__(value)[:12]}>"
    if isinstance(value, Enum):
        return f"{kind.__qualname__}.{value._name_}"
    if isinstance(value, type | FunctionType | BuiltinFunctionType | MethodType):
        return name_of(value)
    if kind is re.Pattern:
        return f"re.compile({value_text(value.pattern)})"
    library = kind.__module__.partition(".")[0]
    if kind.__qualname__ in _SCALARS and library in ("numpy", "pandas"):
        return str(value)[:_MOST] if library == "pandas" or kind.__qualname__ in _TIMES else brief(value.item())
    shape, dtype = _extent(value)
    if shape is not None:
        return f"<{type_name(value)} {shape}{f' {dtype}' if dtype else ''}>"
    text = brief(value)
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"


def _extent(value: Any) -> tuple[tuple[Any, ...] | None, str]:
    """Return shape and dtype of an array or table of a library, or None."""
    if type(value).__module__.partition(".")[0] not in ("numpy", "pandas", "polars", "torch", "scipy", "xarray"):
        return None, ""
    shape = getattr(value, "shape", None)
    if shape is None or not hasattr(shape, "__iter__") or not tuple(shape):
        return None, ""
    dtype = getattr(value, "dtype", None)
    return tuple(shape), "" if dtype is None else str(dtype)


def index_text(index: tuple[int, ...]) -> str:
    """Return a place in an array: ``[3]``, ``[1, 2]``."""
    return f"[{', '.join(str(each) for each in index)}]"


def digest_text(digest: bytes | str | None) -> str:
    """Return the first characters of a digest."""
    if digest is None:
        return "no digest"
    return (digest.hex() if isinstance(digest, bytes) else str(digest))[:12]


def change(old: Any, new: Any) -> str:
    """Return what was there and what is there, with types where those differ.

    >>> change(64, 128), change(3, 3.0)
    ('64 -> 128', '3 (int) -> 3.0 (float)')
    """
    one, other = value_text(old), value_text(new)
    if type(old) is not type(new):
        return f"{_typed(one, old)} -> {_typed(other, new)}"
    return f"{one} -> {other}"


def _typed(text: str, value: Any) -> str:
    return text if value is None or text.startswith("<") else f"{text} ({type_name(value)})"


def parting(old: Any, new: Any) -> str:
    """Return where two strings, or two byte strings, part.

    >>> parting("adam", "sgd")
    "'adam' -> 'sgd'"
    """
    if len(old) <= _LONG and len(new) <= _LONG:
        return f"{old!r} -> {new!r}"
    at = _parts_at(old, new)
    start = max(0, at - _BEFORE)
    one, other = (_cut(text, start, at + _AFTER) for text in (old, new))
    unit = "character" if isinstance(old, str) else "byte"
    place = f"{unit} {at:,}"
    if isinstance(old, str) and "\n" in old[:at]:
        head = old[:at]
        place = f"line {head.count(chr(10)) + 1:,}, column {at - head.rfind(chr(10)) - 1:,}"
    lengths = "" if len(old) == len(new) else f", {len(old):,} -> {len(new):,} {unit}s"
    return f"part at {place}: {one} -> {other}{lengths}"


def _cut(text: Any, start: int, end: int) -> str:
    return f"{'…' if start else ''}{text[start:end]!r}{'…' if end < len(text) else ''}"


def _parts_at(old: Any, new: Any) -> int:
    """Return the first place where two texts differ, by halving."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
