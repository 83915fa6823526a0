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
    InvocationNotFoundError,
    InvocationStatusTransitionError,
    PendingInvocationLockError,
    TaskParallelProcessingError,
)
from fleche.runtime.invocation.dist_invocation import DistributedInvocation, ReusedInvocation
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
from fleche.testing.engines import together
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

    def test_invocations(self, app: App) -> None:
        """Come back equal, however often they are kept; unknown ones have a named error."""
        backend = app.state_backend
        (invocation,) = calls(app, 1)
        backend.upsert_invocation(invocation)
        backend.upsert_invocation(invocation)
        back = backend.get_invocation(invocation.invocation_id)
        assert back == invocation
        assert back.call == invocation.call
        assert back.arguments == invocation.arguments
        assert app.engine.count() == 1
        with pytest.raises(InvocationNotFoundError, match="nobody"):
            backend.get_invocation("nobody")
        assert backend.get_history("nobody") == []  # type: ignore[arg-type]

    def test_invocations_are_json(self, app: App) -> None:
        """Id, call and parent."""
        parent, _ = calls(app, 2)
        child = DistributedInvocation.from_parent(parent.call, parent)
        back = DistributedInvocation.from_json(app, child.to_json())
        assert back == child
        assert back.parent_invocation == child.parent_invocation == parent
        assert DistributedInvocation.isolated(parent.call).parent_invocation is None
        empty = DistributedInvocation.from_json(
            app, DistributedInvocation(bound(tasks.unsendable, app)().call).to_json()
        )
        assert empty.serialized_arguments == {}

    def test_results_and_exceptions(self, app: App) -> None:
        """Small and large; what is not there is a KeyError."""
        backend = app.state_backend
        one, other = calls(app, 2)
        for result in (None, 3, "x" * 5000, {"a": (1,)}):
            backend.set_result(one, result)
            assert backend.get_result(one) == result
        backend.set_exception(other, ValueError("no"))
        error = backend.get_exception(other)
        assert (type(error), error.args) == (ValueError, ("no",))
        for ask in (lambda: backend.get_result(other), lambda: backend.get_exception(one)):
            with pytest.raises(KeyError):
                ask()
        with pytest.raises(InvocationNotFoundError):
            backend.set_result("nobody", 1)  # type: ignore[arg-type]

    def test_histories(self, app: App) -> None:
        """Ordered; what is added has its place; waiting for writes returns at once, since they are done."""
        backend = app.state_backend
        (invocation,) = calls(app, 1)
        backend.add_history(invocation, execution_context="looked at")
        app.orchestrator.set_invocation_status(invocation, S.PENDING)
        backend.wait_for_all_async_operations()
        backend.wait_for_invocation_async_operations("nobody")
        lines = backend.get_history(invocation)
        assert [line.status for line in lines] == [S.REGISTERED, None, S.PENDING]
        assert lines[1].execution_context == "looked at"
        assert lines[0].execution_context == app.client_id
        assert [line.timestamp for line in lines] == sorted(line.timestamp for line in lines)

    def test_a_result_that_the_cache_lost(self, app: App) -> None:
        """Has a named error that tells which call it was."""
        invocation = bound(tasks.add, app)(1)
        InlineRunner(app).drain()
        assert invocation.result == 3
        record = app.engine.info(invocation.invocation_id).outcome
        assert record is not None
        assert record.record is not None
        fleche.cache().evict(record.record)
        with pytest.raises(InvocationHasNoResultError, match=str(record.record)):
            invocation.result

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

    def test_purging(self, app: App) -> None:
        """Everything of the app."""
        (invocation,) = calls(app, 1)
        app.state_backend.purge()
        with pytest.raises(InvocationNotFoundError):
            invocation.status


