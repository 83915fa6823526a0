"""Tasks in memory and on threads: the time of one round trip, and how many there are in a second.

Where ``PEER_PYTHON`` names an interpreter that has pynenc, it does the same in turn, and ratios are printed.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
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
TRIP = "a round trip"
MANY = "a task of many, each with its record"
LIMITS = {TRIP: 0.5e-3, MANY: 1 / 6000}


def figures() -> dict[str, float]:
    """Return what is measured, with its seconds for each task."""
    store = MemoryStore()
    app = App("benchmark", cache=Cache(store.values, store.calls))
    kept, effect = tasks.bound(tasks.add, app), tasks.bound(tasks.add, App("effects"), effect=True)
    numbers = count()
    found = {}
    with ThreadRunner(app):
        found[TRIP] = statistics.median(timed(kept, next(numbers)) for _ in range(300))
        found[MANY] = many(kept, numbers)
        found["a task of many that the cache answers"] = many(kept, count())
    with ThreadRunner(effect.app):
        found["an effect of many"] = many(effect, numbers)
    return found


def timed(task: Any, number: int) -> float:
    """Return the seconds from a call to its result."""
    start = time.perf_counter()
    task(number).result  # noqa: B018
    return time.perf_counter() - start


def many(task: Any, numbers: Iterator[int]) -> float:
    """Return the seconds of a task, of so many at once."""
    calls = [(next(numbers),) for _ in range(CALLS)]
    start = time.perf_counter()
    for _ in task.parallelize(calls).results:
        pass
    return (time.perf_counter() - start) / CALLS


def peer(python: str, *how: str) -> dict[str, float]:
    """Return what another interpreter measures of its own tasks."""
    command = [python, "-W", "ignore", "-c", "from benchmarks.peer_tasks import main; main()", *how]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {TRIP: figures["trip"], MANY: figures["many"]}


def main() -> None:
    """Measure in rounds, and print medians beside what was promised, and how many times longer a peer takes."""
    python = os.environ.get("PEER_PYTHON")
    ours, tuned, plain = [], [], []
    with fleche.cache("memory"):
        for _ in range(ROUNDS):
            ours.append(figures())
            if python:
                tuned.append(peer(python, "tuned"))
    if python:
        plain.append(peer(python))
    for name in ours[0]:
        seconds = _median(ours, name)
        limit = f"(limit {duration(LIMITS[name])})" if name in LIMITS else ""
        peers = [
            f"pynenc{how} ×{_median(rounds, name) / seconds:.2g}"
            for how, rounds in (("", plain), (" tuned", tuned))
            if rounds and name in rounds[0]
        ]
        print(f"{name:40} {duration(seconds):>9}   {limit:14} {', '.join(peers)}")


def _median(rounds: list[dict[str, float]], name: str) -> float:
    return statistics.median(each[name] for each in rounds)


if __name__ == "__main__":
    main()
