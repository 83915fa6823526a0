"""A census of Python's own standard library as a fan-out of tasks.

Run it: ``python examples/fan_out.py``. Every module is measured by a task; then all is asked for again, and nothing is
queued. Run it a second time, and nothing is queued at all: the results are in the cache.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from census import sources
from census_tasks import app, measure_module, most_commented
from rich.console import Console
from rich.progress import track

from fleche.runtime.invocation.status import InvocationStatus
from fleche.runtime.runner import ThreadRunner


def main() -> None:
    """Take the census twice, and print what was found and what it took."""
    console = Console()
    modules = sources()
    with ThreadRunner(app):
        for attempt in ("First", "Second"):
            began = time.perf_counter()
            group = measure_module.parallelize([(source,) for source in modules.values()])
            answered = sum(each.status is InvocationStatus.SUCCESS for each in group)
            results = track(group.results, "Measuring", len(group), console=console, disable=not console.is_terminal)
            lines = sum(found["lines"] for found in results)
            seconds = time.perf_counter() - began
            console.print(
                f"{attempt} time: {len(group):,} calls, {len(group.invocation_map):,} of them different; "
                f"{answered:,} answered by the cache at once, {lines:,} lines, {seconds:.2f} s."
            )
        largest = Counter({name: len(source) for name, source in modules.items()}).most_common(40)
        commented = most_commented([name for name, _ in largest]).result
        console.print(
            "Of the largest, most commented: " + ", ".join(f"{name} ({share:.0%})" for name, share in commented)
        )
        statuses = Counter(app.engine.status(each).status.value for each in app.engine.listed(limit=1_000_000))
        console.print("Invocations: " + ", ".join(f"{count:,} {status}" for status, count in statuses.items()) + ".")


if __name__ == "__main__":
    sys.exit(main())
