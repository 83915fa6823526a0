"""The policy of the runtime, written once over the atomic steps of an engine."""

from __future__ import annotations

import logging
import random
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from fleche.digest import Digest, digest
from fleche.runtime.conf.config_orchestrator import ConfigOrchestrator
from fleche.runtime.conf.config_task import ConcurrencyControlType
from fleche.runtime.context import current_invocation
from fleche.runtime.engine.base import Change, Claimed, Engine, Info, Join, NewInvocation, Outcome, Slots
from fleche.runtime.exceptions import (
    CycleDetectedError,
    FlecheRuntimeError,
    InvocationConcurrencyWithDifferentArgumentsError,
    InvocationNotFoundError,
    InvocationStatusError,
    TaskParallelProcessingError,
)
from fleche.runtime.identifiers import InvocationId
from fleche.runtime.invocation.base_invocation import BaseInvocation, new_invocation_id
from fleche.runtime.invocation.dist_invocation import DistributedInvocation, ReusedInvocation
from fleche.runtime.invocation.status import RULES, InvocationStatus, InvocationStatusRecord

if TYPE_CHECKING:
    from fleche.memo.memo import Sealed
    from fleche.runtime.app import App
    from fleche.runtime.call import Call
    from fleche.runtime.task import Task

__all__ = ["BaseOrchestrator"]

log = logging.getLogger("fleche.runtime")

_S = InvocationStatus
_REGISTERED = frozenset({_S.REGISTERED, _S.SCHEDULED})
_OPEN = frozenset(InvocationStatus) - RULES.final

_HOUR = 3_600_000_000  # microseconds
_JITTER = random.Random()  # noqa: S311 - delays need not be unpredictable