class TestBroker:
    """The queue."""

    def test_first_in_first_out(self, app: App) -> None:
        """Each is retrieved once, and is pending from then on; nothing is None."""
        found = calls(app, 3)
        assert app.broker.count_invocations() == 3
        assert [app.broker.retrieve_invocation() for _ in range(4)] == [*found, None]
        assert {each.status for each in found} == {S.PENDING}

    def test_routing_puts_back(self, app: App) -> None:
        """What waits keeps its place; what was taken comes back; what ended does not."""
        one, other = calls(app, 2)
        app.broker.route_invocations([one, other])
        assert app.broker.count_invocations() == 2
        taken = app.broker.retrieve_invocation()
        assert taken == one
        app.broker.route_invocation(one)
        assert [app.broker.retrieve_invocation(), app.broker.retrieve_invocation()] == [other, one]
        one.cancel()
        with pytest.raises(InvocationStatusTransitionError):
            app.broker.route_invocation(one)

    def test_a_call_becomes_an_invocation(self, app: App) -> None:
        """Which waits for a worker."""
        invocation = app.broker.route_call(bound(tasks.add, app)(1).call)
        assert invocation.status is S.REGISTERED
        app.broker.purge()
        assert app.broker.count_invocations() == 0
        assert app.broker.retrieve_invocation() is None


class TestPicking:
    """What a runner asks for."""

    def test_never_more_than_asked_for(self, app: App) -> None:
        """Lazily: what is not asked for is not taken."""
        found = calls(app, 4)
        picking = app.orchestrator.get_invocations_to_run(3)
        assert next(picking) == found[0]
        assert app.broker.count_invocations() == 3
        assert list(picking) == found[1:3]
        assert list(app.orchestrator.get_invocations_to_run(0)) == []

    def test_those_that_others_wait_for_first(self, app: App) -> None:
        """Then the order of the queue; each by its own name too."""
        a, b, c, d = calls(app, 4)
        orchestrator = app.orchestrator
        assert next(orchestrator.get_invocations_to_run(1)) == a
        orchestrator.waiting_for_results(a, [c, d])
        assert list(orchestrator.get_blocking_invocations(5)) == [c, d]
        assert list(orchestrator.get_blocking_invocations_to_run(1)) == [c]
        assert list(orchestrator.get_invocations_to_run(1)) == [d]
        assert list(orchestrator.get_additional_invocations_to_run(5)) == [b]
        orchestrator.conf.blocking_control = False
        assert list(orchestrator.get_blocking_invocations(5)) == []

    def test_existing_invocations(self, app: App) -> None:
        """By task, arguments and status, each narrowing."""
        found = calls(app, 3)
        task, orchestrator = found[0].task, app.orchestrator
        bound(tasks.add, app)(1)
        orchestrator.set_invocation_status(found[0], S.PENDING)
        assert set(orchestrator.get_existing_invocations(task)) == set(found)
        assert list(orchestrator.get_existing_invocations(task, {"value": "1"})) == [found[1]]
        assert list(orchestrator.get_existing_invocations(task, {"value": "9"})) == []
        assert list(orchestrator.get_existing_invocations(task, status=S.PENDING)) == [found[0]]
        assert list(orchestrator.get_existing_invocations(task, {"value": "1"}, S.PENDING)) == []
        assert set(orchestrator.get_existing_invocations(task, statuses=[S.PENDING, S.REGISTERED])) == set(found)


