"""Which cache a call uses, and in which mode: what is active here and now."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, overload

from fleche.errors import ConfigError

if TYPE_CHECKING:
    from fleche.caches import BaseCache
    from fleche.call import MetaData

__all__ = [
    "Defaults",
    "Mode",
    "active_cache",
    "active_meta",
    "active_mode",
    "cache",
    "defaults",
    "meta",
    "mode",
    "noted_meta",
    "project",
    "set_default_cache",
    "tags",
]


class Mode(StrEnum):
    """What cached functions do.

    ``on``: hits, else compute and write. ``off``: as if undecorated. ``read``: hits, else compute, and write
    nothing. ``refresh``: compute and write. ``frozen``: hits, else `MissError`.
    """

    ON = "on"
    OFF = "off"
    READ = "read"
    REFRESH = "refresh"
    FROZEN = "frozen"


class Defaults:
    """What holds for the whole process where nothing narrower is active.

    Attributes:
        open: Names and URLs to caches, and None to the default one; set once by ``fleche/__init__``.
        gather: Gives the metadata that is noted of every call; set once by ``fleche/__init__``.
        others: Gives the other stores that are known where one is in use, each by its place and what opens it to be
            read only; set once by ``fleche/__init__``.
    """

    def __init__(self) -> None:
        self.open: Callable[[str | None], BaseCache] | None = None
        self.gather: Callable[[], tuple[MetaData, ...]] | None = None
        self.others: Callable[[BaseCache], Iterable[tuple[str, Callable[[], BaseCache]]]] | None = None
        self._meta: tuple[MetaData, ...] | None = None
        self._lock = threading.Lock()
        self._cache: BaseCache | None = None
        self._mode: Mode | None = None
        self._tells: bool | None = None

    @property
    def cache(self) -> BaseCache:
        """The default cache; made at the first use."""
        if self._cache is None:
            with self._lock:
                if self._cache is None:
                    self._cache = self.named(None)
        return self._cache

    @cache.setter
    def cache(self, cache: BaseCache | None) -> None:
        self._cache = cache

    @property
    def mode(self) -> Mode:
        """The mode that ``FLECHE_MODE`` names, read once."""
        if self._mode is None:
            self._mode = _parse_mode(os.environ.get("FLECHE_MODE") or Mode.ON, "FLECHE_MODE")
        return self._mode

    @property
    def tells(self) -> bool:
        """Whether each miss is logged with its cause: what ``FLECHE_WHY`` says, read once."""
        if self._tells is None:
            self._tells = (os.environ.get("FLECHE_WHY") or "0").lower() not in ("0", "off", "no", "false")
        return self._tells

    @tells.setter
    def tells(self, tells: bool) -> None:
        self._tells = tells

    @property
    def meta(self) -> tuple[MetaData, ...]:
        """The metadata that is noted of every call, read from the configuration once."""
        if self._meta is None:
            self._meta = () if self.gather is None else self.gather()
        return self._meta

    def named(self, name: str | None) -> BaseCache:
        """Return the cache of a name or URL; None is the default one."""
        if self.open is None:
            raise ConfigError("import fleche, so that caches can be opened by name")
        return self.open(name)


defaults = Defaults()

_cache: ContextVar[BaseCache | None] = ContextVar("fleche.cache", default=None)
_mode: ContextVar[Mode | None] = ContextVar("fleche.mode", default=None)
_meta: ContextVar[tuple[MetaData, ...]] = ContextVar("fleche.meta", default=())


def active_cache() -> BaseCache:
    """Return the cache that is active in this context."""
    return _cache.get() or defaults.cache


def active_mode() -> Mode:
    """Return the mode that is active in this context."""
    return _mode.get() or defaults.mode


def active_meta() -> tuple[MetaData, ...]:
    """Return the metadata that is active in this context, beside each function's own."""
    return _meta.get()


def noted_meta() -> tuple[MetaData, ...]:
    """Return the metadata of every call and what is active in this context, beside each function's own."""
    return (*defaults.meta, *active_meta())