class BaseOrchestrator:
    """Routes calls, picks what runs next, and moves invocations from status to status.

    Args:
        app: The app, whose engine keeps the invocations.
    """

    engine_name: ClassVar[str]
    """The name of the engine that subclasses stand on."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.conf = ConfigOrchestrator(app.config_values, app.config_filepath)
        self._engine: Engine = app.engine

    # -- routing -----------------------------------------------------------------------------------------------

    def route_call(
        self, call: Call[Any, Any], *, due: int | None = None, priority: int | None = None
    ) -> DistributedInvocation[Any, Any]:
        """Return an invocation of a call: one that is there and stands for it, or a new one.

        A call whose result is in the cache is a success at once. One that is equal to another that is not yet done is
        joined to that. Where registration concurrency says so, it is joined to one that waits for a worker.

        Args:
            call: The call.
            due: When it may run, in microseconds since 1970 UTC; None for now.
            priority: The greater, the sooner; the task's own if not given.

        Raises:
            InvocationConcurrencyWithDifferentArgumentsError: It would be joined to one of other arguments, and the task
                forbids that.
            SerializationError: An argument cannot be sent.
        """
        new = self._new(call, due, priority)
        (invocation_id,) = self._engine.register([new])
        return self._routed(call, new, invocation_id)

    def route_calls(self, calls: Sequence[Call[Any, Any]]) -> list[DistributedInvocation[Any, Any]]:
        """Return an invocation of each call, registered as one batch.

        Raises:
            TaskParallelProcessingError: Registration concurrency is on: such calls are routed one by one.
            SerializationError: An argument cannot be sent.
        """
        for call in calls:
            if call.task.conf.registration_concurrency != ConcurrencyControlType.DISABLED:
                raise TaskParallelProcessingError(
                    call.task.task_id, "with registration concurrency its calls are routed one by one"
                )
        new = [self._new(call, None, None) for call in calls]
        ids = self._engine.register(new) if new else []
        return [self._routed(*each) for each in zip(calls, new, ids, strict=True)]

    def _routed(
        self, call: Call[Any, Any], new: NewInvocation, invocation_id: InvocationId
    ) -> DistributedInvocation[Any, Any]:
        if invocation_id == new.id:
            return DistributedInvocation.stored(call, invocation_id, new.parent)
        info = self._engine.info(invocation_id)
        existing = DistributedInvocation.of(self.app, info)
        if self._is_same(call, new, info):
            return ReusedInvocation(existing)
        if call.task.conf.on_diff_non_key_args_raise:
            raise InvocationConcurrencyWithDifferentArgumentsError.from_call_mismatch(existing, call)
        return ReusedInvocation(existing, call.arguments)

    def _is_same(self, call: Call[Any, Any], new: NewInvocation, info: Info) -> bool:
        if new.key is not None and info.key is not None:
            return new.key == info.key
        return call.call_id == info.call.call_id

    def _new(self, call: Call[Any, Any], due: int | None, priority: int | None) -> NewInvocation:
        task = call.task
        conf = task.conf
        args, kwargs = call.arguments.spelled(task.signature)
        sealed = task.results.seal(args, kwargs)
        answer = None if sealed is None else task.results.answer(sealed)
        parent = current_invocation(self.app.app_id)
        tags: list[str] = []
        joins: list[Join] = []
        slots = None
        if answer is None:
            if sealed is not None:
                tags.append(f"call {sealed.key}")
                joins.append(Join(tag=tags[0], statuses=_OPEN))
            identity = _Identity(task, sealed, args, kwargs)
            scope = identity.of(conf.registration_concurrency)
            if scope is not None:
                tags.append(f"registration {scope}")
                joins.append(Join(tag=tags[-1], statuses=_REGISTERED))
            running = identity.of(conf.running_concurrency)
            if running is not None:
                slots = Slots(key=running, capacity=conf.running_slots, waits=conf.reroute_on_concurrency_control)
        return NewInvocation(
            id=new_invocation_id(),
            call=call.to_dto(),
            parent=parent.invocation_id if isinstance(parent, DistributedInvocation) else None,
            key=None if sealed is None else sealed.key,
            tags=tuple(tags),
            joins=tuple(joins),
            slots=slots,
            priority=conf.priority if priority is None else priority,
            due=due,
            answer=answer,
            registrar=self.app.client_id,
        )

    # -- picking -----------------------------------------------------------------------------------------------

    def get_invocations_to_run(self, max_num_invocations: int) -> Iterator[DistributedInvocation[Any, Any]]:
        """Yield invocations that are now pending for the app's runner: those that others wait for first.

        Each goes to one caller. Never more than asked for.
        """
        owner = self.app.runner.runner_id
        for _ in range(max_num_invocations):
            _, claimed = self._engine.step(owner, limit=1, blockers=self.conf.blocking_control)
            if not claimed:
                return
            yield DistributedInvocation.of(self.app, self._engine.info(claimed[0].id))

    def get_blocking_invocations(self, max_num_invocations: int) -> Iterator[DistributedInvocation[Any, Any]]:
        """Yield invocations that others wait for, that wait for none and may run: oldest first."""
        if self.conf.blocking_control:
            for invocation_id in self._engine.blocking(max_num_invocations):
                yield DistributedInvocation.of(self.app, self._engine.info(invocation_id))

    def get_existing_invocations(
        self,
        task: Task[Any, Any],
        key_serialized_arguments: Mapping[str, str] | None = None,
        status: InvocationStatus | None = None,
        statuses: Collection[InvocationStatus] | None = None,
    ) -> Iterator[DistributedInvocation[Any, Any]]:
        """Yield the invocations of a task with some serialized arguments, in a status, or in some."""
        wanted = {status} if status is not None else statuses
        total = self._engine.count(task.task_id.key, wanted)
        for invocation_id in self._engine.listed(task.task_id.key, wanted, limit=total):
            info = self._engine.info(invocation_id)
            texts = info.call.serialized_arguments
            if all(texts.get(name) == text for name, text in (key_serialized_arguments or {}).items()):
                yield DistributedInvocation.of(self.app, info)

    # -- statuses ----------------------------------------------------------------------------------------------

    def get_invocation_status(self, invocation: DistributedInvocation[Any, Any] | InvocationId) -> InvocationStatus:
        """Return the status of an invocation; one that is pending for too long is no longer.

        Raises:
            InvocationNotFoundError: There is no such invocation.
        """
        return self.get_invocation_status_record(invocation).status

    def get_invocation_status_record(
        self, invocation: DistributedInvocation[Any, Any] | InvocationId
    ) -> InvocationStatusRecord:
        """Return the status of an invocation, its owner, and since when.

        Raises:
            InvocationNotFoundError: There is no such invocation.
        """
        return self._engine.status(_id(invocation))

    def get_invocation_retries(self, invocation: DistributedInvocation[Any, Any] | InvocationId) -> int:
        """Return how often an invocation was run again.

        Raises:
            InvocationNotFoundError: There is no such invocation.
        """
        return self._engine.info(_id(invocation)).retries

    def set_invocation_status(
        self,
        invocation: DistributedInvocation[Any, Any] | InvocationId,
        status: InvocationStatus,
        runner_id: str | None = None,
        **more: Any,
    ) -> InvocationStatusRecord:
        """Set the status of an invocation, with all that follows from it.

        Args:
            invocation: The invocation.
            status: The status.
            runner_id: Who sets it; the app's runner if not given.
            **more: Further fields of a `Change`.

        Raises:
            InvocationStatusError: The status may not follow the one that it has, or someone else owns it.
            InvocationNotFoundError: There is no such invocation.
        """
        owner = runner_id or self.app.runner.runner_id
        change = Change(id=_id(invocation), status=status, owner=owner, **more)
        (answer,), _ = self._engine.step(owner, [change])
        if isinstance(answer, FlecheRuntimeError):
            raise answer
        return answer

    def set_invocations_status(
        self, invocations: Iterable[DistributedInvocation[Any, Any] | InvocationId], status: InvocationStatus
    ) -> list[InvocationStatusRecord | FlecheRuntimeError]:
        """Set a status of several invocations; return for each the record, or why it was refused."""
        owner = self.app.runner.runner_id
        changes = [Change(id=_id(each), status=status, owner=owner) for each in invocations]
        return self._engine.step(owner, changes)[0]

    def set_invocation_result(self, invocation: DistributedInvocation[Any, Any] | InvocationId, result: Any) -> None:
        """Store the result of an invocation that runs, which is then a success.

        Raises:
            InvocationStatusError: It does not run, or someone else runs it; nothing is stored.
        """
        text = self.app.client_data_store.serialize(result)
        self.set_invocation_status(invocation, _S.SUCCESS, outcome=Outcome(result=text))

    def set_invocation_exception(
        self, invocation: DistributedInvocation[Any, Any] | InvocationId, exception: BaseException
    ) -> None:
        """Store what an invocation that runs has raised; it has then failed.

        Raises:
            InvocationStatusError: It does not run, or someone else runs it; nothing is stored.
        """
        text = self.app.exceptions.encode(exception)
        self.set_invocation_status(invocation, _S.FAILED, outcome=Outcome(exception=text))

    def set_invocation_retry(
        self, invocation: DistributedInvocation[Any, Any] | InvocationId, exception: BaseException
    ) -> None:
        """Let an invocation that runs be run again, after the delay of its task.

        Raises:
            InvocationStatusError: It does not run, or someone else runs it.
        """
        info = self._engine.info(_id(invocation))
        task = self.app.get_task(info.call.call_id.task_id)
        due = self.retry_due(task, info.retries)
        self.set_invocation_status(
            invocation, _S.RETRY, due=due, retries=1, note=f"{type(exception).__name__}: {exception}"
        )

    def increment_invocation_retries(self, invocation: DistributedInvocation[Any, Any] | InvocationId) -> int:
        """Return how often an invocation was run again; `set_invocation_retry` counts."""
        return self.get_invocation_retries(invocation)

    def retry_due(self, task: Task[Any, Any], retries: int) -> int | None:
        """Return when a call may be run again, in microseconds since 1970 UTC, or None for at once."""
        conf = task.conf
        if not conf.retry_delay:
            return None
        delay = conf.retry_delay * conf.retry_backoff**retries
        delay *= 1 + conf.retry_jitter * _JITTER.random()
        return self._engine.now() + round(delay * 1_000_000)

    def reroute_invocations(self, invocations: Iterable[DistributedInvocation[Any, Any] | InvocationId]) -> None:
        """Give invocations back, for any worker to take.

        Raises:
            InvocationStatusError: One cannot be rerouted; the others are.
        """
        for answer in self.set_invocations_status(invocations, _S.REROUTED):
            if isinstance(answer, InvocationStatusError):
                raise answer

    def cancel(self, invocation: DistributedInvocation[Any, Any] | InvocationId) -> bool:
        """Cancel an invocation; return whether that was in time."""
        info = self._engine.info(_id(invocation))
        change = Change(id=info.id, status=_S.CANCELLED)
        (answer,), _ = self._engine.step("", [change])
        if isinstance(answer, InvocationNotFoundError):
            raise answer
        return not isinstance(answer, FlecheRuntimeError)

    # -- running concurrency, cycles, waiting ------------------------------------------------------------------

    def waiting_for_results(
        self,
        caller: DistributedInvocation[Any, Any] | None,
        results: Collection[DistributedInvocation[Any, Any] | InvocationId],
    ) -> None:
        """Note that the body of one invocation waits for others, which are then run first.

        Args:
            caller: The one that waits; a client that waits is None, and is not noted.
            results: Those that it waits for.

        Raises:
            CycleDetectedError: One of them waits, directly or not, for the caller.
        """
        if not results:
            log.warning("%s waits for nothing", caller)
        if caller is None or not results or not (self.conf.blocking_control or self.conf.cycle_control):
            return
        circle = self._engine.wait(caller.invocation_id, [_id(each) for each in results])
        if circle and self.conf.cycle_control:
            raise CycleDetectedError.from_cycle([self._call(invocation_id) for invocation_id in circle])

    def stop_waiting(self, caller: DistributedInvocation[Any, Any]) -> None:
        """Note that the body of an invocation waits for nothing."""
        self._engine.stop_waiting(caller.invocation_id)

    def check_cycles(self, claimed: Claimed) -> None:
        """Check that a call is not made, directly or not, by an equal call that is still running.

        Raises:
            CycleDetectedError: It is.
        """
        if not self.conf.cycle_control or claimed.parent is None:
            return
        way = [claimed.call.call_id]
        parent: InvocationId | None = claimed.parent
        chain: list[InvocationId] = []
        while parent is not None:
            try:
                info = self._engine.info(parent)
            except InvocationNotFoundError:
                return
            chain.append(parent)
            if info.call.call_id == way[0] or (claimed.key is not None and info.key == claimed.key):
                raise CycleDetectedError.from_cycle([self._call(invocation_id) for invocation_id in reversed(chain)])
            parent = info.parent

    def _call(self, invocation_id: InvocationId) -> Call[Any, Any]:
        return DistributedInvocation.of(self.app, self._engine.info(invocation_id)).call

    # -- recovery and forgetting -------------------------------------------------------------------------------

    def recover(self) -> list[InvocationId]:
        """Give back what nobody will move on: its runner is dead, or took too long to start it.

        What was given back too often ends as a dead letter. A failure of one does not hinder the others.

        Returns:
            The invocations that were given back or given up.
        """
        conf = self.app.conf
        now = self._engine.now()
        dead = now - round(conf.runner_considered_dead_after_minutes * 60_000_000)
        pending = now - round(conf.max_pending_seconds * 1_000_000)
        orphans = self._engine.orphans(dead_before=dead, pending_before=pending)
        return [info.id for info in orphans if self._recover(info)]

    def _recover(self, info: Info) -> bool:
        changes = []
        status = info.record.status
        if status is _S.PENDING:
            changes.append(Change(id=info.id, status=_S.PENDING_RECOVERY, attempt=info.attempt))
        elif status in RULES.owned:
            changes.append(Change(id=info.id, status=_S.RUNNING_RECOVERY, attempt=info.attempt))
        counts = 1 if status in RULES.owned and status is not _S.PENDING else 0
        if info.recoveries + counts > self.app.conf.max_recoveries:
            note = f"given up: its worker died {info.recoveries + counts} times"
            changes.append(Change(id=info.id, status=_S.DEAD_LETTER, recoveries=counts, note=note))
        else:
            changes.append(Change(id=info.id, status=_S.REROUTED, recoveries=counts))
        answers, _ = self._engine.step("", changes)
        refused = [answer for answer in answers if isinstance(answer, FlecheRuntimeError)]
        for error in refused:
            log.info("invocation %s was not recovered: %s", info.id, error)
        return not refused

    def auto_purge(self) -> int:
        """Forget the invocations that ended long ago; return how many. Their results stay in the cache."""
        age = round(self.conf.auto_final_invocation_purge_hours * _HOUR)
        return self._engine.purge(self._engine.now() - age + (1 if age == 0 else 0))

    def purge(self) -> None:
        """Forget every invocation of the app."""
        self._engine.clear()


class _Identity:
    """Which calls of a task count as the same one."""

    def __init__(
        self, task: Task[Any, Any], sealed: Sealed | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        self._task = task
        self._sealed = sealed
        self._args, self._kwargs = args, kwargs

    def of(self, mode: ConcurrencyControlType) -> str | None:
        """Return a text that is equal for calls which count as the same one; None where no two do."""
        task = self._task
        if mode == ConcurrencyControlType.DISABLED:
            return None
        name = task.task_id.key
        if mode == ConcurrencyControlType.TASK:
            return name
        digests = self._digests()
        if mode == ConcurrencyControlType.KEYS:
            digests = {key: digests[key] for key in task.conf.key_arguments}
        return f"{name} {digest([[key, str(value)] for key, value in sorted(digests.items())])}"

    def _digests(self) -> Mapping[str, Digest]:
        if self._sealed is not None:
            return self._sealed.digests
        return self._task.results.identities(self._args, self._kwargs)


def _id(invocation: BaseInvocation[Any, Any] | InvocationId) -> InvocationId:
    return invocation.invocation_id if isinstance(invocation, BaseInvocation) else invocation
