"""Generator functions that remember what they yielded, item by item."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, overload

from fleche.memo.function import BoundCachedFunction, CachedFunction

__all__ = ["AsyncCachedGenerator", "BoundAsyncCachedGenerator", "BoundCachedGenerator", "CachedGenerator"]

P = ParamSpec("P")
Q = ParamSpec("Q")
S = TypeVar("S")
T = TypeVar("T")


class CachedGenerator(CachedFunction[P, Iterator[T]]):
    """A generator function that remembers: items are stored as they are yielded, and replayed one by one.

    The record counts once the generator was read to its end; before that its outcome is ``partial``. A generator that
    is sent values is not stored. Two readers that start before the first has reached the end both run the body:
    waiting for a reader that may never go on would be a deadlock.
    """

    _kind = "stream.StreamMemo"

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: CachedGenerator[Concatenate[S, Q], T], instance: S, owner: type | None = None
    ) -> BoundCachedGenerator[Q, T]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        return self._bound_to(instance, BoundCachedGenerator)


class BoundCachedGenerator(CachedGenerator[P, T], BoundCachedFunction[P, Iterator[T]]):
    """A cached generator method of one object."""


class AsyncCachedGenerator(CachedFunction[P, AsyncIterator[T]]):
    """An async generator function that remembers, as `CachedGenerator` does."""

    _kind = "stream.AsyncStreamMemo"

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: AsyncCachedGenerator[Concatenate[S, Q], T], instance: S, owner: type | None = None
    ) -> BoundAsyncCachedGenerator[Q, T]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        return self._bound_to(instance, BoundAsyncCachedGenerator)


class BoundAsyncCachedGenerator(AsyncCachedGenerator[P, T], BoundCachedFunction[P, AsyncIterator[T]]):
    """A cached async generator method of one object."""
