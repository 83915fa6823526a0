"""Containers in parts for storages that users put together from ``put`` and ``get``.

Stores of fleche itself take containers apart by `Packing`, which keeps aliasing too; this is the simpler form: a
container is put as a record of the digests of what it holds.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import Any

from fleche.digest import Digest, digest
from fleche.errors import Indigestible
from fleche.storage.base import Intent, ValueMixin, check_key

__all__ = [
    "DESTRUCTURERS",
    "Destructurer",
    "Destructurers",
    "DestructuringMixin",
    "Digested",
    "DigestedAttrs",
    "DigestedDataclass",
    "DigestedDict",
    "DigestedIterable",
    "register_destructurer",
]

Save = Callable[[Any], Any]
Load = Callable[[Digest], Any]

_SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes})


def _opened(part: Any, load: Load) -> Any:
    return load(part) if isinstance(part, Digest) else part


class Digested(ABC):
    """What is stored of a container: its type, and the digests of what it holds."""

    __slots__ = ()

    @abstractmethod
    def restore(self, load: Load) -> Any:
        """Return the container, its content loaded.

        Raises:
            KeyError: A part is not stored.
        """


@dataclass(frozen=True, slots=True)
class DigestedIterable(Digested):
    """A list, tuple, set or frozenset.

    Attributes:
        kind: The type.
        items: The digest of each element, or the element where that is a scalar.
    """

    kind: type
    items: tuple[Any, ...]

    def restore(self, load: Load) -> Any:
        """Return the container; see `Digested.restore`."""
        return self.kind(_opened(item, load) for item in self.items)


@dataclass(frozen=True, slots=True)
class DigestedDict(Digested):
    """A dict: keys as they are, values by digest.

    Attributes:
        items: Each key with the digest of its value, or the value where that is a scalar; in order.
    """

    items: tuple[tuple[Any, Any], ...]

    def restore(self, load: Load) -> Any:
        """Return the dict; see `Digested.restore`."""
        return {key: _opened(value, load) for key, value in self.items}


@dataclass(frozen=True, slots=True)
class DigestedDataclass(Digested):
    """An instance with fields, made without its constructor, as unpickling does.

    Attributes:
        kind: The class.
        items: The digest of each field by name, or the field where that is a scalar.
    """

    kind: type
    items: tuple[tuple[str, Any], ...]

    def restore(self, load: Load) -> Any:
        """Return the instance; see `Digested.restore`."""
        made: Any = object.__new__(self.kind)
        for name, value in self.items:
            object.__setattr__(made, name, _opened(value, load))
        return made


class DigestedAttrs(DigestedDataclass):
    """An instance of an attrs class."""

    __slots__ = ()


Destructurer = Callable[[Any, Save], Digested]
"""Returns what is stored of a container; the function that it is given saves a part and returns what stands for it."""


class Destructurers:
    """How instances of types are taken apart."""

    def __init__(self) -> None:
        self._known: dict[type, Destructurer] = {}

    def register(self, kind: type, function: Destructurer) -> None:
        """Say how instances of a type are stored in parts by every `DestructuringMixin`.

        Args:
            kind: The type; of its subclasses nothing is said.
            function: Given an instance and a function that keeps a part and returns what stands for it, returns a
                `Digested`. An instance whose restored form has another digest is stored whole.

        Raises:
            TypeError: ``kind`` is no type.
        """
        if not isinstance(kind, type):
            raise TypeError(f"{kind!r} is no type: register_destructurer(type, function)")
        self._known[kind] = function

    def of(self, value: Any) -> Destructurer | None:
        """Return what takes a value apart, or None where it is stored whole."""
        kind = type(value)
        known = self._known.get(kind)
        if known is not None or isinstance(value, type):
            return known
        if is_dataclass(kind):
            return _dataclass_parts
        attrs: Any = sys.modules.get("attr")
        return _attrs_parts if attrs is not None and attrs.has(kind) else None


def _iterable_parts(value: Iterable[Any], keep: Save) -> Digested:
    return DigestedIterable(type(value), tuple(map(keep, value)))


def _dict_parts(value: Mapping[Any, Any], keep: Save) -> Digested:
    return DigestedDict(tuple((key, keep(item)) for key, item in value.items()))


def _dataclass_parts(value: Any, keep: Save) -> Digested:
    return DigestedDataclass(type(value), tuple((each.name, keep(getattr(value, each.name))) for each in fields(value)))


def _attrs_parts(value: Any, keep: Save) -> Digested:
    names = (each.name for each in type(value).__attrs_attrs__)
    return DigestedAttrs(type(value), tuple((name, keep(getattr(value, name))) for name in names))


DESTRUCTURERS = Destructurers()
for _kind in (list, tuple, set, frozenset):
    DESTRUCTURERS.register(_kind, _iterable_parts)
DESTRUCTURERS.register(dict, _dict_parts)

register_destructurer = DESTRUCTURERS.register


class DestructuringMixin(ValueMixin):
    """Stores containers in parts, each under its own digest, so that equal parts are stored once.

    Lists, tuples, sets, dicts, dataclasses, attrs classes, and what `register_destructurer` names; of exactly these
    types. They come back equal, but what was one object in two places is then two. What would not come back equal is
    stored whole. Comes before the backend:

    >>> from fleche.storage.memory import MemoryBackend
    >>> class Values(DestructuringMixin, MemoryBackend):
    ...     pass
    >>> values = Values()
    >>> key = values.save({"a": [1, 2], "b": [1, 2]})
    >>> values.load(key), len(list(values.list()))
    ({'a': [1, 2], 'b': [1, 2]}, 2)
    """

    remaining_depth: int = 1
    """How many levels of containers are taken apart; 0 takes nothing apart."""

    def save(self, value: Any, key: Digest | None = None) -> Digest:
        """Store a value under a key, or under its digest; see `ValueStorage.save`."""
        if key is None and isinstance(value, Digest):
            return digest(value)
        return self._save(value, key, self.remaining_depth)

    def _save(self, value: Any, key: Digest | None, depth: int) -> Digest:
        key = check_key(digest(value) if key is None else key)
        with self._operation_context(key, intent=Intent.WRITE):
            if self._contains(key):
                return key
            take_apart = DESTRUCTURERS.of(value) if depth > 0 else None
            apart = None if take_apart is None else self._taken_apart(take_apart, value, depth)
            return self.put(value if apart is None else apart, key)

    def _taken_apart(self, take_apart: Destructurer, value: Any, depth: int) -> Digested | None:
        try:
            apart = take_apart(value, partial(self._keep, depth=depth - 1))
            same = digest(apart.restore(self.load)) == digest(value)
        except (_HoldsDigestError, AttributeError, TypeError, Indigestible):
            return None
        return apart if same else None

    def _keep(self, part: Any, depth: int) -> Any:
        """Save a part and return its digest; a scalar stands for itself."""
        if isinstance(part, Digest):
            raise _HoldsDigestError
        return part if type(part) in _SCALARS else self._save(part, None, depth)

    def load(self, key: Digest | str) -> Any:
        """Return a value, its parts put together; see `ValueStorage.load`."""
        with self._operation_context(key, intent=Intent.READ):
            found = self.get(self._normalize_key(key))
            return found.restore(self.load) if isinstance(found, Digested) else found


class _HoldsDigestError(Exception):
    """A container holds a digest, which would come back as what it stands for."""
