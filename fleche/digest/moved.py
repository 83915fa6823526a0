"""The digest that a value would have if its classes had other names: those that they had before they were moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleche.digest import _format as f
from fleche.digest import names
from fleche.digest.algorithm import chosen
from fleche.digest.identity import Identity
from fleche.digest.registry import Registry
from fleche.digest.text import Digest
from fleche.digest.walk import DEFAULT, Walk

__all__ = ["moved_digest"]

Naming = Callable[[str, str], tuple[str, str]]
"""Given module and qualified name of a class, returns those that it had."""


class _Moved(Identity):
    def __init__(self, naming: Naming) -> None:
        super().__init__()
        self._naming = naming

    def class_frame(self, cls: type) -> bytes:
        """Return the frame that named a class in the node of its instance."""
        now = names.canonical_name(cls)
        old = self._naming(*now)
        if old == now:
            return super().class_frame(cls)
        named = f.text(old[0]) + f.text(old[1])
        if old[0] == "__main__" or "<" in old[1]:
            named += self._class(cls)
        elif names.is_dynamic(cls) and now[0] != "__main__" and "<" not in now[1]:
            named += self._class(cls)  # another object stands at its name, as it may have done before
        return f.counted(f.CLASS, named)


def moved_digest(value: Any, naming: Naming) -> Digest:
    """Return the digest that a value would have if classes had other names.

    Args:
        value: The value.
        naming: What they were called.

    Raises:
        Indigestible: Something in the value has no digest.
    """
    registry: Registry = DEFAULT.as_if(_Moved(naming))
    return Digest.from_bytes(Walk(registry, chosen()).digest(value))
