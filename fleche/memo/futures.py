"""Functions that return a future: what is stored is what it resolved to, and a hit is a future again."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from fleche.caches import Returned
from fleche.memo.memo import Run

__all__ = ["file_later", "is_future", "revived"]


def is_future(value: Any) -> bool:
    """Whether a result is a future: something that resolves later and tells when."""
    return (
        hasattr(value, "add_done_callback") and hasattr(value, "cancelled") and callable(getattr(value, "result", None))
    )


def revived(value: Any) -> Any:
    """Return a stored value as the function returned it: a future, already resolved, where it returned one."""
    if not isinstance(value, Returned):
        return value
    future: Any
    if value.loop:
        from asyncio import get_running_loop

        future = get_running_loop().create_future()
    else:
        from concurrent.futures import Future

        future = Future()
    future.set_result(value.value)
    return future


def file_later(run: Run, future: Any, holding: ExitStack) -> Any:
    """File the result of a future when it resolves, holding the lease till then, and return the future."""
    future.add_done_callback(_Filing(run, holding))
    return future


class _Filing:
    """What is done when the future is."""

    def __init__(self, run: Run, holding: ExitStack) -> None:
        self._run = run
        self._holding = holding

    def __call__(self, future: Any) -> None:
        with self._holding:
            error = None if future.cancelled() else future.exception()
            if future.cancelled() or not isinstance(error, Exception | None):
                self._run.abandon()
            elif error is None:
                own_loop = not type(future).__module__.startswith("concurrent.futures")
                self._run.commit(Returned(future.result(), own_loop))
            else:
                self._run.fail(error)
