"""A clock that stands still until a test moves it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

__all__ = ["ManualClock"]


class ManualClock:
    """Time that passes when a test says so; sleeping makes it pass at once.

    Args:
        start: The first time, aware.
    """

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._lock = threading.Lock()
        self.slept = 0.0

    def now(self) -> datetime:
        """Return the time of day."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Return seconds since 1970."""
        return self.now().timestamp()

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass at once."""
        self.slept += seconds
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
