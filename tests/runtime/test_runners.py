"""Runners: their lives, their signals, what they do with bodies at the end, and how they wait."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

import fleche
from fleche.caches import Cache
from fleche.runtime import App
from fleche.runtime.engine import MemoryEngine
from fleche.runtime.exceptions import InvocationTimeoutError, RunnerError, RunnerNotExecutableError
from fleche.runtime.invocation.status import InvocationStatus
from fleche.runtime.runner import (
    ApplicationContext,
    BaseRunner,
    DummyRunner,
    InlineRunner,
    RunnerContext,
    ThreadRunner,
)
from fleche.runtime.runner.deadlines import Deadlines
from fleche.storage.memory import MemoryStore
from fleche.testing import tasks
from fleche.testing.clock import ManualClock
from fleche.testing.engines import check_histories
from fleche.testing.tasks import EVENTS, RUNS, bound
from tests.runtime.test_thread_runner import threads

S = InvocationStatus


@pytest.fixture
def app() -> Iterator[App]:
    store = MemoryStore()
    with fleche.cache(Cache(store.values, store.calls)):
        app = App("runners", {"stop_timeout_seconds": 0.2}, cache=fleche.cache())
        yield app
        check_histories(app.engine)


class TestDummyRunner:
    """What stands for a runner."""

    def test_it_refuses_to_run(self, app: App) -> None:
        """With the way out."""
        runner = DummyRunner(app)
        assert app.runner is runner
        for member in (runner.run, runner.on_start, runner.on_stop, runner.runner_loop_iteration):
            with pytest.raises(RunnerNotExecutableError, match="runner_cls = 'ThreadRunner'"):
                member()
        with pytest.raises(RunnerNotExecutableError), runner:
            pass
        with pytest.raises(RunnerNotExecutableError):
            runner.max_parallel_slots
        assert runner.mem_compatible()

    def test_it_waits_for_others(self, app: App) -> None:
        """At most so long."""
        invocation = bound(tasks.add, app)(1)
        assert invocation.wait(0.001) is False
        InlineRunner(app).drain()
        DummyRunner(app)
        assert invocation.result == 3


class TestInlineRunner:
    """Bodies in the thread that waits."""

    def test_retries_take_no_real_time(self) -> None:
        """A hundred of them, each a day after the other, by a clock of the test's own."""
        clock = ManualClock()
        with fleche.cache("memory"):
            app = App("retries", clock=clock)
            task = bound(
                tasks.fail, app, retry_for=(ValueError,), max_retries=100, retry_delay=86400.0, retry_backoff=1.0
            )
            InlineRunner(app)
            failing = task("again")
            with pytest.raises(ValueError, match="again"):
                failing.result
            assert failing.num_retries == 100
            assert clock.slept == pytest.approx(100 * 86400, abs=1)

    def test_delays_grow_and_vary(self) -> None:
        """By back-off, and by jitter within its bounds."""
        clock = ManualClock()
        app = App("delays", clock=clock)
        growing = bound(tasks.fail, app, retry_delay=10.0, retry_backoff=3.0)
        now = app.engine.now()
        due = [app.orchestrator.retry_due(growing, n) for n in range(3)]
        assert [(moment or 0) - now for moment in due] == [10_000_000, 30_000_000, 90_000_000]
        varied = bound(tasks.fail, app, retry_delay=10.0, retry_jitter=0.5)
        delays = [(app.orchestrator.retry_due(varied, 0) or 0) - now for _ in range(50)]
        assert min(delays) >= 10_000_000
        assert max(delays) <= 15_000_000
        assert len(set(delays)) > 10
        assert app.orchestrator.retry_due(bound(tasks.add, app), 5) is None

    def test_it_runs_until_it_is_stopped(self, app: App) -> None:
        """And waits for work meanwhile."""
        runner = InlineRunner(app)
        with pytest.warns(RuntimeWarning, match="signals do not stop it"):
            thread = threading.Thread(target=runner.run)
            thread.start()
            invocation = bound(tasks.note, app)("inline", 1)
            app.engine.until_final([invocation.invocation_id], 30)
            runner.stop_runner_loop()
            thread.join()
        assert RUNS["inline"] == [1]

    def test_it_can_be_bounded(self, app: App) -> None:
        """So many bodies at most; a wait that finds nothing to run ends in time."""
        task = bound(tasks.note, app)
        for number in range(3):
            task("bounded", number)
        runner = InlineRunner(app)
        assert [runner.drain(2), runner.drain(), runner.drain()] == [2, 1, 0]
        later = task.schedule(delay=3600)("bounded", 4)
        assert later.wait(0.001) is False


