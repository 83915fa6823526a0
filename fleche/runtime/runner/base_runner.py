"""What a runner is: it claims invocations and runs their bodies, and lets those who wait, wait."""

from __future__ import annotations

import signal
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from contextvars import Context, copy_context
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from fleche.runtime.conf.config_runner import ConfigRunner
from fleche.runtime.engine.base import Engine
from fleche.runtime.exceptions import RunnerError, RunnerNotExecutableError
from fleche.runtime.identifiers import InvocationId
from fleche.runtime.invocation.base_invocation import BaseInvocation
from fleche.runtime.runner.context import RunnerContext
from fleche.runtime.util.log import RunnerLogAdapter

if TYPE_CHECKING:
    from fleche.runtime.app import App

__all__ = ["BaseRunner", "DummyRunner"]


class BaseRunner(ABC):
    """Claims invocations and runs them. Making one makes it the app's runner.

    `run` runs it in this thread until it is stopped; as a ``with`` block it runs in a thread of its own meanwhile.

    Args:
        app: The app.
    """

    def __init__(self, app: App) -> None:
        self.app = app
        self.runner_context = RunnerContext(runner_cls=type(self).__name__)
        self.runner_id = self.runner_context.runner_id
        self.conf = self._config(app)
        self.logger = RunnerLogAdapter(app.logger, self.runner_id)
        self.running = False
        self._engine: Engine = app.engine
        self._housekeeping: threading.Thread | None = None
        self._quiet = threading.Event()
        self._handlers: dict[signal.Signals, Any] = {}
        self._background: threading.Thread | None = None
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._hindered = False  # from starting
        self._context = Context()
        app.runner = self

    def _config(self, app: App) -> ConfigRunner:
        return ConfigRunner(app.config_values, app.config_filepath)

    @staticmethod
    @abstractmethod
    def mem_compatible() -> bool:
        """Whether it works with what is kept in memory: it runs bodies in this process."""

    @property
    @abstractmethod
    def max_parallel_slots(self) -> int:
        """How many bodies run at once."""

    @abstractmethod
    def runner_loop_iteration(self) -> None:
        """Do what is to be done now, and wait for more."""

    @abstractmethod
    def waiting_for_results(
        self,
        running_invocation: BaseInvocation[Any, Any] | None,
        result_invocations: Collection[InvocationId],
        runner_args: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> list[InvocationId]:
        """Block until some invocations are final, and return those.

        Args:
            running_invocation: The one whose body waits; None where a client does.
            result_invocations: Those that it waits for.
            runner_args: What the runner gave to the body.
            timeout: Seconds after which it returns nothing; None for never.
            stop: Asked whenever the engine's `wake` is called; if it says so, nothing is returned.

        Raises:
            CycleDetectedError: One of them waits for the one that waits.
            RunnerError: The one that waits was taken from its body meanwhile.
        """

    # -- its life ----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run until `stop_runner_loop` is called, or a signal asks for it.

        Raises:
            Exception: Whatever went wrong with the runner itself, after it has stopped.
        """
        try:
            self.on_start()
            while self.running:
                self.runner_loop_iteration()
        except KeyboardInterrupt:
            self.logger.warning("interrupted: stopping")
        except Exception:
            self.logger.exception("the runner failed: stopping")
            raise
        finally:
            self.on_stop()

    def __enter__(self) -> Self:
        """Run in a thread of this process, until the ``with`` block ends.

        Raises:
            RunnerError: It runs already.
            Exception: Whatever hindered it from starting.
        """
        if self.running or self._background is not None:
            raise RunnerError(f"{type(self).__name__} {self.runner_id} runs already: make another one of the same app")
        self._started.clear()
        self._background = threading.Thread(
            target=copy_context().run, args=(self._run_behind,), name=f"{self.runner_id} loop", daemon=True
        )
        self._background.start()
        self._started.wait()
        if self._hindered:
            self._join_background()
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        self.stop_runner_loop()
        if kind is None:
            self._join_background()
            return
        with suppress(Exception):  # it was logged, and the block has an error of its own
            self._join_background()

    def _run_behind(self) -> None:
        try:
            self.run()
        except BaseException as error:
            self._failure = error
            self._hindered = not self._started.is_set()
        finally:
            self._started.set()

    def _join_background(self) -> None:
        """Wait until it has stopped, and raise what went wrong with it."""
        if self._background is not None and self._background is not threading.current_thread():
            self._background.join()
            self._background = None
        failure, self._failure, self._hindered = self._failure, None, False
        if failure is not None:
            raise failure

    def on_start(self) -> None:
        """Get ready to run; bodies find the cache active that is active here."""
        self._context = copy_context()
        self.running = True
        self._quiet.clear()
        self._install_signals()
        self._engine.beat([self.runner_id], serves=True)
        self._housekeeping = threading.Thread(
            target=self._keep_house, name=f"{self.runner_id} housekeeping", daemon=True
        )
        self._housekeeping.start()
        self._on_start()
        self._started.set()

    def on_stop(self) -> None:
        """Stop: what runs is finished, or handed back."""
        self.running = False
        self._quiet.set()
        self._engine.wake()
        try:
            self._on_stop()
        finally:
            while self._handlers:
                signal.signal(*self._handlers.popitem())
            if self._housekeeping is not None:
                self._housekeeping.join()
                self._housekeeping = None
                self._resign()

    def _resign(self) -> None:
        """Leave it to others to recover, who would wait for this runner as long as it looks alive."""
        try:
            self._engine.beat([self.runner_id], serves=False)
        except Exception:
            self.logger.exception("others were not told of the stop; they find out")

    def stop_runner_loop(self, signum: int | None = None, frame: FrameType | None = None) -> None:  # noqa: ARG002
        """Ask the runner to stop; it does so soon. May be called before it runs, and by any thread."""
        if signum is not None:
            # what a signal interrupts may hold any lock, so nothing that takes one is done here
            self.running = False
            threading.Thread(target=self._stop_by_signal, args=(signal.Signals(signum).name,), daemon=True).start()
            return
        self.running = False
        self._quiet.set()
        self._on_stop_runner_loop()
        self._engine.wake()

    def _stop_by_signal(self, name: str) -> None:
        self.logger.warning("stopping: %s", name)
        self.stop_runner_loop()

    def _on_start(self) -> None:  # noqa: B027 - most runners need none
        """For subclasses: after the start."""

    def _on_stop(self) -> None:  # noqa: B027 - most runners need none
        """For subclasses: at the stop."""

    def _on_stop_runner_loop(self) -> None:  # noqa: B027 - most runners need none
        """For subclasses: when the stop was asked for."""

    def _install_signals(self) -> None:
        if self._background is not None:
            return
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self.stop_runner_loop)
            return
        warnings.warn(
            "the runner is not in the main thread, so signals do not stop it: call stop_runner_loop()",
            RuntimeWarning,
            stacklevel=3,
        )

    # -- housekeeping ------------------------------------------------------------------------------------------

    def _keep_house(self) -> None:
        """Give signs of life, and from time to time recover and forget."""
        conf = self.app.conf
        last = time.monotonic()
        while not self._quiet.wait(min(self.conf.heartbeat_seconds, conf.recover_interval_seconds)):
            try:
                self._engine.beat(self.alive(), serves=True)
                if time.monotonic() - last >= conf.recover_interval_seconds:
                    last = time.monotonic()
                    self.recover()
                    self.app.orchestrator.auto_purge()
            except Exception:  # one bad look must not end all further ones
                self.logger.exception("housekeeping failed; it is tried again")

    def alive(self) -> list[str]:
        """Return the ids under which this runner owns invocations."""
        return [self.runner_id]

    def recover(self) -> None:
        """Give back what others left, if it is this runner's turn: that of the oldest that is alive."""
        conf = self.app.conf
        since = self._engine.now() - round(conf.runner_considered_dead_after_minutes * 60_000_000)
        serving = [runner for runner in self._engine.runners(since) if runner.serves]
        if serving and serving[0].owner == self.runner_id:
            self.app.orchestrator.recover()


class DummyRunner(BaseRunner):
    """Stands for a runner where there is none: in clients. It waits for what runners elsewhere do, and runs nothing."""

    @staticmethod
    def mem_compatible() -> bool:
        """Whether it works with what is kept in memory."""
        return True

    @property
    def max_parallel_slots(self) -> int:
        """Refuse: it runs nothing.

        Raises:
            RunnerNotExecutableError: Always.
        """
        self._refuse()

    def run(self) -> NoReturn:
        """Refuse: it runs nothing.

        Raises:
            RunnerNotExecutableError: Always.
        """
        self._refuse()

    def runner_loop_iteration(self) -> NoReturn:
        """Refuse: it runs nothing.

        Raises:
            RunnerNotExecutableError: Always.
        """
        self._refuse()

    on_start = on_stop = runner_loop_iteration

    def _refuse(self) -> NoReturn:
        raise RunnerNotExecutableError(
            "DummyRunner runs nothing; choose a runner, such as runner_cls = 'ThreadRunner', or make one by "
            "ThreadRunner(app)"
        )

    def waiting_for_results(
        self,
        running_invocation: BaseInvocation[Any, Any] | None,  # noqa: ARG002
        result_invocations: Collection[InvocationId],
        runner_args: Mapping[str, Any] | None = None,  # noqa: ARG002
        *,
        timeout: float | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> list[InvocationId]:
        """Block until some invocations are final; see `BaseRunner.waiting_for_results`."""
        return self._engine.until_final(result_invocations, timeout, stop=stop)
