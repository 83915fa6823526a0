"""Invocations of development mode: the body runs where the task is called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, NoReturn, cast

from fleche.clock import Seconds
from fleche.runtime.context import running
from fleche.runtime.exceptions import FlecheRuntimeError
from fleche.runtime.invocation.base_invocation import BaseInvocation, BaseInvocationGroup
from fleche.runtime.invocation.status import InvocationStatus
from fleche.runtime.types import Params, Result

if TYPE_CHECKING:
    from fleche.runtime.app import App
    from fleche.runtime.call import Call

__all__ = [
    "ConcurrentInvocation",
    "ConcurrentInvocationGroup",
    "SynchronousInvocation",
    "SynchronousInvocationGroup",
    "run_task_sync",
]


def run_task_sync(function: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Return what a function returns; a coroutine is run to its end, on a loop of its own."""
    result = function(*args, **kwargs)
    return run_coroutine(result) if isinstance(result, Coroutine) else result


def is_looping() -> bool:
    """Whether this thread is inside an event loop, so that it cannot run another."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def run_coroutine(coroutine: Any) -> Any:
    """Return what a coroutine returns, run on a loop of its own, in another thread if this one has a loop."""
    if not is_looping():
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, asyncio.run, coroutine).result()


class ConcurrentInvocation(BaseInvocation[Params, Result]):
    """Runs its body once, when it is made; nothing is stored or queued.

    Args:
        call: The call.
    """

    def __init__(self, call: Call[Params, Result]) -> None:
        super().__init__(call)
        self._status = InvocationStatus.REGISTERED
        self._retries = 0
        self._result: Any = None
        self._error: BaseException | None = None
        self._run()

    def _run(self) -> None:
        task = self.task
        args, kwargs = task.binding.spelled(self.arguments)
        while True:
            self._status = InvocationStatus.RUNNING
            try:
                with running(self.app.app_id, self):
                    self._result = run_task_sync(task.results.run, args, kwargs)
            except task.retriable_exceptions as error:
                if self._retries < task.conf.max_retries:
                    self._retries += 1
                    self._status = InvocationStatus.RETRY
                    continue
                self._error = error
            except Exception as error:
                self._error = error
            self._status = InvocationStatus.FAILED if self._error is not None else InvocationStatus.SUCCESS
            return

    @property
    def status(self) -> InvocationStatus:
        """How it stands."""
        return self._status

    @property
    def result(self) -> Result:
        """What the task returned.

        Raises:
            Exception: Whatever the task raised.
        """
        if self._error is not None:
            raise self._error
        return cast("Result", self._result)

    async def async_result(self) -> Result:
        """Return what the task returned."""
        return self.result

    def get(self, timeout: Seconds | None = None) -> Result:  # noqa: ARG002 - it has ended
        """Return what the task returned."""
        return self.result

    def wait(self, timeout: Seconds | None = None) -> bool:  # noqa: ARG002 - it has ended
        """Return true: it has ended."""
        return True

    def cancel(self) -> bool:
        """Return false: it has ended."""
        return False

    @property
    def num_retries(self) -> int:
        """How often it was run again."""
        return self._retries

    def to_json(self) -> str:
        """Refuse: it is stored nowhere.

        Raises:
            FlecheRuntimeError: Always.
        """
        self._refuse()

    @classmethod
    def from_json(cls, app: App, serialized: str) -> NoReturn:  # noqa: ARG003 - the signature of its kind
        """Refuse: it is stored nowhere.

        Raises:
            FlecheRuntimeError: Always.
        """
        cls._refuse()

    @staticmethod
    def _refuse() -> NoReturn:
        raise FlecheRuntimeError("an invocation of development mode is stored nowhere, so it has no JSON")


class ConcurrentInvocationGroup(BaseInvocationGroup[Params, Result]):
    """Invocations of development mode."""

    @property
    def results(self) -> Iterator[Result]:
        """What the task returned, in the order of the calls."""
        return (each.result for each in self.invocations)

    async def async_results(self) -> AsyncIterator[Result]:
        """Return what `results` does."""
        for each in self.invocations:
            yield each.result

    def collect(self, *, return_exceptions: bool = False, timeout: Seconds | None = None) -> list[Any]:  # noqa: ARG002
        """Return what the task returned, in the order of the calls; see `BaseInvocationGroup.collect`."""
        found: list[Any] = []
        for each in self.invocations:
            try:
                found.append(each.result)
            except Exception as error:
                if not return_exceptions:
                    raise
                found.append(error)
        return found


SynchronousInvocation = ConcurrentInvocation
SynchronousInvocationGroup = ConcurrentInvocationGroup
