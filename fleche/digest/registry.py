"""`Registry`: from the type of a value to how it is encoded."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from fleche.digest import _format as f
from fleche.digest import arrays, arrow, containers, files, frames, polar, science, stdlib, tensors
from fleche.digest.algorithm import chosen
from fleche.digest.hook import Hook
from fleche.digest.identity import Identity
from fleche.digest.names import canonical_name
from fleche.digest.plan import Plan
from fleche.digest.plugins import Plugins
from fleche.digest.refusals import Refusal, refused
from fleche.digest.scalars import FRAMES
from fleche.digest.structural import Structure
from fleche.digest.text import Digest

__all__ = ["Handler", "Registry", "Standing"]

Handler = Callable[[Any], bytes | Plan]
Stand = Callable[[Any], Any]


class Standing(Digest):
    """A digest that a digest function returned: it identifies the value at hand, and refers to no other value."""

    __slots__ = ()


class Inner(threading.local):
    """What a digest function did: whether something that it digested, in this thread, has a `Digest` inside."""

    refers = False


class Registry:
    """Which function encodes which type.

    Thread-safe.

    Args:
        identity: What stands for classes and functions; by default their names and their code.

    Attributes:
        identity: The same.
        inner: What the digest function that runs in this thread met.
    """

    def __init__(self, identity: Identity | None = None) -> None:
        self.inner = Inner()
        self.identity = identity or Identity()
        self._structure = Structure(self.identity)
        self._fixed: dict[type, Handler] = {**FRAMES, **containers.PLANS, **stdlib.PLANS}
        self._fixed[type] = self._fixed[FunctionType] = self.identity.frame
        self._fixed[BuiltinFunctionType] = self._builtin
        self._named: dict[str, Handler] = {name: plan for part in _PARTS for name, plan in part.NAMED.items()}
        self._stands: dict[type | str, tuple[Stand, bool]] = {}
        self._plugins = Plugins()
        self._found: WeakKeyDictionary[type, Handler] = WeakKeyDictionary()
        self._version = 0
        self._lock = threading.Lock()

    def as_if(self, identity: Identity) -> Registry:
        """Return a registry of the same types in which other things stand for classes."""
        other = Registry(identity)
        with self._lock:
            other._stands = dict(self._stands)
        other._plugins = self._plugins
        return other

    def register(self, kind: type | str, function: Stand, *, subclasses: bool = False) -> None:
        """Set what stands for values of a type: see `fleche.digest.register_digest`."""
        known = kind in self._fixed or (isinstance(kind, type) and _qualified(kind) in self._named)
        if known or kind in self._named:
            raise ValueError(f"how {kind} is digested is part of the format and cannot be changed; register a subclass")
        if not callable(function):
            raise TypeError(f"what is registered for {kind} must be a function, not {function!r}")
        with self._lock:
            self._stands[kind] = (function, subclasses)
            self._version += 1
            self._found.clear()

    def hooks(self) -> tuple[Hook, ...]:
        """Return what is registered for types in this process, and by the hooks of installed packages."""
        with self._lock:
            own = {kind: function for kind, (function, _) in self._stands.items() if isinstance(kind, type)}
        return tuple(Hook(*item) for item in (self._plugins.hooks | own).items())

    def handler(self, cls: type) -> Handler:
        """Return the function that encodes values whose type is exactly ``cls``.

        Raises:
            Refusal: Nothing about values of this type identifies their content.
        """
        found = self._fixed.get(cls)
        if found is None:
            found = self._found.get(cls)
        if found is None:
            version = self._version
            found = self._find(cls)
            with self._lock:
                if version == self._version:
                    self._found[cls] = found
        return found

    def literal(self, cls: type) -> Handler:
        """Return the function that encodes values of a class where a `Digest` is a value and stands for no other.

        Raises:
            Refusal: Nothing about values of this type identifies their content.
        """
        if issubclass(cls, Digest) and cls is not Standing:
            return lambda value: self._structure.extended(Digest(value), str(value), {})
        return self.handler(cls)

    def _find(self, cls: type) -> Handler:
        name = _qualified(cls)
        named = self._named.get(name)
        if named is not None:
            return named
        stand = self._stand(cls, name)
        if stand is not None:
            return self._standing(stand)
        if issubclass(cls, Digest):
            return _digest
        for find in (self._family, self._array, refused):
            handler = find(cls)
            if handler is not None:
                return handler
        return self._plugged(self._structure.choose(cls)) if self._plugins.general else self._structure.choose(cls)

    def _stand(self, cls: type, name: str) -> Stand | None:
        for key in (cls, name):
            if key in self._stands:
                return self._stands[key][0]
        plugin = self._plugins.named(name) or self._plugins.hooks.get(cls)
        if plugin is not None:
            return plugin
        method = getattr(cls, "__digest__", None)
        if callable(method):
            return lambda value: method(value)
        for base in cls.__mro__[1:]:
            for key in (base, _qualified(base)):
                function, subclasses = self._stands.get(key, (None, False))
                if subclasses:
                    return function
        return None

    def _standing(self, stand: Stand) -> Handler:
        return lambda value: self._structure.custom(value, self._stood(stand, value))

    def _plugged(self, otherwise: Handler) -> Handler:
        return lambda value: self._general(value, otherwise)

    def _general(self, value: Any, otherwise: Handler) -> bytes | Plan:
        for plugin in self._plugins.general:
            stands = self._stood(plugin, value)
            if stands is not None:
                return self._structure.custom(value, stands)
        return otherwise(value)

    def _stood(self, stand: Stand, value: Any) -> Any:
        """Return what stands for a value; a `Digest` made of what the value holds as one that stands for nothing else.

        Where something that the value holds is a `Digest` itself, what the function made of it stays a reference.
        """
        before, self.inner.refers = self.inner.refers, False
        try:
            stands = _stood(stand, value)
            return Standing(stands) if isinstance(stands, Digest) and not self.inner.refers else stands
        finally:
            self.inner.refers = before

    def _family(self, cls: type) -> Handler | None:
        if issubclass(cls, Enum):
            return lambda value: stdlib.enum_member(value, self.identity)
        if issubclass(cls, type):
            return self.identity.frame
        if issubclass(cls, ModuleType):
            return FRAMES[ModuleType]
        kind = stdlib.path_kind(cls)
        if kind is not None:
            return lambda value: self._path(kind, value)
        if cls.__qualname__ in _CODE and cls.__module__ in ("builtins", "functools"):
            return self.identity.frame
        return None

    def _array(self, cls: type) -> Handler | None:
        """Return how instances of subclasses of the types of other packages are encoded."""
        bases = {_qualified(base) for base in cls.__mro__[1:]}
        if "numpy.dtype" in bases:
            return arrays.dtype
        if "numpy.generic" in bases:
            return arrays.scalar
        if "numpy.ma.MaskedArray" in bases:
            return None
        for name, plan in arrow.FAMILIES.items():
            if name in bases:
                return plan
        for name, parts in _BASES.items():
            if name in bases:
                return lambda value: self._structure.extended(value, *parts(value))
        if "pandas.ExtensionArray" in bases:
            return frames.extension
        return None

    def _path(self, kind: str, value: Any) -> Plan:
        state = getattr(value, "__dict__", {})
        return self._structure.extended(value, f.Inline(stdlib.path_frame(kind, value)), dict(state))

    def _builtin(self, value: Any) -> bytes | Plan:
        bound = value.__self__
        if bound is None or isinstance(bound, ModuleType):
            return self.identity.frame(value)
        return stdlib.bound_builtin(value)


def _stood(stand: Stand, value: Any) -> Any:
    """Return what stands for a value."""
    try:
        stands = stand(value)
    except Exception as error:
        raise Refusal(f"has a digest function that raised {type(error).__name__}: {error}") from error
    if stands is value:
        raise Refusal("has a digest function that returns the value itself", "Return what identifies its content")
    return stands


def _qualified(cls: type) -> str:
    module, qualname = canonical_name(cls)
    return f"{module}.{qualname}"


def _digest(value: Digest) -> bytes:
    if len(value) != chosen().length:
        raise Refusal("is only part of a digest", "Give the whole one: its method expand() finds it")
    try:
        return f.reference(value.raw)
    except ValueError:
        raise Refusal("is not hexadecimal text") from None


_PARTS: tuple[Any, ...] = (stdlib, arrays, frames, arrow, polar, tensors, science, files)
_BASES = {**arrays.BASES, **frames.BASES, **tensors.BASES, **science.BASES}

_CODE = frozenset({"wrapper_descriptor", "method_descriptor", "classmethod_descriptor", "_lru_cache_wrapper", "code"})
"""Types whose values are code."""
