"""Value types of the standard library that pickling refuses."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

__all__ = ["REDUCERS", "proxy", "view"]


def view(data: Any, format_: str, shape: tuple[int, ...], writable: bool) -> memoryview:
    """Return a view of bytes, in C order.

    Raises:
        TypeError: The parts are not those of a view.
        ValueError: They are not.
    """
    if not isinstance(data, bytes) or not isinstance(shape, tuple):
        raise TypeError("a view is one of bytes")
    flat = memoryview(bytearray(data) if writable else data)
    return flat.cast(format_, shape) if data else flat.cast(format_)  # type: ignore[call-overload,no-any-return]


def proxy(held: Any) -> MappingProxyType[Any, Any]:
    """Return a read-only view of a mapping.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(held, dict | ChainMap):
        raise TypeError("such a view is one of a mapping")
    return MappingProxyType(held)


def _view(value: memoryview) -> Any:
    if not value.nbytes and value.shape != (0,):
        return value.__reduce_ex__(5)
    return view, (value.tobytes(), value.format, value.shape, not value.readonly)


def _proxy(value: MappingProxyType[Any, Any]) -> Any:
    held = value.copy()
    return (proxy, (held,)) if isinstance(held, dict | ChainMap) else value.__reduce_ex__(5)


REDUCERS: dict[str, Callable[[Any], Any]] = {"builtins.memoryview": _view, "builtins.mappingproxy": _proxy}
