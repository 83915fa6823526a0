"""Tasks that tests run."""

from __future__ import annotations

from fleche.runtime import App

app = App("tests")


@app.task
def add(x: int, y: int = 2) -> int:
    return x + y
