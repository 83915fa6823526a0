"""Tasks in memory and on threads: the time of one round trip, and how many there are in a second."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import fleche
from benchmarks.timing import ROUNDS, duration
from fleche.caches import Cache
from fleche.runtime import App
from fleche.runtime.runner import ThreadRunner
from fleche.storage.memory import MemoryStore
from fleche.testing import tasks

CALLS = 2000
LIMITS = {"a round trip": 0.5e-3, "a task of many, each with its record": 1 / 6000}


def figures() -> Iterator[tuple[str, float]]:
    """Yield what is measured, with its seconds for each task."""
    store = MemoryStore()
    app = App("benchmark", cache=Cache(store.values, store.calls))
    kept, effect = tasks.bound(tasks.add, app), tasks.bound(tasks.add, App("effects"), effect=True)
    numbers = count()
    with ThreadRunner(app):
        yield "a round trip", statistics.median(timed(kept, next(numbers)) for _ in range(300))
        yield "a task of many, each with its record", many(kept, numbers)
        yield "a task of many that the cache answers", many(kept, count())
    with ThreadRunner(effect.app):
        yield "an effect of many", many(effect, numbers)


def timed(task: Any, number: int) -> float:
    """Return the seconds from a call to its result."""
    start = time.perf_counter()
    task(number).result  # noqa: B018
    return time.perf_counter() - start


def many(task: Any, numbers: Iterator[int]) -> float:
    """Return the median seconds of a task, of several rounds of so many."""
    rounds = []
    for _ in range(ROUNDS):
        calls = [(next(numbers),) for _ in range(CALLS)]
        start = time.perf_counter()
        for _ in task.parallelize(calls).results:
            pass
        rounds.append((time.perf_counter() - start) / CALLS)
    return statistics.median(rounds)


def main() -> None:
    """Measure, and print medians beside what was promised."""
    with fleche.cache("memory"):
        for name, seconds in figures():
            limit = LIMITS.get(name)
            print(f"{name:40} {duration(seconds):>9}" + (f"   (limit {duration(limit)})" if limit else ""))


if __name__ == "__main__":
    main()
