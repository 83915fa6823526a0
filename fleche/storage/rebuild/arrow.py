"""pyarrow, and what pandas keeps in its arrays: as Arrow's own stream format, checked in full when it is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pickle import PickleBuffer
from typing import Any

__all__ = ["REDUCERS", "build", "column"]

_NAME = ""
"""Of the only column, where a value is not a table."""


def build(kind: str, data: Any) -> Any:
    """Return the value that a stream of Arrow's holds.

    Args:
        kind: ``Table``, ``RecordBatch``, ``ChunkedArray``, ``Array``, ``Scalar``, ``Schema``, ``Field``, ``DataType``
            or ``Buffer``.
        data: The stream.

    Raises:
        ValueError: The stream is not what Arrow writes, or its content does not hold together.
        TypeError: The parts have other types.
    """
    import pyarrow as pa

    view = memoryview(data).cast("B")
    if kind == "Buffer":
        return pa.py_buffer(bytes(view))
    if re.search(b"arrow\\.py_extension_type", view):  # which old versions of pyarrow unpickle
        raise ValueError("it names a type of Arrow's that runs code")
    source = pa.py_buffer(view)
    if kind in ("Schema", "Field", "DataType"):
        schema = pa.ipc.read_schema(source)
        if kind == "Schema":
            return schema
        return schema.field(0) if kind == "Field" else schema.field(0).type
    table = pa.ipc.open_stream(source).read_all()
    table.validate(full=True)
    if kind == "Table":
        return table
    if kind == "RecordBatch":
        return table.combine_chunks().to_batches()[0] if table.num_rows else _empty_batch(table)
    found = table.column(0)
    if kind == "ChunkedArray":
        return found
    if found.num_chunks > 1:
        raise ValueError("it is one array")
    array = found.chunk(0) if found.num_chunks else pa.array([], found.type)
    if kind not in ("Array", "Scalar"):
        raise ValueError(f"{kind!r} is no kind of value of Arrow's")
    return array if kind == "Array" else array[0]


def _empty_batch(table: Any) -> Any:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in table.schema], schema=table.schema)


def column(kind: str, data: Any, storage: Any, missing: Any) -> Any:
    """Return an array of pandas' whose values are Arrow's.

    Args:
        kind: ``ArrowStringArray`` or ``ArrowExtensionArray``.
        data: The values, as a chunked array.
        storage: For strings: how pandas says that they are stored.
        missing: For strings: what stands for a missing one.

    Raises:
        TypeError: The parts have other types.
        ValueError: The parts do not fit.
    """
    import pandas as pd
    import pyarrow as pa

    if not isinstance(data, pa.ChunkedArray):
        raise TypeError("the values of such an array are Arrow's")
    if kind == "ArrowExtensionArray":
        return pd.arrays.ArrowExtensionArray(data)
    if kind != "ArrowStringArray" or storage not in ("pyarrow", "pyarrow_numpy"):
        raise ValueError(f"{kind!r} is no kind of array of pandas'")
    if storage == "pyarrow_numpy":
        dtype = pd.StringDtype(storage)
    elif missing is pd.NA:
        dtype = pd.StringDtype("pyarrow")
    elif isinstance(missing, float) and missing != missing:
        dtype = pd.StringDtype("pyarrow", na_value=missing)
    else:
        raise ValueError("what stands for a missing string is NA or NaN")
    cls: Any = dtype.construct_array_type()
    return cls(data, dtype=dtype)


def _stream(kind: str, tabular: Any) -> Any:
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, tabular.schema, options=pa.ipc.IpcWriteOptions(unify_dictionaries=False)) as writer:
        writer.write(tabular)
    return build, (kind, PickleBuffer(sink.getvalue()))


def _array(value: Any) -> Any:
    import pyarrow as pa

    kind = "ChunkedArray" if isinstance(value, pa.ChunkedArray) else "Array"
    return _stream(kind, pa.Table.from_arrays([value], names=[_NAME]))


def _scalar(value: Any) -> Any:
    import pyarrow as pa

    if isinstance(value, pa.ExtensionScalar):
        return value.__reduce_ex__(5)
    if isinstance(value, pa.DictionaryScalar):
        index = pa.array([value.index.as_py()], value.type.index_type)
        whole = pa.DictionaryArray.from_arrays(index, value.dictionary, ordered=value.type.ordered)
        return build, ("Scalar", _array(whole)[1][1])
    held = pa.array([value], type=value.type) if value.is_valid else pa.nulls(1, value.type)
    return build, ("Scalar", _array(held)[1][1])


def _schema(value: Any) -> Any:
    import pyarrow as pa

    if isinstance(value, pa.Schema):
        kind, schema = "Schema", value
    elif isinstance(value, pa.Field):
        kind, schema = "Field", pa.schema([value])
    else:
        kind, schema = "DataType", pa.schema([pa.field(_NAME, value)])
    return build, (kind, PickleBuffer(schema.serialize()))


def _table(value: Any) -> Any:
    if not value.num_columns and value.num_rows:
        return value.__reduce_ex__(5)  # a stream does not keep the number of rows of no columns
    return _stream(type(value).__name__, value)


def _batch(value: Any) -> Any:
    import pyarrow as pa

    return _stream("RecordBatch", pa.Table.from_batches([value])) if value.num_columns else _table(value)


def _buffer(value: Any) -> Any:
    return build, ("Buffer", PickleBuffer(value))


def _column(value: Any) -> Any:
    import pyarrow as pa

    kind = type(value).__name__
    data = pa.chunked_array(value.__arrow_array__())
    if kind == "ArrowExtensionArray":
        return column, (kind, data, None, None)
    return column, (kind, data, value.dtype.storage, value.dtype.na_value)


_PANDAS = ("pandas.arrays", "pandas.core.arrays.string_arrow", "pandas.core.arrays.arrow.array")
_COLUMNS = ("ArrowStringArray", "ArrowExtensionArray", "ArrowStringArrayNumpySemantics")

REDUCERS: dict[str, Callable[[Any], Any]] = {
    "pyarrow.lib.Table": _table,
    "pyarrow.lib.RecordBatch": _batch,
    "pyarrow.lib.ChunkedArray": _array,
    "pyarrow.lib.Schema": _schema,
    "pyarrow.lib.Field": _schema,
    "pyarrow.lib.Buffer": _buffer,
    **{f"{module}.{name}": _column for module in _PANDAS for name in _COLUMNS[:2]},
}

FAMILIES: dict[str, Callable[[Any], Any]] = {"Array": _array, "Scalar": _scalar, "Type": _schema}
"""The end of the name of a type in ``pyarrow.lib`` to the function that takes its values apart."""
