"""How many of a kind wait, and run, at the same time."""

from __future__ import annotations

from typing import Any

import pytest

import fleche
from fleche.runtime import App, Arguments
from fleche.runtime.call import Call
from fleche.runtime.conf import ConcurrencyControlType
from fleche.runtime.exceptions import (
    InvocationConcurrencyWithDifferentArgumentsError,
    InvocationHasNoResultError,
)
from fleche.runtime.invocation.dist_invocation import DistributedInvocation, ReusedInvocation
from fleche.runtime.invocation.status import InvocationStatus
from fleche.testing import tasks
from fleche.testing.runtime.runtime_suite import RuntimeSuite
from fleche.testing.tasks import EVENTS, RUNS, bound

__all__ = ["LimitTests"]

_S = InvocationStatus
_TASK = ConcurrencyControlType.TASK
_ARGUMENTS = ConcurrencyControlType.ARGUMENTS
_KEYS = ConcurrencyControlType.KEYS


class LimitTests(RuntimeSuite):
    """How many of a kind wait, and run, at the same time."""

    def test_registration_joins_what_waits(self, app: App, name: str) -> None:
        """By task, by all arguments, and by some; other arguments are told of, or refused."""
        by_task = bound(tasks.note, app, registration_concurrency=_TASK)
        first = by_task(name, 1)
        other = by_task(name, 2)
        assert isinstance(other, ReusedInvocation)
        assert other == first
        assert other.diff_arg == Arguments({"name": name, "value": 2})
        by_keys = bound(tasks.wait_for, app, registration_concurrency=_KEYS, key_arguments=("name",))
        one = by_keys(name, 1)
        assert by_keys(name, 2) == one
        assert by_keys(f"{name} other", 2) != one
        strict = bound(tasks.echo, app, effect=True, registration_concurrency=_TASK, on_diff_non_key_args_raise=True)
        strict(1)
        assert isinstance(strict(1), ReusedInvocation)
        with pytest.raises(InvocationConcurrencyWithDifferentArgumentsError, match="Changed:\n  value: '1' -> '2'"):
            strict(2)
        by_all = bound(tasks.add, app, effect=True, registration_concurrency=_ARGUMENTS)
        assert by_all(1) == by_all(x=1)
        assert by_all(1) != by_all(1.0)

    def test_a_default_that_only_marks_is_compared(self, app: App, name: str) -> None:
        """By all arguments and by some, where the cache does not count either: in another mode, and of an effect."""
        by_all = bound(tasks.given, app, registration_concurrency=_ARGUMENTS)
        with fleche.mode("off"):
            assert by_all(name) == by_all(name)
            assert by_all(name) != by_all(name, None)
        by_keys = bound(tasks.given, app, effect=True, registration_concurrency=_KEYS, key_arguments=("value",))
        assert by_keys(name) == by_keys(f"{name} other")

    @pytest.mark.usefixtures("runner")
    def test_registration_does_not_join_what_was_picked(self, app: App, name: str) -> None:
        """Once it is picked up, a new call is a new invocation."""
        task = bound(tasks.wait_for, app, registration_concurrency=_TASK)
        first = task(name, 1)
        EVENTS[f"{name} began"].wait(30)
        second = task(name, 1)
        assert second != first
        EVENTS[name].set()
        assert [first.result, second.result] == [1, 1]

    def test_running_concurrency_holds(self, app: App, name: str) -> None:
        """Forty invocations of one running slot, registered as a batch, on four slots: never two at once."""
        task = bound(tasks.exclusive, app, running_concurrency=_TASK, reroute_on_concurrency_control=True)
        with self.running(app, slots=4):
            assert sorted(task.parallelize([(name, n) for n in range(40)]).results) == list(range(40))
        assert RUNS[name] == ["in", "out"] * 40

    def test_keys_have_slots_of_their_own(self, app: App, name: str) -> None:
        """The same key is serial, distinct ones run side by side."""
        task = bound(
            tasks.wait_for,
            app,
            running_concurrency=_KEYS,
            key_arguments=("name",),
            reroute_on_concurrency_control=True,
        )
        with self.running(app, slots=3):
            one, two, other = task(name, 1), task(name, 2), task(f"{name} b", 3)
            EVENTS[f"{name} began"].wait(30)
            EVENTS[f"{name} b began"].wait(30)
            assert RUNS[name] == [1]
            EVENTS[name].set()
            EVENTS[f"{name} b"].set()
            assert [one.result, two.result, other.result] == [1, 2, 3]

    @pytest.mark.usefixtures("runner")
    def test_without_waiting_what_finds_no_slot_ends(self, app: App, name: str) -> None:
        """It never runs, and asking for its result says so."""
        task = bound(tasks.wait_for, app, running_concurrency=_TASK)
        first = task(name, 1)
        EVENTS[f"{name} began"].wait(30)
        second = task(name, 2)
        second.wait()
        EVENTS[name].set()
        assert first.result == 1
        assert second.status is _S.CONCURRENCY_CONTROLLED_FINAL
        with pytest.raises(InvocationHasNoResultError, match="reroute_on_concurrency_control"):
            second.result  # noqa: B018
        with pytest.raises(KeyError):
            second.result  # noqa: B018
        assert RUNS[name] == [1]

    def test_what_is_made_by_hand_keeps_the_limits(self, app: App, name: str) -> None:
        """By the broker, or as an object: a new invocation each time, of the same running slots as any other."""
        task = bound(tasks.exclusive, app, running_concurrency=_TASK, reroute_on_concurrency_control=True)
        made = [task(name, 0)]
        for number in range(1, 9):
            call: Call[Any, Any] = Call(task, Arguments({"name": name, "value": number}))
            made.append(DistributedInvocation(call) if number % 2 else app.broker.route_call(call))
        with self.running(app, slots=4):
            assert [each.get(30) for each in made] == list(range(9))
        assert RUNS[name] == ["in", "out"] * 9

    @pytest.mark.usefixtures("runner")
    def test_what_is_made_by_hand_can_be_joined(self, app: App, name: str) -> None:
        """It is filed like any other, and itself neither answered nor joined."""
        task = bound(tasks.gated, app)
        by_hand = app.broker.route_call(Call(task, Arguments({"name": name, "value": 1})))
        assert EVENTS[f"{name} began"].wait(30)
        assert task(name, 1) == by_hand
        again = app.broker.route_call(Call(task, Arguments({"name": name, "value": 1})))
        assert again != by_hand
        EVENTS[name].set()
        assert [by_hand.get(30), again.get(30), task(name, 1).get(30)] == [1, 1, 1]
        assert app.engine.info(by_hand.invocation_id).key == app.engine.info(task(name, 1).invocation_id).key
        assert RUNS[name] == [1]

    def test_running_concurrency_holds_among_runners(self, app: App, name: str) -> None:
        """Two of them, of two slots each, race for one running slot."""
        task = bound(tasks.exclusive, app, running_concurrency=_TASK, reroute_on_concurrency_control=True)
        with self.running(app, slots=2), self.running(app, slots=2):
            assert task.parallelize([(name, n) for n in range(20)]).collect(timeout=60) == list(range(20))
        assert RUNS[name] == ["in", "out"] * 20

    def test_many_that_wait_for_a_slot_keep_nobody_busy(self, app: App, name: str) -> None:
        """Each is parked and let out at most once: the engine is asked a few times for each body, however many wait."""
        task = bound(tasks.note, app, running_concurrency=_TASK, reroute_on_concurrency_control=True)
        group = task.parallelize([(name, n) for n in range(60)])
        steps: list[int] = []
        step = app.engine.step

        def counted(*args: Any, **kwargs: Any) -> Any:
            steps.append(1)
            return step(*args, **kwargs)

        app.engine.step = counted  # type: ignore[method-assign]
        with self.running(app, slots=4):
            assert group.collect(timeout=60) == list(range(60))
        assert len(steps) <= 10 * 60
        for each in group.invocations:
            statuses = [line.status for line in each.history]
            assert statuses.count(_S.CONCURRENCY_CONTROLLED) <= 1
            assert len(statuses) <= 6
