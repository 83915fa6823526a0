"""A store that is taken away while a program runs is no failure of its calls."""

from __future__ import annotations

import asyncio
import shutil
import threading
import warnings
from pathlib import Path

import pytest

import fleche
from fleche import cached
from fleche.caches import Cache
from fleche.errors import FlecheWarning
from fleche.storage.embedded import EmbeddedStore

pytestmark = pytest.mark.portable


def test_a_removed_directory_costs_a_warning_and_no_result(disk: Cache, store: EmbeddedStore) -> None:
    """Calls go on when the store's directory is removed between them, plain and async, hits and misses."""

    @cached
    def f(x: int) -> int:
        return x + 1

    @cached
    async def g(x: int) -> int:
        return x + 1

    assert f(1) == 2
    assert asyncio.run(g(1)) == 2
    shutil.rmtree(store.root)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FlecheWarning)
        assert [f(1), f(1), f(2)] == [2, 2, 3]
        assert [asyncio.run(g(1)), asyncio.run(g(2))] == [2, 3]


def test_a_waiter_goes_on_when_the_leases_are_gone(tmp_path: Path) -> None:
    """Who waits for another's computation gets the result when the store's directory is removed meanwhile."""
    running, done = threading.Event(), threading.Event()
    results: list[int] = []

    @cached
    def f(x: int) -> int:
        running.set()
        done.wait(10)
        return x + 1

    def call() -> None:
        with fleche.cache(str(tmp_path / "gone")), warnings.catch_warnings():
            results.append(f(1))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FlecheWarning)
        threads = [threading.Thread(target=call) for _ in range(2)]
        threads[0].start()
        assert running.wait(10)
        threads[1].start()
        (tmp_path / "gone").rename(tmp_path / "away")
        done.set()
        for thread in threads:
            thread.join(10)
    assert results == [2, 2]
