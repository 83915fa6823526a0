"""Refusals: values whose content cannot be told, and the error that names the path to them and the ways out."""

from __future__ import annotations

import functools
import io
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType, MethodType, TracebackType
from typing import Any, NoReturn

from fleche.errors import Indigestible

__all__ = ["Holder", "Refusal", "indigestible", "qualified", "refused"]

Holder = tuple[str, type]
"""The path to a value around the one that is refused, and the type of it; the outermost first."""


class Refusal(Exception):
    """A handler cannot encode a value; the walk, which knows the path, turns it into `Indigestible`.

    Args:
        reason: Why, in a few words that continue "it ...".
        advice: What to do instead, as a sentence, if there is a usual answer; ``{}`` stands for the value.
        speaks: Whether a function can say what identifies values of this very type.
    """

    def __init__(self, reason: str, advice: str = "", *, speaks: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice
        self.speaks = speaks


def qualified(cls: type) -> str:
    """Return a type's module and qualified name, as people write it."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def indigestible(path: str, cls: type, refusal: Refusal, holders: Sequence[Holder] = ()) -> Indigestible:
    """Return the error for a value of type ``cls`` at ``path``.

    Args:
        path: Where it is, beginning with the name of the argument; or in words, such as "the result".
        cls: Its type.
        refusal: Why it has no digest.
        holders: What is around it, the outermost first.
    """
    name = qualified(cls)
    ways = _ways(path, cls, refusal, holders)
    text = f"{path} is {_article(name)} {name}, which has no digest: it {refusal.reason}.{_about(path, holders)}"
    return Indigestible(
        "\n  - ".join([f"{text} Ways out:", *ways]),
        path=path,
        type_name=name,
        reason=refusal.reason,
        ways=tuple(ways),
    )


def _ways(path: str, cls: type, refusal: Refusal, holders: Sequence[Holder]) -> list[str]:
    """Return three ways out, as the user would type them."""
    root = re.split(r"[.\[ (]", path, maxsplit=1)[0]
    instead = refusal.advice.replace("{}", _shown(path))
    teach = _teach(path, cls, refusal, holders)
    if not root.isidentifier() or " " in path.partition("(")[0].strip():  # "the result": no argument to leave out
        other = teach or "Make it where it is used, and return what it is made from"
        return ["Return its content as plain values", other, "Leave the function undecorated"]
    key = f'Put what matters of it in its place: @cached(key={{"{root}": lambda {root}: ...}})'
    ignore = f'Leave it out of the key: @cached(ignore=("{root}",))'
    if teach and path != root and "{}" in refusal.advice and _shown(path) == path:
        return [instead, teach, key]
    if teach and not (instead and path == root):
        return [teach, key, ignore]
    return [instead or f"Make it inside of the function, and not an argument: {root}", key, ignore]


def _shown(path: str) -> str:
    return path if "{" not in path and "<" not in path else "it"


def _teach(path: str, cls: type, refusal: Refusal, holders: Sequence[Holder]) -> str:
    """Return how to say what identifies the object that holds the value, or the value: who can speak for it."""
    speaker = cls if refusal.speaks and not holders and _is_taught(cls) else None
    where = path
    for place, kind in holders:  # the innermost that is reached without private names speaks for what is inside of it
        if _is_taught(kind) and not re.search(r"\._(?!_)", place):
            speaker, where = kind, place
    if speaker is None:
        return ""
    variable = _variable(where)
    variable = speaker.__name__.lower().lstrip("_") if variable == "it" else variable
    return _taught(qualified(speaker), variable)


def _taught(kind: str, variable: str) -> str:
    name = kind.rpartition(".")[2]
    return (
        f"Say what identifies {_article(name)} {name}: fleche.digest.register_digest"
        f'("{kind}", lambda {variable}: ...), or give the class a method __digest__'
    )


def _article(name: str) -> str:
    return "an" if name[:1].lower() in "aeiou" else "a"


_HELD_BY_ALL = frozenset({"builtins", "collections", "functools", "types", "itertools", "_thread"})


def _is_taught(cls: type) -> bool:
    return cls.__module__ not in _HELD_BY_ALL


def _about(path: str, holders: Sequence[Holder]) -> str:
    """Return what the words in a path mean that are nobody's attributes."""
    for place, kind in holders:
        if issubclass(kind, MethodType) and path.startswith(f"{place}.__self__"):
            return f" {place} is a method, and __self__ the object that it is bound to."
        if issubclass(kind, functools.partial):
            return f" {place} is a functools.partial, with args and keywords as it was made."
    return ""


def capturing(path: str, function: str, name: str, kind: str, cause: Indigestible | None) -> Indigestible:
    """Return the error for a function that holds something in its closure that has no digest.

    Args:
        path: Where the function is.
        function: Its own name.
        name: The variable that holds it.
        kind: The qualified name of its type.
        cause: Why it has no digest, and where in it.
    """
    root = re.split(r"[.\[ (]", path, maxsplit=1)[0]
    at, told, reason = name, kind, "is known by its type only, and another one would be the same"
    if cause is not None:
        at, told, reason = cause.path, cause.type_name, cause.reason
    variable = _variable(name)
    ways = [
        f"Pass {variable} as an argument of its own, or let the function find it by a global name",
        f'Put what matters of the function in its place: @cached(key={{"{root}": lambda {root}: ...}})',
        f'Leave the function out of the key: @cached(ignore=("{root}",))',
    ]
    if kind.partition(".")[0] not in _HELD_BY_ALL:
        ways[1] = _taught(kind, variable)
    text = f"{path} (closure of {function}): {at} is a {told}, which has no digest: it {reason}. Ways out:"
    return Indigestible(
        "\n  - ".join([text, *ways]), path=f"{path}.<closure>.{at}", type_name=told, reason=reason, ways=tuple(ways)
    )


def is_without_content(module: str, name: str) -> bool:
    """Whether values of a type, by its name, have no content at all, so that one is as good as another."""
    kinds = (object, *map(_loaded, _LOCKS))
    return any(isinstance(kind, type) and (kind.__module__, kind.__qualname__) == (module, name) for kind in kinds)


def _variable(place: str) -> str:
    """Return a name for what is at a place."""
    last = re.split(r"[^A-Za-z0-9_]", place)[-1].strip("_")
    return last if last.isidentifier() and last != "self" else "it"


def refused(cls: type) -> Callable[[Any], NoReturn] | None:
    """Return a function that refuses every value of this type, or None if its values may have a digest.

    Refused are values that are an identity, a place in a process or a moment in a stream. None is read from.
    """
    for kind in _KINDS:
        if kind.covers(cls):
            return _refuser(kind.reason, kind.advice, kind.speaks)
    if cls is object:
        return _refuser(
            "is nothing but its identity", "Use None, a string or a member of an Enum as the marker", speaks=False
        )
    if hasattr(cls, "__next__") or hasattr(cls, "__anext__"):
        return _refuser(_ITERATOR, "Pass a list of what it yields: list({})", speaks=False)
    return None


def _refuser(reason: str, advice: str, speaks: bool) -> Callable[[Any], NoReturn]:
    def refuse(_value: Any) -> NoReturn:
        raise Refusal(reason, advice, speaks=speaks)

    return refuse


@dataclass(frozen=True, slots=True)
class _Kind:
    """Types whose values are refused.

    Attributes:
        types: The types, or their names, so that nothing is imported for the sake of being refused: who has such a
            value has its module.
        reason: Why.
        advice: What to do instead.
        speaks: Whether somebody may say what identifies such a value.
    """

    types: tuple[type | str, ...]
    reason: str
    advice: str = ""
    speaks: bool = False

    def covers(self, cls: type) -> bool:
        """Whether a type is one of these."""
        kinds = (kind if isinstance(kind, type) else _loaded(kind) for kind in self.types)
        return any(issubclass(cls, kind) for kind in kinds if isinstance(kind, type))


def _loaded(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(sys.modules.get(module), attribute, None)


_ITERATOR = "is an iterator, and reading it would use it up"
_MOMENT = "is a moment in the running of code"
_PROCESS = "belongs to this process and has no content of its own"
_INSIDE = "Make it inside of the function, or in its module"

_LOCKS = (
    "_thread.LockType",  # whose name is `lock`, which `_thread` has from 3.13 on
    "_thread.RLock",
    "_thread._local",
    "threading.Condition",
    "threading.Event",
    "threading.Semaphore",
    "threading.Barrier",
)

_KINDS = (
    _Kind((GeneratorType,), _ITERATOR, "Pass a list of what it yields: list({})"),
    _Kind((AsyncGeneratorType,), _ITERATOR, "Pass a list of what it yields: [item async for item in {}]"),
    _Kind((CoroutineType,), _MOMENT, "Pass its result: await {}"),
    _Kind((FrameType,), _MOMENT, "Pass what you need of it, such as {}.f_code.co_name"),
    _Kind((TracebackType,), _MOMENT, "Pass its text: traceback.format_tb({})"),
    _Kind((type({}.keys()), type({}.values()), type({}.items())), "is a view of a dict", "Pass list({}), or the dict"),
    _Kind(("itertools.count", "itertools.cycle", "itertools.repeat"), _ITERATOR, "Pass what it is made of"),
    _Kind((io.BytesIO, io.StringIO), "is an open file", "Pass its content: {}.getvalue()"),
    _Kind(("io.IOBase",), "is an open file", "Pass its path: fleche.File({}.name) counts by its content"),
    _Kind(_LOCKS, _PROCESS, _INSIDE),
    _Kind(
        (
            "threading.Thread",
            "subprocess.Popen",
            "multiprocessing.process.BaseProcess",
            "concurrent.futures._base.Executor",
            "asyncio.events.AbstractEventLoop",
        ),
        _PROCESS,
        _INSIDE,
    ),
    _Kind(("concurrent.futures._base.Future",), _PROCESS, "Pass its result: {}.result()"),
    _Kind(("_asyncio.Future",), _PROCESS, "Pass its result: await {}"),
    _Kind(("socket.socket",), _PROCESS, "Pass its address, and connect inside of the function"),
    _Kind(
        ("weakref.ReferenceType", "weakref.ProxyType", "weakref.CallableProxyType"),
        _PROCESS,
        "Pass what it refers to: {}()",
    ),
    _Kind(("weakref.WeakValueDictionary", "weakref.WeakKeyDictionary"), _PROCESS, "Pass what is in it: dict({})"),
    _Kind(("weakref.WeakSet",), _PROCESS, "Pass what is in it: set({})"),
    _Kind(("_contextvars.ContextVar",), _PROCESS, "Pass its value: {}.get()"),
    _Kind(("_contextvars.Context", "_contextvars.Token"), _PROCESS, "Pass the values of the variables that matter"),
    _Kind(("mmap.mmap",), _PROCESS, "Pass its content: {}[:]"),
    _Kind(("sqlite3.Connection",), _PROCESS, "Pass its path, and connect inside of the function", speaks=True),
    _Kind(("sqlite3.Cursor",), _ITERATOR, "Pass its rows: {}.fetchall()"),
)
