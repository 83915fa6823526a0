"""Framing: how the encodings of this package put parts together so that no two sequences of parts read alike.

An integer is 8 bytes, little-endian; text is its length in bytes and UTF-8; a constant is a type letter and its
content. The page ``docs/formats/code.md`` gives them.
"""

from __future__ import annotations

from typing import Any

__all__ = ["MISSING", "constant", "text", "word"]

MISSING: Any = object()
"""What a name is bound to that is not there."""


def word(number: int) -> bytes:
    """Return a count or index as 8 bytes."""
    return number.to_bytes(8, "little")


def text(content: str | bytes) -> bytes:
    """Return text or bytes behind their length."""
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return len(data).to_bytes(8, "little") + data


def constant(value: Any) -> bytes:
    """Return the encoding of a literal constant, or of anything the compiler makes of literals.

    ``1``, ``1.0`` and ``True`` differ, so do ``0.0`` and ``-0.0``; NaNs are one; a frozenset has no order.

    Raises:
        TypeError: No compiler makes a constant of this type.
    """
    kind = type(value)
    if value is None or value is ... or kind is bool:
        return _SINGLETONS[value]
    if kind is int:
        return b"i" + text(str(value) if abs(value) < _DECIMAL else hex(value))
    if kind is float:
        return b"f" + text("nan" if value != value else value.hex())
    if kind is str:
        return b"s" + text(value)
    if kind is bytes:
        return b"b" + text(value)
    if kind is complex:
        return b"c" + constant(value.real) + constant(value.imag)
    if kind is tuple:
        return b"t" + word(len(value)) + b"".join(map(constant, value))
    if kind is frozenset:
        return b"z" + word(len(value)) + b"".join(sorted(map(constant, value)))
    raise TypeError(f"{kind.__qualname__} is not the type of a constant")


_SINGLETONS = {None: b"N", True: b"T", False: b"F", ...: b"E"}
_DECIMAL = 10**1000  # str() refuses integers of many digits; hex() does not
