"""How a plain function's calls are recalled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from fleche.caches import BaseCache
from fleche.call import FunctionProfile
from fleche.memo.active import Mode
from fleche.memo.flight import MISSING
from fleche.memo.futures import Pending, is_future, revived
from fleche.memo.memo import Memo, Sealed
from fleche.memo.options import Options

__all__ = ["PlainMemo"]


class PlainMemo(Memo):
    """The memory of a plain function: look, else wait or compute, and file."""

    def __init__(self, function: Callable[..., Any], options: Options, profile: FunctionProfile) -> None:
        super().__init__(function, options, profile)
        self._pending = Pending()

    def recall(self, mode: Mode, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return what a call returned before, or run the body and remember."""
        cache, sealed = self.enter(mode, args, kwargs)
        if cache is None or sealed is None:
            args, kwargs = self.loaded(cache, None, args, kwargs)
            return self.function(*args, **kwargs)
        return self.proceed(mode, cache, sealed, args, kwargs)

    def proceed(
        self, mode: Mode, cache: BaseCache, sealed: Sealed, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Return what a sealed call returned before, or run the body and remember."""
        if mode is not Mode.REFRESH:
            found = self.look(cache, sealed)
            if found is not MISSING:
                self.hit(sealed)
                return revived(found)
            if mode is Mode.FROZEN:
                raise self.refuse_miss(sealed)
        args, kwargs = self.loaded(cache, sealed, args, kwargs)
        if mode is Mode.READ:
            self.statistics.uncached += 1
            return self.function(*args, **kwargs)
        return self._compute(cache, sealed, args, kwargs, refresh=mode is Mode.REFRESH)

    def _compute(
        self, cache: BaseCache, sealed: Sealed, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, refresh: bool
    ) -> Any:
        place = (id(cache), sealed.key)
        again = partial(self._compute, cache, sealed, args, kwargs, refresh=refresh)
        follower = self._pending.follow(place, partial(self.look, cache, sealed), again)
        if follower is not None:
            return follower
        settled = self.contest(cache, sealed, refresh=refresh).settle()
        if settled.found is not MISSING:
            self.hit(sealed)
            return revived(settled.found)
        lease = settled.lease
        try:
            run = self.begin(cache, sealed, lease)
            if run is None:
                return self.function(*args, **kwargs)
            try:
                with run.inside():
                    result = self.function(*args, **kwargs)
            except Exception as error:
                run.fail(error)
                raise
            except BaseException:
                run.abandon()
                raise
            if is_future(result):
                kept, lease = lease, None  # until the future resolves
                return self._pending.file_later(place, run, result, kept)
            run.commit(result)
            return result
        finally:
            if lease is not None:
                lease.release()

    def load(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return the stored result of a call, and never run the body."""
        return revived(super().load(args, kwargs))