class TestStatuses:
    """Setting them."""

    def test_one_of_many_gets_it(self, app: App) -> None:
        """Of eight that want an invocation pending at once, one does; the others are told."""
        (invocation,) = calls(app, 1)

        def take(number: int) -> bool:
            try:
                app.orchestrator.set_invocation_status(invocation, S.PENDING, f"r{number}")
            except PendingInvocationLockError as error:
                return error.invocation_id != invocation.invocation_id
            return True

        assert sum(together(8, take)) == 1

    def test_several_at_once_report_each(self, app: App) -> None:
        """One that is refused does not hinder the others."""
        one, other = calls(app, 2)
        other.cancel()
        answers = app.orchestrator.set_invocations_status([one, other], S.PENDING)
        assert getattr(answers[0], "status", None) is S.PENDING
        assert isinstance(answers[1], InvocationStatusTransitionError)

    def test_results_exceptions_and_retries_by_hand(self, app: App) -> None:
        """Each with what it stores, in one step; a stranger's is not stored."""
        orchestrator = app.orchestrator
        good, bad, again = list(calls(app, 3))
        for each in list(orchestrator.get_invocations_to_run(3)):
            orchestrator.set_invocation_run(None, each)
        orchestrator.set_invocation_result(good, {"a": 1})
        orchestrator.set_invocation_exception(bad, ValueError("no"))
        orchestrator.set_invocation_retry(again, ValueError("no"))
        assert good.result == {"a": 1}
        with pytest.raises(ValueError, match="no"):
            bad.get_final_result()
        assert (again.status, again.num_retries) == (S.RETRY, 1)
        assert orchestrator.increment_invocation_retries(again) == 2
        with pytest.raises(InvocationStatusTransitionError):
            orchestrator.set_invocation_result(good, "late")
        assert good.result == {"a": 1}

    def test_a_claim_that_is_not_started_goes_back(self, app: App, clock: ManualClock) -> None:
        """Looking at it after max_pending_seconds gives it back; not before."""
        (invocation,) = calls(app, 1)
        app.orchestrator.set_invocation_status(invocation, S.PENDING, "slow")
        clock.advance(4.9)
        assert app.orchestrator.get_invocation_status(invocation) is S.PENDING
        clock.advance(0.2)
        assert app.orchestrator.get_invocation_status(invocation) is S.REROUTED
        statuses = [line.status for line in invocation.history]
        assert statuses == [S.REGISTERED, S.PENDING, S.PENDING_RECOVERY, S.REROUTED]

    def test_running_slots_are_told(self, app: App) -> None:
        """Whether an invocation has one, or would get one."""
        one, other = calls(app, 2, running_concurrency="task", reroute_on_concurrency_control=True)
        assert app.orchestrator.is_authorize_to_run_by_concurrency_control(one)
        assert list(app.orchestrator.get_invocations_to_run(2)) == [one]
        assert app.orchestrator.is_authorize_to_run_by_concurrency_control(one)
        assert not app.orchestrator.is_authorize_to_run_by_concurrency_control(other)
        assert other.status is S.CONCURRENCY_CONTROLLED
        app.orchestrator.reroute_invocations([one])
        assert {app.engine.status(each.invocation_id).status for each in (one, other)} == {S.REROUTED}

    def test_batches_need_registration_concurrency_off(self, app: App) -> None:
        """Else they are routed one by one."""
        task = bound(tasks.add, app, registration_concurrency="task")
        with pytest.raises(TaskParallelProcessingError, match=r"tasks\.add"):
            app.orchestrator.route_calls([task(1).call])
        assert app.orchestrator.route_calls([]) == []
        assert len({each.invocation_id for each in task.parallelize([(n,) for n in range(3)])}) == 1


class TestForgetting:
    """What ended."""

    def test_what_ended_long_ago_is_forgotten(self, app: App, clock: ManualClock) -> None:
        """After 24 hours, not before."""
        one, other = calls(app, 2)
        one.cancel()
        clock.advance(24 * 3600 - 1)
        assert app.orchestrator.auto_purge() == 0
        clock.advance(2)
        assert app.orchestrator.auto_purge() == 1
        assert app.engine.listed() == [other.invocation_id]


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


def test_what_a_call_was_joined_to(app: App) -> None:
    """Has its id, call and parent; it is not stored again, and not run."""
    task = bound(tasks.counted, app)
    first = task("reused", 1)
    second = task("reused", 1)
    assert isinstance(second, ReusedInvocation)
    assert ReusedInvocation.from_existing(first) == second == first
    assert second.call == first.call
    assert app.engine.count() == 1
    with pytest.raises(fleche.errors.FlecheError, match="stands for another invocation"):
        second.run()
    with pytest.raises(ValueError, match="not stored"):
        ReusedInvocation("nothing")  # type: ignore[arg-type]


def test_an_invocation_is_run_by_hand(app: App) -> None:
    """As a worker does: pending before, and with what the runner gives it."""
    invocation = bound(tasks.add, app)(1)
    with pytest.raises(fleche.errors.FlecheError):
        invocation.run()
    (picked,) = app.orchestrator.get_invocations_to_run(1)
    picked.run({"worker": 3})
    assert invocation.result == 3
    failing = bound(tasks.fail, app)("no")
    (picked,) = app.orchestrator.get_invocations_to_run(1)
    with pytest.raises(ValueError, match="no"):
        picked.run()
    assert failing.status is S.FAILED
