"""Digests inside the arguments of a call: replaced by their values before the body runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleche.digest import Digest
from fleche.digest.walk import examine

__all__ = ["resolved", "unresolvable"]


def resolved(value: Any, load: Callable[[Digest], Any]) -> Any:
    """Return a value with every digest replaced by what it stands for: itself, and in lists, tuples and dicts.

    Raises:
        ValueNotStored: No store holds one of them.
    """
    if isinstance(value, Digest):
        return load(value)
    kind = type(value)
    if kind in (list, tuple):
        return kind([resolved(item, load) for item in value])
    return {name: resolved(item, load) for name, item in value.items()} if kind is dict else value


def unresolvable(value: Any) -> bool:
    """Whether a digest would stay in a value after `resolved`: in a set, as a key, or inside an object.

    A body would see the digest there, while the key says that it saw the value.
    """
    kind = type(value)
    if isinstance(value, Digest):
        return False
    if kind in (list, tuple):
        return any(map(unresolvable, value))
    if kind is dict:
        return examine(list(value))[1] or any(map(unresolvable, value.values()))
    return examine(value)[1]
