"""`AsyncCachedFunction`: a coroutine function that remembers its calls."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, overload

from fleche.memo.active import Mode, active_mode, mode
from fleche.memo.function import BoundCachedFunction, CachedFunction

__all__ = ["AsyncCachedFunction", "BoundAsyncCachedFunction"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


class AsyncCachedFunction(CachedFunction[P, Coroutine[Any, Any, R]]):
    """A coroutine function that remembers its calls; ``inspect.iscoroutinefunction`` stays true.

    The event loop goes on while another computes the same key. A cancelled call files nothing and gives its key free.
    """

    _kind = "awaited.AsyncMemo"

    async def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what the call returned before, or run the body and remember."""
        mode = active_mode()
        everything = (*self._receiver, *args) if self._receiver else args
        engine = self._engine
        if mode is Mode.OFF:
            return await engine.function(*everything, **kwargs)  # type: ignore[no-any-return]
        return await engine.memo.recall(mode, everything, kwargs)  # type: ignore[no-any-return]

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: AsyncCachedFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> BoundAsyncCachedFunction[Q, R]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        return self._bound_to(instance, BoundAsyncCachedFunction)

    async def load(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return the stored result of a call; never run the body.

        Raises:
            KeyError: The result is not stored.
        """
        return self._memo.load((*self._receiver, *args), kwargs)  # type: ignore[no-any-return]

    async def rerun(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the body whatever is stored, and store what it returns."""
        with mode(Mode.REFRESH):
            return await self(*args, **kwargs)

    async def ref(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:  # type: ignore[override]
        """Return a handle on the result of a call, computed if need be; a stored result is not loaded."""
        sealed = self._memo.seal((*self._receiver, *args), kwargs)
        cache = self._memo.cache()
        found = self._memo.where(cache, sealed, errors=False)
        if found is None:
            await self(*args, **kwargs)
            found = self._memo.where(cache, sealed, errors=False) or sealed
        self._memo.used(found)
        return cache.load(found.key).ref()


class BoundAsyncCachedFunction(AsyncCachedFunction[P, R], BoundCachedFunction[P, Coroutine[Any, Any, R]]):
    """A cached coroutine method of one object."""
