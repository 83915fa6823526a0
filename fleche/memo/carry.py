"""How a cached function travels to another process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from fleche.memo.options import Options

__all__ = ["reduce_function"]


def reduce_function(cached: Any, receiver: tuple[Any, ...], options: Options) -> Any:
    """Return what pickle keeps of a cached function.

    One that can be imported goes by name. Others (from ``__main__``, a notebook, inside a function) go by value,
    with their options; their own cache goes by its address.
    """
    if receiver:
        return getattr, (cached.__self__, cached.__name__)
    module, name = cached.__module__, cached.__qualname__
    if module != "__main__" and _find(module, name) is cached:
        return name
    import cloudpickle

    return _rebuild, (type(cached), cloudpickle.dumps(cached.__wrapped__), options)


def _rebuild(kind: Callable[..., Any], function: bytes, options: Options) -> Any:
    import cloudpickle

    return kind(cloudpickle.loads(function), options)


def _find(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found
