"""numpy: arrays, scalars and dtypes by content, without importing numpy.

The data are given in C order, whatever their layout; a contiguous array is hashed where it lies. The byte order belongs
to the dtype. NaN payloads count in arrays; in scalars they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fleche.digest import _format as f
from fleche.digest.plan import Plan, items, silent
from fleche.digest.refusals import Refusal

__all__ = ["BASES", "NAMED", "array", "describe", "dtype", "scalar"]

CHUNK = 1 << 16
"""How many elements of an array that is not contiguous are copied at a time."""

_KINDS = "biufcmMOSUV"


def describe(kind: Any) -> Any:
    """Return a dtype as plain values.

    A plain dtype is its text (``<f8``, ``<M8[ns]``, ``<U5``); a structured one is its size and its fields, each with
    name, title, offset and dtype; a subarray is its base and shape; ``StringDType`` is its name and NA object.
    """
    if kind.names is not None:
        fields = []
        for name in kind.names:
            inner, offset, *title = kind.fields[name]
            fields.append((name, title[0] if title else None, offset, describe(inner)))
        return ("struct", kind.itemsize, fields)
    if kind.subdtype is not None:
        base, shape = kind.subdtype
        return ("subarray", describe(base), list(shape))
    if kind.char == "T":
        return ("StringDType", getattr(kind, "na_object", None), hasattr(kind, "na_object"), kind.coerce)
    if kind.kind not in _KINDS or (kind.kind == "V" and not _is_void(kind)):
        raise Refusal(f"has the dtype {kind}, which comes from another package")
    if kind.char in "gG":
        return f"{kind.str}:{_mantissa(kind)}"
    text: str = kind.str
    return text


def _is_void(kind: Any) -> bool:
    return bool(kind.type.__name__ == "void")


def _mantissa(kind: Any) -> int:
    """Return the bits of mantissa of a long double, by counting: 52, 63 or 112."""
    one = kind.type(1).real
    bits, step = 0, one
    while one + step / 2 != one:
        step = step / 2
        bits += 1
    return bits


def dtype(value: Any) -> Plan:
    """Take a dtype apart."""
    return Plan(f.DTYPE, ((describe(value),),), label=silent)


def scalar(value: Any) -> bytes | Plan:
    """Encode a numpy scalar: its dtype and its bytes; every NaN of a type is the same one."""
    kind = value.dtype
    if kind.names is not None or kind.kind in "VO" or kind.char == "T":
        return Plan(f.NUMPY_SCALAR, ((_base(value),),), inline=True, label=silent)
    if kind.kind == "f" and value != value:
        data = _nan(kind)
    elif kind.kind == "c" and value != value:
        data = b"".join(_nan(part.dtype) if part != part else _raw(part) for part in (value.real, value.imag))
    else:
        data = _raw(value)
    return f.counted(f.NUMPY_SCALAR, f.text(describe(kind)) + data)


def _nan(kind: Any) -> bytes:
    return _raw(abs(kind.type("nan")))


def _raw(value: Any) -> bytes:
    kind = value.dtype
    data: bytes = value.tobytes()
    return _without_padding(memoryview(data), kind) if kind.char in "gG" else data


def _without_padding(data: Any, kind: Any) -> bytes:
    """Return long doubles without the bytes that pad them."""
    size = kind.itemsize // (2 if kind.char == "G" else 1)
    if _mantissa(kind) != 63:
        return bytes(data)
    return b"".join(bytes(data[at : at + 10]) for at in range(0, len(data), size))


def array(value: Any) -> Plan:
    """Take an array apart: dtype, shape, and the data in C order."""
    value = _base(value)
    kind = value.dtype
    described = (describe(kind),)
    if kind.hasobject or kind.char == "T":
        return Plan(f.ND_ARRAY, (described, value.shape, _objects(value)), label=_label)
    return Plan(f.ND_ARRAY, (described, value.shape), tail=_data(value), label=_label)


def _label(plan: Plan, group: int, index: int) -> str:
    return (".dtype", ".shape", ".flat")[group] + (items(plan, group, index) if group else "")


def _base(value: Any) -> Any:
    """Return an array or scalar as an array of exactly the base type, without a copy."""
    import sys

    numpy = sys.modules["numpy"]
    return numpy.asarray(value) if type(value) is not numpy.ndarray else value


def _objects(value: Any) -> list[Any]:
    """Return the elements of an array of objects in C order; of structured ones the fields, as arrays."""
    if value.dtype.names is not None:
        return [value[name] for name in value.dtype.names]
    return list(value.ravel().tolist()) if value.dtype.char != "T" else [_text(item) for item in value.ravel()]


def _text(item: Any) -> Any:
    return str(item) if isinstance(item, str) else item


def _data(value: Any) -> Iterator[Any]:
    """Yield the data as buffers, in C order."""
    kind = value.dtype
    if kind.names is not None:  # the bytes between fields are nobody's
        for name in kind.names:
            yield from _data(value[name])
    elif value.size == 0 or kind.itemsize == 0:
        return
    elif kind.char in "gG":
        for chunk in _chunks(value):
            yield _without_padding(memoryview(chunk).cast("B"), kind)
    elif value.flags.c_contiguous:
        yield _bytes(value)
    else:
        for chunk in _chunks(value):
            yield _bytes(chunk)


def _bytes(value: Any) -> Any:
    flat = value.reshape(-1)
    return flat.view("u1")


def _chunks(value: Any) -> Iterator[Any]:
    flat = value.flat
    for start in range(0, value.size, CHUNK):
        yield flat[start : start + CHUNK]


def _masked(value: Any) -> Plan:
    import sys

    numpy = sys.modules["numpy"]
    mask = numpy.ma.getmaskarray(value)
    state = dict(vars(value).get("_optinfo") or {})
    parts = (_base(value.data), _base(mask), _base(value.fill_value), bool(value.hardmask), state)
    return Plan(f.ND_ARRAY, (("masked",), (), parts), label=_label)


def _generator(value: Any) -> Plan:
    bits = value.bit_generator
    parts = (type(bits).__name__, bits.state, *_spawned(bits))
    return Plan(f.ND_ARRAY, (("generator",), (), parts), label=_label)


def _spawned(bits: Any) -> tuple[int, ...]:
    """Return how many generators were spawned, if any: the next one depends on it, and the state does not tell."""
    count = getattr(getattr(bits, "seed_seq", None), "n_children_spawned", 0)
    return (int(count),) if count else ()


def _random_state(value: Any) -> Plan:
    return Plan(f.ND_ARRAY, (("random_state",), (), (value.get_state(legacy=False),)), label=_label)


def _ufunc(value: Any) -> bytes:
    module = getattr(value, "__module__", None) or "numpy"
    return f.counted(f.GLOBAL, f.text("numpy" if module.startswith("numpy") else module) + f.text(value.__name__))


def _subclass(value: Any) -> tuple[Any, dict[str, Any]]:
    state = {name: part for name, part in getattr(value, "__dict__", {}).items() if not _is_mapping(value, name)}
    return _base(value), dict(state)


def _is_mapping(value: Any, name: str) -> bool:
    """Whether an attribute of a memory map only says where it lies."""
    return any(base.__qualname__ == "memmap" for base in type(value).__mro__) and name in _MEMMAP


_MEMMAP = frozenset({"_mmap", "filename", "offset", "mode"})

NAMED: dict[str, Callable[[Any], bytes | Plan]] = {
    "numpy.ndarray": array,
    "numpy.dtype": dtype,
    "numpy.ma.MaskedArray": _masked,
    "numpy.ufunc": _ufunc,
    "numpy.random._generator.Generator": _generator,
    "numpy.random.mtrand.RandomState": _random_state,
}
"""Canonical name to the function that takes a value apart; for exactly these types."""

BASES: dict[str, Callable[[Any], tuple[Any, dict[str, Any]]]] = {"numpy.ndarray": _subclass}
"""Canonical name to what an instance of a subclass is as its base, and its attributes."""
