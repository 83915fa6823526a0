"""Reached values: which cannot change, which are small, which hold code, and their digests within a fingerprint."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import enum
import fractions
import functools
import pathlib
import re
import sys
import threading
import types
import uuid
from collections import deque
from collections.abc import Callable, MutableMapping, MutableSequence, MutableSet
from typing import Any

from fleche.digest.code.analysis import is_ours
from fleche.digest.code.frames import word
from fleche.digest.code.identity import home
from fleche.digest.text import Digest
from fleche.digest.walk import digest

__all__ = [
    "CODE",
    "SMALL",
    "Cut",
    "Open",
    "code_in",
    "holds_code",
    "is_container",
    "is_immutable",
    "is_opaque",
    "is_plain",
    "is_small",
    "views",
]

SMALL = 4096  # bytes: a mutable value up to this is digested again at each call
DEPTH = 4  # how deep tables are searched for functions
COUNT = 4096  # how many items of a table are searched

CODE = (
    types.FunctionType,
    types.MethodType,
    types.ModuleType,
    type,
    functools.partial,
    staticmethod,
    classmethod,
    property,
)
_IMMUTABLE = frozenset(
    {
        *(type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented), range),
        *(decimal.Decimal, fractions.Fraction, uuid.UUID, re.Pattern),
        *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone),
        *(pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PosixPath, pathlib.WindowsPath),
        types.BuiltinFunctionType,
    }
)


def is_immutable(value: Any) -> bool:
    """Whether a value can never change, so that its identity says that it has not."""
    kind = type(value)
    if kind is tuple or kind is frozenset:
        return all(map(is_immutable, value))
    return kind in _IMMUTABLE or isinstance(value, enum.Enum)


def is_plain(value: Any) -> bool:
    """Whether a value is of a type that cannot hold an object of anybody's class."""
    return type(value) in _LEAVES


def is_container(value: Any) -> bool:
    """Whether a value is a mutable container, whose methods such as ``append`` change it."""
    return isinstance(value, (list, dict, set, bytearray, deque, MutableMapping, MutableSequence, MutableSet))


def is_opaque(value: Any) -> bool:
    """Whether a value never counts by content, though it may have a digest: loggers and their handlers."""
    logging = sys.modules.get("logging")
    return logging is not None and isinstance(value, (logging.Filterer, logging.LoggerAdapter))


def holds_code(value: Any, depth: int = DEPTH) -> bool:
    """Whether a table (exactly a list, tuple or dict) holds functions or classes, near its top."""
    kind = type(value)
    if kind not in (list, tuple, dict) or depth == 0:
        return False
    items = value.values() if kind is dict else value
    for at, item in enumerate(items):
        if at == COUNT:
            return False
        if isinstance(item, CODE) or hasattr(type(item), "__wrapped__") or holds_code(item, depth - 1):
            return True
    return False


def is_small(value: Any) -> bool:
    """Whether a value's encoding is about `SMALL` bytes at most; looks at no more than that."""
    try:
        return _is_small(value)
    except Exception:  # an attribute or length of somebody's object
        return False


def _is_small(value: Any) -> bool:
    budget, stack, seen = SMALL, [value], set()
    while stack and budget >= 0:
        item = stack.pop()
        budget -= 9
        if isinstance(item, (str, bytes, bytearray)):
            budget -= len(item)
        elif isinstance(item, (list, tuple, set, frozenset, deque, dict)):
            if id(item) in seen:
                continue
            seen.add(id(item))
            if len(item) * 9 > budget:
                return False
            stack.extend(item.values() if isinstance(item, dict) else item)
            stack.extend(item if isinstance(item, dict) else ())
        elif isinstance(item, (int, float, complex)) or item is None:
            continue
        elif isinstance(item, functools.singledispatchmethod):  # code, however many implementations are registered
            stack.append(item.func)
        elif isinstance(size := getattr(item, "nbytes", None), int):
            budget -= size
        elif id(item) not in seen and not isinstance(item, type):
            seen.add(id(item))
            stack.append(getattr(item, "__dict__", None) or {})
            budget -= 9 * len(item) if hasattr(type(item), "__len__") else 0
    return budget >= 0


