"""Building pandas' own types from hostile pickles: its compiled parts believe what they are given."""

from __future__ import annotations

from typing import Any

__all__ = ["check_manager", "check_native", "is_native"]

_OFFSETS = "pandas._libs.tslibs.offsets"


def is_native(value: Any) -> bool:
    """Whether a value is of a compiled class of pandas, or of one that derives from it; offsets of dates are not."""
    return any(
        base.__module__.startswith("pandas._libs") and base.__module__ != _OFFSETS for base in type(value).__mro__
    ) or type(value).__name__ in ("BlockManager", "SingleBlockManager")


def check_native(target: Any, state: Any) -> None:
    """Refuse a state without the array that compiled code will read.

    Args:
        target: An object of a compiled class, without its state.
        state: A tuple of dtype, array and attributes for arrays that wrap one of numpy's.

    Raises:
        ValueError: There is not exactly one array.
    """
    if not any(base.__name__ == "NDArrayBacked" for base in type(target).__mro__):
        return
    import numpy as np

    if (
        type(state) is not tuple
        or len(state) not in (2, 3)
        or sum(type(part) is np.ndarray for part in state[:2]) != 1
        or any(type(more) is not dict or {"_ndarray", "_dtype"} & more.keys() for more in state[2:])
    ):
        raise ValueError(f"its state is not that of a {type(target).__name__}")


def check_manager(manager: Any) -> None:
    """Refuse a table whose blocks do not fill its columns, each once: pandas does not check again.

    Raises:
        ValueError: They do not.
    """
    from pandas import Index
    from pandas._libs.internals import Block  # type: ignore[attr-defined, unused-ignore]

    blocks, axes = manager.blocks, manager.axes
    if type(blocks) is not tuple or not all(isinstance(block, Block) for block in blocks):
        raise ValueError("a table is made of blocks")
    if not all(isinstance(axis, Index) for axis in axes):
        raise ValueError("the axes of a table are indexes")
    placed = sorted(int(place) for block in blocks for place in block.mgr_locs.as_array)
    if placed != list(range(len(axes[0]))):
        raise ValueError("the blocks of a table do not fill its columns")
    if any(block.ndim != len(axes) or block.shape[-1] != len(axes[-1]) for block in blocks):
        raise ValueError("the blocks of a table have another length than its index")
