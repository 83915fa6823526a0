"""How a coroutine function's calls are recalled, without holding up the event loop."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from fleche.caches import BaseCache
from fleche.memo.active import Mode
from fleche.memo.flight import MISSING
from fleche.memo.memo import Memo, Sealed, is_decided
from fleche.memo.run import Run
from fleche.storage.base import Hit

__all__ = ["AsyncMemo"]

_THREAD_ABOVE = 1 << 16  # bytes: loading or storing more would hold up the event loop


class AsyncMemo(Memo):
    """The memory of a coroutine function."""

    async def recall(self, mode: Mode, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return what a call returned before, or run the body and remember."""
        cache, sealed = self.enter(mode, args, kwargs)
        if cache is None or sealed is None:
            args, kwargs = self.loaded(cache, None, args, kwargs)
            return await self.function(*args, **kwargs)
        return await self.proceed(mode, cache, sealed, args, kwargs)

    async def proceed(
        self, mode: Mode, cache: BaseCache, sealed: Sealed, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Return what a sealed call returned before, or run the body and remember."""
        if mode is not Mode.REFRESH:
            found = await self._look(cache, sealed)
            if found is not MISSING:
                self.hit(sealed)
                return found
            if mode is Mode.FROZEN:
                raise self.refuse_miss(sealed)
        args, kwargs = self.loaded(cache, sealed, args, kwargs)
        if mode is Mode.READ:
            self.statistics.uncached += 1
            return await self.function(*args, **kwargs)
        return await self._compute(cache, sealed, args, kwargs, refresh=mode is Mode.REFRESH)

    async def _look(self, cache: BaseCache, sealed: Sealed) -> Any:
        hit = self._read(cache, sealed)
        found = await self._opened_here(cache, sealed, hit)
        if found is not MISSING or is_decided(hit):
            return found
        for other in self.elsewhere(cache, sealed):
            found = await self._opened_here(cache, other, self._read(cache, other))
            if found is not MISSING:
                return found
        return MISSING

    async def _opened_here(self, cache: BaseCache, sealed: Sealed, hit: Hit | None) -> Any:
        if hit is None or not self.counts(hit):
            return MISSING
        if hit.envelope is not None and hit.envelope.size > _THREAD_ABOVE:
            return await _in_thread(self.open, cache, sealed, hit)
        return self.open(cache, sealed, hit)

    async def _compute(
        self, cache: BaseCache, sealed: Sealed, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, refresh: bool
    ) -> Any:
        settled = await self.contest(cache, sealed, refresh=refresh).settle_async()
        if settled.found is not MISSING:
            self.hit(sealed)
            return settled.found
        try:
            run = self.begin(cache, sealed, settled.lease)
            if run is None:
                return await self.function(*args, **kwargs)
            return await self._run(run, args, kwargs)
        finally:
            if settled.lease is not None:
                settled.lease.release()

    async def _run(self, run: Run, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        try:
            with run.inside():
                result = await self.function(*args, **kwargs)
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


async def _in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Run a blocking step in a thread; a cancelled caller leaves it to finish."""
    from asyncio import shield, to_thread

    return await shield(to_thread(function, *args))


def _size(value: Any) -> int:
    """Return about how many bytes a value has, told without serializing it."""
    size = getattr(value, "nbytes", None)
    return size if isinstance(size, int) else sys.getsizeof(value, 0)
