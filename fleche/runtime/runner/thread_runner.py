"""`ThreadRunner`: bodies in threads of this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from fleche.runtime.conf.config_runner import ConfigRunner, ConfigThreadRunner
from fleche.runtime.context import running_on
from fleche.runtime.engine.base import Change, Claimed
from fleche.runtime.exceptions import FlecheRuntimeError, InvocationTimeoutError
from fleche.runtime.identifiers import InvocationId
from fleche.runtime.invocation.base_invocation import BaseInvocation
from fleche.runtime.invocation.dist_invocation import DistributedInvocation
from fleche.runtime.invocation.status import InvocationStatus
from fleche.runtime.runner.base_runner import BaseRunner
from fleche.runtime.runner.deadlines import Deadlines

if TYPE_CHECKING:
    from fleche.runtime.app import App

__all__ = ["ThreadRunner"]

_S = InvocationStatus


class ThreadRunner(BaseRunner):
    """Runs so many bodies at once, each in a thread.

    A body that waits for others gives its slot away meanwhile, so however deep calls nest, and however few slots there
    are, those that are waited for are run. At the stop, bodies get ``stop_timeout_seconds`` to end; what then still
    runs is handed back, and what it returns later is refused.

    Args:
        app: The app.
    """

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self._slots = _Slots(self.max_parallel_slots)
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._bodies: dict[InvocationId, Claimed] = {}
        self._deadlines = Deadlines()

    def _config(self, app: App) -> ConfigRunner:
        return ConfigThreadRunner(app.config_values, app.config_filepath)

    @staticmethod
    def mem_compatible() -> bool:
        """Whether it works with what is kept in memory."""
        return True

    @property
    def max_parallel_slots(self) -> int:
        """How many bodies run at once."""
        conf = self.conf
        assert isinstance(conf, ConfigThreadRunner)
        return max(conf.min_parallel_slots, conf.min_threads, conf.max_threads or os.cpu_count() or 1)

    def runner_loop_iteration(self) -> None:
        """Wait until the stop is asked for; the threads do the work."""
        self._quiet.wait(self.conf.runner_loop_sleep_time_sec)

    def _on_start(self) -> None:
        for _ in range(self.max_parallel_slots):
            self._add_thread()

    def _on_stop_runner_loop(self) -> None:
        self._slots.wake()

    def _on_stop(self) -> None:
        self._slots.wake()
        self._engine.wake()
        self._join(self.conf.stop_timeout_seconds)
        with self._lock:
            left = list(self._bodies.values())
        changes = [
            Change(id=claimed.id, status=status, owner=self.runner_id, attempt=claimed.attempt)
            for claimed in left
            for status in (_S.KILLED, _S.REROUTED)
        ]
        if changes:
            self.logger.warning("%d bodies still run; they are handed back", len(left))
            self._engine.step(self.runner_id, changes)

    def _join(self, timeout: float) -> None:
        import time

        deadline = time.monotonic() + timeout
        while True:
            with self._lock:
                thread = next(iter(self._threads), None)
            left = deadline - time.monotonic()
            if thread is None or left <= 0:
                return
            thread.join(left)

    # -- the threads -------------------------------------------------------------------------------------------

    def _add_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"ThreadRunner {self.runner_id[:8]}", daemon=True)
        with self._lock:
            self._threads.add(thread)
            self._idle += 1
        try:
            thread.start()
        except RuntimeError:
            with self._lock:
                self._threads.discard(thread)
                self._idle -= 1
            raise

    def _work(self) -> None:
        try:
            with running_on(self.app.app_id, self):
                self._loop()
        except Exception:
            self.logger.exception("a worker thread failed; another takes its place")
            if self.running:
                self._replace()
        finally:
            self.app.execution.leave()
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _replace(self) -> None:
        with self._lock:
            self._idle -= 1
        self._add_thread()

    def _loop(self) -> None:
        engine, owner = self._engine, self.runner_id
        blockers = self.app.orchestrator.conf.blocking_control
        changes: list[Change] = []
        holding = False
        try:
            while True:
                if not holding:
                    holding = self._slots.take(self._is_stopping)
                    if not holding:
                        return
                limit = 0 if self._is_stopping() else 1
                answers, claimed = engine.step(owner, changes, limit=limit, start=True, blockers=blockers)
                self._tell(changes, answers)
                changes = []
                if claimed:
                    change, holding = self._run(claimed[0])
                    if change is not None:
                        changes.append(change)
                    continue
                if self._is_stopping():
                    return
                self._slots.give()
                holding = False
                if self._is_spare():
                    return
                engine.until_work(stop=self._is_stopping)
        finally:
            if holding:
                self._slots.give()

    def _run(self, claimed: Claimed) -> tuple[Change | None, bool]:
        """Run a body; return the status that follows, and whether this thread still holds its slot."""
        place = (claimed.id, claimed.attempt)
        limit = self.app.execution.timeout(claimed)
        with self._lock:
            self._idle -= 1
            self._bodies[claimed.id] = claimed
        if limit:
            self._deadlines.add(place, limit, partial(self._give_up, claimed, limit))
        try:
            change = self.app.execution.run(claimed, self.runner_id)
        finally:
            in_time = not limit or self._deadlines.drop(place)
            with self._lock:
                self._idle += 1
                self._bodies.pop(claimed.id, None)
        return (change, True) if in_time else (None, False)

    def _give_up(self, claimed: Claimed, limit: float) -> None:
        """End an invocation whose body takes too long; another body gets its slot, its own result will be refused."""
        error = InvocationTimeoutError(claimed.id, f"its body takes longer than {limit:g} s (the timeout of its task)")
        change = self.app.execution.raised(claimed, self.runner_id, error)
        try:
            answers, _ = self._engine.step(self.runner_id, [change])
            self._tell([change], answers)
        except Exception:
            self.logger.exception("invocation %s takes too long, and could not be ended", claimed.id)
        self._slots.give()
        self._cover()

    def _is_stopping(self) -> bool:
        return not self.running

    def _is_spare(self) -> bool:
        """Whether there are more idle threads than slots: one that was added while others waited may go."""
        with self._lock:
            if self._idle <= self.max_parallel_slots:
                return False
            self._idle -= 1
            return True

    def _tell(self, changes: list[Change], answers: list[Any]) -> None:
        for change, answer in zip(changes, answers, strict=True):
            if isinstance(answer, FlecheRuntimeError):
                self.logger.warning("invocation %s: %s was refused: %s", change.id, change.status, answer)

    # -- waiting -----------------------------------------------------------------------------------------------

    def waiting_for_results(
        self,
        running_invocation: BaseInvocation[Any, Any] | None,
        result_invocations: Collection[InvocationId],
        runner_args: Mapping[str, Any] | None = None,  # noqa: ARG002 - the signature of its kind
        *,
        timeout: float | None = None,
    ) -> list[InvocationId]:
        """Block until some invocations are final; see `BaseRunner.waiting_for_results`."""
        if not isinstance(running_invocation, DistributedInvocation):
            return self._engine.until_final(result_invocations, timeout)
        ended = self._engine.until_final(result_invocations, 0)
        if ended:
            return ended
        self.app.orchestrator.waiting_for_results(running_invocation, result_invocations)
        try:
            self._slots.give()
            self._cover()
            return self._engine.until_final(result_invocations, timeout)
        finally:
            self._slots.take_first()
            self.app.orchestrator.stop_waiting(running_invocation)

    def _cover(self) -> None:
        """See to it that a thread is there for the slot that was given away."""
        with self._lock:
            needed = self._idle < 1 and self.running
        if needed:
            self._add_thread()


class _Slots:
    """The right to run a body; those who waited for results get it back before new bodies do."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._first = 0
        self._changed = threading.Condition()

    def take(self, stopping: Any) -> bool:
        """Take a slot, waited for if need be; return False where the runner stops."""
        with self._changed:
            while not stopping():
                if self._free > 0 and not self._first:
                    self._free -= 1
                    return True
                self._changed.wait()
        return False

    def take_first(self) -> None:
        """Take a slot before all who `take` one."""
        with self._changed:
            self._first += 1
            try:
                while self._free <= 0:
                    self._changed.wait()
                self._free -= 1
            finally:
                self._first -= 1
                self._changed.notify_all()

    def give(self) -> None:
        """Give a slot back."""
        with self._changed:
            self._free += 1
            self._changed.notify_all()

    def wake(self) -> None:
        """Let everyone who waits look again."""
        with self._changed:
            self._changed.notify_all()
