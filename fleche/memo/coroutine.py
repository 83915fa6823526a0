"""`AsyncCachedFunction`: a coroutine function that remembers its calls."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, overload

from fleche.caches import BaseCache
from fleche.memo.active import Mode, active_mode, mode
from fleche.memo.flight import MISSING
from fleche.memo.function import BoundCachedFunction, CachedFunction
from fleche.memo.memo import Run, Sealed

__all__ = ["AsyncCachedFunction", "BoundAsyncCachedFunction"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")

_THREAD_ABOVE = 1 << 16  # bytes: loading or storing more would hold up the event loop


class AsyncCachedFunction(CachedFunction[P, Coroutine[Any, Any, R]]):
    """A coroutine function that remembers its calls; ``inspect.iscoroutinefunction`` stays true.

    The event loop goes on while another computes the same key. A cancelled call files nothing and gives its key free.
    """

    _is_coroutine_marker: Any

    async def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:  # type: ignore[override]
        """Return what the call returned before, or run the body and remember."""
        memo = self._memo
        mode = active_mode()
        everything = (*self._receiver, *args) if self._receiver else args
        if mode is Mode.OFF:
            return await memo.function(*everything, **kwargs)  # type: ignore[no-any-return]
        return await self._recall_async(mode, everything, kwargs)  # type: ignore[no-any-return]

    async def _recall_async(self, mode: Mode, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        memo = self._memo
        sealed = memo.try_seal(args, kwargs)
        if sealed is None:
            if mode is Mode.FROZEN:
                raise memo.refuse_miss(None)
            memo.statistics.uncached += 1
            args, kwargs = memo.loaded(memo.usable_cache(), None, args, kwargs)
            return await memo.function(*args, **kwargs)
        cache = memo.usable_cache()
        if mode is not Mode.REFRESH:
            found = await self._look(cache, sealed)
            if found is not MISSING:
                memo.hit(sealed)
                return found
            if mode is Mode.FROZEN:
                raise memo.refuse_miss(sealed)
        args, kwargs = memo.loaded(cache, sealed, args, kwargs)
        if mode is Mode.READ:
            memo.statistics.uncached += 1
            return await memo.function(*args, **kwargs)
        return await self._compute_async(cache, sealed, args, kwargs, refresh=mode is Mode.REFRESH)

    async def _look(self, cache: BaseCache, sealed: Sealed) -> Any:
        memo = self._memo
        hit = memo.lookup(cache, sealed)
        if hit is None:
            return MISSING
        if hit.envelope is not None and hit.envelope.size > _THREAD_ABOVE:
            return await _in_thread(memo.open, cache, sealed, hit)
        return memo.open(cache, sealed, hit)

    async def _compute_async(
        self, cache: BaseCache, sealed: Sealed, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, refresh: bool
    ) -> Any:
        memo = self._memo
        settled = await memo.contest(cache, sealed, refresh=refresh).settle_async()
        if settled.found is not MISSING:
            memo.hit(sealed)
            return settled.found
        try:
            run = memo.begin(cache, sealed, settled.lease)
            if run is None:
                return await memo.function(*args, **kwargs)
            return await self._run(run, args, kwargs)
        finally:
            if settled.lease is not None:
                settled.lease.release()

    async def _run(self, run: Run, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        try:
            with run.inside():
                result = await self._memo.function(*args, **kwargs)
        except Exception as error:
            run.fail(error)
            raise
        except BaseException:
            run.abandon()
            raise
        if _size(result) > _THREAD_ABOVE:
            await _in_thread(run.commit, result)
        else:
            run.commit(result)
        return result

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

    async def load(self, /, *args: P.args, **kwargs: P.kwargs) -> R:  # type: ignore[override]
        """Return the stored result of a call; never run the body.

        Raises:
            KeyError: The result is not stored.
        """
        return self._load((*self._receiver, *args), kwargs)  # type: ignore[no-any-return]

    async def rerun(self, /, *args: P.args, **kwargs: P.kwargs) -> R:  # type: ignore[override]
        """Run the body whatever is stored, and store what it returns."""
        with mode(Mode.REFRESH):
            return await self(*args, **kwargs)

    async def ref(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:  # type: ignore[override]
        """Return a handle on the result of a call, computed if need be; a stored result is not loaded."""
        sealed = self._memo.seal((*self._receiver, *args), kwargs)
        cache = self._memo.cache()
        if not self._memo.stored(cache, sealed):
            await self(*args, **kwargs)
        return cache.load(sealed.key).ref()


async def _in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Run a blocking step in a thread; a cancelled caller leaves it to finish."""
    from asyncio import shield, to_thread

    return await shield(to_thread(function, *args))


def _size(value: Any) -> int:
    """Return about how many bytes a value has, told without serializing it."""
    size = getattr(value, "nbytes", None)
    return size if isinstance(size, int) else sys.getsizeof(value, 0)


class BoundAsyncCachedFunction(AsyncCachedFunction[P, R], BoundCachedFunction[P, Coroutine[Any, Any, R]]):
    """A cached coroutine method of one object."""