class TestThreadRunner:
    """Bodies in threads."""

    def test_slots(self, app: App) -> None:
        """As many as asked for; by default one for each processor."""
        assert ThreadRunner(app).max_parallel_slots == (os.cpu_count() or 1)
        app.config_values["max_threads"] = 3
        assert ThreadRunner(app).max_parallel_slots == 3
        app.config_values["threadrunner"] = {"min_parallel_slots": 5}
        assert ThreadRunner(app).max_parallel_slots == 5
        assert ThreadRunner(app).mem_compatible()

    def test_no_thread_is_left(self, app: App) -> None:
        """After the stop, whatever waited for what."""
        before = set(threading.enumerate())
        with threads(app, 2):
            assert bound(tasks.leaf_sum, app)(0, 64, 4).result == sum(range(64))
        left = [thread for thread in threading.enumerate() if thread not in before and thread.is_alive()]
        for thread in left:
            thread.join(30)
        assert [thread for thread in left if thread.is_alive()] == []

    def test_a_body_that_does_not_end_is_handed_back(self, app: App) -> None:
        """At the stop; what it returns later is refused, and another runs it."""
        task = bound(tasks.wait_for, app)
        with threads(app, 1):
            invocation = task("handed back", 1)
            EVENTS["handed back began"].wait(30)
        assert [line.status for line in invocation.history][-3:] == [S.RUNNING, S.KILLED, S.REROUTED]
        EVENTS["handed back"].set()
        with threads(app, 1):
            assert invocation.get(30) == 1
        assert RUNS["handed back"] == [1, 1]

    def test_a_body_that_takes_too_long_fails(self, app: App) -> None:
        """With its timeout; its slot goes to another, and what it returns later is refused."""
        with threads(app, 1):
            slow = bound(tasks.wait_for, app, timeout=0.05)("too long", 1)
            with pytest.raises(InvocationTimeoutError, match=r"longer than 0\.05 s"):
                slow.get(30)
            assert bound(tasks.add, app)(1).get(30) == 3
            EVENTS["too long"].set()
        assert slow.status is S.FAILED

    def test_a_timeout_can_be_retried(self, app: App) -> None:
        """As any other exception."""
        task = bound(tasks.first_is_slow, app, timeout=0.2, retry_for=(InvocationTimeoutError,), max_retries=1)
        with threads(app, 1):
            assert task("slow first").get(30) == 1
            EVENTS["slow first"].set()

    def test_a_waiting_parent_and_an_idle_runner_look_at_nothing(self, app: App) -> None:
        """While a body waits and threads are idle, the engine is not asked once: nobody looks again and again."""
        asked: list[str] = []
        looked = threading.Event()
        with threads(app, 3):
            bound(tasks.gated, app)
            parent = bound(tasks.waits_for_gated, app)("idle")
            EVENTS["idle began"].wait(30)
            settle = threading.Event()
            settle.wait(0.2)  # the parent and the idle threads come to rest
            for name in ("step", "until_work", "until_final", "status", "info"):
                setattr(app.engine, name, _counting(getattr(app.engine, name), name, asked, looked))
            assert not looked.wait(0.5), asked
            EVENTS["idle"].set()
            assert parent.get(30) == 1
            assert asked

    def test_a_body_that_takes_too_long_while_it_waits(self, app: App) -> None:
        """Is told, and its slot is counted once: there are as many as before, and no more."""
        bound(tasks.wait_for, app)
        with threads(app, 1):
            parent = bound(tasks.nests, app, timeout=0.1)("late parent", 1)
            with pytest.raises(InvocationTimeoutError, match=r"longer than 0\.1 s"):
                parent.get(30)
            runner = app.runner
            assert isinstance(runner, ThreadRunner)
            EVENTS["late parent"].set()
            assert bound(tasks.add, app)(1).get(30) == 3
        assert runner._slots._free == 1
        assert runner._bodies == {}

    def test_a_body_that_was_given_up_does_not_speak_for_the_next(
        self, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """That it waits no more says nothing of the attempt that waits now."""
        said: list[Any] = []
        bound(tasks.wait_for, app)
        before = set(threading.enumerate())
        with threads(app, 1):
            monkeypatch.setattr(app.orchestrator, "stop_waiting", said.append)
            parent = bound(tasks.nests, app, timeout=0.1)("given up", 1)
            with pytest.raises(InvocationTimeoutError):
                parent.get(30)
            EVENTS["given up"].set()
        for thread in [thread for thread in threading.enumerate() if thread not in before]:
            thread.join(30)
        assert said == []

    def test_a_slow_attempt_does_not_hide_the_next(self, app: App) -> None:
        """A body that was given up and the one that runs again are told apart, so either can end first."""
        again = {"retry_for": (InvocationTimeoutError,), "max_retries": 5}
        late = {"retry_delay": 0.01, "retry_backoff": 1e6}  # a third attempt is not for this test
        task = bound(tasks.wait_for, app, timeout=0.2, **again, **late)
        with threads(app, 2):
            invocation = task("attempts", 1)
            while len(RUNS["attempts"]) < 2:
                app.engine.until_final([invocation.invocation_id], 0.01)
            runner = app.runner
            assert isinstance(runner, ThreadRunner)
            assert sorted(runner._bodies) == [(invocation.invocation_id, 1), (invocation.invocation_id, 2)]
            assert invocation.cancel()
            EVENTS["attempts"].set()
        assert runner._bodies == {}
        assert runner._slots._free == 2

    def test_a_waiting_body_is_told_of_the_stop(self, app: App) -> None:
        """It ends instead of waiting for what nobody runs; its thread does not stay."""
        bound(tasks.wait_for, app)
        before = set(threading.enumerate())
        with threads(app, 1):
            parent = bound(tasks.nests, app)("stopped", 1)
            EVENTS["stopped began"].wait(30)
        left = [thread for thread in threading.enumerate() if thread not in before]
        EVENTS["stopped"].set()
        for thread in left:
            thread.join(30)
            assert not thread.is_alive()
        assert parent.history[-1].status is S.REROUTED
        with threads(app, 1):
            assert parent.get(30) == 1

    def test_it_can_be_run_again_with_a_body_of_before(self, app: App) -> None:
        """The slot of a body that was handed back is free."""
        app.config_values["max_threads"] = 1
        runner = ThreadRunner(app)
        with runner:
            stuck = bound(tasks.wait_for, app)("before", 1)
            EVENTS["before began"].wait(30)
        EVENTS["before began"].clear()
        with runner:
            assert EVENTS["before began"].wait(30)
            EVENTS["before"].set()
            assert stuck.get(30) == 1
            assert bound(tasks.add, app)(1).get(30) == 3
        assert RUNS["before"] == [1, 1]

    def test_many_threads_that_cannot_be_started(self, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
        """A runner without a single thread says so, where it was started."""
        runner = ThreadRunner(app)
        start = threading.Thread.start

        def failing(self: threading.Thread) -> None:
            if self.name.startswith("ThreadRunner"):
                raise RuntimeError("can't start new thread")
            start(self)

        monkeypatch.setattr(threading.Thread, "start", failing)
        with pytest.raises(RunnerError, match="no thread can be started"), runner:
            pass
        assert not runner.running
        assert runner._housekeeping is None

    def test_bodies_find_the_cache_that_is_active_where_the_runner_is_started(self) -> None:
        """And so does who asks for the result there."""
        store = MemoryStore()
        with fleche.cache(Cache(store.values, store.calls)):
            app = App("active", {"max_threads": 1})
            with ThreadRunner(app):
                assert bound(tasks.add, app)(1).get(30) == 3
            assert fleche.cache().query().count() == 1

    def test_a_failing_engine_does_not_end_the_runner(self, app: App, caplog: pytest.LogCaptureFixture) -> None:
        """A step that fails is logged, and another thread takes the place."""
        engine = app.engine
        assert isinstance(engine, MemoryEngine)
        step, fails = engine.step, [True]

        def failing(*args: Any, **kwargs: Any) -> Any:
            if kwargs.get("limit") and fails and fails.pop():
                raise OSError("the store is away")
            return step(*args, **kwargs)

        engine.step = failing  # type: ignore[method-assign]
        with caplog.at_level(logging.ERROR), threads(app, 1):
            assert bound(tasks.add, app)(1).get(30) == 3
        assert "a worker thread failed" in caplog.text


def _counting(method: Any, name: str, asked: list[str], looked: threading.Event) -> Any:
    def count(*args: Any, **kwargs: Any) -> Any:
        asked.append(name)
        looked.set()
        return method(*args, **kwargs)

    return count


class Recording(InlineRunner):
    """Notes its life."""

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self.told: list[str] = []

    def _on_start(self) -> None:
        self.told.append("start")

    def _on_stop(self) -> None:
        self.told.append("stop")

    def runner_loop_iteration(self) -> None:
        self.told.append("loop")
        self.stop_runner_loop()


class TestLife:
    """Starting and stopping."""

    def test_hooks_are_called_once(self, app: App) -> None:
        """Start, loop, stop."""
        runner = Recording(app)
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        runner.run()
        assert runner.told == ["start", "loop", "stop"]
        assert not runner.running
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers

    def test_what_goes_wrong_is_raised_after_the_stop(self, app: App, caplog: pytest.LogCaptureFixture) -> None:
        """An interruption only stops."""
        runner = Recording(app)
        runner.runner_loop_iteration = _failing(OSError("no"))  # type: ignore[method-assign]
        with pytest.raises(OSError, match="no"), caplog.at_level(logging.ERROR):
            runner.run()
        assert runner.told == ["start", "stop"]
        assert "the runner failed" in caplog.text
        interrupted = Recording(app)
        interrupted.runner_loop_iteration = _failing(KeyboardInterrupt())  # type: ignore[method-assign]
        interrupted.run()
        assert interrupted.told == ["start", "stop"]

    def test_it_can_be_stopped_before_it_runs(self, app: App) -> None:
        """By a signal too."""
        runner = ThreadRunner(app)
        runner.stop_runner_loop()
        runner.stop_runner_loop(signal.SIGTERM, None)
        assert not runner.running

    def test_what_goes_wrong_behind_is_raised_at_the_end(self, app: App) -> None:
        """A runner of a ``with`` block; an error of the block itself comes first. It is not entered twice."""
        runner = Recording(app)
        runner.runner_loop_iteration = _failing(OSError("no"))  # type: ignore[method-assign]
        with pytest.raises(OSError, match="no"), runner:
            pass
        with pytest.raises(ZeroDivisionError), runner:
            raise ZeroDivisionError
        with ThreadRunner(app) as running, pytest.raises(RunnerError, match="runs already"), running:
            pass
        running.__enter__()
        running.__exit__()  # by hand, as a notebook does
        assert not running.running

    def test_it_gives_signs_of_life_and_recovers(self, app: App) -> None:
        """What a dead runner left is run by the next."""
        app.conf.recover_interval_seconds = 0.01
        app.conf.runner_considered_dead_after_minutes = 0.001
        invocation = bound(tasks.note, app)("left", 1)
        app.orchestrator.set_invocation_status(invocation, S.PENDING, "dead")
        app.orchestrator.set_invocation_status(invocation, S.RUNNING, "dead")
        with threads(app, 1):
            assert invocation.get(30) == 1
        assert S.RUNNING_RECOVERY in [line.status for line in invocation.history]

    def test_the_oldest_runner_recovers(self, app: App) -> None:
        """The others leave it to that."""
        clock = ManualClock()
        engine = app.engine = MemoryEngine(clock)  # type: ignore[misc]
        first, second = DummyRunner(app), DummyRunner(app)
        engine.beat([first.runner_id], serves=True)
        clock.advance(1)
        engine.beat([second.runner_id], serves=True)
        asked: list[str] = []
        app.orchestrator.recover = lambda: asked.append("recovered") or []  # type: ignore[method-assign, func-returns-value]
        second.recover()
        assert asked == []
        first.recover()
        assert asked == ["recovered"]

    def test_a_runner_that_has_stopped_leaves_recovery_to_the_next(self, app: App) -> None:
        """At once, though it gave a sign of life a moment ago."""
        with threads(app, 1):
            oldest = app.runner
        next_ = DummyRunner(app)
        app.engine.beat([next_.runner_id], serves=True)
        assert [runner.serves for runner in app.engine.runners(0)] == [False, True]
        asked: list[str] = []
        app.orchestrator.recover = lambda: asked.append("recovered") or []  # type: ignore[method-assign, func-returns-value]
        oldest.recover()
        assert asked == []
        next_.recover()
        assert asked == ["recovered"]

    def test_a_store_that_is_away_does_not_hinder_the_stop(self, app: App, caplog: pytest.LogCaptureFixture) -> None:
        """That others were not told is logged."""
        with caplog.at_level(logging.ERROR), threads(app, 1):
            assert bound(tasks.add, app)(1).get(30) == 3
            app.engine.beat = _failing(OSError("away"))  # type: ignore[method-assign]
        assert "others were not told of the stop" in caplog.text


def _failing(error: BaseException) -> Any:
    def iteration(*_: object, **__: object) -> None:
        raise error

    return iteration


SCRIPT = """
import logging, sys
import fleche
from fleche.runtime import App
from fleche.runtime.runner import ThreadRunner
from fleche.testing import tasks
logging.basicConfig(level="INFO", stream=sys.stdout, format="%(message)s")
fleche.set_default_cache("memory")
app = App("script", {"max_threads": 1, "stop_timeout_seconds": 0.1})
invocation = tasks.bound(tasks.wait_for, app)("script", 1)
import threading
def tell():
    tasks.EVENTS["script began"].wait()
    print("running", flush=True)
threading.Thread(target=tell).start()
ThreadRunner(app).run()
print([str(line.status) for line in invocation.history], flush=True)
tasks.EVENTS["script"].set()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_process(number: signal.Signals) -> None:
    """What runs is handed back, and the process ends."""
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "running":
            break
    process.send_signal(number)
    rest = process.stdout.read()
    assert process.wait(30) == 0
    process.stdout.close()
    assert "'running', 'killed', 'rerouted'" in rest
    assert number.name in rest


TWICE = """
import logging, sys
import fleche
from fleche.runtime import App
from fleche.runtime.runner import ThreadRunner
from fleche.testing import tasks

class Told(logging.Handler):
    told = 0
    def emit(self, record):
        if "stopping:" in record.getMessage():
            self.told += 1
            print("stopping", flush=True)
            if self.told == 2:
                tasks.EVENTS["twice"].set()

logging.getLogger("fleche.runtime").addHandler(Told())
fleche.set_default_cache("memory")
app = App("twice", {"max_threads": 1, "stop_timeout_seconds": 30})
invocation, later = tasks.bound(tasks.wait_for, app)("twice", 1), tasks.bound(tasks.note, app)("twice", 2)
import threading
def tell():
    tasks.EVENTS["twice began"].wait()
    print("running", flush=True)
threading.Thread(target=tell).start()
ThreadRunner(app).run()
print(invocation.status, later.status, tasks.RUNS["twice"], flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_changes_nothing(number: signal.Signals) -> None:
    """While the runner waits for what runs: that ends, what waits stays, and the process ends as it would."""
    process = subprocess.Popen([sys.executable, "-c", TWICE], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for expected in ("running", "stopping"):
        assert process.stdout.readline().strip() == expected
        process.send_signal(number)
    rest = process.stdout.read()
    assert process.wait(30) == 0
    process.stdout.close()
    assert rest.splitlines() == ["stopping", "success registered [1]"]


class TestContext:
    """Which runner, where."""

    def test_json(self) -> None:
        """Keys sorted, the parent inside; nonsense is refused."""
        parent = RunnerContext(runner_cls="Outer")
        child = parent.new_child_context("Inner")
        back = RunnerContext.from_json(child.to_json())
        assert back == child
        assert (back.root_runner_id, back.root_runner_cls) == (parent.runner_id, "Outer")
        assert child.to_json().startswith('{"hostname"')
        for bad in ("[]", "{}", '{"parent_ctx": null, "x": 1}'):
            with pytest.raises(ValueError, match="no runner context"):
                RunnerContext.from_json(bad)
        assert ApplicationContext()

    def test_runners_are_abstract(self) -> None:
        """What a runner must do is asked for."""
        with pytest.raises(TypeError, match="abstract"):
            BaseRunner(App())  # type: ignore[abstract]


def test_deadlines() -> None:
    """Called in order when their time has come; what is dropped is not; the thread ends with the last."""
    deadlines = Deadlines()
    called: list[str] = []
    done = threading.Event()
    deadlines.add("never", 3600, lambda: called.append("never"))
    deadlines.add("second", 0.02, lambda: (called.append("second"), done.set()))  # type: ignore[arg-type, return-value]
    deadlines.add("first", 0.01, lambda: called.append("first"))
    assert done.wait(30)
    assert called == ["first", "second"]
    assert deadlines.drop("first") is False
    thread = deadlines._thread
    assert thread is not None
    assert deadlines.drop("never") is True
    thread.join(30)
    assert not thread.is_alive()


def test_the_clock_of_an_app_is_that_of_its_engine() -> None:
    """Histories tell its time."""
    clock = ManualClock(datetime(2031, 5, 6, tzinfo=UTC))
    with fleche.cache("memory"):
        app = App("clock", clock=clock)
        assert bound(tasks.add, app)(1).history[0].timestamp == datetime(2031, 5, 6, tzinfo=UTC)
