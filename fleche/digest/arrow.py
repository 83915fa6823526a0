"""pyarrow by content, without importing pyarrow.

Chunks, offsets, what lies under nulls and in padding do not show. Types, nullability, metadata and dictionaries do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleche.digest.library import loaded, numpy, plan
from fleche.digest.plan import Plan
from fleche.digest.refusals import Refusal

__all__ = ["FAMILIES", "NAMED"]


def describe(kind: Any) -> Any:
    """Return a type as plain values; what its text leaves out (metadata, serialised parameters) is spelled out."""
    types = loaded("pyarrow.lib")
    if isinstance(kind, types.BaseExtensionType):
        return ("extension", kind.extension_name, kind.__arrow_ext_serialize__(), describe(kind.storage_type))
    if isinstance(kind, types.DictionaryType):
        return ("dictionary", describe(kind.index_type), describe(kind.value_type), kind.ordered)
    if kind.num_fields == 0:
        return str(kind)
    head, extra = str(kind).partition("<")[0], []
    if isinstance(kind, types.UnionType):
        extra = [kind.mode, list(kind.type_codes)]
    elif isinstance(kind, types.MapType):
        extra = [kind.keys_sorted]
    elif isinstance(kind, types.FixedSizeListType):
        extra = [kind.list_size]
    return (head, extra, [_field_parts(kind.field(at)) for at in range(kind.num_fields)])


def _field_parts(field: Any) -> tuple[Any, ...]:
    return (field.name, describe(field.type), field.nullable, _metadata(field.metadata))


def _metadata(value: Any) -> dict[Any, Any] | None:
    return dict(value) if value else None


def content(array: Any) -> tuple[Any, ...]:
    """Return an array as plain values and numpy arrays: length, where values are missing, and those that are not."""
    kind = array.type
    if isinstance(kind, loaded("pyarrow.lib").BaseExtensionType):
        return content(array.storage)
    if str(kind) == "null":
        return (len(array),)
    if isinstance(kind, loaded("pyarrow.lib").UnionType):
        return (len(array), None, *_union(array))
    if str(kind).endswith("_view"):  # few functions know views
        return content(array.cast(_text_type(kind)))
    if str(kind).startswith("run_end_encoded"):
        return content(_compute().run_end_decode(array))
    if not array.null_count:
        return (len(array), None, *_values(array))
    missing = array.is_null().to_numpy(zero_copy_only=False)
    return (len(array), missing, *_values(array.drop_null()))


def _compute() -> Any:
    import pyarrow.compute as compute

    return compute


def _values(array: Any) -> tuple[Any, ...]:
    """Return the content of an array without missing values."""
    types = loaded("pyarrow.lib")
    kind, text = array.type, str(array.type)
    if isinstance(kind, types.DictionaryType):
        return (content(array.dictionary), content(array.indices))
    if isinstance(kind, types.StructType):
        return tuple(content(part) for part in array.flatten())
    if isinstance(kind, types.FixedSizeListType):
        return (content(array.flatten()),)
    if isinstance(kind, types.MapType):
        return (
            *_cut(array, array.offsets),
            content(_between(array.keys, array)),
            content(_between(array.items, array)),
        )
    if kind.num_fields == 1:
        lengths = _compute().list_value_length(array)
        return (lengths.to_numpy(zero_copy_only=False).astype("i8"), content(array.flatten()))
    if text == "bool":
        return (array.to_numpy(zero_copy_only=False),)
    if text.removeprefix("large_") in ("string", "binary"):
        return _texts(array)
    return (_words(array),)


def _cut(array: Any, offsets: Any) -> tuple[Any, ...]:
    np = numpy()
    ends = offsets.to_numpy()[: len(array) + 1].astype("i8")
    return (np.diff(ends),)


def _between(items: Any, array: Any) -> Any:
    """Return the part of a map's keys or items that belongs to the map."""
    offsets = array.offsets
    if len(items) == offsets[len(array)].as_py() - offsets[0].as_py():
        return items
    return items[offsets[0].as_py() : offsets[len(array)].as_py()]


def _text_type(kind: Any) -> Any:
    types = loaded("pyarrow.lib")
    return types.large_string() if "string" in str(kind) else types.large_binary()


