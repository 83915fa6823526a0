"""State backend, broker and orchestrator: what they say and do, on any engine."""

from __future__ import annotations

from typing import Any

import pytest

import fleche
from fleche.runtime import App
from fleche.runtime.exceptions import (
    InvocationHasNoResultError,
    InvocationNotFoundError,
    InvocationStatusTransitionError,
    PendingInvocationLockError,
    TaskParallelProcessingError,
)
from fleche.runtime.invocation.dist_invocation import DistributedInvocation, ReusedInvocation
from fleche.runtime.invocation.status import InvocationStatus
from fleche.runtime.runner import InlineRunner
from fleche.testing import tasks
from fleche.testing.clock import ManualClock
from fleche.testing.runtime.policy_suite import PolicySuite, calls
from fleche.testing.runtime.steps import together
from fleche.testing.tasks import bound

__all__ = ["BrokerTests", "OrchestratorTests", "StateBackendTests"]

S = InvocationStatus


class StateBackendTests(PolicySuite):
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
        child: DistributedInvocation[Any, Any] = DistributedInvocation.from_parent(parent.call, parent)
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
            invocation.result  # noqa: B018

    def test_purging(self, app: App) -> None:
        """Everything of the app."""
        (invocation,) = calls(app, 1)
        app.state_backend.purge()
        with pytest.raises(InvocationNotFoundError):
            invocation.status  # noqa: B018


class BrokerTests(PolicySuite):
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


class OrchestratorTests(PolicySuite):
    """Picking, setting statuses, forgetting, and running by hand."""

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

    def test_what_ended_long_ago_is_forgotten(self, app: App, clock: ManualClock) -> None:
        """After 24 hours, not before."""
        one, other = calls(app, 2)
        one.cancel()
        clock.advance(24 * 3600 - 1)
        assert app.orchestrator.auto_purge() == 0
        clock.advance(2)
        assert app.orchestrator.auto_purge() == 1
        assert app.engine.listed() == [other.invocation_id]

    def test_what_a_call_was_joined_to(self, app: App) -> None:
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

    def test_an_invocation_is_run_by_hand(self, app: App) -> None:
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
