"""Text that users chose, where a database keeps no NUL in text: there NUL is SUB 0, and SUB is SUB 1."""

from __future__ import annotations

__all__ = ["escaped", "unescaped"]


def escaped(text: str) -> str:
    """Return what is stored."""
    return text.replace("\x1a", "\x1a1").replace("\x00", "\x1a0")


def unescaped(text: str) -> str:
    """Return what was given."""
    return text.replace("\x1a0", "\x00").replace("\x1a1", "\x1a")
