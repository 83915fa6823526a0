"""polars by content, without importing polars.

Chunks, what lies under nulls, sortedness flags and the codes of categories do not show. Names, dtypes, order do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from fleche.digest.library import numpy, plan
from fleche.digest.plan import Plan
from fleche.digest.refusals import Refusal

__all__ = ["NAMED"]

_WORDS = frozenset("Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float32 Float64 Boolean".split())  # noqa: SIM905
_TIMES = frozenset({"Date", "Datetime", "Duration", "Time"})


def describe(kind: Any) -> Any:
    """Return a dtype as plain values."""
    name = type(kind).__name__ if not isinstance(kind, type) else kind.__name__
    if name == "List":
        return (name, describe(kind.inner))
    if name == "Array":
        return (name, describe(kind.inner), kind.size)
    if name == "Struct":
        return (name, [(field.name, describe(field.dtype)) for field in kind.fields])
    if name == "Enum":
        return (name, kind.categories.to_list())
    if name == "Datetime":
        return (name, kind.time_unit, kind.time_zone)
    if name == "Duration":
        return (name, kind.time_unit)
    if name == "Decimal":
        return (name, kind.precision, kind.scale)
    if name == "Categorical":
        return (name, _categories(kind))
    if type(kind).__module__.partition(".")[0] != "polars" and not isinstance(kind, type):
        raise Refusal(f"has the dtype {kind}, which comes from another package")
    return name


def _categories(kind: Any) -> Any:
    """Return the name and namespace of categories that have one, and the width of their numbers where it is unusual."""
    known = getattr(kind, "categories", None)
    name = getattr(known, "name", None)
    named = name() if callable(name) else None
    if not named or known is None:
        return None
    width = str(known.physical()) if hasattr(known, "physical") else "UInt32"
    return (named, known.namespace()) if width == "UInt32" else (named, known.namespace(), width)


def content(column: Any) -> tuple[Any, ...]:
    """Return a column as plain values and numpy arrays: length, where values are missing, and those that are not."""
    if str(column.dtype) == "Null":
        return (len(column),)
    if not column.null_count():
        return (len(column), None, *_values(column))
    return (len(column), column.is_null().to_numpy(), *_values(column.drop_nulls()))


def _values(column: Any) -> tuple[Any, ...]:
    """Return the content of a column without missing values."""
    kind = column.dtype
    name = type(kind).__name__ if not isinstance(kind, type) else kind.__name__
    if name == "List":
        lengths = column.list.len()
        return (lengths.cast(_like(lengths, "Int64")).to_numpy(), content(column.filter(lengths > 0).explode()))
    if name == "Array":
        return tuple(content(column.arr.get(at)) for at in range(kind.size))
    if name == "Struct":
        return tuple(content(column.struct.field(field.name)) for field in kind.fields)
    if name in ("Categorical", "Enum"):
        column = column.cast(_like(column, "String"))
    elif name in _TIMES or name in _WORDS:
        numpy()
        return (column.to_physical().rechunk().to_numpy(),)
    return (column.to_list(),)


def _like(column: Any, name: str) -> Any:
    import sys

    return getattr(sys.modules[type(column).__module__.partition(".")[0]], name)


def _series(value: Any) -> Plan:
    return plan("polars.Series", value.name, describe(value.dtype), content(value))


def _frame(value: Any) -> Plan:
    columns = [(column.name, describe(column.dtype), content(column)) for column in value.get_columns()]
    return plan("polars.DataFrame", value.height, columns)


def _lazy(_value: Any) -> NoReturn:
    raise Refusal("is a plan that has not run, and what it will read may change", "Pass .collect() of it")


def _dtype(value: Any) -> Plan:
    return plan("polars.DataType", describe(value))


NAMED: dict[str, Callable[[Any], Plan]] = {
    "polars.dataframe.frame.DataFrame": _frame,
    "polars.series.series.Series": _series,
    "polars.lazyframe.frame.LazyFrame": _lazy,
    **{
        f"polars.datatypes.classes.{name}": _dtype
        for name in ("List", "Array", "Struct", "Enum", "Datetime", "Duration", "Decimal", "Categorical")
    },
}
"""Canonical name to the function that takes a value apart; for exactly these types."""
