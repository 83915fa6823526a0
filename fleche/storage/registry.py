"""The kinds of storage that configuration can name: those that are built in, and those that users add."""

from __future__ import annotations

import threading
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Literal, TypeVar, get_args, overload

from fleche.errors import ConfigError
from fleche.storage.base import CallStorage, ValueStorage

__all__ = ["Role", "StorageRegistry", "get_storage_constructor", "is_registered_storage", "register_storage"]

Role = Literal["values", "calls"]
Constructor = Callable[..., Any]
C = TypeVar("C", bound=Constructor)

_BUILT_IN: dict[tuple[str, Role], str] = {
    ("memory", "values"): "memory.ValueMemory",
    ("memory", "calls"): "memory.CallMemory",
    ("void", "values"): "void.ValueVoid",
    ("void", "calls"): "void.CallVoid",
    ("pickle", "values"): "pickle_file.ValuePickleFile.with_pickle",
    ("pickle", "calls"): "pickle_file.CallPickleFile.with_pickle",
    ("cloudpickle", "values"): "pickle_file.ValuePickleFile.with_cloudpickle",
    ("cloudpickle", "calls"): "pickle_file.CallPickleFile.with_cloudpickle",
    ("dill", "values"): "pickle_file.ValuePickleFile.with_dill",
    ("dill", "calls"): "pickle_file.CallPickleFile.with_dill",
    ("sql", "calls"): "sql.Sql",
}
"""Where the built-in kinds are, below ``fleche.storage``; imported when named."""


class StorageRegistry:
    """Constructors of storages, by the name of a kind and by what is stored. Thread-safe."""

    def __init__(self) -> None:
        self._own: dict[tuple[str, Role], Constructor] = {}
        self._lock = threading.Lock()

    def add(self, name: str, constructor: Constructor, role: Role | None = None) -> None:
        """Add a kind; see `register_storage`."""
        roles = _roles(constructor) if role is None else (_role(role),)
        if not callable(constructor) or not roles:
            raise TypeError(
                f"{constructor!r}: give a class of values (ValueStorage) or of calls (CallStorage), or a function that "
                "makes one and role='values' or role='calls'"
            )
        with self._lock:
            for each in roles:
                known = self._own.get((name, each))
                if (name, each) in _BUILT_IN or (known is not None and known is not constructor):
                    raise ValueError(f"there is a storage {name!r} for {each} already; choose another name")
            self._own.update(((name, each), constructor) for each in roles)

    def get(self, name: str, role: Role) -> Constructor:
        """Return a constructor; see `get_storage_constructor`."""
        found = self._own.get((name, _role(role)))
        if found is not None:
            return found
        place = _BUILT_IN.get((name, role))
        if place is None:
            known = sorted({kind for kind, each in (*_BUILT_IN, *self._own) if each == role})
            near = get_close_matches(name, known, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"there is no storage {name!r} for {role}.{hint} Known: {', '.join(known)}")
        module, *path = place.split(".")
        value: Any = import_module(f"fleche.storage.{module}")
        for part in path:
            value = getattr(value, part)
        constructor: Constructor = value
        return constructor

    def has(self, name: str, role: Role | None = None) -> bool:
        """Whether there is such a kind; see `is_registered_storage`."""
        roles: tuple[Role, ...] = get_args(Role) if role is None else (_role(role),)
        return any((name, each) in _BUILT_IN or (name, each) in self._own for each in roles)


STORAGES = StorageRegistry()


@overload
def register_storage(name: str, /, *, role: Role | None = None) -> Callable[[C], C]: ...
@overload
def register_storage(name: str, constructor: C, /, *, role: Role | None = None) -> C: ...
def register_storage(name: str, constructor: Any = None, /, *, role: Role | None = None) -> Any:
    """Add a kind of storage, so that a configuration can name it as ``type``. Also a class decorator.

    Args:
        name: How it is named.
        constructor: A class of `ValueStorage` or of `CallStorage`, or a function that makes one.
        role: ``"values"`` or ``"calls"``; told from the class where it is not given.

    Returns:
        The constructor.

    Raises:
        ValueError: There is a kind of this name.
        TypeError: It makes no storage, or it cannot be told of what.

    >>> from fleche.storage.memory import ValueMemory
    >>> @register_storage("attic")
    ... class Attic(ValueMemory):
    ...     pass
    >>> get_storage_constructor("attic", "values") is Attic
    True
    """
    if constructor is None:
        return _Registering(name, role)
    STORAGES.add(name, constructor, role)
    return constructor


def get_storage_constructor(name: str, role: Role = "values") -> Constructor:
    """Return what makes storages of a kind.

    Args:
        name: The kind.
        role: What is stored: ``"values"`` or ``"calls"``.

    Raises:
        ConfigError: There is no such kind.
    """
    return STORAGES.get(name, role)


def is_registered_storage(name: str, role: Role | None = None) -> bool:
    """Whether there is a kind of storage of this name, built in or registered: for one role, or for any."""
    return STORAGES.has(name, role)


class _Registering:
    """What ``@register_storage("name")`` is."""

    def __init__(self, name: str, role: Role | None) -> None:
        self._name = name
        self._role = role

    def __call__(self, constructor: C) -> C:
        STORAGES.add(self._name, constructor, self._role)
        return constructor


def _role(role: str) -> Role:
    for known in get_args(Role):
        if role == known:
            found: Role = known
            return found
    raise ValueError(f"role={role!r}: give 'values' or 'calls'")


def _roles(constructor: Any) -> tuple[Role, ...]:
    if not isinstance(constructor, type):
        return ()
    bases: tuple[tuple[type, Role], ...] = ((ValueStorage, "values"), (CallStorage, "calls"))
    return tuple(role for base, role in bases if issubclass(constructor, base))
