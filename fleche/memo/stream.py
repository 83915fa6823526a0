"""How a generator function's calls are recalled: recorded while they are read, replayed item by item."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Generic, NoReturn, Self, TypeVar

from fleche.caches import BaseCache, Recorded
from fleche.call import Outcome
from fleche.digest import Digest
from fleche.errors import DamagedWarning, UnknownDigestError
from fleche.memo.active import Mode
from fleche.memo.flight import MISSING
from fleche.memo.memo import Memo, Sealed
from fleche.memo.run import Run

__all__ = ["AsyncStreamMemo", "StreamMemo"]

T = TypeVar("T")


class _Tape:
    """What one recording has stored so far."""

    def __init__(self, memo: Memo, cache: BaseCache, sealed: Sealed) -> None:
        self._memo = memo
        self._cache = cache
        self._key = sealed.key
        self._items: list[tuple[Any, str]] = []
        self._run: Run | None = memo.begin(cache, sealed, None)

    def inside(self) -> AbstractContextManager[None]:
        """Run a step of the body as the one that computes this key."""
        return nullcontext() if self._run is None else self._run.inside()

    def add(self, item: Any) -> None:
        """Store one item; one that cannot be stored ends the recording, not the generator."""
        if self._run is None:
            return
        try:
            kept = self._cache.keep(item)
            self._items.append(kept)
            self._cache.origins.note(item, kept[0], self._key)
        except Exception as error:
            self.drop()
            self._memo.complaints.make(
                f"item {type(error).__qualname__}",
                f"yielded an item that cannot be stored, so nothing is: {error}",
                error,
                result=item,
            )

    def end(self, returned: Any = None) -> None:
        """File the whole; what was returned and cannot be stored ends the recording, not the generator."""
        if self._run is None:
            return
        try:
            kept = None if returned is None else self._cache.keep(returned)
        except Exception as error:
            self.drop()
            self._memo.complaints.make(
                f"returned {type(error).__qualname__}",
                f"returned what cannot be stored, so nothing is: {error}",
                error,
                result=returned,
            )
            return
        self._close().commit(Recorded(tuple(self._items), kept))

    def stop(self) -> None:
        """File what there is: the reader went away before the end."""
        if self._run is not None:
            self._close().file(Recorded(tuple(self._items)), Outcome.PARTIAL, {})

    def fail(self, error: Exception) -> None:
        """File the failure."""
        if self._run is not None:
            self._close().fail(error)

    def drop(self) -> None:
        """File nothing."""
        if self._run is not None:
            self._close().abandon()

    def _close(self) -> Run:
        run, self._run = self._run, None
        assert run is not None
        return run


class _Replay:
    """The stored items of one generator."""

    def __init__(self, memo: Memo, cache: BaseCache, recorded: Recorded, key: Digest) -> None:
        self._memo = memo
        self._cache = cache
        self._key = key
        self._items = recorded.items
        self._returned = recorded.returned
        self.position = 0

    def next(self) -> Any:
        """Return the next item, or ``MISSING`` at the end.

        Raises:
            LookupError: An item is gone or damaged.
        """
        if self.position == len(self._items):
            return MISSING
        item = self._load(self._items[self.position], f"item {self.position}")
        self.position += 1
        return item

    def returned(self) -> Any:
        """Return what the generator returned.

        Raises:
            LookupError: It is gone or damaged.
        """
        return None if self._returned is None else self._load(self._returned, "what it returned")

    def _load(self, place: tuple[Digest, str], what: str) -> Any:
        try:
            value = self._cache.load_value(*place)
        except Exception as error:
            self._memo.complaints.make(
                "item gone", f"the stored stream ends early; {what} is of no use: {error}", error, kind=DamagedWarning
            )
            raise LookupError(what) from error
        self._cache.origins.note(value, place[0], self._key)
        return value


class Recording(Generic[T]):
    """A generator that is being read, and recorded."""

    def __init__(self, tape: _Tape, generator: Any) -> None:
        self._tape = tape
        self._generator = generator

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        return self._step(self._generator.__next__)

    def send(self, value: Any) -> T:
        """Send a value into the body; unless it is None, the call is not stored."""
        if value is not None:
            self._tape.drop()
        return self._step(self._generator.send, value)

    def throw(self, *error: Any) -> T:
        """Raise an exception in the body; the call is not stored."""
        self._tape.drop()
        return self._step(self._generator.throw, *error)

    def close(self) -> None:
        """End the body; what it yielded so far is filed as partial."""
        self._tape.stop()
        self._generator.close()

    def __del__(self) -> None:
        try:
            self._generator.close()
        except RuntimeError:  # already running, or refusing to stop: nobody is left to tell
            return

    def _step(self, advance: Callable[..., T], *args: Any) -> T:
        try:
            with self._tape.inside():
                item = advance(*args)
        except StopIteration as end:
            self._tape.end(end.value)
            raise
        except Exception as error:
            self._tape.fail(error)
            raise
        except BaseException:
            self._tape.drop()
            raise
        self._tape.add(item)
        return item


class Replaying(Generic[T]):
    """The stored items of a generator, one by one."""

    def __init__(self, replay: _Replay, again: Callable[[], Any]) -> None:
        self._replay = replay
        self._again = again
        self._live: Iterator[T] | None = None
        self._closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        if self._closed:
            raise StopIteration
        if self._live is not None:
            return next(self._live)
        try:
            item = self._replay.next()
            returned = self._replay.returned() if item is MISSING else None
        except LookupError:
            self._live = self._recomputed()
            return next(self._live)
        if item is MISSING:
            self._closed = True
            raise StopIteration(returned)
        return item  # type: ignore[no-any-return]

    def _recomputed(self) -> Iterator[T]:
        """Run the body anew, and pass over the items that were given already."""
        live: Iterator[T] = self._again()
        for _ in range(self._replay.position):
            next(live)
        return live

    def send(self, value: Any) -> T:
        """Return the next item.

        Raises:
            TypeError: A value is sent: the body is not running.
        """
        if value is not None:
            raise TypeError(
                "this generator is replayed from the cache: its body is not running, so it cannot receive a value"
            )
        return next(self)

    def throw(self, *_: Any) -> T:
        """Refuse.

        Raises:
            TypeError: Always: the body is not running.
        """
        raise TypeError(
            "this generator is replayed from the cache: its body is not running, so nothing can be raised in it"
        )

    def close(self) -> None:
        """End the iteration."""
        self._closed = True


class AsyncRecording(Generic[T]):
    """An async generator that is being read, and recorded."""

    def __init__(self, tape: _Tape, generator: Any) -> None:
        self._tape = tape
        self._generator = generator

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        return await self._step(self._generator.__anext__)

    async def asend(self, value: Any) -> T:
        """Send a value into the body; unless it is None, the call is not stored."""
        if value is not None:
            self._tape.drop()
        return await self._step(self._generator.asend, value)

    async def athrow(self, *error: Any) -> T:
        """Raise an exception in the body; the call is not stored."""
        self._tape.drop()
        return await self._step(self._generator.athrow, *error)

    async def aclose(self) -> None:
        """End the body; what it yielded so far is filed as partial."""
        self._tape.stop()
        await self._generator.aclose()

    async def _step(self, advance: Callable[..., Any], *args: Any) -> T:
        try:
            with self._tape.inside():
                item: T = await advance(*args)
        except StopAsyncIteration:
            self._tape.end()
            raise
        except Exception as error:
            self._tape.fail(error)
            raise
        except BaseException:
            self._tape.drop()
            raise
        self._tape.add(item)
        return item


class AsyncReplaying(Generic[T]):
    """The stored items of an async generator, one by one."""

    def __init__(self, replay: _Replay, again: Callable[[], Any]) -> None:
        self._replay = replay
        self._again = again
        self._live: AsyncIterator[T] | None = None
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if self._closed:
            raise StopAsyncIteration
        if self._live is not None:
            return await anext(self._live)
        try:
            item = self._replay.next()
        except LookupError:
            self._live = await self._recomputed()
            return await anext(self._live)
        if item is MISSING:
            self._closed = True
            raise StopAsyncIteration
        return item  # type: ignore[no-any-return]

    async def _recomputed(self) -> AsyncIterator[T]:
        """Run the body anew, and pass over the items that were given already."""
        live: AsyncIterator[T] = self._again()
        for _ in range(self._replay.position):
            await anext(live)
        return live

    async def asend(self, value: Any) -> T:
        """Return the next item.

        Raises:
            TypeError: A value is sent: the body is not running.
        """
        if value is not None:
            raise TypeError(
                "this generator is replayed from the cache: its body is not running, so it cannot receive a value"
            )
        return await anext(self)

    async def athrow(self, *_: Any) -> T:
        """Refuse.

        Raises:
            TypeError: Always: the body is not running.
        """
        raise TypeError(
            "this generator is replayed from the cache: its body is not running, so nothing can be raised in it"
        )

    async def aclose(self) -> None:
        """End the iteration."""
        self._closed = True


class StreamMemo(Memo):
    """The memory of a generator function."""

    _recording: type = Recording
    _replaying: type = Replaying

    def recall(self, mode: Mode, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return an iterator over what the call yielded before, or over the body, remembering it."""
        cache, sealed = self.enter(mode, args, kwargs)
        if cache is None or sealed is None:
            args, kwargs = self.loaded(cache, None, args, kwargs)
            return self.function(*args, **kwargs)
        if mode is not Mode.REFRESH:
            found = self.look(cache, sealed)
            if isinstance(found, Recorded):
                self.hit(sealed)
                return self._replaying(_Replay(self, cache, found, sealed.key), partial(self._anew, mode, args, kwargs))
        if mode is Mode.FROZEN:
            raise self.refuse_miss(sealed)
        args, kwargs = self.loaded(cache, sealed, args, kwargs)
        if mode is Mode.READ:
            self.statistics.uncached += 1
            return self.function(*args, **kwargs)
        return self._recording(_Tape(self, cache, sealed), self.function(*args, **kwargs))

    def load(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Return an iterator over what the call yielded before."""
        found = super().load(args, kwargs)
        key = self.seal(args, kwargs).key
        return self._replaying(_Replay(self, self.cache(), found, key), self._lost)

    def _lost(self) -> NoReturn:
        raise UnknownDigestError(f"{self.label}: part of what it yielded is gone; calling it computes it anew")

    def _anew(self, mode: Mode, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run the body again, where what it yielded before is of no use, as far as the mode of the call lets it."""
        if mode is Mode.ON:
            return self.recall(Mode.REFRESH, args, kwargs)
        cache, sealed = self.enter(mode, args, kwargs)
        if mode is Mode.FROZEN:
            raise self.refuse_miss(sealed)
        args, kwargs = self.loaded(cache, sealed, args, kwargs)
        self.statistics.uncached += 1
        return self.function(*args, **kwargs)


class AsyncStreamMemo(StreamMemo):
    """The memory of an async generator function."""

    _recording = AsyncRecording
    _replaying = AsyncReplaying
