"""Which frames of the stack are this package's own: a warning points at the caller's line."""

from __future__ import annotations

import sys
from types import FrameType

__all__ = ["is_ours", "stack_level"]

_PACKAGE = __name__.partition(".")[0]


def stack_level() -> int:
    """Return the ``stacklevel`` with which the calling function warns of the first frame that is not fleche's own."""
    level = 1
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - what `warnings` counts
    while frame is not None and is_ours(frame):
        frame = frame.f_back
        level += 1
    return level


def is_ours(frame: FrameType) -> bool:
    """Whether a frame runs code of this package."""
    name: str = frame.f_globals.get("__name__", "")
    return name == _PACKAGE or name.startswith(f"{_PACKAGE}.")
