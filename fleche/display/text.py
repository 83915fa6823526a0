"""Numbers and records as short text for people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fleche.call import DigestedCall
from fleche.call.lazy import labels

__all__ = ["ago", "arguments", "duration", "short", "size", "value_preview"]

_STEPS = ((60.0, "s"), (60.0, "min"), (24.0, "h"), (365.25, "d"))


def short(digest: str | None) -> str:
    """Return the first characters of a digest: enough to tell it apart by eye, and to look it up.

    >>> short("3f9a77c0ffee0123")
    '3f9a77c0'
    """
    return "" if digest is None else str(digest)[:8]


def duration(seconds: float | None) -> str:
    """Return a duration in the unit that suits it.

    >>> duration(0.0000042), duration(0.25), duration(75), duration(None)
    ('4 µs', '250 ms', '1.2 min', '')
    """
    if seconds is None:
        return ""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    value = seconds
    for step, unit in _STEPS:
        if value < step:
            return f"{value:.2g} {unit}" if value < 10 else f"{value:.0f} {unit}"
        value /= step
    return f"{value:.1f} y"


def size(count: int | None) -> str:
    """Return a number of bytes in the unit that suits it.

    >>> size(512), size(1536), size(10 * 2**20)
    ('512 B', '1.5 KiB', '10 MiB')
    """
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if value >= 10 or value == int(value) else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def ago(moment: datetime | None, now: datetime) -> str:
    """Return how long ago a moment was.

    >>> from datetime import timedelta, timezone
    >>> now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    >>> ago(now - timedelta(hours=3), now), ago(now, now)
    ('3 h ago', 'now')
    """
    if moment is None:
        return ""
    seconds = (now - moment).total_seconds()
    return "now" if seconds < 1 else f"{duration(seconds)} ago"


def arguments(record: DigestedCall, limit: int = 80) -> str:
    """Return the arguments of a record as they would be written in a call, cut to a number of characters."""
    text = ", ".join(f"{name}={label}" for name, label in labels(record).items())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def value_preview(value: Any, limit: int = 2000) -> str:
    """Return a value's repr, cut to a number of characters; one that fails is named by its type."""
    try:
        text = repr(value)
    except Exception as error:
        return f"<{type(value).__qualname__}, whose repr failed: {error!r}>"
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"
