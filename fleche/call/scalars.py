"""Which values live in the row of their record, and what each is called there."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any

__all__ = ["MAX_TEXT", "kind_of", "scalar_fits"]

MAX_TEXT = 256
"""Characters of the longest string that lives in its row."""

_NAMES: dict[type, str] = {type(None): "None", bool: "bool", int: "int", float: "float", str: "str", date: "date"}


def scalar_fits(value: Any) -> bool:
    """Whether a value can live in the row of its record and come back exactly as it was.

    None, bool, float, ints and strings up to 256 characters (no NUL, no lone surrogate), dates, and times that are
    naive or at a fixed offset.
    """
    kind = type(value)
    if kind is str:
        return len(value) <= MAX_TEXT and "\x00" not in value and _encodable(value)
    if kind is int:
        return bool(value.bit_length() <= 3 * MAX_TEXT)
    if kind is datetime:
        return value.fold == 0 and (value.tzinfo is None or (type(value.tzinfo) is timezone and _plain(value.tzinfo)))
    return kind in _NAMES


def kind_of(value: Any) -> str:
    """Return the name of a value's type as records and tables show it: ``int``, ``list``, ``numpy.ndarray``."""
    kind = type(value)
    if kind.__module__ == "builtins":
        return "None" if value is None else kind.__qualname__
    return "datetime" if kind is datetime else "date" if kind is date else f"{kind.__module__}.{kind.__qualname__}"


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain(zone: timezone) -> bool:
    """Whether a fixed offset has no name of its own, which ISO text would lose."""
    return zone.tzname(None) == timezone(zone.utcoffset(None)).tzname(None)
