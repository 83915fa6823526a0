"""The HDF5 storages of version 0, which this version does not have: their names import, and refuse to be used."""

from __future__ import annotations

from typing import Any, NoReturn

from fleche.errors import StoreError

__all__ = ["BagOfHoldingH5FileBackend", "CallBagOfHoldingH5File", "ValueBagOfHoldingH5File"]


class BagOfHoldingH5FileBackend:
    """Not built: HDF5 files.

    Raises:
        StoreError: Always; it says what to use instead.
    """

    _instead = "ValuePickleFile(root) and CallPickleFile(root)"

    def __init__(self, *_: Any, **__: Any) -> NoReturn:
        raise StoreError(
            f"{type(self).__name__}: fleche keeps nothing in HDF5 files any more. Use {self._instead}, or "
            "fleche.cache('path/of/a/directory'): arrays are stored as they are and mapped when they are loaded. "
            "Results in HDF5 files are computed again.",
            path="",
        )


class ValueBagOfHoldingH5File(BagOfHoldingH5FileBackend):
    """Not built: values in HDF5 files."""

    _instead = "ValuePickleFile(root)"


class CallBagOfHoldingH5File(BagOfHoldingH5FileBackend):
    """Not built: records in HDF5 files."""

    _instead = "CallPickleFile(root)"
