"""Generators: recorded item by item, replayed lazily."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fleche import cached
from fleche.caches import Cache
from fleche.call import Outcome
from fleche.errors import DamagedWarning, UncachedWarning

pytestmark = pytest.mark.portable


def test_a_generator_is_recorded_and_replayed(cache: Cache) -> None:
    """Items and return value come back; the body runs once."""
    ran: list[int] = []

    @cached
    def count(n: int) -> Iterator[list[int]]:
        ran.append(n)
        for i in range(n):
            yield [i]
        return "done"

    def read(n: int) -> tuple[list[Any], Any]:
        iterator, items = count(n), []
        while True:
            try:
                items.append(next(iterator))
            except StopIteration as end:
                return items, end.value

    assert read(3) == read(3) == ([[0], [1], [2]], "done")
    assert ran == [3]
    assert list(count.calls.only().result) == [[0], [1], [2]]
    assert list(count.load(3)) == [[0], [1], [2]]
    assert inspect.isgeneratorfunction(count)


def test_items_are_sealed_when_they_are_yielded(cache: Cache) -> None:
    """What the body or the reader does to an item afterwards is not recorded."""

    @cached
    def f() -> Iterator[list[int]]:
        item: list[int] = []
        for i in range(3):
            item.append(i)
            yield item

    read = [list(item) for item in f()]
    assert [list(item) for item in f()] == read == [[0], [0, 1], [0, 1, 2]]


def test_a_generator_that_is_not_read_to_its_end_is_partial(cache: Cache) -> None:
    """It is not a hit, and can be found."""
    ran: list[int] = []

    @cached
    def f() -> Iterator[int]:
        ran.append(1)
        yield from range(10)

    iterator = f()
    assert next(iterator) == 0
    iterator.close()  # type: ignore[attr-defined]
    assert f.calls.empty()
    partial = f.calls.all().only()
    assert partial.outcome is Outcome.PARTIAL
    assert list(partial.result) == [0]
    assert list(f()) == list(range(10))
    assert len(ran) == 2


def test_a_replay_cannot_receive(cache: Cache) -> None:
    """send(value) and throw raise TypeError; a generator that receives is not stored."""

    @cached
    def f() -> Iterator[Any]:
        got = yield 1
        yield got

    recording: Any = f()
    assert next(recording) == 1
    assert recording.send("x") == "x"
    assert list(recording) == []
    assert f.calls.all().empty()
    list(f())
    replay: Any = f()
    assert replay.send(None) == 1
    with pytest.raises(TypeError, match="replayed"):
        replay.send("x")
    with pytest.raises(TypeError, match="replayed"):
        replay.throw(ValueError)
    replay.close()
    assert list(replay) == []


def test_a_generator_that_fails_is_recorded_as_failed(cache: Cache) -> None:
    """The error passes through."""

    @cached
    def f() -> Iterator[int]:
        yield 1
        raise ValueError("halfway")

    iterator = f()
    assert next(iterator) == 1
    with pytest.raises(ValueError, match="halfway"):
        next(iterator)
    assert f.calls.failed().only().metadata["error"]["message"] == "halfway"


def test_an_item_that_cannot_be_stored_ends_the_recording_only(cache: Cache) -> None:
    """The reader gets every item."""

    @cached
    def f() -> Iterator[Any]:
        yield 1
        yield iter([])
        yield 3

    with pytest.warns(UncachedWarning, match="yielded an item that cannot be stored"):
        assert len(list(f())) == 3
    assert f.calls.all().empty()


def test_an_item_that_is_gone_runs_the_body_anew(cache: Cache) -> None:
    """Items that were given are passed over, and the reader notices nothing but a warning."""

    @cached
    def f() -> Iterator[list[int]]:
        for i in range(4):
            yield [i]

    list(f())
    replay = f()
    assert next(replay) == [0]
    cache.values.evict(fleche_digest([2]))
    with pytest.warns(DamagedWarning, match="item 2"):
        assert list(replay) == [[1], [2], [3]]


def fleche_digest(value: Any) -> Any:
    from fleche.digest import digest

    return digest(value)


def test_an_abandoned_generator_closes_its_body(cache: Cache) -> None:
    """Dropping the iterator runs the body's finally."""
    closed: list[int] = []

    @cached
    def f() -> Iterator[int]:
        try:
            yield 1
        finally:
            closed.append(1)

    iterator = f()
    next(iterator)
    del iterator
    gc.collect()
    assert closed == [1]


def test_generator_methods(cache: Cache) -> None:
    """The object counts by value."""

    class A:
        def __init__(self, n: int) -> None:
            self.n = n

        @cached
        def items(self) -> Iterator[int]:
            yield from range(self.n)

    assert list(A(2).items()) == list(A(2).items()) == [0, 1]
    assert list(A(3).items()) == [0, 1, 2]
    assert A(2).items.contains()


def test_async_generators(cache: Cache) -> None:
    """The same, asynchronously."""
    ran: list[int] = []

    @cached
    async def f(n: int) -> AsyncIterator[int]:
        ran.append(n)
        for i in range(n):
            await asyncio.sleep(0)
            yield i

    async def main() -> None:
        assert [i async for i in f(3)] == [0, 1, 2]
        assert [i async for i in f(3)] == [0, 1, 2]
        partial = f(5)
        assert await anext(partial) == 0
        await partial.aclose()  # type: ignore[attr-defined]
        with pytest.raises(TypeError, match="replayed"):
            await f(3).asend(1)  # type: ignore[attr-defined]

    asyncio.run(main())
    assert ran == [3, 5]
    assert inspect.isasyncgenfunction(f)
    assert f.calls.all().count() == 2
