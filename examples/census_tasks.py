"""The tasks of `fan_out.py`: a census of Python's own standard library, one task for each module.

Workers find tasks by module and name, so they live in a module of their own.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from census import count_comments, measure, sources

from fleche.runtime import App

app = App("census")


@app.task
def measure_module(source: str) -> dict[str, Any]:
    """Measure one module."""
    return measure.__wrapped__(source)


@app.task
def most_commented(names: list[str], count: int = 5) -> list[tuple[str, float]]:
    """Return the modules with the most comments for their size; they are read by tasks of this one."""
    modules = sources()
    chosen = [modules[name] for name in names]
    found = count_in.parallelize([(source,) for source in chosen]).collect()
    share = {
        name: comments / (source.count("\n") + 1) for name, comments, source in zip(names, found, chosen, strict=True)
    }
    return Counter(share).most_common(count)


@app.task
def count_in(source: str) -> int:
    """Count the comments of one module."""
    return count_comments(source)