def views(value: Any) -> list[tuple[Any, tuple[Any, ...]]] | None:
    """Return the containers of plain data with the items that they hold now, or None for anything else.

    As long as each holds the same objects in the same places, the value is the same: comparing them costs a fraction of
    a digest.
    """
    found: list[tuple[Any, tuple[Any, ...]]] = []
    todo, seen = [value], set()
    while todo:
        item = todo.pop()
        kind = type(item)
        if is_immutable(item) or id(item) in seen:
            continue
        seen.add(id(item))
        if kind is dict:
            found.append((item, tuple(item)))
            found.append((item.values(), tuple(item.values())))
            todo.extend(item)
            todo.extend(item.values())
        elif kind in (list, set, tuple):
            found.append((item, tuple(item)))
            todo.extend(item)
        else:
            return None
    return found


def code_in(
    value: Any, covers: Callable[[str], bool], *, everywhere: bool
) -> tuple[dict[str, type], list[types.FunctionType]]:
    """Return the walked code that a value brings: the classes of which instances are in it, by name, and its functions.

    Args:
        value: Any value; looked at through containers and the attributes of objects, and never changed.
        covers: Whether a module is walked.
        everywhere: Whether to look inside objects of other packages too. Not in what has no digest, such as a logger:
            it leads to half of the process.
    """
    classes: dict[str, type] = {}
    functions: list[types.FunctionType] = []
    todo, seen = [value], set()
    while todo:
        item = todo.pop()
        kind = type(item)
        if kind in _LEAVES or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, types.FunctionType):
            functions += [item] if covers(home(item)) else []
            continue
        if isinstance(item, types.MethodType):
            todo += [item.__func__, item.__self__]
            continue
        walked = covers(kind.__module__) or "<locals>" in kind.__qualname__
        if walked and not is_ours(kind):  # a project may hold this library itself
            classes[f"{kind.__module__}.{kind.__qualname__}"] = kind
        if isinstance(item, dict):
            todo.extend(dict.keys(item))
            todo.extend(dict.values(item))
        elif kind is types.MappingProxyType:
            todo.extend(item.items())
        elif isinstance(item, (list, tuple, set, frozenset, deque)):
            todo.extend([] if _LEAVES.issuperset(map(type, item)) else item)
        if walked or everywhere:
            todo.extend(_attributes(item))
    return classes, functions


def _attributes(item: Any) -> list[Any]:
    try:
        values = list(object.__getattribute__(item, "__dict__").values())
    except AttributeError:
        values = []
    for base in type(item).__mro__:
        for descriptor in vars(base).values():
            if isinstance(descriptor, types.MemberDescriptorType):
                with contextlib.suppress(AttributeError):
                    values.append(descriptor.__get__(item))
    return values


_LEAVES = _IMMUTABLE | {type}


class Cut(Exception):
    """A value that is being digested was met again: it stands for itself, by its distance."""

    def __init__(self, distance: int) -> None:
        super().__init__(distance)
        self.encoding = word(distance)


class Open(threading.local):
    """The values that this thread is digesting for fingerprints, outermost first.

    Digesting a value may fingerprint a function inside it, which may reach the same value again. The cycle is cut
    there, by distance: each root has one digest, wherever the cycle is entered.

    Attributes:
        lowest: The outermost value that a cut referred to; a fingerprint that began above it must not be remembered.
    """

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.lowest = 1 << 60

    def digest(self, value: Any) -> Digest:
        """Return the digest of a value.

        Raises:
            Cut: The value is being digested.
        """
        if id(value) in self.ids:
            at = self.ids.index(id(value))
            self.lowest = min(self.lowest, at)
            raise Cut(len(self.ids) - at)
        self.ids.append(id(value))
        try:
            return digest(value)
        finally:
            self.ids.pop()
            if not self.ids:
                self.lowest = 1 << 60
