"""Building numpy's own types from hostile pickles: only through its public, checking constructors.

``dtype.__setstate__`` takes any flags and fields, so a pickle could make numpy read bytes as pointers; and it changes
an object that arrays may already use. Here a dtype is made anew from the state instead.
"""

from __future__ import annotations

import math
import sys
from typing import Any

__all__ = ["check_shape", "check_state", "dtype_of", "dtype_with"]

_ALIGNED = 0x80
_FOREIGN = ">" if sys.byteorder == "little" else "<"


def dtype_of(spec: Any, *_: Any) -> Any:
    """Return the dtype that the first half of a pickled one names; the rest follows as its state.

    Raises:
        ValueError: The name is not text, or not a record type.
    """
    import numpy as np

    if isinstance(spec, str) or (isinstance(spec, type) and issubclass(spec, np.void)):
        return np.dtype(spec)  # type: ignore[call-overload, unused-ignore]
    raise ValueError(f"a dtype is named by text, not by {type(spec).__name__}")


def dtype_with(dtype: Any, state: Any) -> Any:
    """Return the dtype that the state of a pickled one describes.

    Args:
        dtype: What `dtype_of` made.
        state: Version, byte order, subarray, names, fields, size, alignment, flags, metadata.

    Raises:
        ValueError: It describes none.
        TypeError: It describes none.
    """
    import numpy as np

    if not isinstance(state, tuple) or len(state) < 8:
        raise ValueError("its state is not that of a dtype")
    _, order, sub, names, fields, size, _, flags, *more = state
    made = dtype
    if sub is not None:
        base, shape = sub
        made = np.dtype((_dtype(base), shape))
    elif names is not None:
        titles = [fields[name][2] if len(fields[name]) > 2 else None for name in names]
        layout: Any = {
            "names": list(names),
            "formats": [_dtype(fields[name][0]) for name in names],
            "offsets": [int(fields[name][1]) for name in names],
            "itemsize": int(size),
            **({"titles": titles} if any(title is not None for title in titles) else {}),
        }
        made = np.dtype(layout, align=bool(flags & _ALIGNED))
        if dtype.type is not np.void:
            made = np.dtype((dtype.type, made))
    elif dtype.kind in "mM":
        _, (unit, count, *_) = more[0]
        unit = unit.decode() if isinstance(unit, bytes) else unit
        made = np.dtype(f"{dtype.kind}8" if unit == "generic" else f"{dtype.kind}8[{int(count)}{unit}]")
        more = [more[0][0]]
    made = made.newbyteorder(order) if order == _FOREIGN and names is None and sub is None else made
    metadata = more[0] if more else None
    return np.dtype(made, metadata=dict(metadata)) if metadata else made


def check_shape(shape: Any) -> None:
    """Refuse an array that already has elements before its state is set.

    Setting the state frees the elements, and another array might be a view of them.

    Raises:
        ValueError: The shape is not ``(0,)``.
    """
    if shape != (0,):
        raise ValueError(f"an array is built from shape (0,), not {shape!r}")


def check_state(state: Any) -> None:
    """Refuse a state of an array whose content is not of its size: numpy reads lists beyond their end.

    Args:
        state: Version, shape, dtype, whether in Fortran order, content; and more for masked arrays.

    Raises:
        ValueError: It is not the state of an array.
        TypeError: It is not the state of an array.
    """
    if type(state) is not tuple or len(state) not in (5, 7):
        raise ValueError("its state is not that of an array")
    _, shape, dtype, _, content = state[:5]
    if type(shape) is not tuple or not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError(f"{shape!r} is not the shape of an array")
    count = math.prod(shape)
    if type(content) is list:
        fits = len(content) == count
    else:
        fits = type(content) is bytes and not _dtype(dtype).hasobject and len(content) == count * dtype.itemsize
    if not fits:
        raise ValueError(f"the content of an array of shape {shape!r} has another size")


def _dtype(value: Any) -> Any:
    import numpy as np

    if not isinstance(value, np.dtype):
        raise TypeError(f"a field has a dtype, not {type(value).__name__}")
    return value
