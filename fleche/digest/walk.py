"""The walk over a value."""

from __future__ import annotations

from typing import Any

from fleche.digest.algorithm import chosen
from fleche.digest.text import Digest

__all__ = ["digest"]


def digest(value: Any, name: str = "value") -> Digest:
    """Return the content address of a value."""
    if isinstance(value, Digest):
        return value
    return Digest.from_bytes(chosen().hash(repr((type(value).__qualname__, value)).encode()))
