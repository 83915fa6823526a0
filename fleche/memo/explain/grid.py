"""Grids: many calls of one function, said in short."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from fleche.call import Call

__all__ = ["Grid", "calls_of"]

Grid = Mapping[str, Iterable[Any]] | Iterable[Any]
"""Values by name, of which the product is meant; or calls one by one."""


def calls_of(grid: Grid) -> list[tuple[tuple[Any, ...], Mapping[str, Any]]]:
    """Return the calls of a grid, each as its arguments by position and by name.

    Args:
        grid: A mapping of names to values stands for every combination, the last name changing fastest. Otherwise an
            iterable: a tuple is arguments by position, a dict by name, a `Call` its own; anything else is the one
            argument by position.

    Raises:
        TypeError: It is neither.

    >>> calls_of({"lr": [0.1, 0.2], "seed": range(2)})[1]
    ((), {'lr': 0.1, 'seed': 1})
    >>> calls_of([(1, 2), {"x": 3}, 4])
    [((1, 2), {}), ((), {'x': 3}), ((4,), {})]
    """
    if isinstance(grid, Mapping):
        return [((), dict(zip(grid, each, strict=True))) for each in product(*map(_values, grid.items()))]
    if isinstance(grid, str | bytes) or not isinstance(grid, Iterable):
        raise TypeError(
            f"a grid is a mapping of names to values, or an iterable of calls, not {type(grid).__qualname__}"
        )
    return [_call(each) for each in grid]


def _values(item: tuple[str, Any]) -> list[Any]:
    name, values = item
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise TypeError(f"{name!r} of a grid has the values that it takes: write {name}=[{values!r}] for one")
    return list(values)


def _call(given: Any) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    if type(given) is tuple:
        return given, {}
    if isinstance(given, Call):
        return (), dict(given.arguments)
    if type(given) is dict:
        return (), given
    return (given,), {}
