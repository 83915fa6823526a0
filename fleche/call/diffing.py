"""A hook: what compares two stored calls is of a layer above, and is set when ``fleche`` is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["DIFFING"]


class _Diffing:
    """What compares two calls; None until ``fleche`` is imported."""

    def __init__(self) -> None:
        self.calls: Callable[[Any, Any], Any] | None = None


DIFFING = _Diffing()
