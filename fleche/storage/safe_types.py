"""The names that the safe loader builds: ``safe_types.json``, described in ``docs/formats/safe-types.md``.

A name is on the list only if calling it with hostile arguments can do nothing but build a value or raise. Nothing that
calls, looks up or imports what it is told (``getattr``, ``functools.partial``, ``operator``, ``eval``) can be on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import FunctionType
from typing import Any

__all__ = ["MOVED", "SafeTypes", "version"]


@cache
def _data() -> Any:
    import json

    return json.loads(files("fleche.storage").joinpath("safe_types.json").read_text("utf-8"))


def version() -> int:
    """Return the version of the list; a name that is added or dropped raises it."""
    return int(_data()["version"])


@cache
def _names() -> frozenset[tuple[str, str]]:
    return frozenset((module, name) for module, names in _data()["names"].items() for name in names.split())


MOVED: Mapping[str, str] = {
    "numpy.core": "numpy._core",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
    "numpy.core._internal": "numpy._core._internal",
    "pathlib._local": "pathlib",
}
"""Modules whose names changed, by their other name: the same types, whichever version wrote or reads them."""


@dataclass(frozen=True, slots=True)
class SafeTypes:
    """Which names the safe loader builds: the pairs (module, qualified name), compared exactly.

    Attributes:
        names: The pairs.
        types: Classes and functions that a user has added, by their pair.
    """

    names: frozenset[tuple[str, str]] = field(default_factory=_names)
    types: Mapping[tuple[str, str], Any] = field(default_factory=dict)

    def with_types(self, *types: type | FunctionType) -> SafeTypes:
        """Return a list with more types. Who adds one vouches that building it from hostile data is harmless.

        Args:
            *types: Classes, or functions that a ``__reduce__`` names.

        >>> from dataclasses import dataclass
        >>> ("fleche.storage.safe_types", "SafeTypes") in SafeTypes().with_types(SafeTypes)
        True
        """
        added = {(one.__module__, one.__qualname__): one for one in types}
        return SafeTypes(names=self.names | added.keys(), types={**self.types, **added})

    def __contains__(self, pair: tuple[str, str]) -> bool:
        module, name = pair
        return pair in self.names or (MOVED.get(module, module), name) in self.names
