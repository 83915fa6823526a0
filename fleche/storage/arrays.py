"""How types are pickled beyond what they say themselves; and numpy arrays, whose own way loses byte order or copies.

numpy hands arrays of times over as bytes in the stream, and gives arrays that are not contiguous back in the byte order
of the machine. Both are written here as numpy writes other arrays: as a buffer, a dtype, a shape and an order.
"""

from __future__ import annotations

import copyreg
import pickle
from collections.abc import Callable
from typing import Any

from fleche.storage import rebuild
from fleche.storage.rebuild import arrow

__all__ = ["Reducers", "reduce_array"]


class Reducers(dict[type, Callable[[Any], Any]]):
    """How types are reduced beyond what they say themselves: a table for one pickler, filled as types are met."""

    def __missing__(self, cls: type) -> Callable[[Any], Any]:
        found = copyreg.dispatch_table.get(cls) or self._known(cls)
        if found is None:
            raise KeyError(cls)
        self[cls] = found
        return found

    def get(self, cls: type, default: Any = None) -> Any:
        """Return how a type is reduced, or the default; the pickler in Python asks so."""
        try:
            return self[cls]
        except KeyError:
            return default

    def _known(self, cls: type) -> Callable[[Any], Any] | None:
        module, name = cls.__module__, cls.__qualname__
        if module == "pyarrow.lib":
            for end, reducer in arrow.FAMILIES.items():
                if name.endswith(end) and name != "ChunkedArray":
                    return reducer
        return REDUCERS.get(f"{module}.{name}")


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


REDUCERS: dict[str, Callable[[Any], Any]] = {**rebuild.REDUCERS, "numpy.ndarray": reduce_array}
