"""How values of other packages are stored where their own way of pickling would run what the bytes say.

Each module has `REDUCERS`: the qualified name of a type to a function that takes a value apart into plain parts, arrays
and buffers, and one public function, named in the stream, which checks the parts and builds the value. The names of
those functions are in stored values, so they stay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleche.storage.rebuild import arrow, files, plain, polar, science, tensors

__all__ = ["REDUCERS"]

REDUCERS: dict[str, Callable[[Any], Any]] = {
    **plain.REDUCERS,
    **arrow.REDUCERS,
    **polar.REDUCERS,
    **tensors.REDUCERS,
    **science.REDUCERS,
    **files.REDUCERS,
}
"""The qualified name of a type to the function that takes a value of exactly this type apart."""
