"""Objects whose type says nothing to us: taken apart by what `copyreg` and ``__reduce_ex__`` say.

Class, arguments and state are encoded as values; the bytes that pickle would write never are. Source: the pickle
protocol, https://docs.python.org/3/library/pickle.html#object.__reduce__.
"""

from __future__ import annotations

import copyreg
import dataclasses
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from functools import singledispatchmethod
from types import BuiltinFunctionType, FunctionType
from typing import Any

from fleche.digest import _format as f
from fleche.digest.identity import Identity
from fleche.digest.names import HEAP_TYPE, global_frame, is_dynamic
from fleche.digest.plan import Plan, attributes, items
from fleche.digest.refusals import Refusal

__all__ = ["Structure"]

_NEW = copyreg.__newobj__  # type: ignore[attr-defined]
_STATE = "__getstate__()"
"""The name of a state that is not attributes."""

_KEEPS_METHODS = "_method_cache" in singledispatchmethod.__init__.__code__.co_names

_MEMOS: dict[str, Callable[[type], bool]] = {
    # attrs keeps the hash of an instance, once somebody has asked for it.
    "_attrs_cached_hash": lambda cls: hasattr(cls, "__attrs_attrs__"),
    # Python 3.13 keeps what was made for each object that the method was called on.
    "_method_cache": lambda cls: issubclass(cls, singledispatchmethod) and _KEEPS_METHODS,
}
"""Attributes that are no part of the content of instances of some classes, since they can make them again."""

_NOTHING: tuple[Any, ...] = (None, None, None, None)
_NEW_EX = copyreg.__newobj_ex__  # type: ignore[attr-defined]


