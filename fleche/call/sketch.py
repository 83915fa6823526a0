"""The sketch of a value: what is kept of an argument that is too large to be stored, so that changes can be told.

Plain data: type, size, shape, dtype or columns, and digests of parts. ``docs/formats/sketches.md`` gives the fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from fleche.call.lazy import SKETCHES
from fleche.call.scalars import kind_of, scalar_fits
from fleche.digest.algorithm import chosen
from fleche.digest.names import canonical_name
from fleche.digest.plan import Plan, attributes
from fleche.digest.walk import DEFAULT, digest

__all__ = ["MOST_PARTS", "Sketch", "sketch", "sketches_of"]

MOST_PARTS = 1024
"""Parts of a value, or of one of its parts, whose digests are kept; of larger values each part is larger."""

BLOCK = 1 << 20  # bytes of the smallest block of a buffer that has a digest of its own
_LEVELS = 3  # of containers inside containers
_LONG = 1 << 16  # bytes or items of a part that gets a sketch of its own

Sketch = dict[str, Any]


def sketch(value: Any) -> Sketch:
    """Return the sketch of a value: plain data that is small, whatever the value is, for about the cost of a digest.

    Args:
        value: A value that has a digest.

    Raises:
        Indigestible: A part has none.

    >>> sketch([1, 2])["length"]
    2
    """
    return _Sketcher(_LEVELS).of(value)


def sketches_of(record: Any) -> Iterator[tuple[str, str]]:
    """Yield the names of those arguments of a record that have a sketch, and its digest.

    What others wrote there that is none is left out.
    """
    named = record.metadata.get(SKETCHES)
    if isinstance(named, Mapping):
        for name, text in named.items():
            if isinstance(text, str) and len(text) == chosen().length and set(text) <= set("0123456789abcdef"):
                yield name, text


class _Sketcher:
    """Sketches one level of a value.

    Args:
        levels: How many levels of containers may have sketches, this one included.
    """

    def __init__(self, levels: int) -> None:
        self._levels = levels

    def of(self, value: Any) -> Sketch:
        made: Sketch = {"type": kind_of(value)}
        kind = type(value)
        make = _MADE.get(".".join(canonical_name(kind))) if kind.__module__ != "builtins" else None
        if make is not None:
            return made | make(value)
        if kind is str:
            return made | {"length": len(value)} | _buffer(value.encode("utf-8", "surrogatepass"))
        if kind in (bytes, bytearray):
            return made | {"length": len(value)} | _buffer(value)
        if kind in (list, tuple):
            return made | self._sequence(value)
        if kind is dict:
            return made | self._mapping(value)
        return made | self._other(value)

    def _sequence(self, value: Sequence[Any]) -> Sketch:
        count = len(value)
        if count <= MOST_PARTS:
            return {"length": count, "items": [self._part(item) for item in value]}
        step = -(-count // MOST_PARTS)
        blocks = [digest(value[at : at + step]).raw for at in range(0, count, step)]
        return {"length": count, "step": step, "blocks": b"".join(blocks)}

    def _mapping(self, value: dict[Any, Any]) -> Sketch:
        if len(value) > MOST_PARTS or not all(type(key) is str for key in value):
            return {"length": len(value), "keys": digest(list(value)).raw}
        return {"length": len(value), "named": {key: self._part(item) for key, item in value.items()}}

    def _other(self, value: Any) -> Sketch:
        plan = DEFAULT.handler(type(value))(value)
        if isinstance(plan, Plan) and plan.label is attributes and len(plan.groups[-2]) <= MOST_PARTS:
            fields = dict(zip(plan.groups[-2], plan.groups[-1], strict=True))
            base = {"base": self._part(plan.groups[0][0])} if len(plan.groups) == 3 else {}
            return {"fields": {str(name): self._part(item) for name, item in fields.items()}} | base
        return {}

    def _part(self, value: Any) -> Sketch:
        """Return what is kept of a part: itself, where it is small; a sketch, where it is large; else its digest."""
        if scalar_fits(value):
            return {"type": kind_of(value), "value": value}
        if self._levels > 1 and _is_large(value):
            made = _Sketcher(self._levels - 1).of(value)
            return made if "blocks" in made else made | {"digest": digest(value).raw}
        return {"type": kind_of(value), "digest": digest(value).raw}


def _is_large(value: Any) -> bool:
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size > _LONG
    kind = type(value)
    if kind in (list, tuple, dict):
        return True
    return (kind in (str, bytes, bytearray) and len(value) > _LONG) or hasattr(value, "__dict__")


def _buffer(data: Any) -> Sketch:
    """Return the digests of the blocks of a buffer."""
    view = memoryview(data).cast("B")
    step = max(BLOCK, -(-len(view) // MOST_PARTS))
    hash_ = chosen().hash
    blocks = [hash_(view[at : at + step]) for at in range(0, len(view), step)]
    return {"size": len(view), "step": step, "blocks": b"".join(blocks)}


# -- arrays and tables of other packages ---------------------------------------------------------------------------


def _array(value: Any) -> Sketch:
    made: Sketch = {"shape": list(map(int, value.shape)), "dtype": str(value.dtype)}
    kind = value.dtype
    if kind.hasobject or kind.names is not None or kind.char in "gGT" or not value.nbytes:
        return made | {"size": int(value.nbytes)}
    whole = value if value.flags.c_contiguous else None
    step = max(1, max(BLOCK, -(-value.nbytes // MOST_PARTS)) // kind.itemsize)
    return made | {
        "size": int(value.nbytes),
        "step": step,
        "blocks": b"".join(_hashed(whole if whole is not None else value, step, flat=whole is not None)),
    }


def _hashed(value: Any, step: int, *, flat: bool) -> Iterator[bytes]:
    """Yield the digest of each so many elements, in C order."""
    hash_ = chosen().hash
    elements = value.reshape(-1) if flat else value.flat
    for at in range(0, value.size, step):
        yield hash_(elements[at : at + step].view("u1"))


def _tensor(value: Any) -> Sketch:
    made: Sketch = {"shape": list(map(int, value.shape)), "dtype": str(value.dtype)}
    try:
        held = value.detach().resolve_conj().resolve_neg().cpu().contiguous().numpy()
    except (TypeError, RuntimeError):
        return made
    found = _array(held)
    return made | {name: found[name] for name in ("size", "step", "blocks") if name in found}


def _columns(rows: int, columns: Iterable[tuple[Any, str, Callable[[], Any]]], index: Any = None) -> Sketch:
    """Return the sketch of a table, from name, dtype and content of each column."""
    kept: list[tuple[str, str, bytes]] = []
    more = 0
    for name, kind, content in columns:
        if len(kept) < MOST_PARTS:
            kept.append((name if isinstance(name, str) else repr(name)[:200], kind, digest(content()).raw))
        else:
            more += 1
    made: Sketch = {"rows": rows, "columns": kept, "more": more}
    return made if index is None else made | {"index": digest(index).raw}


def _frame(value: Any) -> Sketch:
    held = DEFAULT.handler(type(value))(value)
    assert isinstance(held, Plan)
    contents = held.groups[0][-1]
    named = (
        (name, str(kind), partial(contents.__getitem__, at))
        for at, (name, kind) in enumerate(zip(value.columns, value.dtypes, strict=True))
    )
    return _columns(len(value), named, value.index)


def _series(value: Any) -> Sketch:
    held = value.to_numpy() if hasattr(value.dtype, "hasobject") else value.array
    inner = _array(held) if hasattr(held, "flags") and hasattr(held, "nbytes") and hasattr(held, "flat") else {}
    kept = {name: part for name, part in inner.items() if name in ("step", "blocks")}
    return _columns(len(value), [(value.name, str(value.dtype), partial(_itself, held))], value.index) | kept


def _polars_frame(value: Any) -> Sketch:
    columns = ((each.name, str(each.dtype), partial(_itself, each)) for each in value.get_columns())
    return _columns(value.height, columns)


def _polars_series(value: Any) -> Sketch:
    return _columns(len(value), [(value.name, str(value.dtype), partial(_itself, value))])


def _arrow_table(value: Any) -> Sketch:
    pairs = zip(value.column_names, value.columns, strict=True)
    return _columns(value.num_rows, ((name, str(each.type), partial(_itself, each)) for name, each in pairs))


def _itself(value: Any) -> Any:
    return value


_MADE: dict[str, Callable[[Any], Sketch]] = {
    "numpy.ndarray": _array,
    "torch.Tensor": _tensor,
    "torch.nn.parameter.Parameter": _tensor,
    "pandas.DataFrame": _frame,
    "pandas.Series": _series,
    "polars.dataframe.frame.DataFrame": _polars_frame,
    "polars.series.series.Series": _polars_series,
    "pyarrow.lib.Table": _arrow_table,
}
"""By canonical name, for exactly these types."""