class _Sticky(AbstractContextManager[None]):
    """A setting that is already made; leaving the ``with`` block takes it back."""

    def __init__(self, variable: ContextVar[Any], token: Token[Any]) -> None:
        self._variable = variable
        self._token = token

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._variable.reset(self._token)

    def __getattr__(self, name: str) -> NoReturn:
        what = (
            "cache(new) makes a cache active, and returns none; ask cache() for it, after it or in a with block of it"
        )
        raise AttributeError(f"no {name!r} here: {what if self._variable is _cache else 'this is for a with block'}")


@overload
def cache(new: None = None, stack: bool = False) -> BaseCache: ...
@overload
def cache(new: BaseCache | str, stack: bool = False) -> AbstractContextManager[None]: ...
def cache(new: BaseCache | str | None = None, stack: bool = False) -> BaseCache | AbstractContextManager[None]:
    """Return the active cache, or make another one active in the current context.

    A context variable carries it: coroutines and tasks inherit it, plain threads do not (`set_default_cache` is for
    the whole process).

    Args:
        new: A cache, a name from the configuration (``"memory"``, ``"void"``, ``"default"``), or a URL or path of a
            store. None returns the active cache.
        stack: Put it in front of the active cache instead of replacing that: it is read first, and written to.

    Returns:
        The active cache; or, where one is given, a context manager that takes the change back. The change is made
        at once, so without ``with`` it stays.

    Raises:
        ConfigError: No cache has this name.
        StoreError: The store cannot be opened.

    >>> import fleche
    >>> with fleche.cache("memory"):
    ...     fleche.cache()
    Cache(MemoryStore())
    """
    if new is None:
        return active_cache()
    chosen = defaults.named(new) if isinstance(new, str) else new
    from fleche.caches import BaseCache

    if not isinstance(chosen, BaseCache):
        raise TypeError(f"cache({new!r}): give a cache, its name, or the URL or path of a store")
    return _Sticky(_cache, _cache.set(active_cache().push(chosen) if stack else chosen))


def set_default_cache(cache: BaseCache | str) -> None:
    """Set the cache that the whole process uses where no narrower one is active.

    Args:
        cache: A cache, a name from the configuration, or a URL or path of a store.

    Raises:
        ConfigError: No cache has this name.
        StoreError: The store cannot be opened.
    """
    defaults.cache = defaults.named(cache) if isinstance(cache, str) else cache


@contextmanager
def mode(name: Mode | str) -> Iterator[None]:
    """Set what cached functions do within a ``with`` block: ``on off read refresh frozen``.

    Raises:
        ConfigError: There is no such mode.

    >>> import fleche
    >>> with fleche.mode("off"):
    ...     pass  # cached functions run as if they were undecorated
    """
    token = _mode.set(_parse_mode(name, "mode"))
    try:
        yield
    finally:
        _mode.reset(token)


def meta(*kinds: MetaData, stack: bool = False) -> AbstractContextManager[None]:
    """Note more metadata of the calls in this context: for good, or for a ``with`` block.

    Args:
        *kinds: Metadata objects, such as ``Git()``.
        stack: Add them to those that are active instead of replacing them.
    """
    return _Sticky(_meta, _meta.set((*_meta.get(), *kinds) if stack else kinds))


def tags(**tags: Any) -> AbstractContextManager[None]:
    """Tag the calls in this context with JSON values, under ``metadata["tags"]``; inner tags win.

    >>> import fleche
    >>> with fleche.cache("memory"), fleche.tags(phase="train"):
    ...     pass
    """
    from fleche.call import Tags

    return meta(Tags(**tags), stack=True)


def project(name: str) -> AbstractContextManager[None]:
    """Tag the calls in this context with the name of a project."""
    return tags(project=name)


def _parse_mode(name: Mode | str, origin: str) -> Mode:
    try:
        return Mode(name)
    except ValueError:
        raise ConfigError(f"{origin} is {str(name)!r}; the modes are {', '.join(Mode)}") from None
