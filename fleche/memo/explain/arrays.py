"""What differs between two arrays: shape, dtype, how many elements, the first of them, and by how much.

numpy is taken from the values: whoever has an array has imported it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from fleche.digest.names import canonical_name
from fleche.memo.explain.differences import Difference, Kind
from fleche.memo.explain.places import Place, Same, Special, Step, path_text
from fleche.memo.explain.texts import index_text, value_text

__all__ = ["changed", "element_steps", "steps_of"]

_CHUNK = 1 << 20  # elements that are compared at a time
_OBJECTS = 200_000  # elements that are Python objects, and are looked at
_CAST = 10_000_000  # elements that are converted to see whether only the dtype differs


def steps_of(kind: type) -> Special | None:
    """Return how arrays of a type are compared, or None where it is no array."""
    return _SPECIAL.get(".".join(canonical_name(kind)))


def _array(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:
    path = path_text(place)
    if old.dtype != new.dtype or str(old.dtype) != str(new.dtype):
        yield Difference(path=path, kind=Kind.DTYPE, text=f"dtype {old.dtype} -> {new.dtype}{_as_before(old, new)}")
    if old.shape != new.shape:
        text = f"shape {tuple(old.shape)} -> {tuple(new.shape)}{_leading(old, new)}"
        yield Difference(path=path, kind=Kind.SHAPE, text=text)
        return
    if old.dtype != new.dtype:
        return
    yield from element_steps(same, place, old, new)


def _as_before(old: Any, new: Any) -> str:
    """Return whether only the dtype differs, in words."""
    if old.shape != new.shape or old.size > _CAST or not {old.dtype.kind, new.dtype.kind} <= set("biufc"):
        return ""
    np = sys.modules["numpy"]
    with np.errstate(all="ignore"):
        return ", all elements equal as numbers" if bool(np.array_equal(old, new)) else ""


def _leading(old: Any, new: Any) -> str:
    """Return how much two arrays of different lengths have in common at the start, in words."""
    if old.ndim != new.ndim or not old.ndim or old.shape[1:] != new.shape[1:] or old.dtype != new.dtype:
        return ""
    least = min(len(old), len(new))
    if not least or old.dtype.hasobject or old.dtype.char == "T" or old.dtype.names is not None:
        return ""
    count, _, first = changed(old[:least], new[:least])
    unit = "elements" if old.ndim == 1 else "rows"
    if not count:
        return f", the first {least:,} {unit} are equal"
    return f", they differ from {unit[:-1]} {first // max(1, old[0].size):,} on"


def element_steps(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:
    """Yield what differs between two arrays of one shape and dtype.

    Args:
        same: Whether two values have one digest.
        place: Where they are.
        old: The one array.
        new: The other.
    """
    kind = old.dtype
    if kind.names is not None:
        for name in kind.names:
            yield (place, f"[{name!r}]"), old[name], new[name]
    elif kind.hasobject or kind.char == "T":
        yield from _objects(same, place, old, new)
    else:
        count, total, first = changed(old, new)
        if count:
            yield _told(place, old, new, count, total, first)


def _told(place: Place, old: Any, new: Any, count: int, total: int, first: int) -> Difference:
    np = sys.modules["numpy"]
    where = tuple(int(at) for at in np.unravel_index(first, old.shape)) if old.ndim else ()
    values = f"{value_text(old[where])} -> {value_text(new[where])}"
    index = index_text(where) if where else ""
    if count == 1:
        return Difference(path=path_text(place) + index, kind=Kind.ELEMENTS, text=values)
    text = f"{count:,} of {total:,} elements differ, first {index}: {values}{_largest(old, new)}"
    return Difference(path=path_text(place), kind=Kind.ELEMENTS, text=text)


def _largest(old: Any, new: Any) -> str:
    """Return by how much elements differ at most, in words."""
    if old.dtype.kind not in "iufc" or old.size > _CAST:
        return ""
    np = sys.modules["numpy"]
    with np.errstate(all="ignore"):
        wide = "complex128" if old.dtype.kind == "c" else "float64"
        gaps = np.abs(new.astype(wide) - old.astype(wide))
        gaps = gaps[np.isfinite(gaps)]
        return f", by at most {float(gaps.max()):.6g}" if gaps.size else ""


def _objects(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:
    before, after = old.ravel(), new.ravel()
    if before.size > _OBJECTS:
        return
    np = sys.modules["numpy"]
    for at in range(before.size):
        one, other = before[at], after[at]
        if not same(one, other):
            yield (place, index_text(tuple(int(n) for n in np.unravel_index(at, old.shape)))), one, other


def changed(old: Any, new: Any) -> tuple[int, int, int]:
    """Return how many elements differ in their bytes, of how many, and the place of the first in C order, or -1.

    Args:
        old: An array without objects.
        new: One of the same shape and dtype.
    """
    np = sys.modules["numpy"]
    size, width = old.size, old.dtype.itemsize
    count, first = 0, -1
    if not width:
        return 0, size, -1
    one, other = old.reshape(-1), new.reshape(-1)
    for start in range(0, size, _CHUNK):
        parts = [np.ascontiguousarray(each[start : start + _CHUNK]) for each in (one, other)]
        if width in (1, 2, 4, 8):
            words = [each.view(f"u{width}") for each in parts]
            differs = words[0] != words[1]
        else:
            words = [each.view("u1").reshape(-1, width) for each in parts]
            if old.dtype.char in "gG":  # the bytes that pad a long double are nobody's
                part = width // (2 if old.dtype.char == "G" else 1)
                used = np.tile(np.arange(part) < min(part, 10), width // part)
                words = [each[:, used] for each in words]
            differs = (words[0] != words[1]).any(axis=1)
        here = int(np.count_nonzero(differs))
        if here and first < 0:
            first = start + int(np.argmax(differs))
        count += here
    return count, size, first


def _masked(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:  # noqa: ARG001 - as all are called
    np = sys.modules["numpy"]
    yield (place, ".data"), np.asarray(old.data), np.asarray(new.data)
    yield (place, ".mask"), np.ma.getmaskarray(old), np.ma.getmaskarray(new)
    for name in ("fill_value", "hardmask"):
        yield (place, f".{name}"), getattr(old, name), getattr(new, name)


def _tensor(same: Same, place: Place, old: Any, new: Any) -> Iterator[Step]:
    path = path_text(place)
    for name, kind in (("dtype", Kind.DTYPE), ("layout", Kind.TYPE), ("device", Kind.VALUE)):
        one, other = str(getattr(old, name)), str(getattr(new, name))
        if one != other:
            yield Difference(path=path, kind=kind, text=f"{name} {one} -> {other}")
    if tuple(old.shape) != tuple(new.shape):
        text = f"shape {tuple(old.shape)} -> {tuple(new.shape)}"
        yield Difference(path=path, kind=Kind.SHAPE, text=text)
    elif old.dtype == new.dtype and str(old.layout) == str(new.layout) == "torch.strided":
        before, after = _as_numpy(old), _as_numpy(new)
        if before is not None and after is not None:
            yield from element_steps(same, place, before, after)
    if old.requires_grad != new.requires_grad:
        yield (place, ".requires_grad"), old.requires_grad, new.requires_grad
    for name in ("grad", "__dict__"):
        one, other = getattr(old, name), getattr(new, name)
        if (one or other) if name == "__dict__" else (one is not None or other is not None):
            yield (place, f".{name}"), one, other


def _as_numpy(value: Any) -> Any:
    held = value.detach().resolve_conj().resolve_neg().cpu().contiguous()
    for convert in (held.numpy, lambda: held.float().numpy()):  # numpy has no bfloat16, which every float32 can hold
        try:
            return convert()
        except (TypeError, RuntimeError):
            continue
    return None


_SPECIAL: dict[str, Special] = {
    "numpy.ndarray": _array,
    "numpy.ma.MaskedArray": _masked,
    "torch.Tensor": _tensor,
    "torch.nn.parameter.Parameter": _tensor,
}
"""By canonical name, for exactly these types."""
