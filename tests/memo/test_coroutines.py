"""Coroutine functions: remembered, joined, cancelled."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

import pytest

import fleche
from fleche import cached
from fleche.caches import Cache
from fleche.errors import AlreadyRunning, WaitTimeout

pytestmark = pytest.mark.portable


def test_a_coroutine_function_stays_one(cache: Cache) -> None:
    """Inspect and asyncio agree, also for methods."""

    @cached
    async def f() -> None: ...

    class A:
        @cached
        async def m(self) -> None: ...

    assert inspect.iscoroutinefunction(f)
    assert inspect.iscoroutinefunction(A().m)


def test_a_coroutine_runs_once(cache: Cache) -> None:
    """A second await is a hit."""
    ran: list[int] = []

    @cached
    async def f(x: int) -> list[int]:
        ran.append(x)
        await asyncio.sleep(0)
        return [x]

    async def main() -> None:
        assert await f(1) == await f(x=1) == [1]
        assert await f.load(1) == [1]
        assert (await f.ref(1)).load() == [1]
        await f.rerun(1)

    asyncio.run(main())
    assert ran == [1, 1]
    assert f.contains(1)


def test_tasks_that_want_one_key_share_one_computation(cache: Cache) -> None:
    """Twenty tasks run one body, and the loop goes on meanwhile."""
    ran: list[int] = []

    async def main() -> None:
        go = asyncio.Event()

        @cached(ignore="go")
        async def f(x: int, go: Any) -> int:
            ran.append(x)
            await go.wait()
            return x

        tasks = [asyncio.create_task(f(1, go)) for _ in range(20)]
        for _ in range(50):
            await asyncio.sleep(0)
        assert ran == [1]
        go.set()
        assert await asyncio.gather(*tasks) == [1] * 20

    asyncio.run(main())
    assert ran == [1]


def test_a_cancelled_call_files_nothing_and_frees_its_key(cache: Cache) -> None:
    """Whoever waited computes."""

    async def main() -> None:
        started = asyncio.Event()
        hang = asyncio.Event()
        block = [True]

        @cached(ignore=("started", "hang", "block"))
        async def f(x: int, started: Any, hang: Any, block: Any) -> int:
            if block.pop():
                started.set()
                await hang.wait()
            return x

        first = asyncio.create_task(f(1, started, hang, block))
        await started.wait()
        block.append(False)
        second = asyncio.create_task(f(1, started, hang, block))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await second == 1
        assert f.calls.all().count() == 1

    asyncio.run(main())


def test_on_wait_raise_and_limit(cache: Cache) -> None:
    """Waiting can be refused, and bounded."""

    async def main() -> None:
        started, go = asyncio.Event(), asyncio.Event()

        async def f(x: int, started: Any, go: Any) -> int:
            started.set()
            await go.wait()
            return x

        first = asyncio.create_task(cached(ignore=("started", "go"))(f)(1, started, go))
        await started.wait()
        with pytest.raises(AlreadyRunning, match="being computed by"):
            await cached(ignore=("started", "go"), on_wait="raise")(f)(1, started, go)
        with pytest.raises(WaitTimeout, match="raise wait_limit"):
            await cached(ignore=("started", "go"), wait_limit=0.01)(f)(1, started, go)
        go.set()
        assert await first == 1

    asyncio.run(main())


def test_coroutines_and_threads_share_a_computation(cache: Cache) -> None:
    """A thread's computation is waited for by a coroutine, without blocking its loop."""
    started, go = threading.Event(), threading.Event()
    ran: list[int] = []

    async def g(x: int, started: Any, go: Any) -> int:
        ran.append(x)
        started.set()
        await asyncio.to_thread(go.wait)
        return x

    f = cached(ignore=("started", "go"))(g)

    def other() -> None:
        with fleche.cache(cache):
            asyncio.run(f(1, started, go))

    thread = threading.Thread(target=other)
    thread.start()
    started.wait()

    async def main() -> None:
        task = asyncio.create_task(f(1, started, go))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not task.done()
        go.set()
        assert await task == 1

    asyncio.run(main())
    thread.join()
    assert ran == [1]


def test_parents_are_known_across_tasks(cache: Cache) -> None:
    """A cached coroutine awaited inside another knows its parent."""

    @cached
    async def inner(x: int) -> int:
        return x

    @cached
    async def outer(x: int) -> int:
        return sum(await asyncio.gather(inner(x), inner(x + 1)))

    assert asyncio.run(outer(1)) == 3
    assert {call.record.parent for call in inner.calls} == {outer.key(1)}


def test_a_large_result_is_moved_off_the_loop(cache: Cache) -> None:
    """The loop's own thread neither stores nor loads megabytes."""
    threads: set[int] = set()

    @cached
    async def f() -> bytes:
        return bytes(1 << 20)

    class Watching(Cache):
        def open(self, hit: Any) -> Any:
            threads.add(threading.get_ident())
            return super().open(hit)

    async def main() -> None:
        with fleche.cache(Watching(cache.values, cache.calls)):
            assert await f() == await f()

    asyncio.run(main())
    assert threads
    assert threading.get_ident() not in threads
