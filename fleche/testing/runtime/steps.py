"""What the suites of the runtime do with an engine, and with threads."""

from __future__ import annotations

import threading
from typing import Any

from fleche.runtime.engine import Change, Claimed, Engine, Join, NewInvocation
from fleche.runtime.exceptions import (
    FlecheRuntimeError,
)
from fleche.runtime.identifiers import CallDTO, CallId, TaskId
from fleche.runtime.invocation.base_invocation import new_invocation_id
from fleche.runtime.invocation.status import RULES, InvocationStatus, validate_transition

__all__ = ["change", "check_histories", "claim", "finish", "joining", "new", "ok", "run", "together"]

_S = InvocationStatus
_OPEN = frozenset(InvocationStatus) - RULES.final


def new(task: str = "m.f", arguments: str = "a", **fields: Any) -> NewInvocation:
    """Return an invocation to be registered."""
    call = CallDTO(CallId(TaskId.from_key(task), arguments), {"x": arguments})
    return NewInvocation(id=fields.pop("id", None) or new_invocation_id(), call=call, **fields)


def check_histories(engine: Engine) -> None:
    """Replay every history against the table of what may follow what."""
    for each in engine.listed(limit=1_000_000):
        last = None
        for entry in engine.history(each):
            if entry.record is not None:
                validate_transition(last, entry.record.status)
                last = entry.record.status
        assert last == engine.status(each).status


def joining(tag: str, statuses: frozenset[InvocationStatus] = _OPEN) -> NewInvocation:
    """Return an invocation that is joined to another one of the same tag."""
    return new(arguments=tag, tags=(tag,), joins=(Join(tag=tag, statuses=statuses),))


def claim(engine: Engine, limit: int = 1, owner: str = "w") -> list[Claimed]:
    """Return what a worker gets; pending."""
    return engine.step(owner, limit=limit)[1]


def change(claimed: Claimed, status: InvocationStatus, owner: str = "w", **fields: Any) -> Change:
    """Return a change of what a worker claimed."""
    return Change(id=claimed.id, status=status, owner=owner, attempt=claimed.attempt, **fields)


def ok(engine: Engine, *changes: Change, owner: str = "w") -> None:
    """Set statuses; none is refused."""
    answers, _ = engine.step(owner, changes)
    for answer in answers:
        if isinstance(answer, FlecheRuntimeError):
            raise answer


def run(engine: Engine, claimed: Claimed, owner: str = "w") -> None:
    """Start what a worker claimed."""
    ok(engine, change(claimed, _S.RUNNING, owner), owner=owner)


def finish(engine: Engine, claimed: Claimed, *, ran: bool = False) -> None:
    """Start what a worker claimed, unless it runs, and let it succeed."""
    if not ran:
        run(engine, claimed)
    ok(engine, change(claimed, _S.SUCCESS))


def together(count: int, work: Any) -> list[Any]:
    """Return what so many threads return that begin at the same moment."""
    gate = threading.Barrier(count)
    got: list[Any] = [None] * count
    errors: list[BaseException] = []

    def one(number: int) -> None:
        gate.wait()
        try:
            got[number] = work(number)
        except BaseException as error:  # raised again below, in the thread of the test
            errors.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return got
