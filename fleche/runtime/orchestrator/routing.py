"""Routing: from a call to an invocation that stands for it, an old one or a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fleche.digest import Digest, digest
from fleche.memo.active import Mode, active_mode
from fleche.runtime.call import Call
from fleche.runtime.conf.config_task import ConcurrencyControlType
from fleche.runtime.engine.base import Engine, Info, Join, NewInvocation, Slots
from fleche.runtime.exceptions import (
    InvocationConcurrencyWithDifferentArgumentsError,
    TaskParallelProcessingError,
)
from fleche.runtime.identifiers import InvocationId
from fleche.runtime.invocation.base_invocation import BaseInvocation, new_invocation_id
from fleche.runtime.invocation.dist_invocation import DistributedInvocation, ReusedInvocation
from fleche.runtime.invocation.status import RULES, InvocationStatus
from fleche.runtime.modes import FILE, LOOK, carried

if TYPE_CHECKING:
    from fleche.memo.memo import Sealed
    from fleche.runtime.task import Task

__all__ = ["Routing"]

_OPEN = frozenset(InvocationStatus) - RULES.final
_WAITING = frozenset({InvocationStatus.REGISTERED, InvocationStatus.SCHEDULED})


class Routing:
    """Finds or makes the invocation of a call.

    Args:
        engine: Keeps invocations.
        registrar: Who registers, for the histories.
        invocation_of: Makes an invocation of what the engine knows.
        here: Returns the invocation whose body this context is in, or None.
    """

    def __init__(
        self,
        engine: Engine,
        registrar: str,
        invocation_of: Callable[[Info], DistributedInvocation[Any, Any]],
        here: Callable[[], BaseInvocation[Any, Any] | None],
    ) -> None:
        self._engine = engine
        self._registrar = registrar
        self._invocation_of = invocation_of
        self._here = here

    def one(self, call: Call[Any, Any], due: int | None, priority: int | None) -> DistributedInvocation[Any, Any]:
        """Return the invocation of one call; see `BaseOrchestrator.route_call`."""
        new = self._new(call, due, priority)
        (found,) = self._engine.register([new])
        return self._routed(call, new, found)

    def several(self, calls: Iterable[Call[Any, Any]]) -> list[DistributedInvocation[Any, Any]]:
        """Return the invocation of each call of a batch; see `BaseOrchestrator.route_calls`."""
        taken: list[tuple[Call[Any, Any], NewInvocation]] = []
        for call in calls:
            if call.task.conf.registration_concurrency != ConcurrencyControlType.DISABLED:
                raise TaskParallelProcessingError(
                    call.task.task_id, "with registration concurrency its calls are routed one by one"
                )
            taken.append((call, self._new(call, None, None)))
        found = self._engine.register([new for _, new in taken]) if taken else []
        return [self._routed(call, new, each) for (call, new), each in zip(taken, found, strict=True)]

    def register(self, invocation: DistributedInvocation[Any, Any]) -> None:
        """Register an invocation that was made by hand; see `BaseOrchestrator.register_invocation`."""
        new = self._new(invocation.call, None, None, asks=False)
        here = new._replace(id=invocation.invocation_id, parent=invocation.parent_invocation_id, joins=())
        self._engine.register([here])

    def _routed(self, call: Call[Any, Any], new: NewInvocation, found: InvocationId) -> DistributedInvocation[Any, Any]:
        if found == new.id:
            return DistributedInvocation.stored(call, found, new.parent)
        info = self._engine.info(found)
        existing = self._invocation_of(info)
        if _is_same(call, new, existing, info):
            return ReusedInvocation(existing)
        if call.task.conf.on_diff_non_key_args_raise:
            raise InvocationConcurrencyWithDifferentArgumentsError.from_call_mismatch(existing, call)
        return ReusedInvocation(existing, call.arguments)

    def _new(self, call: Call[Any, Any], due: int | None, priority: int | None, *, asks: bool = True) -> NewInvocation:
        task = call.task
        conf = task.conf
        args, kwargs = task.binding.spelled(call.arguments)
        mode = active_mode()
        sealed = None if mode is Mode.OFF else task.results.seal(args, kwargs)
        asks = asks and mode in LOOK
        answer = task.results.answer(sealed) if asks and sealed is not None else None
        if asks and answer is None and mode is Mode.FROZEN and task.results.reuse:
            raise task.results.refusal(sealed, args, kwargs)
        parent = self._here()
        tags: list[str] = []
        joins: list[Join] = []
        slots = None
        if answer is None:
            if sealed is not None and mode in LOOK:
                joins.append(Join(tag=f"call {sealed.key}", statuses=_OPEN))
            if sealed is not None and mode in FILE:
                tags.append(f"call {sealed.key}")
            scope = _Scope(task, sealed, args, kwargs)
            registered = scope.of(conf.registration_concurrency)
            if registered is not None:
                tags.append(f"registration {registered}")
                joins.append(Join(tag=tags[-1], statuses=_WAITING))
            running = scope.of(conf.running_concurrency)
            if running is not None:
                slots = Slots(key=running, capacity=conf.running_slots, waits=conf.reroute_on_concurrency_control)
        return NewInvocation(
            id=new_invocation_id(),
            call=call.to_dto(),
            parent=None if parent is None else _id_of(parent),
            key=None if sealed is None else sealed.key,
            tags=tuple(tags),
            joins=tuple(joins),
            slots=slots,
            priority=conf.priority if priority is None else priority,
            due=due,
            answer=answer,
            registrar=self._registrar,
            mode=carried(),
        )


class _Scope:
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


def _id_of(parent: BaseInvocation[Any, Any]) -> InvocationId | None:
    return parent.invocation_id if isinstance(parent, DistributedInvocation) else None


def _is_same(call: Call[Any, Any], new: NewInvocation, existing: BaseInvocation[Any, Any], info: Info) -> bool:
    if new.key is not None and info.key is not None:
        return new.key == info.key
    if call.call_id == info.call.call_id:
        return True
    try:
        return call.arguments == existing.arguments  # equal values may have different texts, such as dicts
    except Exception:
        return False
