"""The digest that a value would have if its classes had other names: those that they had before they were moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fleche.digest import _format as f
from fleche.digest import names
from fleche.digest.algorithm import chosen
from fleche.digest.identity import Identity
from fleche.digest.refusals import Refusal
from fleche.digest.text import Digest
from fleche.digest.walk import DEFAULT, Walk

__all__ = ["moved_digest", "moved_digests"]

Naming = Callable[[str, str], tuple[str, str]]
"""Given module and qualified name of a class, returns those that it had."""


class _Moved(Identity):
    def __init__(self, naming: Naming) -> None:
        super().__init__()
        self._naming = naming
        self._known: dict[tuple[str, str], tuple[str, str]] = {}

    def class_frame(self, cls: type) -> bytes:
        """Return the frame that named a class in the node of its instance.

        Raises:
            Refusal: Another class had that name: then two values would have one digest.
        """
        now = names.canonical_name(cls)
        old = self._naming(*now)
        if self._known.setdefault(old, now) != now:
            raise Refusal(f"would be named as another class is: {'.'.join(old)}")
        if old == now:
            return super().class_frame(cls)
        named = f.text(old[0]) + f.text(old[1])
        if old[0] == "__main__" or "<" in old[1] or (names.is_dynamic(cls) and now[0] != "__main__"):
            named += self._class(cls)
        return f.counted(f.CLASS, named)


def moved_digests(values: Mapping[str, Any], naming: Naming) -> dict[str, Digest]:
    """Return the digests that values would have if classes had other names.

    Args:
        values: The values by name.
        naming: What the classes were called.

    Raises:
        Indigestible: Something in a value has no digest, or two classes would have one name.
    """
    registry = DEFAULT.as_if(_Moved(naming))
    return {name: Digest.from_bytes(Walk(registry, chosen(), name).digest(each)) for name, each in values.items()}


def moved_digest(value: Any, naming: Naming) -> Digest:
    """Return the digest that one value would have; see `moved_digests`."""
    return moved_digests({"value": value}, naming)["value"]
