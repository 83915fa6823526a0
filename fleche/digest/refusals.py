"""Refusals: values whose content cannot be told, and the error that names the path to them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType, TracebackType
from typing import Any, NoReturn

from fleche.errors import Indigestible

__all__ = ["Refusal", "indigestible", "qualified", "refused"]


class Refusal(Exception):
    """A handler cannot encode a value; the walk, which knows the path, turns it into `Indigestible`.

    Args:
        reason: Why, in a few words that continue "it ...".
        advice: What to pass instead, if there is a usual answer.
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice


def qualified(cls: type) -> str:
    """Return a type's module and qualified name, as people write it."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def indigestible(path: str, cls: type, refusal: Refusal) -> Indigestible:
    """Return the error for a value of type ``cls`` at ``path``."""
    name = qualified(cls)
    root = path.partition(".")[0].partition("[")[0]
    where = f"{path} is a {name}, which has no digest: it {refusal.reason}."
    instead = f" {refusal.advice}." if refusal.advice else ""
    holder, dot, attribute = path.rpartition(".")
    if (
        root.isidentifier() and dot and attribute.isidentifier()
    ):  # who meets a lock inside an object can speak for the object, not for locks
        identity = f"{holder} with fleche.digest.register_digest(type({holder}), function)"
    else:
        identity = f"a {cls.__name__} with fleche.digest.register_digest({cls.__name__}, function)"
    known = f"say what identifies {identity} or a method __digest__."
    if root.isidentifier():
        ways = (
            f' Leave it out with ignore=("{root}",), put something smaller in its place with'
            f' key={{"{root}": lambda {root}: ...}}, or {known}'
        )
    else:  # "the result": there is no argument to leave out
        ways = f" Return its content as plain values, leave the function undecorated, or {known}"
    return Indigestible(where + instead + ways, path=path, type_name=name, reason=refusal.reason)


def refused(cls: type) -> Callable[[Any], NoReturn] | None:
    """Return a function that refuses every value of this type, or None if its values may have a digest.

    Refused are values that are an identity, a place in a process or a moment in a stream. None is read from.
    """
    for kinds, reason, advice in _KINDS:
        if issubclass(cls, kinds):
            return _refuser(reason, advice)
    for names, reason, advice in _NAMED:
        if any(issubclass(cls, kind) for kind in map(_loaded, names) if isinstance(kind, type)):
            return _refuser(reason, advice)
    if cls is object:
        return _refuser("is nothing but its identity", "Use None, a string or a member of an Enum as the marker")
    if hasattr(cls, "__next__") or hasattr(cls, "__anext__"):
        return _refuser("is an iterator, and reading it would use it up", "Pass list(...) of it")
    return None


def _refuser(reason: str, advice: str) -> Callable[[Any], NoReturn]:
    def refuse(_value: Any) -> NoReturn:
        raise Refusal(reason, advice)

    return refuse


def _loaded(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(sys.modules.get(module), attribute, None)


_MOMENT = "is a moment in the running of code"
_PROCESS = "belongs to this process and has no content of its own"

_KINDS: tuple[tuple[tuple[type, ...], str, str], ...] = (
    ((GeneratorType, AsyncGeneratorType), "is an iterator, and reading it would use it up", "Pass list(...) of it"),
    ((CoroutineType, FrameType, TracebackType), _MOMENT, ""),
    (
        (type({}.keys()), type({}.values()), type({}.items())),
        "is a view of a dict",
        "Pass list(...) of it, or the dict",
    ),
)

_NAMED: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("io.IOBase",), "is an open file", "Pass its path, or its content"),
    (
        (
            "_thread.LockType",  # whose name is `lock`, which `_thread` has from 3.13 on
            "_thread.RLock",
            "_thread._local",
            "threading.Thread",
            "threading.Condition",
            "threading.Event",
            "threading.Semaphore",
            "threading.Barrier",
            "socket.socket",
            "weakref.ReferenceType",
            "weakref.ProxyType",
            "weakref.CallableProxyType",
            "weakref.WeakValueDictionary",
            "weakref.WeakKeyDictionary",
            "weakref.WeakSet",
            "_contextvars.ContextVar",
            "_contextvars.Context",
            "_contextvars.Token",
            "subprocess.Popen",
            "multiprocessing.process.BaseProcess",
            "concurrent.futures._base.Future",
            "concurrent.futures._base.Executor",
            "asyncio.events.AbstractEventLoop",
            "_asyncio.Future",
            "mmap.mmap",
            "sqlite3.Connection",
        ),
        _PROCESS,
        "",
    ),
)
"""By name, so that nothing is imported for the sake of being refused: who has such a value has its module."""
