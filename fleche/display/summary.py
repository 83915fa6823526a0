"""What a person wants to know of a value at a glance: its type, shape and size, and a small picture of its numbers."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fleche.digest.files import File

__all__ = ["Summary", "brief", "summarize"]

_POINTS = 60  # of a curve
_COLUMNS = 24  # of a histogram
_NUMBERS = 1 << 20  # bytes of an array that are looked at
_LONGEST = 20_000  # items of a list that are looked at

_LEAVES = frozenset(
    f"{module}.{name}"
    for module, names in {
        "datetime": "date datetime time timedelta timezone",
        "decimal": "Decimal",
        "fractions": "Fraction",
        "pathlib": "Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath",
        "uuid": "UUID",
        "builtins": "complex range slice ellipsis",
    }.items()
    for name in names.split()
)
"""Types whose repr is short, whatever they hold."""


class _Short(reprlib.Repr):
    """A repr that looks at few items of few levels, and asks no object for its own: nested objects can be endless."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxarray = 3, 120, 6
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = 6

    def repr_int(self, x: int, level: int) -> str:  # noqa: ARG002
        bits = x.bit_length()
        return repr(x) if bits <= _BITS else f"<int of {bits:,} bits>"

    def repr_bytes(self, x: bytes, level: int) -> str:  # noqa: ARG002
        return repr(x) if len(x) <= self.maxstring else f"{x[:40]!r}…"

    def repr_instance(self, x: Any, level: int) -> str:  # noqa: ARG002
        kind = type(x)
        if x is None or kind in (bool, float) or f"{kind.__module__}.{kind.__qualname__}" in _LEAVES:
            return repr(x)[: self.maxstring]
        if kind.__module__ == "numpy" and hasattr(x, "ndim") and x.ndim == 0 and x.dtype.kind in "biufc":
            return repr(x.item())
        return f"<{kind.__qualname__}>"


_BITS = 256  # of an integer whose digits are worked out
_REPR = _Short()

_PLAIN = frozenset({bool, int, float, complex, str, bytes, type(None), list, tuple, dict, set, frozenset})


