"""State backend, broker, blocking and cycle control, and the views of the memory engine that existing code imports."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

import fleche
from fleche.caches import Cache
from fleche.runtime import App
from fleche.runtime.exceptions import (
    CycleDetectedError,
    InvocationHasNoResultError,
    PendingInvocationLockError,
)
from fleche.runtime.invocation.dist_invocation import DistributedInvocation
from fleche.runtime.invocation.status import InvocationStatus
from fleche.runtime.orchestrator.mem_orchestrator import (
    ArgPair,
    MemBlockingControl,
    MemCycleControl,
    TaskInvocationCache,
)
from fleche.runtime.runner import InlineRunner
from fleche.runtime.state_backend import InvocationHistory
from fleche.storage.memory import MemoryStore
from fleche.testing import tasks
from fleche.testing.clock import ManualClock
from fleche.testing.tasks import bound

S = InvocationStatus


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def app(clock: ManualClock) -> Any:
    with fleche.cache("memory"):
        yield App("backends", clock=clock)


def calls(app: App, count: int, **options: Any) -> list[DistributedInvocation[Any, Any]]:
    """So many invocations of different calls."""
    task = bound(tasks.note, app, **options)
    return [task("backends", number) for number in range(count)]


class TestHistory:
    """Lines of histories."""

    def test_json(self) -> None:
        """Exactly these keys; what comes back is equal."""
        line = InvocationHistory("i", status=S.RUNNING, execution_context={"pid": 3})
        plain = line.to_json()
        assert set(plain) == {"invocation_id", "_timestamp", "status", "execution_context"}
        assert InvocationHistory.from_json(plain) == line
        assert line.timestamp.tzinfo is not None
        with pytest.raises(TypeError):
            InvocationHistory("i", _timestamp=datetime.now(UTC))  # type: ignore[call-arg]

    def test_no_status_and_no_zone(self) -> None:
        """A line without a status comes back; a time without a zone is in UTC."""
        line = InvocationHistory("i")
        assert InvocationHistory.from_json(line.to_json()) == line
        naive = {**line.to_json(), "_timestamp": "2030-01-02T00:00:00"}
        assert InvocationHistory.from_json(naive).timestamp == datetime(2030, 1, 2, tzinfo=UTC)

    def test_the_later_form_of_the_reference_system(self) -> None:
        """Is read too."""
        record = {"status": "running", "runner_id": "r", "timestamp": "2030-01-02T00:00:00+00:00"}
        line = InvocationHistory.from_json(
            {
                "invocation_id": "i",
                "_timestamp": "2030-01-02T00:00:00+00:00",
                "status_record": record,
                "runner_context_id": "ctx",
                "registered_by_inv_id": "p",
            }
        )
        assert (line.status, line.execution_context, line.registered_by_inv_id) == (S.RUNNING, "ctx", "p")


class TestStateBackend:
    """What is kept of invocations."""

    def test_a_result_in_another_cache(self, app: App) -> None:
        """Says which cache was asked, what may be the matter, and what to do."""
        invocation = bound(tasks.add, app)(1)
        elsewhere = MemoryStore()
        with fleche.cache(Cache(elsewhere.values, elsewhere.calls)):
            InlineRunner(app).drain()
        assert invocation.status is S.SUCCESS
        with pytest.raises(InvocationHasNoResultError, match=r"the worker's active cache .*App\(cache=\.\.\.\)"):
            invocation.result

    def test_an_app_with_a_cache_has_one_result_everywhere(self) -> None:
        """Whatever cache is active; one that was removed is told of, and that the worker may have another."""
        store, elsewhere = MemoryStore(), MemoryStore()
        app = App("one cache", cache=Cache(store.values, store.calls))
        invocation = bound(tasks.add, app)(1)
        with fleche.cache(Cache(elsewhere.values, elsewhere.calls)):
            InlineRunner(app).drain()
            assert invocation.result == 3
        bound(tasks.add, app).cached.forget(1)
        with pytest.raises(
            InvocationHasNoResultError, match=r"not stored in Cache\(.* another cache than this app does"
        ):
            invocation.result


class TestControls:
    """Who waits for whom, and which calls make which."""

    def test_blocking_control(self, app: App, caplog: pytest.LogCaptureFixture) -> None:
        """Edges, their release, and what is not noted."""
        control = MemBlockingControl(app)
        a, b, c = calls(app, 3)
        control.waiting_for_results(None, [a])
        control.waiting_for_results(a, [])
        assert "waits for nothing" in caplog.text
        control.waiting_for_results(a, [b])
        control.waiting_for_results(b, [c])
        assert list(control.get_blocking_invocations(5)) == [c]
        control.release_waiters(c)
        assert list(control.get_blocking_invocations(5)) == [b]
        control.release_waiters(b)
        assert list(control.get_blocking_invocations(5)) == []
        control.waiting_for_results(a, [b])
        with pytest.raises(CycleDetectedError):
            control.waiting_for_results(b, [a])
        control.stop_waiting(a)
        assert list(control.get_blocking_invocations(5)) == []

    def test_cycle_control(self, app: App) -> None:
        """Calls are named in order; clearing up allows a call again; a recursion with other arguments is no circle."""
        control = MemCycleControl(app)
        one, two, three = calls(app, 3)
        control.add_call_and_check_cycles(one, two)
        control.add_call_and_check_cycles(two, three)
        with pytest.raises(CycleDetectedError) as refused:
            control.add_call_and_check_cycles(three, one)
        assert refused.value.call_ids == [str(each.call_id) for each in (three, one, two)]
        name = "fleche.testing.tasks.note"
        assert str(refused.value).splitlines() == [
            "A cycle was detected: Cycle detected:",
            *(f'- {name}(name:"backends", value:{n})' for n in (2, 0, 1)),
            f'- back to {name}(name:"backends", value:2)',
        ]
        assert control.find_cycle_caused_by_new_invocation(one, one)[0] == one.call
        control.clean_up_invocation_cycles(two)
        assert control.find_cycle_caused_by_new_invocation(three, one) == []

    def test_cycle_control_can_be_switched_off(self, app: App) -> None:
        """Then nothing is checked."""
        app.orchestrator.conf.cycle_control = False
        (one,) = calls(app, 1)
        app.orchestrator.add_call_and_check_cycles(one, one)
        app.orchestrator.clean_up_invocation_cycles(one)


class TestViews:
    """Names of the memory orchestrator."""

    def test_arg_pairs(self) -> None:
        """Equal and hashed by name and value, whatever the value."""
        assert ArgPair("a", [1]) == ArgPair("a", [1])
        assert hash(ArgPair("a", [1])) == hash(ArgPair("a", [1]))
        assert len({ArgPair("a", 1), ArgPair("a", 2), ArgPair("b", 1), ArgPair("a", 1)}) == 3
        assert ArgPair("a", 1) != "a:1"
        assert (str(ArgPair("a", 1)), repr(ArgPair("a", 1))) == ("a:1", "ArgPair(a:1)")

    def test_the_invocations_of_a_task(self, app: App, clock: ManualClock) -> None:
        """All of it is the app's own; nothing is left of what is cleaned up."""
        found = calls(app, 2)
        view, every = TaskInvocationCache(app, found[0].task), TaskInvocationCache(app)
        one = found[0].invocation_id
        assert set(view.get_invocations()) == set(every.get_invocations()) == set(found)
        assert view.get_invocations({"value": "1"}) == every.get_invocations({"value": "1"}) == [found[1]]
        assert view.get_invocations({"value": "1", "name": '"other"'}) == []
        view.set_pending_status(one)
        assert (view.get_status(one), every.get_invocations(status=S.PENDING)) == (S.PENDING, [found[0]])
        with pytest.raises(PendingInvocationLockError):
            view.set_pending_status(one)
        view.clean_pending_status(one)
        view.clean_pending_status(one)
        assert view.get_status(one) is S.REROUTED
        assert (view.get_retries(one), view.increase_retries(one), view.get_retries(one)) == (0, 1, 1)
        view.set_up_invocation_auto_purge(one)
        view.clean_up_invocation(one)
        assert view.get_status(one) is S.REROUTED
        view.set_status(one, S.CANCELLED)
        view.clean_up_invocation(one)
        assert view.get_invocations() == [found[1]]
        clock.advance(25 * 3600)
        assert view.auto_purge() == 0
