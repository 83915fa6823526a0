"""A progress bar on a terminal, for work that takes long."""

from __future__ import annotations

import sys
import time
from typing import Any, Self

__all__ = ["Bar"]

_PATIENCE = 1.0  # seconds before a bar is shown


class Bar:
    """Shows how far some work is, on a terminal, once it has taken a second.

    Args:
        what: The work, in a word.
        total: How many steps it has.
    """

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._began = time.monotonic()
        self._shows = sys.stderr is not None and sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def step(self) -> None:
        """Count one step."""
        self._done += 1
        if not self._shows or time.monotonic() - self._began < _PATIENCE:
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self._what, total=self._total)
            self._bar.start()
        self._bar.update(self._task, completed=self._done)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
