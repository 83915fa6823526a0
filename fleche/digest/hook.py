"""`Hook`: a type and what identifies its values, as one thing that can be handed around."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Hook"]


class Hook(NamedTuple):
    """What identifies the values of a type.

    Attributes:
        type: The type; its subclasses are not meant.
        digest: Takes a value and returns another one that stands for it, usually a `Digest`.
    """

    type: type
    digest: Callable[[Any], Any]

    @classmethod
    def of(cls, pair: tuple[Any, ...]) -> Hook:
        """Return a pair as a hook.

        Raises:
            TypeError: It is no pair of a type and a function.
        """
        if len(pair) != 2 or not isinstance(pair[0], type) or not callable(pair[1]):
            raise TypeError(f"a hook is a pair of a type and a function of its values, not {pair!r}")
        return cls(*pair)
