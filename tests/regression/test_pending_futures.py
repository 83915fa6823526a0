"""A function that returns a future never blocks the one who asks for the same call before it has resolved."""

from __future__ import annotations

import asyncio
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest

from fleche import cached
from fleche.caches import Cache

pytestmark = pytest.mark.portable


def test_a_future_of_the_same_thread_is_followed(cache: Cache) -> None:
    """The thread that resolves the future can ask for the call again meanwhile; each caller has a result of its own."""
    made: list[Future[list[int]]] = []

    @cached
    def f(x: int) -> Future[list[int]]:
        made.append(Future())
        return made[-1]

    first, second = f(1), f(1)
    assert len(made) == 1
    made[0].set_result([1])
    assert first.result() == second.result() == f(1).result() == [1]
    second.result().append(2)
    assert first.result() == f(1).result() == [1]
    assert len(made) == 1


def test_a_task_of_the_same_loop_is_followed(cache: Cache) -> None:
    """Two tasks of one event loop ask for one call, and the body runs once."""
    ran: list[int] = []

    async def work(x: int) -> int:
        ran.append(x)
        await asyncio.sleep(0)
        return x

    @cached
    def f(x: int) -> asyncio.Future[int]:
        return asyncio.ensure_future(work(x))

    async def main() -> list[int]:
        return [*await asyncio.gather(f(1), f(1)), await f(1)]

    assert asyncio.run(asyncio.wait_for(main(), 10)) == [1, 1, 1]
    assert ran == [1]


def test_cancelling_one_future_is_not_cancelling_the_other(cache: Cache) -> None:
    """When the caller that came first cancels, the second gets a result; when the second does, so does the first."""
    made: list[Future[Any]] = []

    @cached
    def f(x: int) -> Future[Any]:
        made.append(Future())
        return made[-1]

    first, second = f(1), f(1)
    assert first.cancel()
    made[1].set_result(5)
    assert second.result(10) == 5
    with pytest.raises(CancelledError):
        first.result()

    first, second = f(2), f(2)
    assert second.cancel()
    made[2].set_result(6)
    assert first.result(10) == 6


def test_a_failure_reaches_all_who_follow(cache: Cache) -> None:
    """An exception of the future is raised by every future of the call, and is computed anew afterwards."""
    made: list[Future[Any]] = []

    @cached
    def f(x: int) -> Future[Any]:
        made.append(Future())
        return made[-1]

    first, second = f(1), f(1)
    made[0].set_exception(ValueError("no"))
    for future in (first, second):
        with pytest.raises(ValueError, match="no"):
            future.result()
    f(1)
    assert len(made) == 2
