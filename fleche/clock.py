"""Time, as stores and leases see it: a thing that is passed in, so that tests can drive it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["EPOCH", "SYSTEM", "Clock", "Seconds", "SystemClock", "from_micros", "seconds", "to_micros"]

Seconds = float | timedelta
"""A duration: a number of seconds, or a timedelta."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock(Protocol):
    """What is asked of a clock."""

    def now(self) -> datetime:
        """Return the time of day, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary start."""

    def sleep(self, seconds: float) -> None:
        """Block for so many seconds."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the time of day, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary start."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block for so many seconds."""
        time.sleep(seconds)


SYSTEM = SystemClock()


def seconds(duration: Seconds) -> float:
    """Return a duration as a number of seconds.

    >>> seconds(timedelta(minutes=1)), seconds(2)
    (60.0, 2.0)
    """
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)


def to_micros(moment: datetime) -> int:
    """Return an aware time as whole microseconds since 1970 in UTC, exactly.

    >>> to_micros(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (moment - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the aware UTC time of whole microseconds since 1970, exactly.

    >>> from_micros(1_000_000)
    datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=datetime.timezone.utc)
    """
    return EPOCH + timedelta(microseconds=micros)
