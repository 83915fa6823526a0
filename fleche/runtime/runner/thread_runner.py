"""`ThreadRunner`: bodies in threads of this process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fleche.memo.flight import WAITING
from fleche.runtime.conf.config_runner import ConfigRunner, ConfigThreadRunner
from fleche.runtime.context import running_on
from fleche.runtime.engine.base import Change, Claimed
from fleche.runtime.exceptions import FlecheRuntimeError, InvocationTimeoutError, RunnerError
from fleche.runtime.identifiers import InvocationId
from fleche.runtime.invocation.base_invocation import BaseInvocation
from fleche.runtime.invocation.dist_invocation import DistributedInvocation
from fleche.runtime.invocation.status import InvocationStatus
from fleche.runtime.runner.base_runner import BaseRunner
from fleche.runtime.runner.deadlines import Deadlines
from fleche.spinlock import SpinLock

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
        self._lock = SpinLock()
        self._threads: set[threading.Thread] = set()
        self._bodies: dict[tuple[InvocationId, int], _Body] = {}
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
        self._cover()

    def _on_start(self) -> None:
        self._cover()
        with self._lock:
            if self.running and not self._threads:
                raise RunnerError("no thread can be started: the process has too many, see `ulimit -u`")

    def _on_stop_runner_loop(self) -> None:
        self._slots.wake()

    def _on_stop(self) -> None:
        self._slots.wake()
        self._engine.wake()
        self._join(self.conf.stop_timeout_seconds)
        with self._lock:
            left = [body for body in self._bodies.values() if not body.abandoned]
        changes = [
            Change(id=body.claimed.id, status=status, owner=self.runner_id, attempt=body.claimed.attempt)
            for body in left
            for status in (_S.KILLED, _S.REROUTED)
        ]
        if changes:
            self.logger.warning("%d bodies still run; they are handed back", len(left))
            self._engine.step(self.runner_id, changes)
        for body in left:
            self._slots.abandon(body)
        self._engine.wake()  # those that wait for others are told

    def _join(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            with self._lock:
                thread = next(iter(self._threads), None)
            left = deadline - time.monotonic()
            if thread is None or left <= 0:
                return
            # in parts: a signal that comes just before the wait is heard after it
            thread.join(min(left, self.conf.runner_loop_sleep_time_sec))

    # -- the threads -------------------------------------------------------------------------------------------

    def _cover(self) -> None:
        """See to it that there is a thread for each slot, whatever the bodies that gave theirs away do."""
        while self.running:
            with self._lock:
                if len(self._threads) >= self.max_parallel_slots + self._slotless():
                    return
                thread = threading.Thread(
                    target=self._context.copy().run,
                    args=(self._work,),
                    name=f"ThreadRunner {self.runner_id[:8]}",
                    daemon=True,
                )
                self._threads.add(thread)
            try:
                thread.start()
            except RuntimeError:
                with self._lock:
                    self._threads.discard(thread)
                self.logger.exception("a thread cannot be started; it is tried again")
                return

    def _slotless(self) -> int:
        return sum(not body.holds for body in self._bodies.values())

    def _is_spare(self) -> bool:
        """Whether there are many more threads than slots: one that was added while others waited may go."""
        with self._lock:
            if len(self._threads) <= 2 * self.max_parallel_slots + self._slotless():
                return False
            self._threads.discard(threading.current_thread())
            return True

    def _work(self) -> None:
        changes: list[Change] = []
        try:
            with running_on(self.app.app_id, self):
                while True:
                    try:
                        self._loop(changes)
                    except Exception:
                        self.logger.exception("a worker thread failed; it goes on")
                    else:
                        return
                    if self._quiet.wait(self.conf.runner_loop_sleep_time_sec):
                        return
        finally:
            self.app.execution.leave()
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _loop(self, changes: list[Change]) -> None:
        """Claim and run; what a body came to stays among the changes until it is set."""
        engine, owner = self._engine, self.runner_id
        blockers = self.app.orchestrator.conf.blocking_control
        holding = False
        try:
            while True:
                if not holding:
                    holding = self._slots.take(self._is_stopping)
                stopping = self._is_stopping()
                if stopping and not changes:
                    return
                limit = 1 if holding and not stopping else 0
                answers, claimed = engine.step(owner, changes, limit=limit, start=True, blockers=blockers)
                self._tell(changes, answers)
                changes.clear()
                if claimed:
                    body = _Body(claimed[0])
                    holding = False  # the body has the slot
                    change, holding = self._run(body)
                    if change is not None:
                        changes.append(change)
                        if not holding:  # nobody should wait for a slot to hear of it
                            answers, _ = engine.step(owner, changes)
                            self._tell(changes, answers)
                            changes.clear()
                    continue
                if stopping:
                    return
                self._slots.give()
                holding = False
                if self._is_spare():
                    return
                engine.until_work(stop=self._is_stopping)
        finally:
            if holding:
                self._slots.give()

    def _run(self, body: _Body) -> tuple[Change | None, bool]:
        """Run a body; return the status that follows, and whether this thread has the slot again."""
        claimed = body.claimed
        place = (claimed.id, claimed.attempt)
        with self._lock:
            self._bodies[place] = body
        token = _bodies.set({**_bodies.get(), self.runner_id: body})
        waiting = WAITING.set(partial(self._slotless_body, body))
        limit = self.app.execution.timeout(claimed)
        try:
            if limit:
                self._deadlines.add(place, limit, partial(self._give_up, body, limit))
            change = self.app.execution.run(claimed, self.runner_id)
        except BaseException:
            if self._slots.finish(body):
                self._slots.give()
            raise
        finally:
            WAITING.reset(waiting)
            _bodies.reset(token)
            if limit:
                self._deadlines.drop(place)
            with self._lock:
                del self._bodies[place]
        return change, self._slots.finish(body)

    def _give_up(self, body: _Body, limit: float) -> None:
        """End an invocation whose body takes too long; another body gets its slot, its own result will be refused."""
        claimed = body.claimed
        error = InvocationTimeoutError(claimed.id, f"its body takes longer than {limit:g} s (the timeout of its task)")
        try:
            change = self.app.execution.raised(claimed, self.runner_id, error)
            answers, _ = self._engine.step(self.runner_id, [change])
            self._tell([change], answers)
            self._slots.abandon(body)
            self._engine.wake()  # it may wait for others, and is told
            self._cover()
        except Exception:
            self.logger.exception("invocation %s takes too long, and could not be ended", claimed.id)

    def _is_stopping(self) -> bool:
        return not self.running

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
        stop: Callable[[], bool] | None = None,
    ) -> list[InvocationId]:
        """Block until some invocations are final; see `BaseRunner.waiting_for_results`."""
        body = _bodies.get().get(self.runner_id)
        if not isinstance(running_invocation, DistributedInvocation) or body is None:
            return self._engine.until_final(result_invocations, timeout, stop=stop)
        ended = self._engine.until_final(result_invocations, 0)
        if ended:
            return ended
        self.app.orchestrator.waiting_for_results(running_invocation, result_invocations)
        try:
            with self._slotless_body(body):
                ended = self._engine.until_final(
                    result_invocations, timeout, stop=lambda: body.abandoned or (stop is not None and stop())
                )
        finally:
            if not (body.waits or body.abandoned):  # another attempt may wait by now
                self.app.orchestrator.stop_waiting(running_invocation)
        if body.abandoned and not ended:
            raise RunnerError(
                f"invocation {body.claimed.id} was taken from this body while it waited: it took too long, or its "
                "runner was stopped; what it does from here on counts for nothing, so let it end"
            )
        return ended

    @contextmanager
    def _slotless_body(self, body: _Body) -> Iterator[None]:
        """Let another body have the slot of one that waits."""
        self._slots.lend(body)
        try:
            self._cover()
            yield
        finally:
            self._slots.regain(body)


_NO_BODIES: Mapping[str, _Body] = MappingProxyType({})
_bodies: ContextVar[Mapping[str, _Body]] = ContextVar("fleche.runtime.bodies", default=_NO_BODIES)
"""For each runner the body that this context is in."""


class _Body:
    """A body that runs. The slots alone change what it holds.

    Args:
        claimed: Its invocation.
    """

    __slots__ = ("abandoned", "claimed", "holds", "waits")

    def __init__(self, claimed: Claimed) -> None:
        self.claimed = claimed
        self.holds = True  # a slot
        self.waits = 0  # how many of its threads and coroutines wait for something
        self.abandoned = False  # its invocation was taken from it, or it has ended


class _Slots:
    """The right to run a body; those who waited for results get it back before new bodies do."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._first = 0
        self._changed = SpinLock().condition()

    def take(self, stopping: Any) -> bool:
        """Take a slot, waited for if need be; return False where the runner stops."""
        with self._changed:
            while not stopping():
                if self._free > 0 and not self._first:
                    self._free -= 1
                    return True
                self._changed.wait()
        return False

    def lend(self, body: _Body) -> None:
        """Give the slot of a body away for as long as anything of it waits."""
        with self._changed:
            body.waits += 1
            self._leave(body)

    def regain(self, body: _Body) -> None:
        """Take the slot of a body again, before all who `take` one, once nothing of it waits any more."""
        with self._changed:
            body.waits -= 1
            self._first += 1
            try:
                while not (body.waits or body.abandoned or body.holds or self._free > 0):
                    self._changed.wait()
                if not (body.waits or body.abandoned or body.holds):
                    self._free -= 1
                    body.holds = True
            finally:
                self._first -= 1
                self._changed.notify_all()

    def abandon(self, body: _Body) -> None:
        """Give the slot of a body away for good; it runs on without one."""
        with self._changed:
            body.abandoned = True
            self._leave(body)
            self._changed.notify_all()

    def finish(self, body: _Body) -> bool:
        """Return whether the thread of a body that has ended has its slot now."""
        with self._changed:
            holds, body.holds, body.abandoned = body.holds, False, True
            self._changed.notify_all()
            return holds

    def _leave(self, body: _Body) -> None:
        if body.holds:
            body.holds = False
            self._free += 1
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
