"""What every runtime keeps to, whatever its engine and runner, as tests: subclass the suite, say how an app is made."""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

import fleche
from fleche import cached
from fleche.caches import Cache
from fleche.runtime import App, Arguments
from fleche.runtime.conf import ConcurrencyControlType
from fleche.runtime.exceptions import (
    CycleDetectedError,
    InvocationCancelledError,
    InvocationConcurrencyWithDifferentArgumentsError,
    InvocationHasNoResultError,
    InvocationTimeoutError,
    RemoteError,
    RetryError,
    SerializationError,
)
from fleche.runtime.invocation.dist_invocation import DistributedInvocationGroup, ReusedInvocation
from fleche.runtime.invocation.status import InvocationStatus
from fleche.storage.memory import MemoryStore
from fleche.testing import tasks
from fleche.testing.engines import check_histories, together
from fleche.testing.tasks import EVENTS, RUNS, bound

__all__ = ["RuntimeTests"]

_S = InvocationStatus
_TASK = ConcurrencyControlType.TASK
_ARGUMENTS = ConcurrencyControlType.ARGUMENTS
_KEYS = ConcurrencyControlType.KEYS


class RuntimeTests:
    """The behaviour of tasks, of whatever engine and runner."""

    @abstractmethod
    def make(self, **settings: Any) -> App:
        """Return an app with settings; its cache is the active one."""

    @abstractmethod
    def running(self, app: App, slots: int = 2) -> AbstractContextManager[None]:
        """Return a ``with`` block in which a runner of so many slots runs the app's tasks."""

    @pytest.fixture
    def name(self, request: pytest.FixtureRequest) -> str:
        """A name of the test's own, for what it notes and waits for."""
        return f"{type(self).__name__} {request.node.name}"

    @pytest.fixture
    def app(self) -> Iterator[App]:
        """An app; at the end every history is replayed."""
        store = MemoryStore()
        with fleche.cache(Cache(store.values, store.calls)):
            app = self.make()
            yield app
            check_histories(app.engine)

    @pytest.fixture
    def runner(self, app: App) -> Iterator[None]:
        """A runner of two slots."""
        with self.running(app):
            yield

    # -- running -----------------------------------------------------------------------------------------------

    @pytest.mark.usefixtures("runner")
    def test_a_call_is_run_elsewhere(self, app: App) -> None:
        """It has an id, a status, a history and a result."""
        invocation = bound(tasks.add, app)(1)
        assert invocation.result == 3
        assert invocation.status is _S.SUCCESS
        statuses = [line.status for line in invocation.history]
        assert statuses == [_S.REGISTERED, _S.PENDING, _S.RUNNING, _S.SUCCESS]
        assert app.state_backend.get_invocation(invocation.invocation_id) == invocation

    @pytest.mark.usefixtures("runner")
    def test_every_kind_of_parameter_is_passed_on(self, app: App) -> None:
        """Positional only, by position or name, variable, keyword only, and variable by name."""
        task = bound(tasks.everything, app)
        calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
            ((1,), {"d": 4}),
            ((1, 2, 30, 40, 50), {"d": 4, "e": 6, "z": 7, "a": 8}),
            ((1,), {"c": 33, "d": 4}),
        ]
        for args, kwargs in calls:
            assert task(*args, **kwargs).result == tasks.everything.func(*args, **kwargs)

    def test_a_wrong_call_is_refused_where_it_is_made(self, app: App) -> None:
        """With the name of the task; nothing is registered."""
        with pytest.raises(TypeError, match=r"tasks\.add\(\) .*unexpected"):
            bound(tasks.add, app)(1, z=3)
        assert app.engine.count() == 0

    def test_an_argument_that_cannot_be_sent_is_named(self, app: App) -> None:
        """With its task, its name, its type and its value; nothing is registered."""
        with pytest.raises(SerializationError, match=r"Task 'fleche.testing.tasks.note': argument 'value'.*lock"):
            bound(tasks.note, app)("x", threading.Lock())
        assert app.engine.count() == 0

    @pytest.mark.usefixtures("runner")
    def test_values_come_back_as_they_were(self, app: App) -> None:
        """Of the same types all the way down; and as objects of one's own."""
        for value in [None, True, 1.5, float("inf"), "é\ud800", b"x", (1, [2, {3: {4}}]), 2**70, {1: "a"}]:
            back = bound(tasks.echo, app)(value).result
            assert back == value
            assert type(back) is type(value)
        given = [1, 2]
        changed = bound(tasks.change_argument, app)(given)
        assert changed.result == [1, 2, 99]
        changed.result.append(100)
        assert changed.result == [1, 2, 99]
        assert given == [1, 2]

    @pytest.mark.usefixtures("runner")
    def test_large_arguments_pass(self, app: App) -> None:
        """Twenty megabytes there and back."""
        value = bytes(range(256)) * 80_000
        assert bound(tasks.echo, app, effect=True)(value).result == value

    @pytest.mark.usefixtures("runner")
    def test_coroutines_are_run(self, app: App) -> None:
        """They can wait for others, and be waited for on a loop."""
        assert bound(tasks.add_async, app)(1, y=5).result == 6
        bound(tasks.add, app)
        assert bound(tasks.add_both_async, app)(4).result == 12

        async def both() -> list[Any]:
            task = bound(tasks.add_async, app)
            one, two = task(10), task(20)
            return [await one, await two.async_result()]

        assert asyncio.run(both()) == [12, 22]

    def test_each_coroutine_is_in_the_context_of_its_own_body(self, app: App) -> None:
        """Also of those that one thread runs one after the other."""
        with self.running(app, slots=1):
            task = bound(tasks.own_invocation_async, app)
            for number in range(5):
                invocation = task(number)
                assert invocation.result == invocation.invocation_id

    @pytest.mark.usefixtures("runner")
    def test_a_group_gives_a_result_for_each_call(self, app: App) -> None:
        """Of tuples, mappings and arguments, of a generator, of none; equal calls give theirs each."""
        task = bound(tasks.add, app)
        items = [(1, 1), {"x": 2}, Arguments({"x": 3, "y": 0}), (1, 1)]
        group = task.parallelize(item for item in items)
        assert isinstance(group, DistributedInvocationGroup)
        assert sorted(group.results) == [2, 2, 3, 4]
        assert group.collect() == [2, 4, 3, 2]
        assert list(task.parallelize([]).results) == []

        async def collected() -> list[Any]:
            return sorted([result async for result in task.parallelize(items).async_results()])

        assert asyncio.run(collected()) == [2, 2, 3, 4]

    @pytest.mark.usefixtures("runner")
    def test_common_arguments_are_serialized_once(self, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
        """The calls are the same as without, defaults filled in."""
        big = "x" * 5000
        written: list[Any] = []
        store = app.client_data_store
        keep = store._store  # noqa: SLF001 - what is written is counted

        def count(key: str, value: str) -> None:
            written.append(value)
            keep(key, value)

        monkeypatch.setattr(store, "_store", count)
        both = bound(tasks.add, app).parallelize([{"x": f"{n}"} for n in range(5)], {"y": big})
        assert sorted(both.results) == [f"{n}{big}" for n in range(5)]
        assert written.count(app.serializer.serialize(big)) == 1
        single = bound(tasks.add, app)("0", big)
        assert single.call_id == both.invocations[0].call_id
        with pytest.raises(ValueError, match="common_args needs items that are mappings"):
            bound(tasks.add, app).parallelize([(1,)], {"y": 2})

    @pytest.mark.usefixtures("runner")
    def test_an_object_that_is_filled_anew_is_sent_as_it_was(self, app: App) -> None:
        """Each call of a group has the argument as it was when the item was made."""
        one: list[int] = [0]

        def items() -> Iterator[tuple[list[int]]]:
            for number in range(5):
                one[0] = number
                yield (one,)

        for options in ({}, {"effect": True}, {"parallel_batch_size": 2}):
            assert bound(tasks.echo, app, **options).parallelize(items()).collect() == [[n] for n in range(5)]

    @pytest.mark.usefixtures("runner")
    def test_arguments_of_a_group_are_bound(self, app: App) -> None:
        """Defaults are filled in, and what the function does not take is refused with its name."""
        task = bound(tasks.add, app)
        (one,) = task.parallelize([Arguments({"x": 3})])
        assert one.call_id == task(3).call_id
        with pytest.raises(TypeError, match=r"tasks\.add\(\) there is no parameter 'z'"):
            task.parallelize([Arguments({"x": 3, "z": 1})])

    @pytest.mark.usefixtures("runner")
    def test_a_sentinel_default_is_the_same_object(self, app: App, name: str) -> None:
        """Given or not, in every way of calling; equal calls of plain Python answer the same."""
        for options in ({}, {"effect": True}):
            task = bound(tasks.given, app, **options)
            assert (task(name).result, task(name, 1).result, task(name, tasks.MISSING).result) == (False, True, False)

    # -- exceptions --------------------------------------------------------------------------------------------

    @pytest.mark.usefixtures("runner")
    def test_what_a_task_raises_is_raised(self, app: App) -> None:
        """Of its own type, with message, notes, cause and the text of its traceback."""
        with pytest.raises(ValueError, match=r"^no\n") as plain:
            bound(tasks.fail, app)("no").result  # noqa: B018
        assert any("def fail" in note or "raise ValueError" in note for note in plain.value.__notes__)
        with pytest.raises(tasks.Odd) as odd:
            bound(tasks.fail_oddly, app)(7).result  # noqa: B018
        assert (str(odd.value), odd.value.code) == ("code 7", 7)
        assert odd.value.__notes__[0] == "look here"
        assert isinstance(odd.value.__cause__, KeyError)

    @pytest.mark.usefixtures("runner")
    def test_what_cannot_be_sent_is_told_of(self, app: App) -> None:
        """A result or an exception that cannot be sent ends the invocation with the reason; the worker lives on."""
        failing = bound(tasks.fail_unsendably, app)()
        with pytest.raises(RemoteError, match=r"ValueError: <unlocked _thread\.lock"):
            failing.result  # noqa: B018
        assert failing.status is _S.FAILED
        with pytest.raises(SerializationError, match=r"Task '.*unsendable': its result of type _thread\.lock"):
            bound(tasks.unsendable, app, effect=True)().result  # noqa: B018
        assert bound(tasks.add, app)(1).result == 3

    @pytest.mark.usefixtures("runner")
    def test_an_exception_without_a_text_is_told_of(self, app: App) -> None:
        """It is retried and it fails like any other."""
        failing = bound(tasks.fail_mutely, app)()
        with pytest.raises((tasks.Mute, RemoteError)):
            failing.get(30)
        assert (failing.status, failing.num_retries) == (_S.FAILED, 1)

    @pytest.mark.usefixtures("runner")
    def test_a_setting_that_is_wrong_ends_the_invocation(self, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
        """The reason is its exception; nothing is left running."""
        invocation = bound(tasks.echo, app).schedule(delay=0.05)(1)
        app.tasks.clear()
        monkeypatch.setenv("FLECHE__CONFIGTASK__TIMEOUT", "soon")
        with pytest.raises(TypeError, match=r"TIMEOUT.*'soon' is no float"):
            invocation.get(30)
        assert invocation.status is _S.FAILED

    @pytest.mark.usefixtures("runner")
    def test_leaving_the_process_ends_the_invocation_only(self, app: App) -> None:
        """The worker lives on."""
        with pytest.raises(SystemExit):
            bound(tasks.leave, app)(3).result  # noqa: B018
        assert bound(tasks.add, app)(1).result == 3

    # -- reuse -------------------------------------------------------------------------------------------------

    @pytest.mark.usefixtures("runner")
    def test_what_was_computed_is_not_computed_again(self, app: App, name: str) -> None:
        """The second call is a success at once, and nothing is queued."""
        task = bound(tasks.counted, app)
        first = task(name, 5)
        assert first.result == 5
        second = task(value=5, name=name)
        assert second.status is _S.SUCCESS
        assert second.invocation_id != first.invocation_id
        assert second.result == 5
        assert RUNS[name] == [5]
        assert app.broker.count_invocations() == 0

    @pytest.mark.usefixtures("runner")
    def test_tasks_and_cached_functions_find_each_others_results(self, app: App, name: str) -> None:
        """What a worker computed is a hit, and what a cached call computed makes the invocation a success at once."""
        task = bound(tasks.counted, app)
        remembered = cached(tasks.counted.func)
        assert task(name, 1).result == 1
        assert remembered(name, 1) == 1
        assert remembered(name, 2) == 2
        assert task(name, 2).status is _S.SUCCESS
        assert task(name, 2).result == 2
        assert RUNS[name] == [1, 2]
        assert task(name, 1).call.call().digested().key == remembered.key(name, 1)

    @pytest.mark.usefixtures("runner")
    def test_what_is_running_is_joined(self, app: App, name: str) -> None:
        """In whatever status that is not final; the result is the same, and it ran once."""
        task = bound(tasks.gated, app)
        first = task(name, 1)
        EVENTS[f"{name} began"].wait(30)
        second = task(name, 1)
        assert isinstance(second, ReusedInvocation)
        assert second == first
        assert second.diff_arg is None
        EVENTS[name].set()
        assert [first.result, second.result] == [1, 1]
        assert RUNS[name] == [1]

    def test_equal_calls_at_once_are_one_invocation(self, app: App, name: str) -> None:
        """Eight threads call at the same moment."""
        task = bound(tasks.counted, app)
        calls = together(8, lambda _: task(name, 1).invocation_id)
        assert len(set(calls)) == 1
        with self.running(app):
            assert task(name, 1).result == 1
        assert RUNS[name] == [1]

    @pytest.mark.usefixtures("runner")
    def test_an_effect_is_run_each_time(self, app: App, name: str) -> None:
        """It is never answered, never joined, and nothing of it is in the cache."""
        task = bound(tasks.note, app)
        calls = [task(name, 1) for _ in range(3)]
        assert [call.result for call in calls] == [1, 1, 1]
        assert RUNS[name] == [1, 1, 1]
        assert len({call.invocation_id for call in calls}) == 3
        assert fleche.cache().query().count() == 0

    @pytest.mark.usefixtures("runner")
    def test_a_cached_call_elsewhere_is_waited_for(self, app: App, name: str) -> None:
        """While a thread computes the call under `@cached`, a worker waits for it instead of computing it too."""
        remembered = cached(tasks.gated.func)
        active = fleche.cache()

        def elsewhere() -> None:
            with fleche.cache(active):
                remembered(name, 1)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        EVENTS[f"{name} began"].wait(30)
        invocation = bound(tasks.gated, app)(name, 1)
        assert invocation.wait(0) is False
        EVENTS[name].set()
        thread.join()
        assert invocation.result == 1
        assert RUNS[name] == [1]

    @pytest.mark.usefixtures("runner")
    def test_what_is_scheduled_is_run_while_all_are_idle(self, app: App, name: str) -> None:
        """Nothing else has to happen; a call that is joined to it brings it forward."""
        task = bound(tasks.counted, app)
        assert task(name, 0).result == 0
        soon = task.schedule(delay=0.05)(name, 1)
        assert soon.get(30) == 1
        late = task.schedule(delay=3600)(name, 2)
        now = task(name, 2)
        assert now == late
        assert now.get(30) == 2

    # -- retries, time, cancelling -----------------------------------------------------------------------------

    @pytest.mark.usefixtures("runner")
    def test_a_retry_is_the_same_invocation(self, app: App, name: str) -> None:
        """It runs again as often as it may; the body sees how often it was."""
        invocation = bound(tasks.retry_once, app)(name)
        assert invocation.num_retries in (0, 1)
        assert invocation.result == 1
        assert invocation.num_retries == 1
        assert RUNS[name] == [0, 1]
        assert _S.RETRY in [line.status for line in invocation.history]

    @pytest.mark.usefixtures("runner")
    def test_retries_end(self, app: App, name: str) -> None:
        """After max_retries the exception is the result."""
        failing = bound(tasks.fail, app, retry_for=(ValueError,), max_retries=3)("again")
        with pytest.raises(ValueError, match="again"):
            failing.result  # noqa: B018
        assert failing.num_retries == 3
        assert [line.status for line in failing.history].count(_S.RUNNING) == 4
        refused = bound(tasks.retry_once, app, max_retries=0)(name)
        with pytest.raises(RetryError):
            refused.result  # noqa: B018

    @pytest.mark.usefixtures("runner")
    def test_a_wait_can_be_bounded(self, app: App, name: str) -> None:
        """After the timeout it raises, and the invocation goes on."""
        invocation = bound(tasks.wait_for, app)(name, 1)
        EVENTS[f"{name} began"].wait(30)
        with pytest.raises(InvocationTimeoutError, match="it goes on"):
            invocation.get(timeout=0.01)
        EVENTS[name].set()
        assert invocation.get(timeout=30) == 1

    @pytest.mark.usefixtures("runner")
    def test_what_is_cancelled_has_no_result(self, app: App, name: str) -> None:
        """Before it runs, and while it does: then its result is refused."""
        running = bound(tasks.wait_for, app)(name, 1)
        EVENTS[f"{name} began"].wait(30)
        later = bound(tasks.note, app).schedule(delay=3600)(name, 2)
        assert (later.status, later.cancel(), later.status) == (_S.SCHEDULED, True, _S.CANCELLED)
        assert running.cancel() is True
        EVENTS[name].set()
        for invocation in (running, later):
            with pytest.raises(InvocationCancelledError):
                invocation.result  # noqa: B018
            assert invocation.cancel() is False
        assert bound(tasks.add, app)(1).result == 3
        assert RUNS[name] == [1]

    # -- waiting for each other --------------------------------------------------------------------------------

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

    # -- concurrency -------------------------------------------------------------------------------------------

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

    # -- forgetting --------------------------------------------------------------------------------------------

    @pytest.mark.usefixtures("runner")
    def test_apps_do_not_see_each_other(self, app: App, name: str) -> None:
        """Two apps have their own invocations; purging one leaves the other."""
        other = self.make(app_id="other")
        mine, theirs = bound(tasks.note, app)(name, 1), bound(tasks.note, other)(name, 2)
        assert mine.result == 1
        assert theirs.wait(0) is False
        app.purge()
        assert app.engine.count() == 0
        assert other.engine.count() == 1

    @pytest.mark.usefixtures("runner")
    def test_what_ended_long_ago_is_forgotten(self, app: App, name: str) -> None:
        """After 24 hours by default; its result stays in the cache."""
        task = bound(tasks.counted, app)
        assert task(name, 1).result == 1
        assert app.orchestrator.auto_purge() == 0
        app.orchestrator.conf.auto_final_invocation_purge_hours = 0.0
        assert app.orchestrator.auto_purge() >= 1
        assert task(name, 1).result == 1
        assert RUNS[name] == [1]
