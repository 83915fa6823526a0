"""pandas: series, frames, indexes and their arrays by content, without importing pandas.

Blocks, consolidation and strides do not show. Names, indexes, columns, dtypes, attributes and flags do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from fleche.digest import _format as f
from fleche.digest.plan import Plan, silent
from fleche.digest.refusals import Refusal

__all__ = ["BASES", "NAMED", "extension"]


def _plan(kind: str, *parts: Any, label: Any = silent) -> Plan:
    return Plan(f.PANDAS + f.text(kind), (parts,), label=label)


def _flags(value: Any) -> tuple[Any, ...]:
    return (dict(value.attrs), bool(value.flags.allows_duplicate_labels))


def _values(value: Any) -> Any:
    """Return the array that holds a column or index: numpy's where the dtype is numpy's, else the extension array."""
    return value.to_numpy() if isinstance(value.dtype, sys.modules["numpy"].dtype) else value.array


def _series(value: Any) -> Plan:
    return _plan("Series", value.name, value.index, _values(value), *_flags(value), label=_series_label)


def _series_label(_plan: Plan, _group: int, index: int) -> str:
    return (".name", ".index", ".array", ".attrs", ".flags")[index]


def _frame(value: Any) -> Plan:
    columns = [_values(value.iloc[:, at]) for at in range(value.shape[1])]
    return _plan("DataFrame", value.columns, value.index, *_flags(value), columns, label=_frame_label)


def _frame_label(_plan: Plan, _group: int, index: int) -> str:
    return (".columns", ".index", ".attrs", ".flags", ".iloc[:, at] for at in ")[index]


def _index(value: Any) -> Plan:
    return _plan("Index", value.name, _values(value))


def _dated(value: Any) -> Plan:
    return _plan(type(value).__name__, value.name, value.array, getattr(value, "freqstr", None))


def _range_index(value: Any) -> Plan:
    return _plan("RangeIndex", value.name, value.start, value.stop, value.step)


def _multi_index(value: Any) -> Plan:
    levels = [_values(value.get_level_values(at)) for at in range(value.nlevels)]
    return _plan("MultiIndex", list(value.names), levels)


def _wrapping(value: Any) -> Plan:
    return _plan(type(value).__name__, value.name, value.array)


def _zone(zone: Any) -> Any:
    """Return a time zone by its name, so that one zone of two libraries is one; others as they are."""
    if zone is None:
        return None
    text = getattr(zone, "key", None) or getattr(zone, "zone", None)
    return text if isinstance(text, str) else str(zone) if str(zone) == "UTC" else zone


def _times(value: Any) -> Plan:
    stamps = value.asi8 if hasattr(value, "asi8") else value.view("i8")
    return _plan(type(value).__name__, value.unit, _zone(getattr(value, "tz", None)), stamps)


def _periods(value: Any) -> Plan:
    return _plan("PeriodArray", value.freqstr, value.asi8)


def _intervals(value: Any) -> Plan:
    return _plan("IntervalArray", value.closed, _values(value.left), _values(value.right))


def _categories(value: Any) -> Plan:
    return _plan("Categorical", value.categories, bool(value.ordered), sys.modules["numpy"].asarray(value.codes))


def _sparse(value: Any) -> Plan:
    where = value.sp_index.indices if hasattr(value.sp_index, "indices") else value.sp_index.to_int_index().indices
    return _plan("SparseArray", len(value), value.fill_value, where, value.sp_values)


def _masked(value: Any) -> Plan:
    missing = value.isna()
    kind = value.dtype.numpy_dtype
    return _plan(type(value).__name__, missing, value.to_numpy(dtype=kind, na_value=kind.type(0)))


def _strings(value: Any) -> Plan:
    missing = value.isna()
    texts = ["" if gone else str(item) for item, gone in zip(value, missing.tolist(), strict=True)]
    return _plan("string", value.dtype.storage, _na(value.dtype.na_value), missing, texts)


def _na(value: Any) -> Any:
    return value if isinstance(value, float) else str(value)


def _numpy_array(value: Any) -> Plan:
    return _plan("NumpyExtensionArray", value.to_numpy())


def extension(value: Any) -> Plan:
    """Take an extension array apart of which only the public face is known: its dtype's name and its elements."""
    cls = type(value)
    items = list(value)
    return _plan("extension", f"{cls.__module__}.{cls.__qualname__}", str(value.dtype), items)


