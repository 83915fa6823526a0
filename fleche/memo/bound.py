"""`BoundCall`: a cached function with the surroundings of the place where it was bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from fleche.memo.active import active_cache, active_meta, active_mode, cache, meta, mode

if TYPE_CHECKING:
    from fleche.caches import BaseCache

__all__ = ["BoundCall", "applied"]

P = ParamSpec("P")
R = TypeVar("R")


class BoundCall(Generic[P, R]):
    """A callable that runs a function as it would have run where this was made: with that cache, mode and metadata.

    It can be given to threads and, where the cache is not in memory, pickled into other processes.

    Args:
        function: The function, usually a cached one.
        cache: The cache to use, or None where the function has its own.
    """

    def __init__(self, function: Callable[P, R], cache: BaseCache | None) -> None:
        self.function = function
        self._cache = cache
        self._mode = active_mode()
        self._meta = active_meta()

    @classmethod
    def bind(cls, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> BoundCall[..., R]:
        """Return a function bound to what is active here and now.

        Args:
            function: A cached function, or any that calls cached functions.
            *args: Arguments that come before those of the call.
            **kwargs: Arguments that the call can replace.

        >>> import fleche
        >>> @fleche.cached
        ... def power(base, exponent):
        ...     return base**exponent
        >>> with fleche.cache("memory"):
        ...     cube = BoundCall.bind(power, exponent=3)
        >>> cube(2)
        8
        """
        from fleche.memo.function import CachedFunction  # each needs the other

        if isinstance(function, CachedFunction):
            bound: BoundCall[..., R] = function.bind(*args, **kwargs)
            return bound
        return BoundCall(applied(function, args, kwargs), active_cache())

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function with the cache, mode and metadata of the place where this was made."""
        with ExitStack() as stack:
            if self._cache is not None:
                stack.enter_context(cache(self._cache))
            stack.enter_context(mode(self._mode))
            stack.enter_context(meta(*self._meta))
            return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<{self.function!r} bound to {self._cache!r}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "function" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.function, name)


def applied(function: Callable[..., R], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Callable[..., R]:
    """Return a function with some of its arguments given in advance."""
    return partial(function, *args, **kwargs) if args or kwargs else function
