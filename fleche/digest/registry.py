"""`Registry`: from the type of a value to how it is encoded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from fleche.digest import _format as f
from fleche.digest import containers
from fleche.digest.algorithm import chosen
from fleche.digest.plan import Plan
from fleche.digest.refusals import Refusal
from fleche.digest.scalars import FRAMES
from fleche.digest.text import Digest

__all__ = ["Handler", "Registry"]

Handler = Callable[[Any], bytes | Plan]


def _digest(value: Digest) -> bytes:
    if len(value) != chosen().length:
        raise Refusal("is only a prefix of a digest", "Give the whole one: its method expand() finds it")
    return f.reference(value.raw)


class Registry:
    """Which function encodes which type."""

    def __init__(self) -> None:
        self._exact: dict[type, Handler] = {**FRAMES, **containers.PLANS}
        self._found: WeakKeyDictionary[type, Handler] = WeakKeyDictionary()

    def handler(self, cls: type) -> Handler:
        """Return the function that encodes values whose type is exactly ``cls``."""
        found = self._exact.get(cls)
        if found is None and issubclass(cls, Digest):
            return _digest
        if found is None:
            raise Refusal("is of a type that is not known")
        return found
