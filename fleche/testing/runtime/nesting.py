"""Bodies that wait for each other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fleche.runtime import App
from fleche.runtime.conf import ConcurrencyControlType
from fleche.runtime.exceptions import (
    CycleDetectedError,
    InvocationCancelledError,
    InvocationNotFoundError,
    InvocationTimeoutError,
)
from fleche.runtime.invocation.dist_invocation import DistributedInvocation, ReusedInvocation
from fleche.testing import tasks
from fleche.testing.runtime.runtime_suite import RuntimeSuite
from fleche.testing.tasks import EVENTS, RUNS, bound

__all__ = ["NestingTests"]

_ARGUMENTS = ConcurrencyControlType.ARGUMENTS


class NestingTests(RuntimeSuite):
    """Bodies that wait for each other."""

    def test_a_chain_ends_on_one_slot(self, app: App) -> None:
        """Ten levels deep, each waiting for the next."""
        with self.running(app, slots=1):
            assert bound(tasks.chain, app)(10).result == 10

    def test_a_tree_ends_on_one_slot(self, app: App) -> None:
        """Three levels of halves, each waiting for both."""
        with self.running(app, slots=1):
            assert bound(tasks.leaf_sum, app)(0, 64, 3).result == sum(range(64))

    @pytest.mark.usefixtures("runner")
    def test_calls_that_wait_for_each_other_are_refused(self, app: App) -> None:
        """A task that calls itself with the same arguments, and two that call each other; not a deadlock."""
        with pytest.raises(CycleDetectedError, match=r"itself.*\n- back to .*itself"):
            bound(tasks.itself, app)(1).result  # noqa: B018
        bound(tasks.pong, app)
        with pytest.raises(CycleDetectedError, match=r"A cycle was detected: Cycle detected:\n- .*p.ng"):
            bound(tasks.ping, app)(1).result  # noqa: B018

    @pytest.mark.usefixtures("runner")
    def test_effects_that_call_each_other_are_refused(self, app: App) -> None:
        """They are not joined, and the circle is found all the same."""
        bound(tasks.pong, app, effect=True)
        with pytest.raises(CycleDetectedError):
            bound(tasks.ping, app, effect=True)(1).result  # noqa: B018

    def test_a_wait_that_is_given_up_on_a_loop_ends(self, app: App, name: str) -> None:
        """The loop need not wait for the invocation, which goes on; nor do many waits hold up another one."""
        with self.running(app, slots=1):
            blocked = bound(tasks.wait_for, app)(name, 1)
            EVENTS[f"{name} began"].wait(30)
            later = [bound(tasks.echo, app, effect=True)(n) for n in range(100)]

            async def bounded() -> list[Any]:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(blocked.async_result(), 0.01)
                many = [asyncio.create_task(each.async_result()) for each in later]
                await asyncio.sleep(0)
                EVENTS[name].set()
                return [await blocked, *await asyncio.gather(*many)]

            assert asyncio.run(bounded()) == [1, *range(100)]

    def test_a_wait_inside_of_a_body_that_is_given_up_keeps_the_slots(self, app: App, name: str) -> None:
        """Two waits at once give one slot, and get one: never more bodies at once than slots."""
        with self.running(app, slots=1):
            parent = bound(tasks.waits_twice, app)(name)
            bound(tasks.wait_for, app)
            assert EVENTS[f"{name} a began"].wait(30)
            assert not EVENTS[f"{name} b began"].wait(0.05)
            EVENTS[f"{name} a"].set()
            assert EVENTS[f"{name} b began"].wait(30)
            EVENTS[f"{name} b"].set()
            assert parent.get(30) == ["a", "b"]

    def test_a_child_that_is_cancelled_lets_its_parent_go_on(self, app: App, name: str) -> None:
        """The parent is told, and its slot is there for others."""
        with self.running(app, slots=1):
            bound(tasks.wait_for, app)
            parent = bound(tasks.nests, app)(name, 1)
            assert EVENTS[f"{name} began"].wait(30)
            (child,) = app.engine.listed(tasks.wait_for.task_id.key)
            assert app.orchestrator.cancel(child) is True
            EVENTS[name].set()
            with pytest.raises(InvocationCancelledError):
                parent.get(30)
            assert bound(tasks.add, app)(1).get(30) == 3

    def test_a_parent_that_is_cancelled_while_it_waits(self, app: App, name: str) -> None:
        """Has no result; its child goes on, and the slots are there for others."""
        with self.running(app, slots=1):
            bound(tasks.wait_for, app)
            parent = bound(tasks.nests, app)(name, 1)
            assert EVENTS[f"{name} began"].wait(30)
            assert parent.cancel() is True
            with pytest.raises(InvocationCancelledError):
                parent.get(30)
            EVENTS[name].set()
            (child,) = app.engine.listed(tasks.wait_for.task_id.key)
            assert app.state_backend.get_invocation(child).get(30) == 1
            assert bound(tasks.add, app)(1).get(30) == 3

    def test_a_lease_that_is_waited_for_costs_no_slot(self, app: App, name: str) -> None:
        """On one slot: a body that holds a lease waits for what is due later, and another wants that lease."""
        with self.running(app, slots=1):
            bound(tasks.second_time, app)
            holder = bound(tasks.holds_a_lease, app)(name)
            assert EVENTS[f"{name} failed"].wait(30)
            wanting = bound(tasks.wants_a_lease, app)(name)
            assert wanting.get(30) == 1
            assert holder.get(30) == 1
        assert RUNS[f"{name} holds"] == [1]

    def test_a_runner_can_be_run_again(self, app: App, name: str) -> None:
        """Stopped and started, it does what it did before."""
        task = bound(tasks.note, app)
        for number in range(3):
            with self.running(app, slots=1):
                assert task(name, number).get(30) == number

    @pytest.mark.usefixtures("runner")
    def test_a_group_that_collects_exceptions_collects_timeouts_of_its_tasks(self, app: App, name: str) -> None:
        """The timeout of a body is a result; that of the wait is raised."""
        group = bound(tasks.wait_for, app, timeout=0.05).parallelize([(name, 1)])
        (error,) = group.collect(return_exceptions=True, timeout=30)
        assert isinstance(error, InvocationTimeoutError)
        EVENTS[name].set()
        stuck = bound(tasks.wait_for, app).parallelize([(f"{name} stuck", 1)])
        with pytest.raises(InvocationTimeoutError, match="it goes on"):
            stuck.collect(return_exceptions=True, timeout=0.01)
        EVENTS[f"{name} stuck"].set()

    def test_equal_arguments_of_other_texts_are_no_difference(self, app: App, name: str) -> None:
        """Dicts in another order, of a task whose calls have no key."""
        task = bound(tasks.echo, app, effect=True, registration_concurrency=_ARGUMENTS, on_diff_non_key_args_raise=True)
        first = task({"a": name, "b": 2})
        second = task({"b": 2, "a": name})
        assert isinstance(second, ReusedInvocation)
        assert (second, second.diff_arg) == (first, None)

    @pytest.mark.usefixtures("runner")
    @pytest.mark.parametrize(
        "options", [{}, {"effect": True}, {"effect": True, "registration_concurrency": "arguments"}]
    )
    def test_whatever_joins_a_call_to_itself_is_refused(self, app: App, options: dict[str, Any]) -> None:
        """By its key, by registration concurrency, or not at all; plain and on an event loop."""
        with pytest.raises(CycleDetectedError, match="itself"):
            bound(tasks.itself, app, **options)(1).get(30)
        with pytest.raises(CycleDetectedError, match="itself_async"):
            bound(tasks.itself_async, app, **options)(1).get(30)

    def test_siblings_that_share_a_call_are_no_circle(self, app: App, name: str) -> None:
        """Three parents that wait for one child, each twice: it runs once, and all are told."""
        with self.running(app):
            bound(tasks.gated, app)
            parents = [bound(tasks.shares, app)(name, number) for number in range(3)]
            assert EVENTS[f"{name} began"].wait(30)
            EVENTS[name].set()
            assert [each.get(30) for each in parents] == [2, 2, 2]
        assert RUNS[name] == [1]

    @pytest.mark.usefixtures("runner")
    def test_event_loops_nest(self, app: App) -> None:
        """A plain body runs a loop, and a client waits inside of one."""
        for task in (tasks.add, tasks.add_async):
            bound(task, app)
        assert bound(tasks.runs_a_loop, app)(4).get(30) == 12

        async def asks() -> Any:
            return bound(tasks.add, app)(5).result

        assert asyncio.run(asks()) == 7

    def test_a_parent_that_was_forgotten_costs_its_child_nothing(self, app: App, name: str) -> None:
        """It runs; asking for the parent has a named error."""
        bound(tasks.note, app)
        with self.running(app):
            parent = bound(tasks.leaves_child, app)(name)
            child = app.state_backend.get_invocation(parent.get(30))
            assert child.get(30) == "child"
        later: DistributedInvocation[Any, Any] = DistributedInvocation(
            child.call, app.state_backend.get_invocation(parent.invocation_id)
        )
        assert app.engine.forget(parent.invocation_id)
        orphan = app.state_backend.get_invocation(later.invocation_id)
        assert orphan.parent_invocation_id == parent.invocation_id
        with pytest.raises(InvocationNotFoundError):
            orphan.parent_invocation  # noqa: B018
        with self.running(app):
            assert orphan.get(30) == "child"
        assert RUNS[name] == ["child", "child"]

    def test_a_parent_that_holds_the_slot_of_its_child_is_told(self, app: App) -> None:
        """It would wait for ever; with enough slots it does not."""
        options = {"running_concurrency": ConcurrencyControlType.TASK, "reroute_on_concurrency_control": True}
        with self.running(app, slots=1):
            with pytest.raises(CycleDetectedError, match=r"chain.*\n- .*chain") as refused:
                bound(tasks.chain, app, **options)(1).get(30)
            assert any("running_slots" in note for note in refused.value.__notes__)
            deep = bound(tasks.chain, app, **options, running_slots=3)
            assert deep(2).get(30) == 2
            with pytest.raises(CycleDetectedError):
                deep(9).get(30)
            assert bound(tasks.add, app)(1).get(30) == 3
