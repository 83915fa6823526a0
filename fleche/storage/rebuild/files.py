"""Files as arguments: stored are path, size and the digest of the content."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleche.digest.files import pinned

__all__ = ["REDUCERS", "build"]


def build(path: Any, size: Any, content: Any) -> Any:
    """Return a `fleche.File` that stands for what the file held; nothing is opened.

    Raises:
        ValueError: These are not what was stored of one.
    """
    return pinned(path, size, content)


def _file(value: Any) -> Any:
    return build, value.recorded()


REDUCERS: dict[str, Callable[[Any], Any]] = {"fleche.File": _file}
