"""`Paused`: no garbage collection while code is read: syntax trees are many objects, looked at in vain."""

from __future__ import annotations

import gc
import os
import threading

__all__ = ["Paused"]


class Paused:
    """A context in which garbage is not collected. Threads may be inside at once; the last one that leaves ends it.

    Afterwards collection is as it was before: where somebody has switched it off, it stays off.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = gc.isenabled()
                gc.disable()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside <= 0:
                self._inside = 0
                if self._before:
                    gc.enable()

    def _forked(self) -> None:
        """Go on in a child, where no other thread is left that could leave."""
        self._lock = threading.Lock()
        if self._inside and self._before:
            gc.enable()
        self._inside = 0