def _texts(array: Any) -> tuple[Any, ...]:
    np = numpy()
    wide = str(array.type).startswith("large_")
    _, offsets, data = array.buffers()
    if len(array) == 0:
        return (np.zeros(0, "i8"), np.zeros(0, "u1"))
    ends = np.frombuffer(offsets, "i8" if wide else "i4", len(array) + 1, array.offset * (8 if wide else 4))
    size = int(ends[-1] - ends[0])
    whole = np.frombuffer(data, "u1", size, int(ends[0])) if size else np.zeros(0, "u1")
    return (np.diff(ends.astype("i8")), whole)


def _words(array: Any) -> Any:
    """Return the values of an array whose values have a fixed width, as their bytes."""
    np = numpy()
    try:
        width = array.type.bit_width // 8
    except ValueError:
        raise Refusal(f"holds values of the Arrow type {array.type}, which is not known") from None
    if len(array) == 0 or width == 0:
        return np.zeros(0, "u1")
    return np.frombuffer(array.buffers()[1], "u1", len(array) * width, array.offset * width)


def _union(array: Any) -> tuple[Any, ...]:
    """Return which child each value is of, and for each child the values that are used."""
    np, types = numpy(), loaded("pyarrow.lib")
    size, start, held = len(array), array.offset, array.buffers()
    # The properties of the same names forget where a slice begins.
    codes = np.frombuffer(held[1], "i1", size, start) if size else np.zeros(0, "i1")
    parts = []
    for at, code in enumerate(array.type.type_codes):
        where = np.flatnonzero(codes == code)
        if size and array.type.mode == "dense":
            where = np.frombuffer(held[2], "i4", size, start * 4)[where]
        parts.append(content(array.field(at).take(types.array(where, types.int64()))))
    return (codes, parts)


def _joined(column: Any) -> Any:
    """Return a chunked array as one array, with one dictionary."""
    types = loaded("pyarrow.lib")
    if column.num_chunks == 1:
        return column.chunk(0)
    if column.num_chunks == 0:
        return types.array([], column.type)
    if isinstance(column.type, types.DictionaryType):
        column = column.unify_dictionaries()
    return types.concat_arrays(column.chunks)


def _array(value: Any) -> Plan:
    return plan("pyarrow.Array", describe(value.type), content(value))


def _chunked(value: Any) -> Plan:
    return plan("pyarrow.ChunkedArray", describe(value.type), content(_joined(value)))


def _table(value: Any) -> Plan:
    columns = [content(_joined(column)) for column in value.columns]
    return plan("pyarrow.Table", _schema_parts(value.schema), value.num_rows, columns)


def _batch(value: Any) -> Plan:
    columns = [content(column) for column in value.columns]
    return plan("pyarrow.RecordBatch", _schema_parts(value.schema), value.num_rows, columns)


def _schema_parts(schema: Any) -> tuple[Any, ...]:
    return ([_field_parts(schema.field(at)) for at in range(len(schema))], _metadata(schema.metadata))


def _schema(value: Any) -> Plan:
    return plan("pyarrow.Schema", *_schema_parts(value))


def _field(value: Any) -> Plan:
    return plan("pyarrow.Field", *_field_parts(value))


def _type(value: Any) -> Plan:
    return plan("pyarrow.DataType", describe(value))


def _scalar(value: Any) -> Plan:
    types, kind = loaded("pyarrow.lib"), value.type
    if isinstance(kind, types.DictionaryType):
        parts = (content(value.dictionary), value.index.as_py())
        return plan("pyarrow.Scalar", describe(kind), *parts)
    storage = kind.storage_type if isinstance(kind, types.BaseExtensionType) else kind
    held = value.value if storage is not kind else value
    alone = types.array([held], type=storage) if value.is_valid else types.nulls(1, storage)
    return plan("pyarrow.Scalar", describe(kind), content(alone))


def _buffer(value: Any) -> Plan:
    return plan("pyarrow.Buffer", numpy().frombuffer(value, "u1") if value.size else b"")


NAMED: dict[str, Callable[[Any], Plan]] = {
    "pyarrow.lib.Table": _table,
    "pyarrow.lib.RecordBatch": _batch,
    "pyarrow.lib.ChunkedArray": _chunked,
    "pyarrow.lib.Schema": _schema,
    "pyarrow.lib.Field": _field,
    "pyarrow.lib.Buffer": _buffer,
}
"""Canonical name to the function that takes a value apart; for exactly these types."""

FAMILIES: dict[str, Callable[[Any], Plan]] = {
    "pyarrow.lib.Array": _array,
    "pyarrow.lib.Scalar": _scalar,
    "pyarrow.lib.DataType": _type,
}
"""The same for all types below one: which of them it is follows from the Arrow type."""
