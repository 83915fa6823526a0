"""`fleche`: the decorator of version 0, as a face over `cached`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from fleche.memo.coroutine import AsyncCachedFunction
from fleche.memo.decorator import Decorator, Maker, cached
from fleche.memo.function import CachedFunction
from fleche.memo.generator import AsyncCachedGenerator, CachedGenerator
from fleche.memo.options import CodeMode, Names

if TYPE_CHECKING:
    from fleche.call import MetaData, Version

__all__ = ["fleche"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


@overload
def fleche(function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncCachedFunction[P, R]: ...
@overload
def fleche(function: Callable[P, AsyncIterator[T]], /) -> AsyncCachedGenerator[P, T]: ...
@overload
def fleche(function: Callable[P, Iterator[T]], /) -> CachedGenerator[P, T]: ...
@overload
def fleche(function: Callable[P, R], /) -> CachedFunction[P, R]: ...
@overload
def fleche(
    function: None = None,
    /,
    *,
    version: Version = None,
    meta: Sequence[MetaData] = (),
    hash_version: bool = True,
    hash_module: bool = True,
    hash_code: bool | None = None,
    require: Names | None = None,
    ignore: Names | None = None,
    isolate: bool = False,
) -> Decorator: ...
def fleche(
    function: Callable[..., Any] | None = None,
    /,
    *,
    version: Version = None,
    meta: Sequence[MetaData] = (),
    hash_version: bool = True,
    hash_module: bool = True,
    hash_code: bool | None = None,
    require: Names | None = None,
    ignore: Names | None = None,
    isolate: bool = False,
) -> Any:
    """Make a function remember its calls, as `cached` does; the name and the options of version 0.

    Kept for existing code. What has changed since is listed in "Come from fleche 0".

    Args:
        function: The function. Not given where there are options.
        version: Part of the key: raise it to compute anew whatever the code says.
        meta: Metadata to note beside ``Runtime`` and ``Environment``.
        hash_version: Whether the version counts; without, it is not recorded either.
        hash_module: Whether the name of the module counts, so that a function that is moved to another module misses.
            Without code in the key it always does: functions of one name would share their results.
        hash_code: Whether code counts: None and True are ``code="deep"`` of `cached`, False is ``code=None``.
        require: Names of parameters that must be given by keyword, else the call runs uncached.
        ignore: Names of parameters that are in neither key nor record.
        isolate: Run the body in a fresh working directory, one at a time in the process.

    Returns:
        A `CachedFunction`, `AsyncCachedFunction`, `CachedGenerator` or `AsyncCachedGenerator`.

    Raises:
        TypeError: What is decorated is no function, or an option is of the wrong type.
        ValueError: An option has an impossible value.

    >>> from fleche import cache, fleche
    >>> @fleche(version=2)
    ... def double(x):
    ...     return 2 * x
    >>> with cache("memory"):
    ...     double(21), double.fleche.contains(21)
    (42, True)
    """
    code: CodeMode | None = None if hash_code is False else "deep"
    make: Any = cached(
        version=version if hash_version else None,
        meta=meta,
        code=code,
        require=require or (),
        ignore=ignore or (),
        isolate=isolate,
    )
    if code is not None and not hash_module:
        assert isinstance(make, Maker)
        make = make.evolve(module=False)
    return make if function is None else make(function)
