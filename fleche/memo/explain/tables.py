"""What differs between two tables or columns: which columns, in how many rows, and the index.

pandas, polars and the others are taken from the values: whoever has a table has imported them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fleche.digest.names import canonical_name
from fleche.digest.science import GRAPHS
from fleche.memo.explain.arrays import changed
from fleche.memo.explain.arrays import steps_of as array_steps_of
from fleche.memo.explain.differences import Difference, Kind
from fleche.memo.explain.places import Place, Same, Special, Step, path_text
from fleche.memo.explain.texts import change, value_text

__all__ = ["steps_of"]

_ROWS = 200_000  # rows whose elements are looked at one by one


def steps_of(kind: type) -> Special | None:
    """Return how tables or columns of a type are compared, or None where it is none."""
    found = _SPECIAL.get(".".join(canonical_name(kind)))
    if found is None and kind.__module__.startswith("scipy.sparse"):
        return _sparse
    return found


# -- columns by name -----------------------------------------------------------------------------------------------


def _columns(
    same: Same, place: Place, old: Mapping[Any, Any], new: Mapping[Any, Any], kind_of: Any, compare: Any
) -> Iterator[Step]:
    """Yield which columns were removed, added, retyped or changed, and whether their order is another.

    Args:
        same: Whether two values have one digest.
        place: Where the tables are.
        old: Columns by name.
        new: Columns by name.
        kind_of: Returns the dtype of a column, as text.
        compare: Yields what differs between two columns of one dtype.
    """
    for name, column in old.items():
        at = (place, f"[{value_text(name)}]")
        if name not in new:
            yield Difference(path=path_text(at), kind=Kind.REMOVED, text=f"column removed ({kind_of(column)})")
            continue
        one, other = kind_of(column), kind_of(new[name])
        if one != other:
            yield Difference(path=path_text(at), kind=Kind.DTYPE, text=f"dtype {one} -> {other}")
        else:
            yield from compare(same, at, column, new[name])
    for name, column in new.items():
        if name not in old:
            at = (place, f"[{value_text(name)}]")
            yield Difference(path=path_text(at), kind=Kind.ADDED, text=f"column added ({kind_of(column)})")
    shared = [[name for name in each if name in old and name in new] for each in (old, new)]
    if shared[0] != shared[1]:
        orders = " -> ".join(", ".join(map(value_text, names[:6])) for names in shared)
        yield Difference(path=path_text(place), kind=Kind.ORDER, text=f"the order of the columns: {orders}")


def _rows(place: Place, old: int, new: int) -> Iterator[Step]:
    if old != new:
        yield Difference(path=path_text(place), kind=Kind.LENGTH, text=f"{old:,} -> {new:,} rows")


def _elements(same: Same, place: Place, old: Sequence[Any], new: Sequence[Any], step: str = "[{}]") -> Iterator[Step]:
    """Yield what differs between two columns, looked at row by row as far as both go."""
    least = min(len(old), len(new))
    if least > _ROWS:
        return
    rows = [at for at in range(least) if not same(old[at], new[at])]
    if not rows:
        return
    first = rows[0]
    values = change(old[first], new[first])
    if len(rows) == 1 and len(old) == len(new):
        yield Difference(path=path_text(place) + step.format(first), kind=Kind.ELEMENTS, text=values)
    else:
        yield Difference(path=path_text(place), kind=Kind.ELEMENTS, text=_of(len(rows), least, first, values))


def _of(count: int, total: int, first: int, values: str) -> str:
    return f"{count:,} of {total:,} rows differ, first row {first:,}: {values}"


# -- pandas --------------------------------------------------------------------------------------------------------


def _held(value: Any) -> Any:
    """Return the array behind a column or index: numpy's where its dtype is numpy's."""
    return value.to_numpy() if isinstance(value.dtype, sys.modules["numpy"].dtype) else value.array


def _pandas_values(same: Same, place: Place, old: Any, new: Any, step: str = ".iloc[{}]") -> Iterator[Step]:
    """Yield in which rows two columns differ; of columns of two lengths, as far as both go."""
    least = min(len(old), len(new))
    one, other = _held(old)[:least], _held(new)[:least]
    np = sys.modules["numpy"]
    plain = isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and one.dtype == other.dtype
    if plain and not one.dtype.hasobject and one.dtype.char != "T":
        count, _, first = changed(one, other)
        if not count:
            return
        values = f"{value_text(one[first])} -> {value_text(other[first])}"
        if count == 1 and len(old) == len(new):
            yield Difference(path=path_text(place) + step.format(first), kind=Kind.ELEMENTS, text=values)
        else:
            yield Difference(path=path_text(place), kind=Kind.ELEMENTS, text=_of(count, least, first, values))
    elif least <= _ROWS:
        yield from _elements(same, place, list(one), list(other), step)


def _dtype(column: Any) -> str:
    return str(column.dtype)


def _frame(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:
    yield from _rows(place, len(old), len(new))
    if old.columns.is_unique and new.columns.is_unique:
        columns = [{each: frame.iloc[:, at] for at, each in enumerate(frame.columns)} for frame in (old, new)]
        yield from _columns(same, place, columns[0], columns[1], _dtype, _frame_column)
    else:
        yield (place, ".columns"), list(old.columns), list(new.columns)
        for at in range(min(old.shape[1], new.shape[1])):
            yield (place, f".iloc[:, {at}]"), old.iloc[:, at], new.iloc[:, at]
    if list(old.columns.names) != list(new.columns.names) or old.columns.dtype != new.columns.dtype:
        yield (place, ".columns"), old.columns, new.columns
    yield (place, ".index"), old.index, new.index
    yield (place, ".attrs"), dict(old.attrs), dict(new.attrs)
    yield (place, ".flags.allows_duplicate_labels"), *_flags(old, new)


def _flags(old: Any, new: Any) -> tuple[bool, bool]:
    return bool(old.flags.allows_duplicate_labels), bool(new.flags.allows_duplicate_labels)


def _frame_column(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:
    if not same(_held(old), _held(new)):
        yield from _held_steps(same, place, old, new)


def _held_steps(same: Same, place: Place, old: Any, new: Any, step: str = ".iloc[{}]") -> Iterator[Step]:
    """Yield what differs between two columns of one dtype; at least that something does, unless one is longer."""
    steps = list(_pandas_values(same, place, old, new, step))
    yield from steps
    if not steps and len(old) == len(new):
        text = f"differs in {len(old):,} rows or in how they are held"
        yield Difference(path=path_text(place), kind=Kind.CONTENT, text=text)


def _series(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:
    yield from _rows(place, len(old), len(new))
    if str(old.dtype) != str(new.dtype):
        yield Difference(path=path_text(place), kind=Kind.DTYPE, text=f"dtype {old.dtype} -> {new.dtype}")
    elif not same(_held(old), _held(new)):
        yield from _held_steps(same, place, old, new)
    yield (place, ".name"), old.name, new.name
    yield (place, ".index"), old.index, new.index
    yield (place, ".attrs"), dict(old.attrs), dict(new.attrs)
    yield (place, ".flags.allows_duplicate_labels"), *_flags(old, new)


def _index(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:
    yield from _rows(place, len(old), len(new))
    if str(old.dtype) != str(new.dtype):
        yield Difference(path=path_text(place), kind=Kind.DTYPE, text=f"dtype {old.dtype} -> {new.dtype}")
    elif not same(_held(old), _held(new)):
        yield from _held_steps(same, place, old, new, "[{}]")
    yield (place, ".name"), old.name, new.name
    yield (place, ".freqstr"), getattr(old, "freqstr", None), getattr(new, "freqstr", None)


def _range_index(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:  # noqa: ARG001 - as all are called
    for name in ("start", "stop", "step", "name"):
        yield (place, f".{name}"), getattr(old, name), getattr(new, name)


def _categorical(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:
    yield from _elements(same, place, list(old), list(new))
    yield (place, ".categories"), list(old.categories), list(new.categories)
    yield (place, ".ordered"), bool(old.ordered), bool(new.ordered)


# -- polars, pyarrow -----------------------------------------------------------------------------------------------


def _polars_frame(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:
    yield from _rows(place, old.height, new.height)
    columns = [{column.name: column for column in frame.get_columns()} for frame in (old, new)]
    yield from _columns(same, place, columns[0], columns[1], _dtype, _polars_column)


def _polars_column(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:
    if same(old, new):
        return
    short = max(len(old), len(new)) <= _ROWS
    steps = list(_elements(same, place, old.to_list(), new.to_list())) if short else []
    yield from steps
    if not steps and len(old) == len(new):
        yield Difference(path=path_text(place), kind=Kind.CONTENT, text=f"differs somewhere in {len(old):,} rows")


def _polars_series(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:
    yield from _rows(place, len(old), len(new))
    if str(old.dtype) != str(new.dtype):
        yield Difference(path=path_text(place), kind=Kind.DTYPE, text=f"dtype {old.dtype} -> {new.dtype}")
    elif not same(old.alias(""), new.alias("")):
        yield from _polars_column(same, place, old, new)
    yield (place, ".name"), old.name, new.name


def _arrow_table(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:
    yield from _rows(place, old.num_rows, new.num_rows)
    if len(set(old.column_names)) == old.num_columns and len(set(new.column_names)) == new.num_columns:
        columns = [dict(zip(table.column_names, table.columns, strict=True)) for table in (old, new)]
        yield from _columns(same, place, columns[0], columns[1], _arrow_type, _arrow_column)
    if old.schema.metadata != new.schema.metadata:
        yield (place, ".schema.metadata"), old.schema.metadata, new.schema.metadata


def _arrow_type(column: Any) -> str:
    return str(column.type)


def _arrow_column(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:
    if same(old, new):
        return
    short = max(len(old), len(new)) <= _ROWS
    steps = list(_elements(same, place, old.to_pylist(), new.to_pylist())) if short else []
    yield from steps
    if not steps and len(old) == len(new):
        yield Difference(path=path_text(place), kind=Kind.CONTENT, text=f"differs somewhere in {len(old):,} rows")


def _arrow_array(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:
    yield from _rows(place, len(old), len(new))
    if str(old.type) != str(new.type):
        yield Difference(path=path_text(place), kind=Kind.DTYPE, text=f"type {old.type} -> {new.type}")
    else:
        yield from _arrow_column(same, place, old, new)


# -- sparse and labelled arrays ------------------------------------------------------------------------------------


def _sparse(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:  # noqa: ARG001 - as all are called
    path = path_text(place)
    if old.dtype != new.dtype:
        yield Difference(path=path, kind=Kind.DTYPE, text=f"dtype {old.dtype} -> {new.dtype}")
    if old.shape != new.shape:
        yield Difference(path=path, kind=Kind.SHAPE, text=f"shape {tuple(old.shape)} -> {tuple(new.shape)}")
        return
    if old.nnz != new.nnz:
        text = f"{old.nnz:,} -> {new.nnz:,} stored elements"
        yield Difference(path=path, kind=Kind.LENGTH, text=text)
        return
    for name in ("data", "indices", "indptr", "row", "col", "offsets"):
        one, other = getattr(old, name, None), getattr(new, name, None)
        if one is not None and other is not None and array_steps_of(type(one)) and not callable(one):
            yield (place, f".{name}"), one, other


def _data_array(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:  # noqa: ARG001 - as all are called
    yield (place, ".name"), old.name, new.name
    yield (place, ".dims"), list(old.dims), list(new.dims)
    yield (place, ".values"), old.values, new.values
    yield (place, ".attrs"), dict(old.attrs), dict(new.attrs)
    yield from _coordinates(place, old, new)


def _variable(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:  # noqa: ARG001 - as all are called
    yield (place, ".dims"), list(old.dims), list(new.dims)
    yield (place, ".values"), old.values, new.values
    yield (place, ".attrs"), dict(old.attrs), dict(new.attrs)


def _coordinates(place: Place, old: Any, new: Any) -> Iterator[Step]:
    before, after = ({name: coord.variable for name, coord in each.coords.items()} for each in (old, new))
    yield from _variables((place, ".coords"), before, after)


def _variables(place: Place, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> Iterator[Step]:
    for name, variable in old.items():
        at = (place, f"[{value_text(name)}]")
        if name in new:
            yield at, variable, new[name]
        else:
            yield Difference(path=path_text(at), kind=Kind.REMOVED, text="removed")
    for name in new:
        if name not in old:
            at = (place, f"[{value_text(name)}]")
            yield Difference(path=path_text(at), kind=Kind.ADDED, text="added")


def _dataset(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:  # noqa: ARG001 - as all are called
    before, after = ({name: part.variable for name, part in each.data_vars.items()} for each in (old, new))
    yield from _variables(place, before, after)
    yield from _coordinates(place, old, new)
    yield (place, ".attrs"), dict(old.attrs), dict(new.attrs)


def _graph(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:  # noqa: ARG001 - as all are called
    yield (place, ".graph"), dict(old.graph), dict(new.graph)
    nodes = [{node: dict(held) for node, held in each._node.items()} for each in (old, new)]  # noqa: SLF001
    yield (place, ".nodes"), nodes[0], nodes[1]
    yield (place, ".edges"), _edges(old), _edges(new)


def _edges(graph: Any) -> dict[Any, Any]:
    return {(one, other): dict(held) for one, around in graph._adj.items() for other, held in around.items()}  # noqa: SLF001


_SPECIAL: dict[str, Special] = {
    "pandas.DataFrame": _frame,
    "pandas.Series": _series,
    "pandas.Categorical": _categorical,
    "pandas.Index": _index,
    "pandas.RangeIndex": _range_index,
    **{f"pandas.{name}": _index for name in ("DatetimeIndex", "TimedeltaIndex", "PeriodIndex")},
    "polars.dataframe.frame.DataFrame": _polars_frame,
    "polars.series.series.Series": _polars_series,
    "pyarrow.lib.Table": _arrow_table,
    "pyarrow.lib.ChunkedArray": _arrow_array,
    **dict.fromkeys(GRAPHS, _graph),
    "xarray.core.dataset.Dataset": _dataset,
    "xarray.core.dataarray.DataArray": _data_array,
    "xarray.core.variable.Variable": _variable,
    "xarray.core.variable.IndexVariable": _variable,
}
"""By canonical name, for exactly these types."""
