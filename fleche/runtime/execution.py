"""How a worker executes what it claimed: one invocation in, the status that follows out."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from fleche.errors import FlecheError
from fleche.memo.active import Mode
from fleche.runtime.call import LazyCall
from fleche.runtime.context import runner_args as runner_args_variable
from fleche.runtime.context import running
from fleche.runtime.engine.base import Change, Claimed, Engine, Outcome
from fleche.runtime.exceptions import (
    FlecheRuntimeError,
    InvocationStatusError,
    SerializationError,
)
from fleche.runtime.identifiers import TaskId
from fleche.runtime.invocation.dist_invocation import DistributedInvocation
from fleche.runtime.invocation.status import InvocationStatus
from fleche.runtime.invocation.sync_invocation import is_looping, run_coroutine
from fleche.runtime.modes import working
from fleche.runtime.serializer.exceptions import text_of

if TYPE_CHECKING:
    from fleche.memo.memo import Sealed
    from fleche.runtime.client_data_store import BaseClientDataStore
    from fleche.runtime.orchestrator import BaseOrchestrator
    from fleche.runtime.serializer import ExceptionCodec
    from fleche.runtime.task import Task

__all__ = ["Execution"]

_S = InvocationStatus


class Execution:
    """Executes invocations, on whatever thread it is called.

    Whatever goes wrong with one, an unimportable task, an argument that cannot be read, a result that cannot be sent,
    an exit of the body, ends that one with the reason, and nothing else.

    Args:
        app_id: Names the app, for the context of bodies.
        engine: Keeps invocations.
        orchestrator: Checks calls for circles, and says when one may be run again.
        tasks: Returns the task of an id.
        data: Turns results into text.
        exceptions: Turns exceptions into text.
        logger: Is told of what was taken away before it ran.
    """

    def __init__(
        self,
        app_id: str,
        *,
        engine: Engine,
        orchestrator: BaseOrchestrator,
        tasks: Callable[[TaskId], Task[Any, Any]],
        data: BaseClientDataStore,
        exceptions: ExceptionCodec,
        logger: logging.Logger,
    ) -> None:
        self._app_id = app_id
        self._engine = engine
        self._orchestrator = orchestrator
        self._task = tasks
        self._data = data
        self._exceptions = exceptions
        self._logger = logger
        self._loops = _Loops()

    def run(self, claimed: Claimed, owner: str) -> Change | None:
        """Run the body of an invocation and return the status that follows.

        Args:
            claimed: What was claimed.
            owner: Who claimed it.

        Returns:
            None where it was taken from us before its body ran.
        """
        process = os.getpid()
        try:
            if claimed.status is _S.PENDING and not self._start(claimed, owner):
                return None
            return self._body(claimed, owner)[0]
        except BaseException as error:  # whatever it is, the invocation must not be left as it is
            return self._failed(claimed, owner, error)
        finally:
            if os.getpid() != process:
                os._exit(0)  # the body forked, and this is its child, which would go on as a second worker

    def leave(self) -> None:
        """Release what this thread holds, such as an event loop; to be called before a worker's thread ends."""
        self._loops.close()

    def timeout(self, claimed: Claimed) -> float:
        """Return the seconds that a body may take, or 0 where there is no limit."""
        try:
            return self._task(claimed.call.call_id.task_id).conf.timeout
        except BaseException:  # it is met again, and told of, where the body is to run
            return 0.0

    def raised(self, claimed: Claimed, owner: str, error: BaseException) -> Change:
        """Return the status that follows when a body has raised: it is run again, or it has failed."""
        return self._raised(self._task(claimed.call.call_id.task_id), claimed, owner, error)

    def run_invocation(
        self,
        invocation: DistributedInvocation[Any, Any],
        owner: str,
        runner_args: Mapping[str, Any] | None = None,
    ) -> None:
        """Run an invocation that is pending for a runner, and set the status that follows.

        Raises:
            InvocationStatusError: It cannot be run now.
            BaseException: Whatever the body raised, if it is not to be run again.
        """
        info = self._engine.info(invocation.invocation_id)
        claimed = Claimed(
            id=info.id,
            attempt=info.attempt,
            call=info.call,
            parent=info.parent,
            key=info.key,
            retries=info.retries,
            recoveries=info.recoveries,
            status=_S.PENDING,
            mode=info.mode,
        )
        token = runner_args_variable.set(runner_args)
        try:
            self._orchestrator.check_cycles(claimed)
            self._orchestrator.set_invocation_status(info.id, _S.RUNNING, owner, attempt=info.attempt)
            change, error = self._body(claimed, owner)
        except InvocationStatusError:
            raise
        except Exception as refusal:
            change, error = self._failed(claimed, owner, refusal), refusal
        finally:
            runner_args_variable.reset(token)
        (answer,), _ = self._engine.step(owner, [change])
        if isinstance(answer, FlecheRuntimeError):
            raise answer
        if error is not None and change.status is _S.FAILED:
            raise error

    def _start(self, claimed: Claimed, owner: str) -> bool:
        """Set an invocation running; return whether it is still ours.

        Raises:
            CycleDetectedError: An equal call waits for it.
        """
        self._orchestrator.check_cycles(claimed)
        change = Change(id=claimed.id, status=_S.RUNNING, owner=owner, attempt=claimed.attempt)
        (answer,), _ = self._engine.step(owner, [change])
        if isinstance(answer, FlecheRuntimeError):
            self._logger.info("invocation %s was taken away before it ran: %s", claimed.id, answer)
            return False
        return True

    def _body(self, claimed: Claimed, owner: str) -> tuple[Change, BaseException | None]:
        task: Task[Any, Any] | None = None
        try:
            task = self._task(claimed.call.call_id.task_id)
            call: LazyCall[Any, Any] = LazyCall(task, claimed.call.serialized_arguments, claimed.call.call_id)
            args, kwargs = task.binding.spelled(task.binding.own(call.arguments))
            invocation: DistributedInvocation[Any, Any] = DistributedInvocation.stored(call, claimed.id, claimed.parent)
            with running(self._app_id, invocation), working(claimed.mode) as mode:
                outcome, note = self._computed(task, claimed, mode, args, kwargs)
        except BaseException as error:
            return self._raised(task, claimed, owner, error), error
        return (
            Change(id=claimed.id, status=_S.SUCCESS, owner=owner, attempt=claimed.attempt, outcome=outcome, note=note),
            None,
        )

    def _computed(
        self, task: Task[Any, Any], claimed: Claimed, mode: Mode, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Outcome, str | None]:
        results = task.results
        sealed: Sealed | None = None if mode is Mode.OFF else results.seal(args, kwargs)
        if sealed is None:
            if mode is Mode.FROZEN and results.reuse:
                raise results.refusal(None, args, kwargs)
            made = results.run(args, kwargs)
            return Outcome(result=self._text(task, self._awaited(made))), None
        result = self._awaited(results.recall(mode, sealed, args, kwargs))
        note = None
        if claimed.key is not None and claimed.key != sealed.key:
            note = f"the code that ran is not the code that was called: its result is call {sealed.key}"
        record = results.refreshed(sealed, result) if mode is Mode.REFRESH else results.record(sealed)
        if record is not None:
            return Outcome(record=record), note
        return Outcome(result=self._text(task, result)), note

    def _awaited(self, made: Any) -> Any:
        is_coroutine = hasattr(made, "send") and isinstance(made, Coroutine)  # the second alone takes long
        return self._loops.run(made) if is_coroutine else made

    def _text(self, task: Task[Any, Any], result: Any) -> str:
        try:
            return self._data.serialize(result)
        except (TypeError, ValueError, RecursionError, FlecheError) as error:
            kind = f"{type(result).__module__}.{type(result).__qualname__}"
            raise SerializationError(
                f"Task '{task.task_id}': its result of type {kind} cannot be serialized: {error}"
            ) from error

    def _raised(self, task: Task[Any, Any] | None, claimed: Claimed, owner: str, error: BaseException) -> Change:
        if task is None or not isinstance(error, task.retriable_exceptions):
            return self._failed(claimed, owner, error)
        if claimed.retries < task.conf.max_retries:
            return Change(
                id=claimed.id,
                status=_S.RETRY,
                owner=owner,
                attempt=claimed.attempt,
                due=self._orchestrator.retry_due(task, claimed.retries),
                retries=1,
                note=f"{type(error).__name__}: {text_of(error)}",
            )
        if task.conf.max_retries == 0:
            _add_note(error, "It is not run again: max_retries of the task is 0")
        return self._failed(claimed, owner, error)

    def _failed(self, claimed: Claimed, owner: str, error: BaseException) -> Change:
        outcome = Outcome(exception=self._exceptions.encode(error))
        return Change(id=claimed.id, status=_S.FAILED, owner=owner, attempt=claimed.attempt, outcome=outcome)


def _add_note(error: BaseException, note: str) -> None:
    with suppress(Exception):  # of whatever kind it is, it is told of
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)


class _Loops(threading.local):
    """An event loop for each thread that runs coroutines, used again."""

    _runner: asyncio.Runner | None = None

    def run(self, coroutine: Any) -> Any:
        if is_looping():  # inside the body of another, which blocks its loop while it waits
            return run_coroutine(coroutine)
        if self._runner is None:
            self._runner = asyncio.Runner()
        # A runner would give each coroutine the context of the first, and so the body of another.
        return self._runner.run(coroutine, context=copy_context())

    def close(self) -> None:
        if self._runner is not None:
            self._runner.close()
            self._runner = None
