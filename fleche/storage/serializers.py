"""Serializers that users add: a value as the bytes that a library of their choice makes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from fleche.errors import ConfigError, SaveError, UnreadableError

__all__ = ["Serialized", "Serializers", "register_serializer", "serialized"]

Dumps = Callable[[Any], bytes]
Loads = Callable[[bytes], Any]

_OUR_OWN = ("pickle", "cloudpickle", "dill")  # the envelope stores for all three, and each reads the others


class Serializers:
    """Pairs of functions by name. Thread-safe."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Dumps, Loads]] = {}
        self._lock = threading.Lock()

    def add(self, name: str, dumps: Dumps, loads: Loads) -> None:
        """Add a pair; see `register_serializer`."""
        if not callable(dumps) or not callable(loads):
            raise TypeError(f"serializer {name!r}: give a function that makes bytes, and one that reads them")
        with self._lock:
            known = self._known.get(name, (dumps, loads))
            if name in _OUR_OWN or known != (dumps, loads):
                raise ValueError(f"there is a serializer {name!r} already; choose another name")
            self._known[name] = dumps, loads

    def check(self, name: str) -> str:
        """Return a name that is known.

        Raises:
            ConfigError: It is not.
        """
        if name not in _OUR_OWN and name not in self._known:
            raise ConfigError(
                f"there is no serializer {name!r} (known: {', '.join((*_OUR_OWN, *self._known))}); "
                "fleche.storage.register_serializer adds one"
            )
        return name

    def dump(self, name: str, value: Any) -> bytes:
        """Return a value as bytes.

        Raises:
            ConfigError: There is no such serializer.
            SaveError: It cannot.
        """
        dumps, _ = self._known[self.check(name)]
        try:
            return bytes(dumps(value))
        except Exception as error:
            raise SaveError(
                f"the serializer {name!r} cannot store a {type(value).__qualname__}: {type(error).__name__}: {error}"
            ) from error

    def load(self, name: str, data: bytes) -> Any:
        """Return the value of bytes.

        Raises:
            UnreadableError: There is no such serializer in this process.
        """
        known = self._known.get(name)
        if known is None:
            raise UnreadableError(
                f"a value was stored by the serializer {name!r}, which this process has not registered: "
                "call fleche.storage.register_serializer first",
                place="",
            )
        return known[1](data)


class Serialized:
    """Stands for a value where it is pickled: its bytes by a serializer. What is unpickled is the value.

    A safe loader refuses it: what the serializer would do with bytes of others is not known.

    Args:
        name: The serializer.
        data: The bytes.
    """

    __slots__ = ("data", "name")

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, bytes]]:
        return _opened, (self.name, self.data)


def register_serializer(name: str, dumps: Dumps, loads: Loads) -> None:
    """Add a serializer that storages can name, as in ``ValuePickleFile(root, serializer="name")``.

    Register it in every process that reads what it wrote; elsewhere such a value is a miss. Values are read by it
    only from stores that are trusted.

    Args:
        name: How it is named; kept with each value.
        dumps: A value to bytes.
        loads: The bytes to a value that is equal, of the same types.

    Raises:
        ValueError: There is a serializer of this name.
        TypeError: One of them cannot be called.

    >>> import json
    >>> register_serializer("json-text", lambda value: json.dumps(value).encode(), json.loads)
    """
    SERIALIZERS.add(name, dumps, loads)


def serialized(name: str, value: Any) -> Any:
    """Return what to pack into an envelope so that loading it gives a value that a serializer wrote.

    For ``pickle``, ``cloudpickle`` and ``dill`` that is the value itself.

    Raises:
        ConfigError: There is no such serializer.
        SaveError: It cannot store this value.
    """
    return value if name in _OUR_OWN else Serialized(name, SERIALIZERS.dump(name, value))


def _opened(name: str, data: bytes) -> Any:
    return SERIALIZERS.load(name, data)


SERIALIZERS = Serializers()
