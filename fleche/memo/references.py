"""Digests inside the arguments of a call: replaced by their values before the body runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from fleche.call import Handle
from fleche.digest import Digest
from fleche.digest.walk import examine

__all__ = ["ReferredTypes", "digests_in", "resolved", "unresolvable"]

_BULK = frozenset({"numpy", "pandas", "polars", "pyarrow", "torch", "scipy"})  # what these hold brings no code


class ReferredTypes:
    """The types in the values that digests stand for, so that a digest brings the code that its value would.

    A handle of `CachedFunction.ref` knows whether there are any. Behind any other digest the value is looked into, once
    per digest; arrays and tables that hold no objects are not read for it.
    """

    LIMIT = 4096

    def __init__(self) -> None:
        self._known: dict[Digest, AbstractSet[type]] = {}

    def of(self, value: Any, load: Callable[[Digest], Any]) -> AbstractSet[type]:
        """Return the types behind the digests in an argument: itself, and in lists, tuples and dicts.

        A digest whose value no store holds brings none: its body cannot run either.
        """
        types: set[type] = set()
        for key in digests_in(value):
            if isinstance(key, Handle) and key.plain:
                continue
            known = self._known.get(key)
            if known is None:
                if len(self._known) >= self.LIMIT:
                    self._known.clear()
                known = self._known[key] = self._look(key, load)
            types |= known
        return types

    def _look(self, key: Digest, load: Callable[[Digest], Any]) -> AbstractSet[type]:
        try:
            value = load(key)
        except Exception:
            return frozenset()
        package = type(value).__module__.partition(".")[0]
        if package in _BULK and not _holds_objects(value):
            return frozenset({type(value)})
        return examine(value)[2]


def _holds_objects(value: Any) -> bool:
    dtypes = getattr(value, "dtypes", None)
    kinds = [getattr(value, "dtype", None)] if dtypes is None or not hasattr(dtypes, "__iter__") else list(dtypes)
    return any(kind is None or getattr(kind, "hasobject", True) for kind in kinds)


def digests_in(value: Any) -> Iterator[Digest]:
    """Yield the digests in an argument that stand for values: itself, and in lists, tuples and dicts."""
    if isinstance(value, Digest):
        yield value
    elif type(value) in (list, tuple):
        for item in value:
            yield from digests_in(item)
    elif type(value) is dict:
        for item in value.values():
            yield from digests_in(item)


def resolved(value: Any, load: Callable[[Digest], Any]) -> Any:
    """Return a value with every digest replaced by what it stands for: itself, and in lists, tuples and dicts.

    A value without any is returned as it is, however deep it is, and also if it holds itself.

    Raises:
        ValueNotStored: No store holds one of them.
    """
    return _resolved(value, load) if _holds_digest(value) else value


def _resolved(value: Any, load: Callable[[Digest], Any]) -> Any:
    if isinstance(value, Digest):
        return load(value)
    kind = type(value)
    if kind in (list, tuple):
        return kind([_resolved(item, load) for item in value])
    return {name: _resolved(item, load) for name, item in value.items()} if kind is dict else value


def _holds_digest(value: Any) -> bool:
    todo, seen = [value], set()
    while todo:
        here = todo.pop()
        kind = type(here)
        if kind in (list, tuple, dict):
            if id(here) not in seen:
                seen.add(id(here))
                todo.extend(here.values() if kind is dict else here)
        elif isinstance(here, Digest):
            return True
    return False


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
