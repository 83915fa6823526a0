"""Scalars: values whose frame is complete in itself."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import date, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from types import EllipsisType, ModuleType, NotImplementedType
from typing import Any
from uuid import UUID

from fleche.digest import _format as f

__all__ = ["FRAMES"]

_double = struct.Struct("<d").pack


def _float(value: float) -> bytes:
    return f.FLOAT + (_double(value) if value == value else f.NAN)


def _str(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return f.STR + len(data).to_bytes(8, "little") + data


def _decimal(value: Decimal) -> bytes:
    sign, digits, exponent = value.as_tuple()
    if exponent in ("n", "N"):  # a quiet and a signalling NaN behave differently; sign and payload do not
        return f.counted(f.DECIMAL, b"nan" if exponent == "n" else b"snan")
    if exponent == "F":
        return f.counted(f.DECIMAL, b"-inf" if sign else b"inf")
    written = "".join(map(str, digits)).lstrip("0") or "0"
    return f.counted(f.DECIMAL, f"{'-' if sign else ''}{written}e{exponent}".encode())


def _fraction(value: Fraction) -> bytes:
    return f.counted(f.FRACTION, f.integer(value.numerator) + f.integer(value.denominator))


def _date(value: date) -> bytes:
    return f.counted(f.DATE, value.year.to_bytes(2, "big") + bytes((value.month, value.day)))


def _timedelta(value: timedelta) -> bytes:
    return f.counted(f.TIMEDELTA, b"".join(map(f.integer, (value.days, value.seconds, value.microseconds))))


def _timezone(value: timezone) -> bytes:
    arguments = value.__getinitargs__()  # type: ignore[attr-defined]
    name = _str(arguments[1]) if len(arguments) > 1 else f.NONE
    return f.counted(f.TIMEZONE, _timedelta(arguments[0]) + name)


def _range(value: range) -> bytes:
    return f.counted(f.RANGE, b"".join(map(f.integer, (value.start, value.stop, value.step))))


FRAMES: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: f.NONE,
    bool: lambda value: f.TRUE if value else f.FALSE,
    int: f.integer,
    float: _float,
    complex: lambda value: f.COMPLEX + f.bits(value.real) + f.bits(value.imag),
    str: _str,
    bytes: lambda value: f.BYTES + len(value).to_bytes(8, "little") + value,
    EllipsisType: lambda _: f.ELLIPSIS,
    NotImplementedType: lambda _: f.NOT_IMPLEMENTED,
    Decimal: _decimal,
    Fraction: _fraction,
    date: _date,
    timedelta: _timedelta,
    timezone: _timezone,
    UUID: lambda value: f.counted(f.UUID, value.int.to_bytes(16, "big")),
    range: _range,
    ModuleType: lambda value: f.counted(f.MODULE, value.__name__.encode("utf-8", "surrogatepass")),
    f.Inline: lambda value: value.frame,
}
"""Type to the function that makes the frame; for exactly these types."""
