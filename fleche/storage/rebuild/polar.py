"""polars: as Arrow's file format, which polars checks when it reads; columns of objects as lists."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pickle import PickleBuffer
from typing import Any

__all__ = ["REDUCERS", "build"]


def build(
    kind: str, height: int, data: Any, objects: dict[int, tuple[str, list[Any]]], names: list[str] | None = None
) -> Any:
    """Return a table or column of polars'.

    Args:
        kind: ``DataFrame`` or ``Series``.
        height: The number of rows.
        data: The columns that are not of objects, as a file of Arrow's.
        objects: Where the other columns are, their names and values.
        names: What the columns in the file are called, where one of them has no name.

    Raises:
        ValueError: The parts do not hold together.
        TypeError: The parts have other types.
    """
    import polars as pl

    if kind not in ("DataFrame", "Series") or type(objects) is not dict:
        raise ValueError(f"{kind!r} is no kind of value of polars'")
    view = bytes(memoryview(data).cast("B"))
    try:
        columns = pl.read_ipc_stream(BytesIO(view)).get_columns() if view else []
    except pl.exceptions.PanicException as error:  # which is no Exception
        raise ValueError(f"it is not what polars writes: {error}") from None
    if names is not None:
        if len(names) != len(columns):
            raise ValueError("its columns have another number than their names")
        columns = [column.alias(name) for column, name in zip(columns, names, strict=True)]
    for at, (name, values) in sorted(objects.items()):
        columns.insert(at, pl.Series(name, list(values), dtype=pl.Object))
    if kind == "Series" and len(columns) != 1:
        raise ValueError("it is one column")
    if any(len(column) != height for column in columns):
        raise ValueError("its columns have another length")
    if kind == "Series":
        return columns[0]
    made = pl.DataFrame(columns)
    made.columns = [column.name for column in columns]  # where one has no name, polars has invented one
    return made


def _reduce(value: Any) -> Any:
    import polars as pl

    columns = [value] if isinstance(value, pl.Series) else value.get_columns()
    height = len(value)
    if not columns and height:
        return value.__reduce_ex__(5)
    held = [column for column in columns if column.dtype != pl.Object]
    objects = {at: (column.name, column.to_list()) for at, column in enumerate(columns) if column.dtype == pl.Object}
    file = BytesIO()
    names = [column.name for column in held]
    unnamed = "" in names  # for which polars invents a name
    if unnamed:
        held = [column.alias(str(at)) for at, column in enumerate(held)]
    if held:
        pl.DataFrame(held).write_ipc_stream(file)
    more = (names,) if unnamed else ()
    return build, (type(value).__name__, height, PickleBuffer(file.getvalue()), objects, *more)


REDUCERS: dict[str, Callable[[Any], Any]] = {
    "polars.dataframe.frame.DataFrame": _reduce,
    "polars.series.series.Series": _reduce,
}
