"""Functions that return a future: what is stored is what it resolved to, and a hit is a future again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

from fleche.caches import Returned
from fleche.digest import Digest
from fleche.memo.run import Run
from fleche.storage.leases import Lease

__all__ = ["Pending", "is_future", "revived"]


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


class Pending:
    """The futures of one function that have not resolved yet: who asks for the same call meanwhile follows them.

    Waiting would be a deadlock where the thread or event loop that waits is the one that resolves the future.
    Thread-safe.
    """

    def __init__(self) -> None:
        self._futures: dict[tuple[int, Digest], Any] = {}

    def file_later(self, key: tuple[int, Digest], run: Run, future: Any, lease: Lease | None) -> Any:
        """File the result of a future when it resolves, holding the lease till then, and return the future."""
        self._futures[key] = future
        future.add_done_callback(_Filing(run, lease, partial(self._futures.pop, key, None)))
        return future

    def follow(self, key: tuple[int, Digest], find: Callable[[], Any], again: Callable[[], Any]) -> Any:
        """Return a future of a call's own that resolves as the pending one does, or None where there is none.

        Args:
            key: The cache's identity and the key of the call.
            find: Looks the stored result up, so that two callers never share it.
            again: Makes the call anew: one caller's cancelling is not the other's.
        """
        leader = self._futures.get(key)
        if leader is None:
            return None
        mine = _twin(leader)
        if mine is not None:
            leader.add_done_callback(_Follower(mine, find, again))
        return mine


def _twin(leader: Any) -> Any:
    """Return a fresh future of the same kind, or None where it could not be awaited here."""
    if type(leader).__module__.startswith("concurrent.futures"):
        return type(leader)()
    from asyncio import _get_running_loop

    get_loop = getattr(leader, "get_loop", None)
    running: Any = _get_running_loop()
    if get_loop is None or running is None or get_loop() is not running:
        return None
    return running.create_future()


class _Follower:
    """What is done when the future that is followed resolves."""

    def __init__(self, mine: Any, find: Callable[[], Any], again: Callable[[], Any]) -> None:
        self._mine = mine
        self._find = find
        self._again = again

    def __call__(self, leader: Any) -> None:
        if self._mine.done():
            return
        try:
            if leader.cancelled():
                self._again().add_done_callback(self)
                return
            value = leader.result()
            found = self._find()
        except BaseException as error:
            self._resolve("set_exception", error)
        else:
            self._resolve("set_result", found.value if isinstance(found, Returned) else value)

    def _resolve(self, how: str, what: Any) -> None:
        start = getattr(self._mine, "set_running_or_notify_cancel", None)
        if start is None or start():
            getattr(self._mine, how)(what)


class _Filing:
    """What is done when the future is."""

    def __init__(self, run: Run, lease: Lease | None, forget: Callable[[], Any]) -> None:
        self._run = run
        self._lease = lease
        self._forget = forget

    def __call__(self, future: Any) -> None:
        self._forget()
        with self._lease or nullcontext():
            error = None if future.cancelled() else future.exception()
            if future.cancelled() or not isinstance(error, Exception | None):
                self._run.abandon()
            elif error is None:
                own_loop = not type(future).__module__.startswith("concurrent.futures")
                self._run.commit(Returned(future.result(), own_loop))
            else:
                self._run.fail(error)
