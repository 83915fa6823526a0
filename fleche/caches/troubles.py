"""What one part of a composed cache cannot do, said once: the others go on."""

from __future__ import annotations

import threading
import warnings
from typing import Any

from fleche.errors import StoreWarning
from fleche.frames import stack_level

__all__ = ["Troubles"]


class Troubles:
    """The warnings of one composed cache: each reason once. Pickled, it arrives as new."""

    def __init__(self) -> None:
        self._told: set[tuple[int, str, type[BaseException]]] = set()
        self._lock = threading.Lock()

    def tell(self, part: object, step: str, error: BaseException) -> None:
        """Warn that a part failed, once for each part, step and type of error.

        Args:
            part: The part that failed.
            step: What it was to do, such as ``read``.
            error: Why it did not.
        """
        reason = id(part), step, type(error)
        with self._lock:
            if reason in self._told:
                return
            self._told.add(reason)
        warning = StoreWarning(f"{part} is left out ({step} failed; said once): {error}")
        warning.__cause__ = error
        warnings.warn(warning, stacklevel=stack_level())

    def __reduce__(self) -> tuple[Any, ...]:
        return Troubles, ()
