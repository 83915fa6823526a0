"""Ctrl-C at each step of some code, as the interpreter would raise it."""

from __future__ import annotations

import sys
from types import FrameType, ModuleType
from typing import Any

__all__ = ["Interrupt"]


class Interrupt:
    """The block in which code is interrupted at a step: where a function begins, or after a call of one in C.

    Args:
        module: Whose code is interrupted.
        step: Which step, from 0 on.

    Attributes:
        left: How many steps there are before it; less than 0 once it came.
    """

    def __init__(self, module: ModuleType, step: int) -> None:
        self._file = module.__file__
        self.left = step

    def __enter__(self) -> None:
        self._before = sys.getprofile()
        sys.setprofile(self._look)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)

    def _look(self, frame: FrameType, event: str, _: Any) -> None:
        if event in ("call", "c_return") and frame.f_code.co_filename == self._file:
            self.left -= 1
            if self.left == -1:
                raise KeyboardInterrupt
