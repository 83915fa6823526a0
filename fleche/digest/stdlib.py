"""Value types of the standard library that hold others, or bytes, or are known by their names only."""

from __future__ import annotations

import os
import re
import sys
from array import array
from collections.abc import Callable
from datetime import datetime, time
from enum import Enum, Flag
from functools import partial
from types import MethodType
from typing import Any

from fleche.digest import _format as f
from fleche.digest.identity import Identity
from fleche.digest.plan import Plan, silent
from fleche.digest.refusals import Refusal

__all__ = ["NAMED", "PLANS", "bound_builtin", "enum_member", "method", "path_frame", "path_kind"]

_EMPTY_ZONE = f.elements((f.NONE,), 1)


def _clock(value: Any) -> bytes:
    hands = bytes((value.hour, value.minute, value.second, value.fold))
    return hands + int(value.microsecond).to_bytes(4, "big")


def _zoned(tag: bytes, content: bytes, zone: Any) -> bytes | Plan:
    if zone is None:
        return f.counted(tag, content + _EMPTY_ZONE)
    return Plan(tag + content, ((zone,),), inline=True, label=_zone_label)


def _zone_label(_plan: Plan, _group: int, _index: int) -> str:
    return ".tzinfo"


def _datetime(value: datetime) -> bytes | Plan:
    day = value.year.to_bytes(2, "big") + bytes((value.month, value.day))
    return _zoned(f.DATETIME, day + _clock(value), value.tzinfo)


def _time(value: time) -> bytes | Plan:
    return _zoned(f.TIME, _clock(value), value.tzinfo)


def _zone_info(value: Any) -> bytes:
    if value.key is None:
        raise Refusal("is a time zone without a name, read from a file", "Make it with ZoneInfo(key)")
    return f.counted(f.ZONE_INFO, value.key.encode())


def _pattern(value: re.Pattern[Any]) -> Plan:
    return Plan(f.PATTERN, ((value.pattern, value.flags),), inline=True)


def _slice(value: slice) -> Plan:
    return Plan(f.SLICE, ((value.start, value.stop, value.step),), inline=True)


def _byte_array(value: bytearray) -> Plan:
    data = bytes(value)
    return Plan(f.BYTE_ARRAY + f.word(len(data)), tail=(data,))


def _memory_view(value: memoryview) -> Plan:
    try:
        if "O" in value.format or "P" in value.format:
            raise Refusal("is a view of memory addresses")
        return Plan(f.MEMORY_VIEW, ((value.format, value.itemsize), value.shape or ()), tail=(value.tobytes(),))
    except ValueError as error:
        raise Refusal(f"cannot be read ({error})") from error


def _array(value: array[Any]) -> Plan:
    words = value[:]
    if sys.byteorder == "big":
        words.byteswap()
    return Plan(f.ARRAY, ((words.typecode, words.itemsize, len(words)),), tail=(memoryview(words).cast("B"),))


def _partial(value: partial[Any]) -> Plan:
    state = dict(value.__dict__) or None
    parts = (value.func, tuple(value.args), dict(value.keywords), state)
    return Plan(f.PARTIAL, (parts,), label=_partial_label)


def _partial_label(_plan: Plan, _group: int, index: int) -> str:
    return (".func", ".args", ".keywords", ".__dict__")[index]


def method(value: MethodType) -> Plan:
    """Take a bound method apart: the function, and what it is bound to."""
    return Plan(f.METHOD, ((value.__func__, value.__self__),), label=_method_label)


def bound_builtin(value: Any) -> Plan:
    """Take a method written in C apart: its name, and what it is bound to."""
    return Plan(f.METHOD, ((value.__name__, value.__self__),), label=_method_label)


def _method_label(_plan: Plan, _group: int, index: int) -> str:
    return (".__func__", ".__self__")[index]


def enum_member(value: Enum, identity: Identity) -> Plan:
    """Take a member of an enumeration apart: name (none for flags, which combine) and value."""
    name = None if isinstance(value, Flag) else value._name_
    return Plan(f.ENUM + identity.class_frame(type(value)), ((name, value._value_),), inline=True, label=silent)


def path_kind(cls: type) -> str | None:
    """Return which of the four kinds of path a type is, or None."""
    names = [base.__name__ for base in cls.__mro__ if base.__module__.partition(".")[0] == "pathlib"]
    for name in names:
        if name in _PATHS:
            return name
    if "PurePath" not in names:
        return None
    return f"{'' if 'Path' in names else 'Pure'}{'Windows' if os.name == 'nt' else 'Posix'}Path"


def path_frame(kind: str, value: Any) -> bytes:
    """Return the frame of a path: its kind and its text."""
    return f.counted(f.PATH, f.text(kind) + f.text(str(value)))


def _path(value: Any) -> bytes:
    return path_frame(type(value).__name__, value)


def _ip(value: Any) -> bytes:
    return f.counted(f.IP, f.text(type(value).__name__) + f.text(str(value)))


_PATHS = frozenset({"PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"})

PLANS: dict[type, Callable[[Any], bytes | Plan]] = {
    datetime: _datetime,
    time: _time,
    re.Pattern: _pattern,
    slice: _slice,
    bytearray: _byte_array,
    memoryview: _memory_view,
    array: _array,
    partial: _partial,
    MethodType: method,
}
"""Type to the function that takes a value apart; for exactly these types."""

NAMED: dict[str, Callable[[Any], bytes | Plan]] = {
    "zoneinfo.ZoneInfo": _zone_info,
    **{f"pathlib.{name}": _path for name in _PATHS},
    **{f"ipaddress.IPv{version}{kind}": _ip for version in (4, 6) for kind in ("Address", "Network", "Interface")},
}
"""The same by canonical name, for types whose modules are not imported for their sake."""