def brief(value: Any) -> str:
    """Return a value in a few words. Few items of few levels are looked at, and no object is asked for its own text.

    >>> brief({"a": [1, 2]}), brief(object())
    ("{'a': [1, 2]}", '<object>')
    """
    return _REPR.repr(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """A value at a glance.

    Attributes:
        kind: Its type: ``int``, ``numpy.ndarray``.
        shape: Its extent, as people write it: ``(3, 4) float64``, ``5 items``.
        text: It itself, where it is short.
        size: Its stored bytes, or None where that is not known.
        why: Why no more is told, where that is so.
        curve: Up to sixty of its numbers, in order, or nothing.
        columns: How many of its numbers fall into each of some equal steps from ``low`` to ``high``, or nothing.
        low: The smallest of its numbers.
        high: The largest.
    """

    kind: str = ""
    shape: str = ""
    text: str = ""
    size: int | None = None
    why: str = ""
    curve: tuple[float, ...] = ()
    columns: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None


def summarize(value: Any, *, size: int | None = None) -> Summary:
    """Return a value at a glance. It is not changed, and no code of its own runs unless its type is a library's.

    Args:
        value: What the safe loader built: plain values, arrays, frames.
        size: Its stored bytes.

    >>> summarize([3, 1, 2]).shape, summarize("abc").text
    ('3 items', "'abc'")
    """
    kind = type(value)
    if kind in _PLAIN:
        return _plain(value, size)
    if kind is File and value.is_pinned:  # of another the size would have to be looked at
        return Summary(kind="fleche.File", shape=f"{value.size:,} bytes", text=str(value.path), size=size)
    library = kind.__module__.partition(".")[0]
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{library}.{kind.__qualname__}"
    if library == "numpy" and hasattr(value, "dtype") and hasattr(value, "ndim"):
        return _array(value, name, size)
    if library == "pandas":
        return _frame(value, name, size)
    length = f"{len(value):,} items" if hasattr(kind, "__len__") else ""
    text = _REPR.repr(value)
    return Summary(kind=name, shape=length, text="" if text.startswith("<") else text, size=size)


def _plain(value: Any, size: int | None) -> Summary:
    kind = type(value).__name__
    if value is None:
        return Summary(kind="None", text="None", size=size)
    if isinstance(value, str | bytes):
        long = len(value) > _REPR.maxstring
        shape = f"{len(value):,} {'characters' if isinstance(value, str) else 'bytes'}" if long else ""
        return Summary(kind=kind, shape=shape, text=_REPR.repr(value), size=size)
    if isinstance(value, int) and value.bit_length() > _BITS:  # whose digits take long to work out
        return Summary(kind=kind, shape=f"{value.bit_length():,} bits", size=size)
    if isinstance(value, list | tuple | dict | set | frozenset):
        shape = f"{len(value):,} item{'' if len(value) == 1 else 's'}"
        curve = _numbers(value) if isinstance(value, list | tuple) else ()
        ends = (min(curve), max(curve)) if curve else (None, None)
        return Summary(
            kind=kind, shape=shape, text=_REPR.repr(value), size=size, curve=_thinned(curve), low=ends[0], high=ends[1]
        )
    return Summary(kind=kind, text=_REPR.repr(value), size=size)


def _numbers(values: Sequence[Any]) -> tuple[float, ...]:
    """Return a sequence of finite numbers as such; nothing where it is none, or too short or long for a curve."""
    if not 8 <= len(values) <= _LONGEST or not all(type(value) in (int, float) for value in values):
        return ()
    try:
        found = tuple(map(float, values))
    except OverflowError:
        return ()
    return found if all(map(math.isfinite, found)) else ()


def _thinned(numbers: Sequence[float]) -> tuple[float, ...]:
    if len(numbers) <= _POINTS:
        return tuple(numbers)
    step = (len(numbers) - 1) / (_POINTS - 1)
    return tuple(numbers[round(place * step)] for place in range(_POINTS))


def _array(value: Any, name: str, size: int | None) -> Summary:
    shape = f"{tuple(value.shape)} {value.dtype}" if value.ndim else str(value.dtype)
    if value.ndim == 0:
        text = _REPR.repr(value.item()) if value.dtype.kind in "biufcSU" else ""
        return Summary(kind=name, shape=shape, text=text, size=size)
    if value.dtype.kind not in "biuf" or value.nbytes > _NUMBERS or value.size < 2:
        return Summary(kind=name, shape=shape, size=size)
    import numpy as np

    with np.errstate(all="ignore"):
        flat = np.asarray(value).ravel().astype(float)
        finite = flat[np.isfinite(flat)]
        if finite.size < 2:
            return Summary(kind=name, shape=shape, size=size)
        low, high = float(finite.min()), float(finite.max())
        if not math.isfinite(high - low):
            return Summary(kind=name, shape=shape, size=size, low=low, high=high)
        if value.ndim == 1 and value.size >= 8 and finite.size == flat.size:
            curve = _thinned(flat.tolist())
            return Summary(kind=name, shape=shape, size=size, curve=curve, low=low, high=high)
        columns = tuple(np.histogram(finite, bins=_COLUMNS)[0].astype(float).tolist()) if high > low else ()
    return Summary(kind=name, shape=shape, size=size, columns=columns, low=low, high=high)


def _frame(value: Any, name: str, size: int | None) -> Summary:
    shape: tuple[Any, ...] = getattr(value, "shape", ())
    if len(shape) == 2:
        names = ", ".join(map(str, value.columns[:8])) + (", …" if shape[1] > 8 else "")
        return Summary(kind=name, shape=f"{shape[0]:,} rows, {shape[1]:,} columns", text=names, size=size)
    if len(shape) == 1:
        return Summary(kind=name, shape=f"{shape[0]:,} of {getattr(value, 'dtype', '')}", size=size)
    return Summary(kind=name, size=size)
