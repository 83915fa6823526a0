"""What happens when the cache fails and the call must not: one warning per function and reason, or an error."""

from __future__ import annotations

import threading
import warnings
from typing import Any

from fleche.errors import FlecheWarning, UncachedWarning
from fleche.frames import stack_level

__all__ = ["Complaints", "reason"]


class Complaints:
    """The warnings of one cached function: each reason once.

    Args:
        label: How messages name the function.
        strict: Raise the error instead.
    """

    def __init__(self, label: str, *, strict: bool) -> None:
        self._label = label
        self._strict = strict
        self._made: dict[str, str] = {}
        self._lock = threading.Lock()

    def make(
        self,
        reason: str,
        message: str,
        error: BaseException | None = None,
        *,
        kind: type[FlecheWarning] = UncachedWarning,
        result: Any = None,
    ) -> None:
        """Warn once per reason, or raise the error where the function is strict.

        A warning that a filter turns into an exception carries the result of the call as ``.result``.

        Raises:
            FlecheError: The error given, where the function is strict.
            FlecheWarning: The warning itself, where warnings are errors.
        """
        if self._strict and error is not None:
            raise error
        with self._lock:
            if reason in self._made:
                return
            self._made[reason] = message
        warning = kind(f"{self._label}: {message}")
        warning.__cause__ = error
        warning.result = result  # type: ignore[attr-defined]
        warnings.warn(warning, stacklevel=stack_level())

    def unstored(self) -> list[str]:
        """Return what was said of calls that were computed and not stored."""
        with self._lock:
            return [text for text in self._made.values() if any(mark in text for mark in _UNSTORED)]


_UNSTORED = ("uncached", "not stored", "nothing is")  # what such a message says


def reason(step: str, error: BaseException) -> str:
    """Return the reason under which an error of one step is complained of once."""
    return f"{step} {type(error).__qualname__}"