class Structure:
    """Takes records, instances of subclasses of builtins, and any other object apart.

    Args:
        identity: What stands for classes.
    """

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def choose(self, cls: type) -> Callable[[Any], Plan]:
        """Return the method that takes instances of a class apart."""
        if cls in copyreg.dispatch_table:
            return self.reduced
        reduces: Any = (cls.__reduce_ex__, cls.__reduce__)
        for base, plain in _BASES.items():
            if issubclass(cls, base):
                inherited = reduces == (base.__reduce_ex__, base.__reduce__)
                if base is tuple and inherited and isinstance(getattr(cls, "_fields", None), tuple):
                    return self.named_tuple
                return self._subclass(plain) if inherited else self.reduced
        ours = all(base.__flags__ & HEAP_TYPE for base in cls.__mro__[:-1])  # no base in C with a state of its own
        if ours and dataclasses.is_dataclass(cls) and reduces == (object.__reduce_ex__, object.__reduce__):
            return self.dataclass
        return self.reduced

    def record(self, value: Any, state: dict[str, Any]) -> Plan:
        """Return the plan of a value that is its class and its attributes."""
        named = sorted(state)
        groups = (named, [state[name] for name in named])
        return Plan(f.RECORD + self._identity.class_frame(type(value)), groups, label=attributes)

    def dataclass(self, value: Any) -> Plan:
        """Take an instance of a dataclass apart: its fields, and attributes that it has besides."""
        state = dict(getattr(value, "__dict__", {}))
        for field in dataclasses.fields(value):
            if hasattr(value, field.name):
                state[field.name] = getattr(value, field.name)
        return self.record(value, state)

    def named_tuple(self, value: Any) -> Plan:
        """Take a named tuple apart: its fields by name, and attributes that a subclass has besides."""
        state = _attributes(value)
        named = sorted(state)
        groups = (type(value)._fields, tuple.__getitem__(value, slice(None)), named, [state[name] for name in named])
        return Plan(f.NAMED_TUPLE + self._identity.class_frame(type(value)), groups, label=_named_tuple_label)

    def subclass(self, value: Any, base: Any) -> Plan:
        """Return the plan of an instance of a subclass: what it is as its base, and its attributes."""
        return self.extended(value, base, _attributes(value))

    def extended(self, value: Any, base: Any, state: dict[str, Any]) -> Plan:
        """Return the plan of an instance of a subclass whose attributes are known."""
        named = sorted(state)
        groups = ((base,), named, [state[name] for name in named])
        return Plan(f.SUBCLASS + self._identity.class_frame(type(value)), groups, label=attributes)

    def _subclass(self, plain: Callable[[Any], Any]) -> Callable[[Any], Plan]:
        return lambda value: self.subclass(value, plain(value))

    def custom(self, value: Any, stands: Any) -> Plan:
        """Return the plan of a value for which a function or ``__digest__`` gave another."""
        head = f.CUSTOM + self._identity.class_frame(type(value))
        return Plan(head, ((stands,),), label=_custom_label)

    def reduced(self, value: Any) -> Plan:
        """Take any object apart as pickling would.

        Raises:
            Refusal: Pickling refuses it too, or what it says cannot be understood.
        """
        cls = type(value)
        head = f.OBJECT + self._identity.class_frame(cls)
        reduced = _reduce(value)
        if isinstance(reduced, str):
            module = getattr(value, "__module__", None)
            place = f.Inline(global_frame(module if isinstance(module, str) else cls.__module__, reduced))
            return Plan(head, (("global", place), (), (), (), (), ()), label=_reduced_label)
        function, arguments, state, listed, keyed, setter = [*reduced, *_NOTHING][:6]
        how, arguments = self._how(cls, function, arguments)
        elements: list[Any] = [] if listed is None else list(listed)
        pairs: list[Any] = [] if keyed is None else list(keyed)
        if how == ("new",) and not (arguments or elements or pairs or setter):
            named = _named(state)
            if named is not None:
                for memo, keeps in _MEMOS.items():
                    if memo in named and keeps(cls):
                        named = {name: part for name, part in named.items() if name != memo}
                return self.record(value, named)
        last = (state,) if setter is None else (state, setter)
        groups = (how, arguments, last, elements, [key for key, _ in pairs], [item for _, item in pairs])
        return Plan(head, groups, label=_reduced_label)

    def _how(self, cls: type, function: Any, arguments: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        if function is _NEW and arguments and arguments[0] is cls:
            return ("new",), tuple(arguments[1:])
        if function is _NEW_EX and arguments[0] is cls:
            return ("new_ex", dict(arguments[2])), tuple(arguments[1])
        if function is cls:
            return ("class",), tuple(arguments)
        if isinstance(function, type | FunctionType | BuiltinFunctionType) and isinstance(function.__module__, str):
            plain = not isinstance(getattr(function, "__self__", None), type) and not is_dynamic(function)
            if plain:
                place = f.Inline(global_frame(function.__module__, function.__qualname__))
                return ("call", place), tuple(arguments)
        return ("call", function), tuple(arguments)


def _reduce(value: Any) -> str | tuple[Any, ...]:
    reducer = copyreg.dispatch_table.get(type(value))
    try:
        reduced = reducer(value) if reducer is not None else value.__reduce_ex__(4)
    except Exception as error:
        raise Refusal(f"cannot be taken apart ({type(error).__name__}: {error})") from error
    if isinstance(reduced, str) or (isinstance(reduced, tuple) and 2 <= len(reduced) <= 6):
        return reduced
    raise Refusal("has a method __reduce_ex__ that returns neither text nor a tuple of two to six parts")


def _named(state: Any) -> dict[str, Any] | None:
    """Return a state as attributes by name, or None if it is something else."""
    if state is None:
        return {}
    if type(state) is dict:
        named, slots = state, {}
    elif type(state) is tuple and len(state) == 2 and type(state[0]) in (dict, type(None)) and type(state[1]) is dict:
        named, slots = state[0] or {}, state[1]
    else:
        return None
    if any(type(name) is not str for name in (*named, *slots)) or not named.keys().isdisjoint(slots):
        return None
    return {**named, **slots}


def _attributes(value: Any) -> dict[str, Any]:
    """Return the attributes that an instance has besides what it is as a builtin."""
    try:
        state = value.__getstate__()
    except Exception as error:
        raise Refusal(f"cannot be taken apart ({type(error).__name__}: {error})") from error
    named = _named(state)
    return {_STATE: state} if named is None or _STATE in named else named


def _named_tuple_label(plan: Plan, group: int, index: int) -> str:
    return f".{plan.groups[0 if group < 2 else 2][index]}"


def _custom_label(_plan: Plan, _group: int, _index: int) -> str:
    return ".__digest__()"


def _reduced_label(plan: Plan, group: int, index: int) -> str:
    if group == 2:
        return ".__dict__" if type(plan.groups[2][0]) is dict else ".__reduce_ex__(4)[2]"
    return f".__reduce_ex__(4)[{(0, 1, 2, 3, 4, 4)[group]}]" + (items(plan, group, index) if group else "")


def _counter(value: Any) -> Counter[Any]:
    copied: Counter[Any] = Counter()
    for key, count in list(dict.items(value)):
        dict.__setitem__(copied, key, count)
    return copied


_BASES: dict[type, Callable[[Any], Any]] = {
    Counter: _counter,
    OrderedDict: lambda value: OrderedDict(list(OrderedDict.items(value))),
    defaultdict: lambda value: defaultdict(value.default_factory, list(dict.items(value))),
    dict: lambda value: dict(list(dict.items(value))),
    list: lambda value: list.copy(value),
    tuple: lambda value: tuple.__getitem__(value, slice(None)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    bytearray: lambda value: bytes(memoryview(value)),
    int: int.__int__,
    float: float.__float__,
    complex: lambda value: complex(complex.__pos__(value)),
}
"""Builtins whose subclasses are taken apart as the builtin and the attributes; narrower ones first."""