def _timestamp(value: Any) -> Plan:
    return _scalar("Timestamp", value.unit, _ticks(value), value.fold, _zone(value.tzinfo))


def _timedelta(value: Any) -> Plan:
    return _scalar("Timedelta", value.unit, _ticks(value))


def _ticks(value: Any) -> int:
    return int(value.asm8.view("i8"))


def _period(value: Any) -> Plan:
    return _scalar("Period", value.freqstr, value.ordinal)


def _interval(value: Any) -> Plan:
    return _scalar("Interval", value.closed, value.left, value.right)


def _single(value: Any) -> Plan:
    return _scalar(type(value).__name__)


def _scalar(kind: str, *parts: Any) -> Plan:
    return Plan(f.PANDAS_SCALAR + f.text(kind), (parts,), inline=True, label=silent)


def _dtype(value: Any) -> Plan:
    """Take a dtype apart, which is what an empty array of it would say."""
    name = type(value).__name__
    if name == "CategoricalDtype":
        return _plan(name, value.categories, value.ordered)
    if name == "DatetimeTZDtype":
        return _plan(name, value.unit, _zone(value.tz))
    if name == "StringDtype":
        return _plan(name, value.storage, _na(value.na_value))
    return _plan(name, str(value))


def _subclass(value: Any) -> tuple[Any, dict[str, Any]]:
    base = next((kind for kind in type(value).__mro__ if kind.__qualname__ in ("DataFrame", "Series")), None)
    if base is None or not base.__module__.startswith("pandas"):
        raise Refusal("is of a subclass of a pandas type that is not understood")
    extra = [name for name in getattr(type(value), "_metadata", ()) if name not in ("_name", "name")]
    state = {name: getattr(value, name, None) for name in extra}
    return base(value), state


_TIME_INDEXES = ("DatetimeIndex", "TimedeltaIndex", "PeriodIndex")
_DTYPES = (
    "CategoricalDtype",
    "DatetimeTZDtype",
    "IntervalDtype",
    "PeriodDtype",
    "SparseDtype",
    "StringDtype",
    "BooleanDtype",
    *(f"{sign}Int{bits}Dtype" for sign in ("", "U") for bits in (8, 16, 32, 64)),
    "Float32Dtype",
    "Float64Dtype",
)

NAMED: dict[str, Callable[[Any], bytes | Plan]] = {
    "pandas.Series": _series,
    "pandas.DataFrame": _frame,
    "pandas.Index": _index,
    "pandas.RangeIndex": _range_index,
    "pandas.MultiIndex": _multi_index,
    **{f"pandas.{name}": _dated for name in _TIME_INDEXES},
    "pandas.CategoricalIndex": _wrapping,
    "pandas.IntervalIndex": _wrapping,
    "pandas.DatetimeArray": _times,
    "pandas.TimedeltaArray": _times,
    "pandas.PeriodArray": _periods,
    "pandas.IntervalArray": _intervals,
    "pandas.Categorical": _categories,
    "pandas.SparseArray": _sparse,
    "pandas.IntegerArray": _masked,
    "pandas.FloatingArray": _masked,
    "pandas.BooleanArray": _masked,
    "pandas.StringArray": _strings,
    "pandas.ArrowStringArray": _strings,
    "pandas.NumpyExtensionArray": _numpy_array,
    "pandas.Timestamp": _timestamp,
    "pandas.Timedelta": _timedelta,
    "pandas.Period": _period,
    "pandas.Interval": _interval,
    "pandas.NaTType": _single,
    "pandas.NAType": _single,
    **{f"pandas.{name}": _dtype for name in _DTYPES},
}
"""Canonical name to the function that takes a value apart; for exactly these types."""

BASES: dict[str, Callable[[Any], tuple[Any, dict[str, Any]]]] = {
    "pandas.DataFrame": _subclass,
    "pandas.Series": _subclass,
}
"""Canonical name to what an instance of a subclass is as its base, and its attributes."""
