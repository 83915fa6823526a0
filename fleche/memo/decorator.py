"""`cached`: the decorator."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload

from fleche.clock import Seconds
from fleche.memo.coroutine import AsyncCachedFunction
from fleche.memo.function import CachedFunction
from fleche.memo.generator import AsyncCachedGenerator, CachedGenerator
from fleche.memo.options import NOTHING, CodeMode, Names, OnWait, Options, Size

if TYPE_CHECKING:
    from fleche.caches import BaseCache
    from fleche.call import LazyCall, MetaData, Version

__all__ = ["Decorator", "Maker", "cached"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


_SUSPENDS = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


class Decorator(Protocol):
    """What ``cached(...)`` with options returns."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncCachedFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, AsyncIterator[T]], /) -> AsyncCachedGenerator[P, T]: ...
    @overload
    def __call__(self, function: Callable[P, Iterator[T]], /) -> CachedGenerator[P, T]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> CachedFunction[P, R]: ...


@overload
def cached(function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncCachedFunction[P, R]: ...
@overload
def cached(function: Callable[P, AsyncIterator[T]], /) -> AsyncCachedGenerator[P, T]: ...
@overload
def cached(function: Callable[P, Iterator[T]], /) -> CachedGenerator[P, T]: ...
@overload
def cached(function: Callable[P, R], /) -> CachedFunction[P, R]: ...
@overload
def cached(
    *,
    version: Version = None,
    ignore: Names = (),
    require: Names = (),
    key: Mapping[str, Callable[[Any], Any]] = NOTHING,
    code: CodeMode | None = "deep",
    code_roots: Names = (),
    environment: Names = (),
    was: Names = (),
    added: Mapping[str, Any] = NOTHING,
    ttl: Seconds | None = None,
    valid_if: Callable[[LazyCall], bool] | None = None,
    errors: type[Exception] | tuple[type[Exception], ...] = (),
    errors_ttl: Seconds | None = None,
    meta: Sequence[MetaData] = (),
    strict: bool = False,
    on_wait: OnWait = "wait",
    wait_limit: Seconds | None = None,
    isolate: bool = False,
    cache: BaseCache | str | None = None,
    store_arguments: Size = "1 MiB",
) -> Decorator: ...
def cached(
    function: Callable[..., Any] | None = None,
    /,
    *,
    version: Version = None,
    ignore: Names = (),
    require: Names = (),
    key: Mapping[str, Callable[[Any], Any]] = NOTHING,
    code: CodeMode | None = "deep",
    code_roots: Names = (),
    environment: Names = (),
    was: Names = (),
    added: Mapping[str, Any] = NOTHING,
    ttl: Seconds | None = None,
    valid_if: Callable[[LazyCall], bool] | None = None,
    errors: type[Exception] | tuple[type[Exception], ...] = (),
    errors_ttl: Seconds | None = None,
    meta: Sequence[MetaData] = (),
    strict: bool = False,
    on_wait: OnWait = "wait",
    wait_limit: Seconds | None = None,
    isolate: bool = False,
    cache: BaseCache | str | None = None,
    store_arguments: Size = "1 MiB",
) -> Any:
    """Make a function remember its calls.

    The same call, spelled any way, in any process, returns what it returned before: equal, of the same types, the
    caller's to mutate. Editing code that matters misses; a failure of the cache is a warning, not a failure of the
    call. Works on functions, methods, coroutine functions, generators and async generators. Goes under
    ``@classmethod`` and ``@staticmethod``.

    Args:
        function: The function. Not given where there are options.
        version: Part of the key: raise it to compute anew whatever the code says.
        ignore: Names of parameters that are in neither key nor record (or annotate them ``Ignored[T]``).
        require: Names of parameters that must be given by keyword, else the call runs uncached
            (or annotate them ``Required[T]``).
        key: For some parameters, a function of the bound value whose result is keyed and stored in its place.
        code: How much code is in the key: ``"deep"`` (its own, and the project code it reaches), ``"own"``, or
            None. Functions of ``__main__``, lambdas and functions inside functions always carry their own.
        code_roots: More packages whose code counts when it is reached.
        environment: Packages whose versions count.
        was: The name or names that the function had before it was renamed or moved, such as
            ``"old_pkg.model.train"`` (``"pkg.mod:Class.method"`` where module and name would not be told apart, a
            name alone for this module). Stored calls under these names are hits if the code is otherwise the same,
            which is verified. ``__main__`` is the name of scripts and notebooks.
        added: Parameters that the function did not have, each with the value that the calls before meant, such as
            ``{"seed": 42}``: a call with ``seed=42`` may be answered by one that was stored without. Where code is in
            the key the edit that added it must be accepted, once: ``f.accept()``. With ``code=None`` it works at once.
        ttl: Seconds (or a timedelta) after which a record is a miss. Changing it applies to old records too.
        valid_if: Called with the stored call at each hit; false is a miss.
        errors: Exception types that are results: stored, and raised again at a hit. Failed calls of other types
            are recorded, and run again.
        errors_ttl: Seconds after which a stored exception is a miss.
        meta: Metadata to note beside ``Runtime`` and ``Environment``, such as ``(Git(),)``.
        strict: Raise what would be a warning: an indigestible argument, a store that fails.
        on_wait: While another thread or process computes the same key: ``"wait"`` for it, ``"compute"``
            without sharing, or ``"raise"`` `AlreadyRunning`.
        wait_limit: Seconds to wait at most, then `WaitTimeout`; None is for ever.
        isolate: Run the body in a fresh working directory, one at a time in the process. Not for coroutines.
        cache: The cache to use whatever is active: an object, a name, or a URL or path.
        store_arguments: Arguments up to this size are stored with the record, for looking at later: bytes, or text
            such as ``"1 MiB"``, ``"all"``, ``"none"``. Keys are made of all arguments whatever this says.

    Returns:
        A `CachedFunction`, `AsyncCachedFunction`, `CachedGenerator` or `AsyncCachedGenerator`.

    Raises:
        TypeError: What is decorated is no function, or an option is of the wrong type.
        ValueError: An option has an impossible value.

    >>> import fleche
    >>> @fleche.cached(cache="memory")
    ... def add(a, b=2):
    ...     return a + b
    >>> add(1), add(a=1), add(1, b=2)
    (3, 3, 3)
    >>> add.info().misses
    1
    """
    options = Options.parse(
        version=version,
        ignore=ignore,
        require=require,
        key=key,
        code=code,
        code_roots=code_roots,
        environment=environment,
        was=was,
        added=added,
        ttl=ttl,
        valid_if=valid_if,
        errors=errors,
        errors_ttl=errors_ttl,
        meta=meta,
        strict=strict,
        on_wait=on_wait,
        wait_limit=wait_limit,
        isolate=isolate,
        cache=cache,
        store_arguments=store_arguments,
    )
    make = Maker(options)
    return make if function is None else make(function)


class Maker:
    """Makes cached functions with one set of options."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def evolve(self, **changes: Any) -> Maker:
        """Return a maker with other options."""
        return Maker(replace(self._options, **changes))

    def __call__(self, function: Callable[..., Any], /) -> Any:
        """Return the cached form of a function."""
        _check(function)
        if self._options.isolate and _suspends(function):
            raise TypeError(
                f"isolate=True: {function.__qualname__} is async or a generator, and would leave its directory halfway"
            )
        kind: Any = CachedFunction
        if inspect.iscoroutinefunction(function):
            kind = AsyncCachedFunction
        elif inspect.isasyncgenfunction(function):
            kind = AsyncCachedGenerator
        elif inspect.isgeneratorfunction(function):
            kind = CachedGenerator
        return kind(function, self._options)


def _suspends(function: Callable[..., Any]) -> bool:
    return bool(function.__code__.co_flags & _SUSPENDS) if inspect.isfunction(function) else False


def _check(function: Any) -> None:
    if isinstance(function, classmethod | staticmethod):
        kind = type(function).__name__
        raise TypeError(f"@cached goes under @{kind}: write @{kind} above @cached")
    if isinstance(function, CachedFunction):
        raise TypeError(f"{function!r} is cached already")
    if isinstance(function, type):
        raise TypeError(f"@cached is for functions, and {function.__qualname__} is a class: decorate its methods")
    if not callable(function) or not hasattr(function, "__qualname__"):
        raise TypeError(f"@cached is for functions, not {function!r}: wrap it in a def")
