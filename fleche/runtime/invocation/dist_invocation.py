"""`DistributedInvocation`: an invocation that some worker executes."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from fleche.clock import Seconds, seconds
from fleche.runtime.arguments import Arguments
from fleche.runtime.call import Call, LazyCall
from fleche.runtime.context import current_invocation
from fleche.runtime.exceptions import (
    FlecheRuntimeError,
    InvocationCancelledError,
    InvocationDeadLetterError,
    InvocationError,
    InvocationHasNoResultError,
    InvocationTimeoutError,
)
from fleche.runtime.identifiers import InvocationId
from fleche.runtime.invocation.base_invocation import BaseInvocation, BaseInvocationGroup
from fleche.runtime.invocation.status import InvocationStatus
from fleche.runtime.types import Params, Result

if TYPE_CHECKING:
    from fleche.runtime.app import App
    from fleche.runtime.engine.base import Info
    from fleche.runtime.state_backend.base_state_backend import InvocationHistory

__all__ = ["DistributedInvocation", "DistributedInvocationGroup", "ReusedInvocation"]

log = logging.getLogger("fleche.runtime")

_PATIENCE = 10.0  # seconds that a client waits before it is said that no worker took an invocation
_UNTAKEN = (
    "no worker has taken it; is a runner of this app running, such as `with ThreadRunner(app):`, and in this process, "
    "if invocations are kept in memory?"
)


class DistributedInvocation(BaseInvocation[Params, Result]):
    """An invocation that some worker executes; this object only asks how it stands.

    ``await invocation`` gives its result without blocking the event loop.

    Args:
        call: The call.
        parent_invocation: The invocation in whose body the call was made, or None.
        _invocation_id: Its id, where it is stored already; else it is new, and is registered now: never answered by the
            cache nor joined, as calling the task would do.
    """

    def __init__(
        self,
        call: Call[Params, Result],
        parent_invocation: BaseInvocation[Any, Any] | None = None,
        _invocation_id: InvocationId | None = None,
    ) -> None:
        super().__init__(call, _invocation_id)
        self._parent = parent_invocation
        self._parent_id = None if parent_invocation is None else parent_invocation.invocation_id
        self._final: InvocationStatus | None = None
        self._asked = float("-inf")
        self._last: InvocationStatus | None = None
        if _invocation_id is None:
            self.app.state_backend.upsert_invocation(self)

    @classmethod
    def isolated(cls, call: Call[Params, Result]) -> DistributedInvocation[Params, Result]:
        """Return a new invocation that has no parent."""
        return cls(call)

    @classmethod
    def from_parent(
        cls, call: Call[Params, Result], parent: BaseInvocation[Any, Any] | None
    ) -> DistributedInvocation[Params, Result]:
        """Return a new invocation of a parent."""
        return cls(call, parent)

    @classmethod
    def stored(
        cls, call: Call[Params, Result], invocation_id: InvocationId, parent_id: InvocationId | None
    ) -> DistributedInvocation[Params, Result]:
        """Return an invocation that is stored already."""
        found = DistributedInvocation(call, None, invocation_id)
        found._parent_id = parent_id
        return found

    @classmethod
    def of(cls, app: App, info: Info) -> DistributedInvocation[Any, Any]:
        """Return the invocation of what an engine knows."""
        return cls.stored(LazyCall.from_dto(app, info.call), info.id, info.parent)

    @property
    def parent_invocation_id(self) -> InvocationId | None:
        """The id of the invocation in whose body the call was made, or None."""
        return self._parent_id

    @property
    def parent_invocation(self) -> BaseInvocation[Any, Any] | None:
        """The invocation in whose body the call was made, or None.

        Raises:
            InvocationNotFoundError: It was purged.
        """
        if self._parent is None and self._parent_id is not None:
            self._parent = self.app.state_backend.get_invocation(self._parent_id)
        return self._parent

    # -- how it stands -----------------------------------------------------------------------------------------

    @property
    def status(self) -> InvocationStatus:
        """How it stands; one that is not final may be some ``cached_status_time`` old.

        Raises:
            InvocationNotFoundError: It was purged.
        """
        if self._final is not None:
            return self._final
        if self._last is None or time.monotonic() - self._asked > self.app.conf.cached_status_time:
            return self._look()
        return self._last

    def _look(self) -> InvocationStatus:
        self._last = self.app.orchestrator.get_invocation_status(self.invocation_id)
        self._asked = time.monotonic()
        if self._last.is_final():
            self._final = self._last
        return self._last

    @property
    def num_retries(self) -> int:
        """How often it was run again."""
        return self.app.orchestrator.get_invocation_retries(self.invocation_id)

    @property
    def history(self) -> list[InvocationHistory]:
        """All that happened to it, oldest first."""
        return self.app.state_backend.get_history(self.invocation_id)

    def cancel(self) -> bool:
        """Cancel it, and return whether that was in time; its result is then never stored.

        A body that runs is not interrupted.
        """
        self._last = None
        return self.app.orchestrator.cancel(self.invocation_id)

    # -- its result --------------------------------------------------------------------------------------------

    @property
    def result(self) -> Result:
        """What the task returned, waited for as long as it takes; each access gives a fresh object.

        Inside the body of a task, the worker runs others meanwhile.

        Raises:
            CycleDetectedError: It waits for the one that asks.
            InvocationCancelledError: It was cancelled.
            InvocationDeadLetterError: It outlived too many workers.
            InvocationHasNoResultError: It ended without one.
            Exception: Whatever the task raised.
        """
        return self.get()

    def get(self, timeout: Seconds | None = None) -> Result:
        """Return what the task returned; see `result`.

        Args:
            timeout: Seconds (or a timedelta) to wait at most; None for as long as it takes.

        Raises:
            InvocationTimeoutError: It is not done; it goes on.
        """
        if not self.wait(timeout):
            raise _undone(self, timeout)
        return self.get_final_result()

    def wait(self, timeout: Seconds | None = None) -> bool:
        """Wait until it is final, at most so many seconds; return whether it is."""
        if self._final is not None or self._look().is_final():
            return True
        limit = None if timeout is None else seconds(timeout)
        self._last = None
        if current_invocation(self.app.app_id) is None and (limit is None or limit > _PATIENCE):
            if _wait(self.app, [self.invocation_id], _PATIENCE):
                return True
            _tell_untaken([self])
            limit = None if limit is None else limit - _PATIENCE
        return bool(_wait(self.app, [self.invocation_id], limit))

    async def async_result(self) -> Result:
        """Return what `result` does; the event loop goes on meanwhile."""
        if self._final is None and not self._look().is_final():
            await _wait_async(self.app, [self.invocation_id], [self])
        return self.get_final_result()

    def get_final_result(self) -> Result:
        """Return what the task returned, which has ended.

        Raises:
            InvocationError: It is not final.
            Exception: As `result` says.
        """
        status = self._final or self._look()
        backend = self.app.state_backend
        if not status.is_final():
            raise InvocationError(self.invocation_id, "Invocation is not final")
        if status is InvocationStatus.SUCCESS:
            return backend.get_result(self.invocation_id)  # type: ignore[no-any-return]
        if status is InvocationStatus.FAILED:
            raise backend.get_exception(self.invocation_id)
        if status is InvocationStatus.CANCELLED:
            raise InvocationCancelledError(self.invocation_id, "it was cancelled, so it has no result")
        if status is InvocationStatus.DEAD_LETTER:
            raise InvocationDeadLetterError(
                self.invocation_id, f"it was given up after its worker died {self.app.conf.max_recoveries} times"
            )
        raise InvocationHasNoResultError(
            self.invocation_id,
            "another one held its running slot, and it was not to wait: it never ran. With "
            "reroute_on_concurrency_control=True it would wait",
        )

    # -- being run ---------------------------------------------------------------------------------------------

    def run(self, runner_args: Mapping[str, Any] | None = None) -> None:
        """Execute it here and now, as a worker does.

        Args:
            runner_args: What the runner gives to the body's context.

        Raises:
            InvocationStatusError: It cannot be run now.
            Exception: Whatever the task raised; it is stored, too.
        """
        self.app.execution.run_invocation(self, self.app.runner.runner_id, runner_args)

    # -- being an object ---------------------------------------------------------------------------------------

    def to_json(self) -> str:
        """Return it as JSON: its id, its call, and the id of its parent."""
        content = {"invocation_id": self.invocation_id, "call": self.call.to_json()}
        if self._parent_id is not None:
            content["parent_invocation_id"] = self._parent_id
        return json.dumps(content)

    @classmethod
    def from_json(cls, app: App, serialized: str) -> DistributedInvocation[Any, Any]:
        """Return the invocation of a JSON text, for an app."""
        content = json.loads(serialized)
        parent = content.get("parent_invocation_id")
        return cls.stored(Call.from_json(app, content["call"]), InvocationId(content["invocation_id"]), parent)

    def __getstate__(self) -> dict[str, Any]:
        return {"call": self.call, "invocation_id": self.invocation_id, "parent_id": self._parent_id}

    def __setstate__(self, state: dict[str, Any]) -> None:
        found: DistributedInvocation[Any, Any] = DistributedInvocation.stored(
            state["call"], state["invocation_id"], state["parent_id"]
        )
        self.__dict__.update(found.__dict__)


class ReusedInvocation(DistributedInvocation[Params, Result]):
    """An invocation that a call was joined to instead of being registered.

    Args:
        existing: The other one; it must be stored.
        diff_arg: The arguments of the call, where they differ: those of the other one are run.

    Raises:
        ValueError: The other one is not stored.
    """

    def __init__(self, existing: DistributedInvocation[Params, Result], diff_arg: Arguments | None = None) -> None:
        if not isinstance(existing, DistributedInvocation):
            raise ValueError(f"{existing} is not stored, so nothing can be joined to it")  # noqa: TRY004
        super().__init__(existing.call, None, existing.invocation_id)
        self._parent_id = existing.parent_invocation_id
        self.diff_arg = diff_arg

    @classmethod
    def from_existing(
        cls, invocation: DistributedInvocation[Params, Result], diff_arg: Arguments | None = None
    ) -> ReusedInvocation[Params, Result]:
        """Return what a call was joined to."""
        return cls(invocation, diff_arg)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "diff_arg": self.diff_arg}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.diff_arg = state["diff_arg"]

    def run(self, runner_args: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002 - the signature of its kind
        """Refuse: the one that it was joined to is run.

        Raises:
            FlecheRuntimeError: Always.
        """
        raise FlecheRuntimeError(f"{self.invocation_id} stands for another invocation, which is run instead")


class DistributedInvocationGroup(BaseInvocationGroup[Params, Result]):
    """Invocations that workers execute."""

    @property
    def results(self) -> Iterator[Result]:
        """What the task returned, each as it is done; one that was joined several times, as often.

        Raises:
            Exception: Whatever the first that failed raised.
        """
        members, often = self._members()
        with self.app.engine.watch(members) as waiting:
            while waiting:
                for invocation_id in _wait_long(self.app, waiting, members.values()):
                    for _ in range(often[invocation_id]):
                        yield members[invocation_id].get_final_result()

    async def async_results(self) -> AsyncIterator[Result]:
        """Return what `results` does; the event loop goes on meanwhile."""
        members, often = self._members()
        with self.app.engine.watch(members) as waiting:
            while waiting:
                for invocation_id in await _wait_async(self.app, waiting, members.values()):
                    for _ in range(often[invocation_id]):
                        yield members[invocation_id].get_final_result()

    def _members(self) -> tuple[dict[InvocationId, DistributedInvocation[Params, Result]], Counter[InvocationId]]:
        often = Counter(each.invocation_id for each in self.invocations)
        return {each.invocation_id: each for each in self.invocations}, often  # type: ignore[misc]

    def collect(self, *, return_exceptions: bool = False, timeout: Seconds | None = None) -> list[Any]:
        """Return what the task returned, in the order of the calls; see `BaseInvocationGroup.collect`."""
        deadline = None if timeout is None else time.monotonic() + seconds(timeout)
        found: list[Any] = []
        for each in self.invocations:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not each.wait(left):
                raise _undone(each, timeout)
            try:
                found.append(each.result)
            except Exception as error:
                if not return_exceptions:
                    raise
                found.append(error)
        return found


def _wait(
    app: App, ids: Collection[InvocationId], timeout: float | None, stop: Callable[[], bool] | None = None
) -> list[InvocationId]:
    """Wait until some are final, as the runner that executes this context does, or as a client."""
    return app.waiting_runner.waiting_for_results(current_invocation(app.app_id), ids, timeout=timeout, stop=stop)


def _wait_long(
    app: App,
    ids: Collection[InvocationId],
    invocations: Collection[DistributedInvocation[Any, Any]],
    stop: Callable[[], bool] | None = None,
) -> list[InvocationId]:
    """Wait as `_wait` does for as long as it takes; a client for which nothing is done after a while is told why."""
    if current_invocation(app.app_id) is None:
        ended = _wait(app, ids, _PATIENCE, stop)
        if ended or (stop is not None and stop()):
            return ended
        _tell_untaken(invocations)
    return _wait(app, ids, None, stop)


def _undone(invocation: BaseInvocation[Any, Any], timeout: Seconds | None) -> InvocationTimeoutError:
    why = f": {_UNTAKEN}" if invocation.status is InvocationStatus.REGISTERED else "; it goes on"
    return InvocationTimeoutError(invocation.invocation_id, f"it is not done after {timeout} s{why}")


def _tell_untaken(invocations: Collection[DistributedInvocation[Any, Any]]) -> None:
    """Log that no worker took any of some invocations, if that is so."""
    if all(each._look() is InvocationStatus.REGISTERED for each in invocations):  # noqa: SLF001 - one of its own
        first = next(iter(invocations))
        log.warning("%s has waited for %g s: %s", first.call.task.task_id.key, _PATIENCE, _UNTAKEN)


async def _wait_async(
    app: App, ids: Collection[InvocationId], invocations: Collection[DistributedInvocation[Any, Any]]
) -> list[InvocationId]:
    """Wait as `_wait_long` does, in a thread of its own: those of the loop's pool could all be taken by others."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[InvocationId]] = loop.create_future()
    left = threading.Event()

    def tell(ended: list[InvocationId] | None, error: BaseException | None) -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(ended or [])

    def wait() -> None:
        ended: list[InvocationId] | None = None
        failure: BaseException | None = None
        try:
            ended = _wait_long(app, ids, invocations, left.is_set)
        except BaseException as error:
            failure = error
        with suppress(RuntimeError):  # the loop is closed, and nobody asks any more
            loop.call_soon_threadsafe(tell, ended, failure)

    threading.Thread(target=copy_context().run, args=(wait,), name="fleche waits", daemon=True).start()
    try:
        return await found
    finally:
        if not found.done() or found.cancelled():
            left.set()
            app.engine.wake()
