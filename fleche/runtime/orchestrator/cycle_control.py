"""Cycle control: which calls made which, so that calls that would make each other for ever are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fleche.runtime.call import Call
from fleche.runtime.engine.base import Engine, Info
from fleche.runtime.exceptions import CycleDetectedError
from fleche.runtime.identifiers import CallId, InvocationId
from fleche.runtime.invocation.base_invocation import BaseInvocation, id_of
from fleche.runtime.invocation.dist_invocation import DistributedInvocation

__all__ = ["BaseCycleControl"]


class BaseCycleControl:
    """Which calls made which: calls, not invocations, so that a task may call itself with other arguments.

    Args:
        engine: Keeps the edges; an edge goes when either end is final.
        invocation_of: Makes an invocation of what the engine knows.
    """

    def __init__(self, engine: Engine, invocation_of: Callable[[Info], DistributedInvocation[Any, Any]]) -> None:
        self._engine = engine
        self._invocation_of = invocation_of

    def add_call_and_check_cycles(
        self,
        caller_invocation: BaseInvocation[Any, Any] | InvocationId,
        callee_invocation: BaseInvocation[Any, Any] | InvocationId,
    ) -> None:
        """Note that the body of one invocation made another.

        Raises:
            CycleDetectedError: Their calls would make each other in a circle; nothing is noted.
        """
        circle = self.find_cycle_caused_by_new_invocation(caller_invocation, callee_invocation)
        if circle:
            raise CycleDetectedError.from_cycle(circle)

    def find_cycle_caused_by_new_invocation(
        self,
        caller_invocation: BaseInvocation[Any, Any] | InvocationId,
        callee_invocation: BaseInvocation[Any, Any] | InvocationId,
    ) -> list[Call[Any, Any]]:
        """Note that one invocation made another; or return the calls of the circle that this would close."""
        caller, callee = id_of(caller_invocation), id_of(callee_invocation)
        circle = self._engine.link(caller, callee)
        return [self._call(each, caller, callee) for each in circle]

    def _call(self, call_id: CallId, caller: InvocationId, callee: InvocationId) -> Call[Any, Any]:
        """Return a call of a circle; it is that of an invocation of the same task which has not ended."""
        for each in (caller, callee, *self._engine.listed(call_id.task_id.key, limit=1_000_000)):
            info = self._engine.info(each)
            if info.call.call_id == call_id:
                return self._invocation_of(info).call
        raise LookupError(f"no invocation of call {call_id} is left")

    def clean_up_invocation_cycles(self, invocation: BaseInvocation[Any, Any] | InvocationId) -> None:
        """Forget what an invocation made, and what made it; at its end the engine does so by itself."""
        self._engine.unlink(id_of(invocation))
