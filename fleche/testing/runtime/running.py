"""Calls that are run elsewhere, and what they raise."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fleche.runtime import App, Arguments
from fleche.runtime.exceptions import (
    RemoteError,
    SerializationError,
)
from fleche.runtime.invocation.dist_invocation import DistributedInvocationGroup
from fleche.runtime.invocation.status import InvocationStatus
from fleche.testing import tasks
from fleche.testing.runtime.runtime_suite import RuntimeSuite
from fleche.testing.tasks import RUNS, bound

__all__ = ["RunningTests"]

_S = InvocationStatus


class RunningTests(RuntimeSuite):
    """Calls that are run elsewhere, and what they raise."""

    # -- running -------------------------------------------------------------------------------------------------------

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
    @pytest.mark.parametrize("effect", [False, True])
    def test_deep_and_circular_values_pass(self, app: App, effect: bool) -> None:
        """Deeper than the interpreter's limit, and a list that holds itself."""
        task = bound(tasks.echo, app, effect=effect)
        loop: list[Any] = [1]
        loop.append(loop)
        back = task(loop).get(30)
        assert back[1] is back
        for depth in (500, 1500):
            inner, left = task(nested(depth)).get(30), depth
            while inner:
                (inner,), left = inner, left - 1
            assert left == 0

    def test_a_value_that_no_recursion_reaches_is_named(self, app: App) -> None:
        """Where it is sent; nothing is registered."""
        with pytest.raises(SerializationError, match=r"argument 'value' of type builtins\.list cannot be serialized"):
            bound(tasks.echo, app, effect=True)(nested(100_000))
        assert app.engine.count() == 0

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

    # -- exceptions ----------------------------------------------------------------------------------------------------

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
    def test_a_generator_is_no_coroutine(self, app: App) -> None:
        """What a body makes by ``yield`` elsewhere is a result, and one that cannot be sent."""
        with pytest.raises(SerializationError, match=r"its result of type builtins\.generator"):
            bound(tasks.give_generator, app, effect=True)().result  # noqa: B018

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

    @pytest.mark.usefixtures("runner")
    @pytest.mark.parametrize("kind", ["KeyboardInterrupt", "GeneratorExit", "SystemExit", "BaseException"])
    def test_no_exception_ends_a_worker(self, app: App, kind: str) -> None:
        """It ends its invocation, and is raised where the result is asked for."""
        invocation = bound(tasks.raise_base, app)(kind)
        assert invocation.wait(30)
        assert invocation.status is _S.FAILED
        error = app.state_backend.get_exception(invocation.invocation_id)
        assert (type(error).__name__, error.args[0]) == (kind, "no")
        assert bound(tasks.add, app)(1).get(30) == 3

    @pytest.mark.usefixtures("runner")
    def test_what_a_coroutine_raises_is_raised(self, app: App) -> None:
        """Where it is waited for, with and without a loop."""
        invocation = bound(tasks.fail_async, app)("no")
        with pytest.raises(ValueError, match="no"):
            invocation.get(30)

        async def wait() -> None:
            await invocation

        with pytest.raises(ValueError, match="no"):
            asyncio.run(wait())

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
    @pytest.mark.usefixtures("runner")
    def test_a_fork_that_returns_from_a_body_is_no_second_worker(self, app: App) -> None:
        """The child ends where the body does; it claims nothing, and the parent goes on."""
        assert bound(tasks.fork, app)().get(30) == 0
        assert bound(tasks.add, app)(1).get(30) == 3

    @pytest.mark.usefixtures("runner")
    def test_whoever_owned_it_is_known(self, app: App) -> None:
        """Each owner in a history is a runner that gave a sign of life."""
        invocation = bound(tasks.chain, app)(2)
        assert invocation.get(30) == 2
        known = {runner.owner for runner in app.engine.runners(0)}
        for each in app.engine.listed():
            records = [line.record for line in app.engine.history(each) if line.record is not None]
            owners = {record.runner_id for record in records} - {None}
            assert owners
            assert owners <= known

    def test_the_size_of_an_argument_does_not_change_its_call(self, app: App, name: str) -> None:
        """It travels whole or by reference, and its result is found in either case."""
        value = "x" * 2000
        whole = self.make(app_id="whole", clientdatastore={"min_size_to_cache": 5000})
        one, other = bound(tasks.counted, app), bound(tasks.counted, whole)
        with self.running(app):
            first = one(name, value)
            assert first.get(30) == value
        second = other(name, value)
        assert second.status is _S.SUCCESS
        assert second.get(30) == value
        texts = [call.serialized_arguments["value"] for call in (first.call, second.call)]
        assert [app.client_data_store.is_reference(text) for text in texts] == [True, False]
        assert RUNS[name] == [value]


def nested(depth: int) -> list[Any]:
    """Return a list in lists, so deep."""
    made: list[Any] = []
    for _ in range(depth):
        made = [made]
    return made
