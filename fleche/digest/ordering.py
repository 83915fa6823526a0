"""`ordered`: for code to which the order of a dict matters."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

__all__ = ["ordered"]


def ordered(value: Any) -> Any:
    """Return a value in which the order of dicts counts.

    Every ``dict`` becomes an `collections.OrderedDict`, also inside of dicts, lists and tuples; anything else is
    returned as it is. Only these four types themselves are changed, not their subclasses; the value is not modified.

    >>> from fleche.digest import digest
    >>> digest(ordered({"a": 1, "b": 2})) == digest(ordered({"b": 2, "a": 1}))
    False

    Args:
        value: Usually the argument of a call, as in ``@cached(key={"cfg": ordered})``.

    Raises:
        ValueError: A dict, list or tuple holds itself.
        RecursionError: They are nested some hundred levels deep.
    """
    return _ordered(value, set())


def _ordered(value: Any, outer: set[int]) -> Any:
    kind = type(value)
    if kind not in (dict, list, tuple, OrderedDict):
        return value
    if id(value) in outer:
        raise ValueError(f"a {kind.__name__} that holds itself has no order of its own; use key= with a function")
    outer.add(id(value))
    try:
        if kind is list:
            return [_ordered(item, outer) for item in value]
        if kind is tuple:
            return tuple([_ordered(item, outer) for item in value])
        return OrderedDict([(key, _ordered(item, outer)) for key, item in value.items()])
    finally:
        outer.discard(id(value))
