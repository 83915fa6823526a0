"""The same tasks by pynenc, as it comes and with its waits made short; run by an interpreter that has it.

It prints its figures as JSON: seconds of a round trip, and of a task of many.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from itertools import count
from typing import Any

from pynenc import Pynenc

TUNED = {"runner_loop_sleep_time_sec": 1e-4, "invocation_wait_results_sleep_time_sec": 1e-4, "cached_status_time": 0.0}
ALL = {"app_id": "peer", "runner_cls": "ThreadRunner", "logging_level": "error"}

app = Pynenc(config_values=ALL | (TUNED if "tuned" in sys.argv else {}))


@app.task  # type: ignore[untyped-decorator, unused-ignore]
def add(x: int, y: int = 2) -> int:
    """Do next to nothing."""
    return x + y


def main() -> None:
    """Measure and print."""
    threading.Thread(target=app.runner.run, daemon=True).start()
    task: Any = add
    numbers = count()
    task(next(numbers)).result  # noqa: B018
    trips = []
    for _ in range(20):
        start = time.perf_counter()
        task(next(numbers)).result  # noqa: B018
        trips.append(time.perf_counter() - start)
    calls = [(next(numbers),) for _ in range(200 if "tuned" in sys.argv else 20)]
    start = time.perf_counter()
    list(task.parallelize(calls).results)
    many = (time.perf_counter() - start) / len(calls)
    app.runner.stop_runner_loop()
    print(json.dumps({"trip": statistics.median(trips), "many": many}))
