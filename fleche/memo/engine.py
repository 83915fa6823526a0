"""`Engine`: a function's memory, made when it is first needed, so that decorating costs no imports."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from fleche.call.binding import FunctionProfile
from fleche.memo.options import Options

if TYPE_CHECKING:
    from fleche.memo.memo import Memo

__all__ = ["Engine"]


class Engine:
    """What a cached function and its bound forms share.

    Args:
        kind: The module and class, within this package, of the memory to make.
        function: The function as written.
        options: What `cached` was told.
        profile: How its calls are bound.
    """

    __slots__ = ("_kind", "_memo", "function", "options", "profile")

    def __init__(self, kind: str, function: Callable[..., Any], options: Options, profile: FunctionProfile) -> None:
        self._kind = kind
        self._memo: Memo | None = None
        self.function = function
        self.options = options
        self.profile = profile

    @property
    def memo(self) -> Memo:
        """The memory; threads that ask for it first at once may each make one, and use the same."""
        if self._memo is None:
            module, _, name = self._kind.partition(".")
            made: Memo = getattr(import_module(f"fleche.memo.{module}"), name)(
                self.function, self.options, self.profile
            )
            self._memo = self._memo or made
        return self._memo

    @property
    def label(self) -> str:
        """How messages name the function."""
        return f"{self.function.__module__}.{self.function.__qualname__}"
