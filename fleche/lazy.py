"""Package faces whose names are imported when they are first asked for, so that importing a package costs little."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["face"]


def face(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package.

    Args:
        package: Its ``__name__``.
        places: For each name, the module below the package that defines it.
    """
    return _Face(package, places)


class _Face:
    def __init__(self, package: str, places: Mapping[str, str]) -> None:
        self._package = package
        self._places = places

    def __call__(self, name: str) -> Any:
        place = self._places.get(name)
        if place is None:
            raise AttributeError(f"module {self._package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{self._package}.{place}"), name)
        setattr(sys.modules[self._package], name, value)
        return value
