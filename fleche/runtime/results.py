"""What the cache knows of a task's calls, and how a task's body is run under it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fleche.call import FunctionProfile, Outcome
from fleche.digest import Digest, digest
from fleche.errors import ConfigError, Indigestible, MissError, UnknownDigestError
from fleche.memo.active import Mode
from fleche.memo.engine import Engine as MemoEngine
from fleche.memo.function import CachedFunction
from fleche.memo.futures import revived
from fleche.memo.memo import Untouched
from fleche.memo.options import Options
from fleche.memo.references import resolved

if TYPE_CHECKING:
    from fleche.caches import BaseCache
    from fleche.call import Call as CacheCall
    from fleche.memo.memo import Sealed

__all__ = ["TaskResults"]

log = logging.getLogger("fleche.runtime")


class TaskResults:
    """The results of one task in the cache.

    What a worker computes is filed as the call record that `@cached` would file, under the same key, so each finds what
    the other computed; and while a worker runs a call, it holds the call's lease.

    Args:
        function: The function of the task; if it is decorated with `@cached`, its options count.
        cache: The cache, or None for the one that is active where the task is called or run.
        reuse: Whether results are looked up and joined; else the body always runs, and nothing is filed.
    """

    def __init__(self, function: Callable[..., Any], cache: BaseCache | str | None, *, reuse: bool) -> None:
        self.reuse = reuse
        if isinstance(function, CachedFunction):
            self.body: Callable[..., Any] = function.__wrapped__
            self._memo: Any = _memo_of(function, cache or None)
        else:
            self.body = function
            kind = "awaited.AsyncMemo" if inspect.iscoroutinefunction(function) else "plain.PlainMemo"
            options = Options(cache=cache or None)
            self._memo = MemoEngine(kind, function, options, FunctionProfile(function)).memo
        self._told = False

    @property
    def label(self) -> str:
        """How messages name the task."""
        return str(self._memo.label)

    def call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> CacheCall:
        """Return a call as the cache knows it."""
        return self._memo.call(args, kwargs)  # type: ignore[no-any-return]

    def seal(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sealed | None:
        """Return a call with its key; None where it has none, or none is wanted.

        Raises:
            TypeError: The function cannot be called so.
        """
        return self._memo.try_seal(args, kwargs) if self.reuse else None

    def identities(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Digest]:
        """Return the digests of the arguments, by name.

        Raises:
            Indigestible: One has none.
        """
        bound = self._memo.profile.bind(args, kwargs)
        return {name: self._identity(name, value) for name, value in bound.items()}

    def _identity(self, name: str, value: Any) -> Digest:
        try:
            return digest(value, name=name)
        except Indigestible:
            if not self._memo.profile.is_default(name, value):
                raise
            return digest(Untouched(name))  # as in a key

    def answer(self, sealed: Sealed) -> Digest | None:
        """Return the key of the record that answers a call, or None; a cache that fails answers nothing."""
        key = self.record(sealed)
        if key is None:
            return None
        if not self._told:
            self._told = True
            log.info("%s: a result is reused: call %s; effect=True would run it each time", self.label, sealed.key[:12])
        return key

    def load(self, key: Digest) -> Any:
        """Return the result of a record.

        Raises:
            KeyError: It is not stored any more.
        """
        cache = self._memo.cache()
        hit = cache.lookup(key)
        if hit is None or hit.outcome is not Outcome.RESULT:
            raise UnknownDigestError(f"call {key} is not stored in {cache}", digest=str(key))
        return revived(cache.open(hit))

    def refusal(self, sealed: Sealed | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> MissError:
        """Return the error of a call that is a miss, in frozen mode."""
        return self._memo.refuse_miss(sealed, args, kwargs)  # type: ignore[no-any-return]

    def recall(self, mode: Mode, sealed: Sealed, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return the result of a call as `@cached` would in a mode: stored, waited for, or computed now and stored.

        Of an ``async`` function this returns a coroutine.
        """
        try:
            cache = self._memo.cache()
        except ConfigError:
            raise
        except Exception as error:
            if mode is Mode.FROZEN:
                raise self.refusal(sealed, args, kwargs) from error
            log.warning("%s: runs uncached: the cache cannot be opened: %s", self.label, error)
            return self.run(args, kwargs)
        return self._memo.proceed(mode, cache, sealed, args, kwargs)

    def run(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return what the body returns, its digests and handles replaced by their values.

        Raises:
            ValueNotStored: The cache does not hold one of them.
        """
        loaded = [resolved(value, self._value) for value in args]
        return self.body(*loaded, **{name: resolved(value, self._value) for name, value in kwargs.items()})

    def _value(self, key: Digest) -> Any:
        return self._memo.cache().load_value(key)

    def record(self, sealed: Sealed) -> Digest | None:
        """Return the key of the record that holds the result of a call; None where none does, or the cache fails.

        It is another one than the call's own where the function was renamed, moved, extended or accepted.
        """
        try:
            found = self._memo.where(self._memo.cache(), sealed, errors=False)
        except Exception as error:
            log.warning("%s: the cache was not asked: %s", self.label, error)
            return None
        return None if found is None else found.key

    def refreshed(self, sealed: Sealed, result: Any) -> Digest | None:
        """Return what `record` does if that record holds this result; an earlier one may have stayed where it is."""
        key = self.record(sealed)
        try:
            hit = None if key is None else self._memo.cache().lookup(key)
            return key if hit is not None and hit.result == digest(result) else None
        except Exception as error:
            log.warning("%s: whether its result was stored is not known: %s", self.label, error)
            return None


def _memo_of(function: CachedFunction[..., Any], cache: BaseCache | str | None) -> Any:
    """Return the memory of a cached function; with the app's cache, unless the function has one of its own."""
    engine = function._engine  # noqa: SLF001 - the runtime steps in where the decorator would
    if cache is None or engine.options.cache is not None:
        return engine.memo
    return MemoEngine(function._kind, engine.function, replace(engine.options, cache=cache), engine.profile).memo  # noqa: SLF001
