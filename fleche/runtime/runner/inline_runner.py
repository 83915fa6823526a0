"""`InlineRunner`: bodies in the thread that waits for them; for tests, and to step through with a debugger."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextvars import Context, ContextVar, copy_context
from typing import Any

from fleche.clock import SYSTEM
from fleche.digest import Digest
from fleche.memo.flight import HELD
from fleche.runtime.context import current_invocation, current_runner, running_on
from fleche.runtime.engine.base import Change, Claimed
from fleche.runtime.engine.memory import MemoryEngine
from fleche.runtime.identifiers import InvocationId
from fleche.runtime.invocation.base_invocation import BaseInvocation
from fleche.runtime.invocation.dist_invocation import DistributedInvocation
from fleche.runtime.runner.base_runner import BaseRunner

__all__ = ["InlineRunner"]

_around: ContextVar[Context | None] = ContextVar("fleche.runtime.around", default=None)
"""The context in which the outermost body that runs here was asked for."""


class InlineRunner(BaseRunner):
    """Runs one body after the other, in the thread that waits for a result or calls `drain`."""

    @staticmethod
    def mem_compatible() -> bool:
        """Whether it works with what is kept in memory."""
        return True

    @property
    def max_parallel_slots(self) -> int:
        """How many bodies run at once."""
        return 1

    def runner_loop_iteration(self) -> None:
        """Run what there is, then wait for more."""
        if not self.drain():
            self._engine.until_work(stop=lambda: not self.running)

    def drain(self, limit: int | None = None) -> int:
        """Run what waits for a worker, until nothing does; return how many bodies were run.

        Args:
            limit: At most so many.
        """
        done = 0
        while limit is None or done < limit:
            if not self._one():
                break
            done += 1
        return done

    def _one(self) -> bool:
        engine, owner = self._engine, self.runner_id
        _, claimed = engine.step(owner, limit=1, start=True, blockers=self.app.orchestrator.conf.blocking_control)
        if not claimed:
            return False
        change = self._run(claimed[0])
        if change is not None:
            engine.step(owner, [change])
        return True

    def _run(self, claimed: Claimed) -> Change | None:
        app = self.app
        around = _around.get() if current_runner(app.app_id) is self else None
        if around is None:
            token = _around.set(copy_context())
            try:
                return self._run_here(claimed)
            finally:
                _around.reset(token)
                app.execution.leave()
        waiting = current_invocation(app.app_id)
        if waiting is None or waiting.invocation_id == claimed.parent:
            return self._run_here(claimed)
        # it has nothing to do with the body that waits, but that one has keys which nobody may wait for here
        return around.copy().run(self._run_beside, claimed, around, HELD.get())

    def _run_here(self, claimed: Claimed) -> Change | None:
        with running_on(self.app.app_id, self):
            return self.app.execution.run(claimed, self.runner_id)

    def _run_beside(self, claimed: Claimed, around: Context, held: tuple[Digest, ...]) -> Change | None:
        _around.set(around)
        HELD.set(held)
        return self._run_here(claimed)

    def waiting_for_results(
        self,
        running_invocation: BaseInvocation[Any, Any] | None,
        result_invocations: Collection[InvocationId],
        runner_args: Mapping[str, Any] | None = None,  # noqa: ARG002 - the signature of its kind
        *,
        timeout: float | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> list[InvocationId]:
        """Run what waits for a worker until some of the invocations are final; see `BaseRunner.waiting_for_results`."""
        if not isinstance(running_invocation, DistributedInvocation):
            return self._until_final(result_invocations, timeout, stop)
        self.app.orchestrator.waiting_for_results(running_invocation, result_invocations)
        try:
            return self._until_final(result_invocations, timeout, stop)
        finally:
            self.app.orchestrator.stop_waiting(running_invocation)

    def _until_final(
        self, ids: Collection[InvocationId], timeout: float | None, stop: Callable[[], bool] | None
    ) -> list[InvocationId]:
        engine = self._engine
        deadline = None if timeout is None else time.monotonic() + timeout
        while not (ended := engine.until_final(ids, 0)):
            if stop is not None and stop():
                return []
            if self._one():
                continue
            if deadline is not None and time.monotonic() >= deadline:
                return []
            ended = self._pass_time(ids, deadline, stop)
            if ended:
                break
        return ended

    def _pass_time(
        self, ids: Collection[InvocationId], deadline: float | None, stop: Callable[[], bool] | None
    ) -> list[InvocationId]:
        """Let time pass until something is due; what another thread runs is waited for, as is what it lets run."""
        left = self.conf.runner_loop_sleep_time_sec
        if deadline is not None:
            left = min(left, max(0.0, deadline - time.monotonic()))
        engine = self._engine
        due = engine.next_due() if isinstance(engine, MemoryEngine) else None
        if due is not None:
            until = max(0.0, (due - engine.now()) / 1_000_000)
            if self.app.clock is not SYSTEM:
                self.app.clock.sleep(until if deadline is None else min(until, left))
                return []
            left = min(left, until)
        return engine.until_final(ids, left, stop=stop)
