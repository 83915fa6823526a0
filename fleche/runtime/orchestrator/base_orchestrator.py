"""The policy of the runtime, written once over the atomic steps of an engine."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from fleche.clock import to_micros
from fleche.runtime.conf.config_orchestrator import ConfigOrchestrator
from fleche.runtime.context import current_invocation
from fleche.runtime.engine.base import Change, Claimed, Engine, Outcome
from fleche.runtime.exceptions import (
    FlecheRuntimeError,
    InvocationNotFoundError,
    InvocationStatusError,
    PendingInvocationLockError,
)
from fleche.runtime.identifiers import InvocationId
from fleche.runtime.invocation.base_invocation import BaseInvocation, id_of
from fleche.runtime.invocation.dist_invocation import DistributedInvocation
from fleche.runtime.invocation.status import InvocationStatus, InvocationStatusRecord
from fleche.runtime.orchestrator.blocking_control import BaseBlockingControl
from fleche.runtime.orchestrator.cycle_control import BaseCycleControl
from fleche.runtime.orchestrator.recovery import Recovery
from fleche.runtime.orchestrator.routing import Routing
from fleche.runtime.serializer.exceptions import text_of

if TYPE_CHECKING:
    from fleche.runtime.app import App
    from fleche.runtime.call import Call
    from fleche.runtime.task import Task

__all__ = ["BaseOrchestrator"]

_S = InvocationStatus
_HOUR = 3_600_000_000  # microseconds
_LONGEST = 10 * 365 * 86_400.0  # seconds: no retry is put off for longer than ten years
_RANDOM = random.Random()  # noqa: S311 - delays need not be unpredictable


class BaseOrchestrator:
    """Routes calls, picks what runs next, and moves invocations from status to status.

    All of it is the same whatever the engine is; subclasses name theirs.

    Args:
        app: The app, whose engine keeps the invocations.
    """

    engine_name: ClassVar[str]
    """The name of the engine that subclasses stand on."""

    def __init__(self, app: App) -> None:
        self.conf = ConfigOrchestrator(app.config_values, app.config_filepath)
        self._engine: Engine = app.engine
        self._exceptions = app.exceptions
        self._data = app.client_data_store
        self._task = app.get_task
        self._invocation_of = invocation_of = partial(DistributedInvocation.of, app)
        self._app = app
        self._routing = Routing(app.engine, app.client_id, invocation_of, partial(current_invocation, app.app_id))
        self._recovery = Recovery(app.engine, app.conf)
        self.blocking_control = BaseBlockingControl(app.engine, invocation_of)
        self.cycle_control = BaseCycleControl(app.engine, invocation_of)

    def _runner_id(self) -> str:
        return self._app.runner.runner_id

    # -- routing -----------------------------------------------------------------------------------------------

    def route_call(
        self, call: Call[Any, Any], *, due: int | None = None, priority: int | None = None
    ) -> DistributedInvocation[Any, Any]:
        """Return an invocation of a call: one that is there and stands for it, or a new one.

        A call whose result is in the cache is a success at once. One that is equal to another that is not yet done is
        joined to that. Where registration concurrency says so, it is joined to one that waits for a worker. Of many
        equal calls at the same moment, one is registered and the others are joined to it.

        Args:
            call: The call.
            due: When it may run, in microseconds since 1970 UTC; None for now.
            priority: The greater, the sooner; the task's own if not given.

        Raises:
            InvocationConcurrencyWithDifferentArgumentsError: It would be joined to one of other arguments, and the task
                forbids that.
            MissError: Its result is not in the cache, and the mode is ``frozen``.
            SerializationError: An argument cannot be sent.
        """
        return self._routing.one(call, due, priority)

    def route_calls(self, calls: Iterable[Call[Any, Any]]) -> list[DistributedInvocation[Any, Any]]:
        """Return an invocation of each call, registered as one batch.

        Raises:
            TaskParallelProcessingError: Registration concurrency is on: such calls are routed one by one.
            MissError: The result of one is not in the cache, and the mode is ``frozen``.
            SerializationError: An argument cannot be sent.
        """
        return self._routing.several(calls)

    def register_invocation(self, invocation: DistributedInvocation[Any, Any]) -> None:
        """Register an invocation that was made by hand, such as by ``DistributedInvocation(call)``.

        It is a new one in any case: neither answered by the cache nor joined to another. Its running slots, its key
        and its priority are those of any other, and equal calls are joined to it.

        Raises:
            SerializationError: An argument cannot be sent.
        """
        self._routing.register(invocation)

    # -- picking -----------------------------------------------------------------------------------------------

    def get_invocations_to_run(self, max_num_invocations: int) -> Iterator[DistributedInvocation[Any, Any]]:
        """Yield invocations that are now pending for the app's runner: those that others wait for first.

        Each goes to one caller, when it is asked for. Never more than so many.
        """
        return self._picked(max_num_invocations, blockers=self.conf.blocking_control)

    def get_blocking_invocations_to_run(self, max_num_invocations: int) -> Iterator[DistributedInvocation[Any, Any]]:
        """Yield invocations that others wait for, now pending for the app's runner; never more than so many."""
        for blocking in [*self.get_blocking_invocations(max_num_invocations)]:
            change = Change(id=blocking.invocation_id, status=_S.PENDING, owner=self._runner_id())
            (answer,), _ = self._engine.step(self._runner_id(), [change])
            if not isinstance(answer, FlecheRuntimeError):
                yield blocking

    def get_additional_invocations_to_run(self, max_num_invocations: int) -> Iterator[DistributedInvocation[Any, Any]]:
        """Yield invocations in the order of the queue, now pending for the app's runner; never more than so many."""
        return self._picked(max_num_invocations, blockers=False)

    def _picked(self, count: int, *, blockers: bool) -> Iterator[DistributedInvocation[Any, Any]]:
        owner = self._runner_id()
        for _ in range(count):
            _, claimed = self._engine.step(owner, limit=1, blockers=blockers)
            if not claimed:
                return
            yield self._invocation_of(self._engine.info(claimed[0].id))

    def get_blocking_invocations(self, max_num_invocations: int) -> Iterator[DistributedInvocation[Any, Any]]:
        """Yield invocations that others wait for, that wait for none and may run: oldest first."""
        if self.conf.blocking_control:
            yield from self.blocking_control.get_blocking_invocations(max_num_invocations)

    def get_existing_invocations(
        self,
        task: Task[Any, Any],
        key_serialized_arguments: Mapping[str, str] | None = None,
        status: InvocationStatus | None = None,
        statuses: Collection[InvocationStatus] | None = None,
    ) -> Iterator[DistributedInvocation[Any, Any]]:
        """Yield the invocations of a task with some serialized arguments, in a status, or in some; the latest first."""
        wanted = {status} if status is not None else statuses
        total = self._engine.count(task.task_id.key, wanted)
        for each in self._engine.listed(task.task_id.key, wanted, limit=total):
            info = self._engine.info(each)
            texts = info.call.serialized_arguments
            if all(texts.get(name) == text for name, text in (key_serialized_arguments or {}).items()):
                yield self._invocation_of(info)

    # -- statuses ----------------------------------------------------------------------------------------------

    def get_invocation_status(self, invocation: BaseInvocation[Any, Any] | InvocationId) -> InvocationStatus:
        """Return the status of an invocation; one that was pending for too long is given back first.

        Raises:
            InvocationNotFoundError: There is no such invocation.
        """
        return self.get_invocation_status_record(invocation).status

    def get_invocation_status_record(
        self, invocation: BaseInvocation[Any, Any] | InvocationId
    ) -> InvocationStatusRecord:
        """Return the status of an invocation, its owner, and since when; see `get_invocation_status`.

        Raises:
            InvocationNotFoundError: There is no such invocation.
        """
        record = self._engine.status(id_of(invocation))
        if record.status is _S.PENDING:
            since = to_micros(record.timestamp)
            if self._engine.now() - since > self._recovery.patience:
                self._recovery.one(self._engine.info(id_of(invocation)))
                return self._engine.status(id_of(invocation))
        return record

    def get_invocation_retries(self, invocation: BaseInvocation[Any, Any] | InvocationId) -> int:
        """Return how often an invocation was run again.

        Raises:
            InvocationNotFoundError: There is no such invocation.
        """
        return self._engine.info(id_of(invocation)).retries

    def increment_invocation_retries(self, invocation: BaseInvocation[Any, Any] | InvocationId) -> int:
        """Count a retry, and return how many there are; `set_invocation_retry` counts by itself.

        Raises:
            InvocationNotFoundError: There is no such invocation.
        """
        return self._engine.add_retry(id_of(invocation))

    def set_invocation_status(
        self,
        invocation: BaseInvocation[Any, Any] | InvocationId,
        status: InvocationStatus,
        runner_id: str | None = None,
        **more: Any,
    ) -> InvocationStatusRecord:
        """Set the status of an invocation, with all that follows from it, in one step.

        Args:
            invocation: The invocation.
            status: The status.
            runner_id: Who sets it; the app's runner if not given.
            **more: Further fields of a `Change`.

        Raises:
            InvocationStatusError: The status may not follow the one that it has, or someone else owns it.
            PendingInvocationLockError: It was to be pending, and someone else has it already.
            InvocationNotFoundError: There is no such invocation.
        """
        owner = runner_id or self._runner_id()
        change = Change(id=id_of(invocation), status=status, owner=owner, **more)
        (answer,), _ = self._engine.step(owner, [change])
        if not isinstance(answer, FlecheRuntimeError):
            return answer
        if status is _S.PENDING and isinstance(answer, InvocationStatusError):
            raise PendingInvocationLockError(change.id, str(answer)) from answer
        raise answer

    def set_invocations_status(
        self, invocations: Iterable[BaseInvocation[Any, Any] | InvocationId], status: InvocationStatus
    ) -> list[InvocationStatusRecord | FlecheRuntimeError]:
        """Set a status of several invocations; return for each the record, or why it was refused."""
        owner = self._runner_id()
        changes = [Change(id=id_of(each), status=status, owner=owner) for each in invocations]
        return self._engine.step(owner, changes)[0]

    def set_invocation_run(
        self,
        caller: BaseInvocation[Any, Any] | None,
        callee: BaseInvocation[Any, Any],
    ) -> None:
        """Let an invocation that is pending run, made by the body of another one, or by a client.

        Raises:
            CycleDetectedError: Their calls make each other in a circle.
            InvocationStatusError: It cannot be run now.
        """
        if caller is not None and self.conf.cycle_control:
            self.cycle_control.add_call_and_check_cycles(caller, callee)
        self.set_invocation_status(callee, _S.RUNNING)

    def set_invocation_result(self, invocation: BaseInvocation[Any, Any] | InvocationId, result: Any) -> None:
        """Store the result of an invocation that runs, which is then a success.

        Raises:
            InvocationStatusError: It does not run, or someone else runs it; nothing is stored.
            TypeError: The result cannot be serialized.
        """
        text = self._data.serialize(result)
        self.set_invocation_status(invocation, _S.SUCCESS, outcome=Outcome(result=text))

    def set_invocation_exception(
        self, invocation: BaseInvocation[Any, Any] | InvocationId, exception: BaseException
    ) -> None:
        """Store what an invocation that runs has raised; it has then failed.

        Raises:
            InvocationStatusError: It does not run, or someone else runs it; nothing is stored.
        """
        outcome = Outcome(exception=self._exceptions.encode(exception))
        self.set_invocation_status(invocation, _S.FAILED, outcome=outcome)

    def set_invocation_retry(
        self, invocation: BaseInvocation[Any, Any] | InvocationId, exception: BaseException
    ) -> None:
        """Let an invocation that runs be run again, after the delay of its task.

        Raises:
            InvocationStatusError: It does not run, or someone else runs it.
        """
        info = self._engine.info(id_of(invocation))
        due = self.retry_due(self._task(info.call.call_id.task_id), info.retries)
        note = f"{type(exception).__name__}: {text_of(exception)}"
        self.set_invocation_status(invocation, _S.RETRY, due=due, retries=1, note=note)

    def retry_due(self, task: Task[Any, Any], retries: int) -> int | None:
        """Return when a call may be run again, in microseconds since 1970 UTC, or None for at once.

        Args:
            task: Its task, whose options say how long to wait.
            retries: How often it was run again already.
        """
        conf = task.conf
        if not conf.retry_delay:
            return None
        try:
            delay = conf.retry_delay * conf.retry_backoff**retries * (1 + conf.retry_jitter * _RANDOM.random())
        except OverflowError:
            delay = _LONGEST
        return self._engine.now() + round(min(delay, _LONGEST) * 1_000_000)

    def reroute_invocations(self, invocations: Iterable[BaseInvocation[Any, Any] | InvocationId]) -> None:
        """Give invocations back, for any worker to take.

        Raises:
            InvocationStatusError: One cannot be rerouted; the others are.
        """
        for answer in self.set_invocations_status(invocations, _S.REROUTED):
            if isinstance(answer, FlecheRuntimeError):
                raise answer

    def cancel(self, invocation: BaseInvocation[Any, Any] | InvocationId) -> bool:
        """Cancel an invocation; return whether that was in time. A body that runs is not interrupted.

        Raises:
            InvocationNotFoundError: There is no such invocation.
        """
        info = self._engine.info(id_of(invocation))
        change = Change(id=info.id, status=_S.CANCELLED)
        (answer,), _ = self._engine.step("", [change])
        if isinstance(answer, InvocationNotFoundError):
            raise answer
        return not isinstance(answer, FlecheRuntimeError)

    # -- running concurrency, cycles, waiting ------------------------------------------------------------------

    def is_authorize_to_run_by_concurrency_control(self, invocation: BaseInvocation[Any, Any]) -> bool:
        """Whether an invocation has a running slot, or would get one: a claim takes it in the same step."""
        return self._engine.has_slot(invocation.invocation_id)

    def waiting_for_results(
        self,
        caller_invocation: BaseInvocation[Any, Any] | None,
        result_invocations: Collection[BaseInvocation[Any, Any] | InvocationId],
    ) -> None:
        """Note that the body of one invocation waits for others, which are then run first.

        Args:
            caller_invocation: The one that waits; a client that waits is None, and is not noted.
            result_invocations: Those that it waits for.

        Raises:
            CycleDetectedError: One of them waits, directly or not, for the caller.
        """
        if self.conf.blocking_control or self.conf.cycle_control:
            self.blocking_control.waiting_for_results(caller_invocation, result_invocations)

    def stop_waiting(self, caller_invocation: BaseInvocation[Any, Any]) -> None:
        """Note that the body of an invocation waits for nothing."""
        self.blocking_control.stop_waiting(caller_invocation)

    def release_waiters(self, waited: BaseInvocation[Any, Any] | InvocationId) -> None:
        """Note that nobody waits for an invocation any more; at its end that is so by itself."""
        self.blocking_control.release_waiters(waited)

    def add_call_and_check_cycles(
        self, caller: BaseInvocation[Any, Any] | InvocationId, callee: BaseInvocation[Any, Any] | InvocationId
    ) -> None:
        """Note that the body of one invocation made another, unless ``cycle_control`` is off.

        Raises:
            CycleDetectedError: Their calls would make each other in a circle.
        """
        if self.conf.cycle_control:
            self.cycle_control.add_call_and_check_cycles(caller, callee)

    def clean_up_invocation_cycles(self, invocation: BaseInvocation[Any, Any] | InvocationId) -> None:
        """Forget what an invocation made, and what made it; at its end that is so by itself."""
        self.cycle_control.clean_up_invocation_cycles(invocation)

    def check_cycles(self, claimed: Claimed) -> None:
        """Check what was claimed before it runs.

        Raises:
            CycleDetectedError: Its call is made, directly or not, by an equal call that still runs.
        """
        if claimed.parent is not None:
            self.add_call_and_check_cycles(claimed.parent, claimed.id)

    # -- recovery and forgetting -------------------------------------------------------------------------------

    def recover(self) -> list[InvocationId]:
        """Give back what nobody will move on: its runner is dead, or took too long to start it.

        What was given back too often ends as a dead letter. A failure of one does not hinder the others.

        Returns:
            The invocations that were given back or given up.
        """
        return self._recovery.sweep()

    def set_up_invocation_auto_purge(self, invocation: BaseInvocation[Any, Any] | InvocationId) -> None:
        """Do nothing: an invocation that ends is stamped by the engine, in the same step."""

    def auto_purge(self) -> int:
        """Forget the invocations that ended long ago; return how many. Their results stay in the cache.

        Runners call it from time to time.
        """
        age = round(self.conf.auto_final_invocation_purge_hours * _HOUR)
        return self._engine.purge(self._engine.now() - age + (1 if age == 0 else 0))

    def purge(self) -> None:
        """Forget every invocation of the app."""
        self._engine.clear()
