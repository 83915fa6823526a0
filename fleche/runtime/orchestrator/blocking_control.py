"""Blocking control: who waits for whom, so that those that others wait for are run first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from typing import Any

from fleche.runtime.engine.base import Engine, Info
from fleche.runtime.exceptions import CycleDetectedError
from fleche.runtime.identifiers import InvocationId
from fleche.runtime.invocation.base_invocation import BaseInvocation, id_of
from fleche.runtime.invocation.dist_invocation import DistributedInvocation
from fleche.runtime.invocation.status import RULES, InvocationStatus

__all__ = ["BaseBlockingControl"]

_WAITS = RULES.available | {InvocationStatus.CONCURRENCY_CONTROLLED}

log = logging.getLogger("fleche.runtime")


class BaseBlockingControl:
    """Who waits for whom.

    Args:
        engine: Keeps the edges; an edge goes when either end is final.
        invocation_of: Makes an invocation of what the engine knows.
    """

    def __init__(self, engine: Engine, invocation_of: Callable[[Info], DistributedInvocation[Any, Any]]) -> None:
        self._engine = engine
        self._invocation_of = invocation_of

    def waiting_for_results(
        self,
        caller_invocation: BaseInvocation[Any, Any] | None,
        result_invocations: Collection[BaseInvocation[Any, Any] | InvocationId],
    ) -> None:
        """Note that the body of one invocation waits for others; idempotent.

        Args:
            caller_invocation: The one that waits; a client that waits is None, and is not noted.
            result_invocations: Those that it waits for; for none, that is warned of.

        Raises:
            CycleDetectedError: One of them waits, directly or not, for the caller; nothing is noted.
        """
        if caller_invocation is None:
            return
        if not result_invocations:
            log.warning("%s waits for nothing", caller_invocation)
            return
        circle = self._engine.wait(caller_invocation.invocation_id, [id_of(each) for each in result_invocations])
        if circle:
            found = [self._engine.info(each) for each in circle]
            error = CycleDetectedError.from_cycle([self._invocation_of(info).call for info in found])
            if any(info.record.status in _WAITS for info in found):
                error.add_note(
                    "One of them waits for a running slot (running_concurrency) that those who wait for it hold; "
                    "running_slots says how many there are."
                )
            raise error

    def stop_waiting(self, caller_invocation: BaseInvocation[Any, Any]) -> None:
        """Note that the body of an invocation waits for nothing."""
        self._engine.stop_waiting(caller_invocation.invocation_id)

    def release_waiters(self, waited: BaseInvocation[Any, Any] | InvocationId) -> None:
        """Note that nobody waits for an invocation any more; at its end the engine does so by itself."""
        self._engine.release(id_of(waited))

    def get_blocking_invocations(self, max_num_invocations: int) -> Iterator[DistributedInvocation[Any, Any]]:
        """Yield invocations that may run, that others wait for and that wait for none; oldest first."""
        for each in self._engine.blocking(max_num_invocations):
            yield self._invocation_of(self._engine.info(each))
