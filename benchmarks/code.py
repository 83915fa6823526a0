"""A package of 1,000 functions in 100 modules: the first fingerprint, the check at a later call, and a hit."""

from __future__ import annotations

import importlib
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.timing import ROUNDS, duration, median

MODULES, FUNCTIONS = 100, 10  # functions per module
LIMITS = {
    "first fingerprint of 1,000": 0.3,
    "its check at a later call": 250e-6,
    "a hit with 50, more than with 0": 10e-6,
}

FUNCTION = '''
def step{n}(values, scale=RATE):
    """Scale values, in the way of module {m}."""
    total = sum(values) * scale + OFFSETS["low"]
    result = [round(total, {n}), math.sqrt(abs(total))]
    {calls}
    return result
'''
FIRST = """
import time
from mill.part0 import step0
from fleche.digest.code import CodeWatch
def f(): return 1
CodeWatch(f).current()  # what is imported at the first fingerprint of all
watch = CodeWatch(step0)
start = time.perf_counter()
watch.current()
print(time.perf_counter() - start)
"""


def write(directory: Path) -> None:
    """Write the package ``mill``: a function calls the next one, and one of another module."""
    package = directory / "mill"
    package.mkdir()
    (package / "__init__.py").touch()
    for m in range(MODULES):
        others = [other for other in (2 * m + 1, 2 * m + 2) if other < MODULES]
        lines = ["import math", *(f"from mill import part{other}" for other in others)]
        lines += [f"NAME = 'part {m}'", f"RATE = {m} / 7", f"OFFSETS = {{'low': {m}, 'high': [{m}, {m + 1}]}}"]
        for n in range(FUNCTIONS):
            calls = [
                f"result.append(part{other}.step{(n + at) % FUNCTIONS}(values))" for at, other in enumerate(others)
            ]
            calls += [f"result.append(step{n + 1}(values))"] if n + 1 < FUNCTIONS else []
            lines.append(FUNCTION.format(n=n, m=m, calls="\n    ".join(calls)))
        (package / f"part{m}.py").write_text("\n".join(lines))


def write_fifty(directory: Path) -> None:
    """Write a package whose function depends on 50 things in five modules: 30 functions, 15 constants, 5 classes."""
    package = directory / "fifty"
    package.mkdir()
    (package / "__init__.py").touch()
    for m in range(5):
        lines = [f"RATE{m} = {m} / 3", f"NAMES{m} = ('a', 'b{m}')"]
        lines += [f"class Model{m}:\n    width = {m}\n    def run(self, x): return x * self.width"]
        lines += [f"def help{n}(x): return x + {n}" for n in range(6)]
        (package / f"part{m}.py").write_text("\n".join(lines) + "\n")
    imports = [f"from fifty import part{m}" for m in range(5)]
    imports += [f"from fifty.part{m} import Model{m}, help0 as first{m}, RATE{m}" for m in range(5)]
    uses = [f"part{m}.help{n}(x)" for m in range(5) for n in range(1, 5)]
    uses += [f"first{m}(x) + RATE{m} + len(part{m}.NAMES{m}) + Model{m}().run(x)" for m in range(5)]
    text = "\n".join([*imports, "def bare(x): return x * 1.5", f"def rich(x): return {' + '.join(uses)}"])
    (package / "main.py").write_text(text + "\n")


def first(directory: Path) -> float:
    """Return the median seconds of the first fingerprint in a new process."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(directory), str(Path.cwd())])}
    command = [sys.executable, "-c", FIRST]
    done = [subprocess.run(command, env=environment, check=True, capture_output=True) for _ in range(ROUNDS)]
    return statistics.median(float(one.stdout) for one in done)


def difference(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """Return the median seconds of two calls, taken in turns."""
    pairs = [(median(one), median(other)) for _ in range(ROUNDS)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def figures(directory: Path) -> Iterator[tuple[str, float]]:
    """Yield what is measured, with its seconds."""
    import fleche
    from fleche.digest.code import CodeWatch

    write(directory)
    write_fifty(directory)
    sys.path.insert(0, str(directory))
    yield "first fingerprint of 1,000", first(directory)
    watch = CodeWatch(importlib.import_module("mill.part0").step0)
    watch.current()
    yield "its check at a later call", median(watch.current)
    main: Any = importlib.import_module("fifty.main")
    bare, rich = (fleche.cached(cache=f"{directory}/store")(f) for f in (main.bare, main.rich))
    none, fifty = difference(lambda: bare(1), lambda: rich(1))
    yield "a hit with no dependencies", none
    yield "a hit with 50, more than with 0", fifty - none
    sys.path.remove(str(directory))


def main() -> None:
    """Measure, and print medians beside what was promised."""
    with tempfile.TemporaryDirectory() as directory:
        for name, seconds in figures(Path(directory)):
            limit = LIMITS.get(name)
            print(f"{name:32} {duration(seconds):>9}" + (f"   (limit {duration(limit)})" if limit else ""))


if __name__ == "__main__":
    main()
