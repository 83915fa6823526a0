"""Run every comparison and print a table: our median, and how many times longer each peer takes."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import diskcache
import joblib
import numpy as np

import fleche
from benchmarks import code, many, tasks
from benchmarks.timing import ROUNDS, duration, median
from fleche.digest import digest

Times = dict[str, float]

IMPORT = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"
FIRST_HIT = """
import time; t = time.perf_counter()
from fleche import cached
@cached
def f(a, b=2): return {"x": a}
f(1)
print(time.perf_counter() - t)
"""


def in_new_process(source: str, directory: str) -> float:
    """Return the median seconds that a script reports of itself, each time in a new process."""
    environment = os.environ | {"FLECHE_DIR": str(Path(directory) / "store")}
    times = [
        float(subprocess.run([sys.executable, "-c", source], env=environment, check=True, capture_output=True).stdout)
        for _ in range(ROUNDS + 1)  # the first one writes bytecode, and fills the store
    ]
    return statistics.median(times[1:])


def small(a: int, b: int = 2) -> dict[str, int]:
    """Do next to nothing, so that the cost of remembering is what is measured."""
    return {"x": a + b}


def remembered(directory: str) -> Iterator[tuple[str, Callable[[int], Any]]]:
    """Return the same function, remembered by each tool."""
    yield "fleche", fleche.cached(cache=f"{directory}/fleche")(small)
    yield "fleche, in memory", fleche.cached(cache="memory")(small)
    yield "diskcache", diskcache.Cache(f"{directory}/diskcache").memoize()(small)
    yield "joblib", joblib.Memory(f"{directory}/joblib", verbose=0).cache(small)


def comparisons(directory: str) -> Iterator[tuple[str, Times]]:
    """Return what is compared, with the seconds of each tool."""
    imports = {"fleche": "from fleche import cache, cached", "joblib": "import joblib", "diskcache": "import diskcache"}
    yield "import", {tool: in_new_process(IMPORT.format(line), directory) for tool, line in imports.items()}
    yield "first hit, import included", {"fleche": in_new_process(FIRST_HIT, directory)}
    numbers = count()
    tools = dict(remembered(directory))
    yield "a miss", {tool: median(lambda f=f: f(next(numbers))) for tool, f in tools.items()}
    yield "a hit", {tool: median(lambda f=f: f(-1)) for tool, f in tools.items()}
    values: dict[str, Any] = {
        "digest of an int": 1,
        "digest of a small dict": {"lr": 0.1, "layers": [64, 32], "name": "a"},
        "digest of 1,000,000 ints": list(range(1_000_000)),
        "digest of 1,000,000 floats": [x / 7 for x in range(1_000_000)],
        "digest of 1,000,000 strings": [str(x) for x in range(1_000_000)],
        "digest of a 100 MB array": np.random.default_rng(0).random(12_500_000),
    }
    for name, value in values.items():
        yield name, {"fleche": median(lambda v=value: digest(v)), "joblib": median(lambda v=value: joblib.hash(v))}


def main() -> None:
    """Run all, print the table, and write the figures where the first argument says."""
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        for name, times in comparisons(directory):
            results[name] = times
            ours = times["fleche"]
            peers = ", ".join(f"{tool} ×{time / ours:.2g}" for tool, time in times.items() if tool != "fleche")
            print(f"{name:30} {duration(ours):>9}   {peers}")
    many.main()
    code.main()
    tasks.main()
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
