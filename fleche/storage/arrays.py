"""How numpy arrays are pickled where numpy's own way would lose their byte order or copy them.

numpy hands arrays of times over as bytes in the stream, and gives arrays that are not contiguous back in the byte order
of the machine. Both are written here as numpy writes other arrays: as a buffer, a dtype, a shape and an order.
"""

from __future__ import annotations

import copyreg
import pickle
import sys
from collections import ChainMap
from collections.abc import Callable, MutableMapping
from typing import Any

__all__ = ["dispatch_table", "reduce_array"]


def dispatch_table() -> MutableMapping[type, Callable[[Any], Any]] | None:
    """Return how types are reduced beyond what they say themselves, or None while numpy is not imported."""
    numpy = sys.modules.get("numpy")
    array = getattr(numpy, "ndarray", None)  # None while another thread imports it
    return None if array is None else ChainMap({array: reduce_array}, copyreg.dispatch_table)


def reduce_array(array: Any) -> tuple[Any, ...] | str:
    """Reduce an array so that dtype, shape and order of its elements come back; its buffer is not copied if contiguous.

    Args:
        array: A ``numpy.ndarray``, not of a subclass.
    """
    dtype = array.dtype
    if dtype.hasobject or dtype.itemsize == 0 or not (dtype.kind in "mM" or not dtype.isnative):
        return array.__reduce_ex__(pickle.HIGHEST_PROTOCOL)  # type: ignore[no-any-return]
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    whole = array if array.flags.forc else array.copy(order="C")
    content = whole.reshape(-1, order=order).view("u1")
    import numpy as np

    from_buffer = np.zeros(1).__reduce_ex__(pickle.HIGHEST_PROTOCOL)[0]
    return from_buffer, (pickle.PickleBuffer(content), dtype, array.shape, order)
