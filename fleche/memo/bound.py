"""`BoundCall`: a cached function with the surroundings of the place where it was bound."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from fleche.memo.active import active_meta, active_mode, cache, meta, mode

if TYPE_CHECKING:
    from fleche.caches import BaseCache

__all__ = ["BoundCall"]

P = ParamSpec("P")
R = TypeVar("R")


class BoundCall(Generic[P, R]):
    """A callable that runs a cached function as it would have run where this was made.

    Args:
        function: The cached function.
        cache: The cache to use, or None where the function has its own.
    """

    def __init__(self, function: Callable[P, R], cache: BaseCache | None) -> None:
        self.function = function
        self._cache = cache
        self._mode = active_mode()
        self._meta = active_meta()

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function with the cache, mode and metadata of the place where this was made."""
        with ExitStack() as stack:
            if self._cache is not None:
                stack.enter_context(cache(self._cache))
            stack.enter_context(mode(self._mode))
            stack.enter_context(meta(*self._meta))
            return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<{self.function!r} bound to {self._cache!r}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "function" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.function, name)
