"""Apps and tasks: how they are made, refused, found again, and pickled."""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import pickle
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

import fleche
from fleche import cached
from fleche.caches import Cache
from fleche.digest import digest
from fleche.runtime import App, Arguments, Pynenc, Task
from fleche.runtime.call import Call
from fleche.runtime.exceptions import (
    AlreadyInitializedError,
    FlecheRuntimeError,
    InvalidTaskOptionsError,
    RetryError,
    TaskNotFoundError,
)
from fleche.runtime.identifiers import TaskId
from fleche.runtime.invocation.status import InvocationStatus
from fleche.runtime.invocation.sync_invocation import ConcurrentInvocation, SynchronousInvocation
from fleche.runtime.runner import InlineRunner
from fleche.runtime.task import Scheduled
from fleche.runtime.util.subclasses import get_all_subclasses, get_subclass
from fleche.storage.memory import MemoryStore
from fleche.testing import tasks
from fleche.testing.tasks import RUNS, bound
from tests.runtime import functions


@pytest.fixture
def app() -> Any:
    with fleche.cache("memory"):
        yield App("tasks")


@pytest.fixture
def dev() -> App:
    """An app whose tasks run where they are called."""
    return App("dev", {"dev_mode_force_sync_tasks": True})


class TestApp:
    """The root."""

    def test_parts_are_made_when_they_are_needed(self, app: App) -> None:
        """And then they are kept."""
        parts = (
            "conf",
            "engine",
            "broker",
            "orchestrator",
            "state_backend",
            "serializer",
            "client_data_store",
            "runner",
        )
        assert not any(app.is_initialized(part) for part in parts)
        for part in parts:
            assert getattr(app, part) is getattr(app, part)
            assert app.is_initialized(part)
        assert type(app.broker).__name__ == "MemBroker"
        assert type(app.runner).__name__ == "DummyRunner"

    def test_a_part_in_use_is_not_replaced(self, app: App) -> None:
        """Before, it is chosen by name."""
        app.set_component("serializer_cls", "JsonSerializer")
        assert type(app.serializer).__name__ == "JsonSerializer"
        with pytest.raises(AlreadyInitializedError, match="the serializer of app 'tasks' is in use"):
            app.set_component("serializer_cls", "PickleSerializer")

    def test_an_app_is_pickled_by_its_settings(self, app: App) -> None:
        """In this process it is the same one; in another one it is made anew, of the same settings."""
        app.config_values["logging_level"] = "debug"
        assert pickle.loads(pickle.dumps(app)) is app
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            told = pool.submit(_describe, App("child", {"logging_level": "debug"})).result()
        assert told == ("child", "debug", False)

    def test_purging_empties_everything(self, app: App) -> None:
        """Invocations and stored values; results stay in the cache."""
        invocation = bound(tasks.add, app)("x" * 5000, "y")
        reference = invocation.serialized_arguments["x"]
        app.purge()
        assert app.engine.count() == 0
        with pytest.raises(KeyError):
            app.client_data_store.resolve(reference)

    def test_its_names(self, app: App) -> None:
        """The reference system's too."""
        assert Pynenc is App
        assert repr(app) == "App('tasks')"


def _describe_task(task: Task[Any, Any]) -> tuple[str, str, str, int, Any]:
    return task.task_id.key, task.app.app_id, task.app.conf.logging_level, task.conf.max_retries, task.func(1)


def _describe(app: App) -> tuple[str, str, bool]:
    return app.app_id, app.conf.logging_level, app.is_initialized("engine")


class TestMakingTasks:
    """The decorator."""

    def test_bare_and_with_options(self, app: App) -> None:
        """Name, documentation and signature stay."""
        for task in (app.task(tasks.add.func), app.task(max_retries=2)(tasks.add.func), app.task()(tasks.add.func)):
            assert isinstance(task, Task)
            assert task.task_id == TaskId("fleche.testing.tasks", "add")
            assert task.__name__ == "add"
            assert task.__doc__ == "Return a sum."
            assert inspect.signature(task) == inspect.signature(tasks.add.func)
            assert str(task) == repr(task) == "Task(func=add)"
        assert app.task(max_retries=2)(tasks.add.func).conf.max_retries == 2

    def test_what_no_worker_can_import_is_refused(self, app: App) -> None:
        """Nested functions, lambdas, methods, functions of main, generators; with what to do."""

        def nested() -> None: ...

        with pytest.raises(ValueError, match="nested is no function of a module"):
            app.task(nested)
        with pytest.raises(ValueError, match="is no function of a module"):
            app.task(functions.Holder.method)
        unnamed: Any = eval("lambda: 0", {"__name__": "somewhere"})
        with pytest.raises(ValueError, match="a lambda cannot be a task"):
            app.task(unnamed)
        with pytest.raises(ValueError, match="generate is a generator"):
            app.task(functions.generate)
        namespace: dict[str, Any] = {"__name__": "__main__"}
        exec("def f(): ...", namespace)
        with pytest.raises(RuntimeError, match="defined in __main__, where no worker can import it"):
            app.task(namespace["f"])

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"max_retrys": 1}, "there is no option max_retrys; did you mean max_retries"),
            ({"bind": True}, "there is no option bind; known are .*max_retries"),
            ({"running_slots": 2}, "running_slots=2 limits nothing without running_concurrency, such as 'task'"),
            ({"max_retries": -1}, "max_retries cannot be negative"),
            ({"running_slots": 0}, "running_slots"),
            ({"key_arguments": ("z",)}, "key_arguments names z"),
            ({"running_concurrency": "keys"}, "concurrency by keys needs key_arguments"),
        ],
    )
    def test_options_that_cannot_be_are_refused(self, app: App, options: dict[str, Any], message: str) -> None:
        """Where the task is made, by name."""
        with pytest.raises(InvalidTaskOptionsError, match=message):
            app.task(**options)(tasks.add.func)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"max_retries": "three"}, "max_retries: Invalid type: 'three' is no int"),
            ({"retry_for": (3,)}, "retry_for: 3 is no exception type"),
            ({"retry_for": 3}, "retry_for: 3 is no exception type"),
            ({"retry_for": KeyboardInterrupt}, "retry_for: .*KeyboardInterrupt.* is no subclass of Exception"),
        ],
    )
    def test_options_of_the_wrong_type_are_refused(self, app: App, options: dict[str, Any], message: str) -> None:
        """Where the task is made, by its name and that of the option."""
        with pytest.raises(TypeError, match=rf"task fleche\.testing\.tasks\.add: ConfigTask\.{message}"):
            app.task(**options)(tasks.add.func)

    def test_options_without_names_are_refused(self, app: App) -> None:
        """An id is text, and a decorator takes a function."""
        wrong: Any = {"max_threads": 2}
        with pytest.raises(TypeError, match=r"app_id is a dict.*App\('name', \{'max_threads': 2\}\)"):
            App(wrong)
        name: Any = "name"
        with pytest.raises(TypeError, match="'name' is no function; options are given by name, such as max_retries=3"):
            app.task(name)

    def test_retriable_exceptions(self, app: App) -> None:
        """`RetryError` last, once."""
        assert app.task(functions.double).retriable_exceptions == (RetryError,)
        task = app.task(retry_for=(RetryError, ValueError))(functions.double)
        assert task.retriable_exceptions == (ValueError, RetryError)

    def test_a_cached_function_keeps_its_options(self, app: App) -> None:
        """Its key is that of `@cached`: version, ignored arguments."""
        task = app.task(functions.remembered)
        runner = InlineRunner(app)
        first = task(3, log=[1])
        runner.drain()
        assert first.result == 30
        assert functions.remembered(3, log="other") == 30
        assert task(3, log=None).status is InvocationStatus.SUCCESS
        assert functions.RAN == [3]

    def test_there_is_no_invocation_outside_of_a_body(self, app: App) -> None:
        """Asking for it says so."""
        with pytest.raises(RuntimeError, match="Task has not been invoked yet"):
            app.task(functions.double).invocation


class TestFindingTasks:
    """By id, for an app."""

    def test_a_task_is_found_in_its_module(self, app: App) -> None:
        """And bound to the app that asks, with its options; the module's own app is left alone."""
        task = app.get_task(TaskId("fleche.testing.tasks", "retry_once"))
        assert task.app is app
        assert task.conf.max_retries == 2
        assert tasks.retry_once.app is not app
        assert app.get_task(task.task_id) is task
        assert Task.from_id(app, "fleche.testing.tasks.retry_once") is task

    @pytest.mark.parametrize("key", ["no.such.module.f", "fleche.testing.tasks.nothing", "fleche.testing.tasks.bound"])
    def test_what_is_not_there_has_a_named_error(self, app: App, key: str) -> None:
        """It is a ValueError, and names the task."""
        with pytest.raises(TaskNotFoundError, match=key) as error:
            app.get_task(TaskId.from_key(key))
        assert isinstance(error.value, ValueError)

    def test_an_invocation_of_a_task_that_is_gone_ends(self, app: App) -> None:
        """With the reason; the worker lives on."""
        invocation = app.task(functions.double)(1)
        del app.tasks[invocation.task.task_id]
        runner = InlineRunner(app)
        runner.drain()
        error = app.state_backend.get_exception(invocation.invocation_id)
        assert isinstance(error, TaskNotFoundError)
        assert "is no task; is the decorator gone" in str(error)

    def test_tasks_are_json(self, app: App) -> None:
        """Id and options."""
        task = bound(tasks.add, app, max_retries=3, retry_for=(ValueError,))
        back = Task.from_json(app, task.to_json())
        assert back == task
        assert back.conf.retry_for == (ValueError,)
        assert pickle.loads(pickle.dumps(task)) == task
        assert hash(back) == hash(task)

    def test_a_task_is_pickled_into_another_process(self) -> None:
        """It is found there by its name, bound to an app of the same settings, with its options."""
        task = bound(tasks.add, App("child", {"logging_level": "debug"}), max_retries=3)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            told = pool.submit(_describe_task, task).result()
        assert told == ("fleche.testing.tasks.add", "child", "debug", 3, 3)

    def test_two_apps_do_not_share_tasks(self, app: App) -> None:
        """One function, two apps, two tasks."""
        other = App("other")
        assert bound(tasks.add, app) != bound(tasks.add, other)


class TestCalls:
    """Calling tasks."""

    def test_however_a_call_is_spelled_it_is_the_same(self, app: App) -> None:
        """By position and by name."""
        task = bound(tasks.add, app)
        assert task.args(1, 5) == task.args(y=5, x=1) == Arguments({"x": 1, "y": 5})
        assert task(1, 5) == task(x=1, y=5)

    def test_names_are_the_functions_own(self, app: App) -> None:
        """Whatever they are called elsewhere; what ``**more`` takes may be named as what goes by position only."""
        task = bound(tasks.everything, app)
        more = {"self": 1, "a": 2, "args": 3, "kwargs": 4}
        calls = [task(0, d=5, **more), task.schedule(priority=1)(0, d=5, **more)]
        InlineRunner(app).drain()
        assert [call.result for call in calls] == [(0, 2, 3, (), 5, 5, more)] * 2
        assert task.args(0, d=5, **more).kwargs["more"] == more

    def test_arguments_that_are_missing_have_their_defaults(self, app: App) -> None:
        """What comes after them does not take their place."""
        task = bound(tasks.everything, app)
        (call,) = task.parallelize([Arguments({"a": 0, "rest": (7,), "d": 1})])
        InlineRunner(app).drain()
        assert call.result == (0, 2, 3, (7,), 1, 5, {})

    def test_arguments_are_the_callers(self, app: App) -> None:
        """Changing one after the call changes nothing."""
        values = [1]
        invocation = bound(tasks.change_argument, app)(values)
        values.append(2)
        InlineRunner(app).drain()
        assert invocation.result == [1, 99]

    def test_a_mutable_default_is_fresh_each_time(self, app: App) -> None:
        """As it was sent, not as an earlier body left it."""
        task = app.task(effect=True)(_remember)
        runner = InlineRunner(app)
        calls = [task(), task()]
        runner.drain()
        assert [call.result for call in calls] == [[1], [1]]

    def test_scheduled_calls(self, app: App) -> None:
        """By delay, by time, by priority; nonsense is refused."""
        from datetime import UTC, datetime, timedelta

        task = bound(tasks.note, app)
        assert isinstance(task.schedule(delay=1), Scheduled)
        soon = task.schedule(at=datetime.now(UTC) + timedelta(hours=1))("scheduled", 1)
        assert soon.status is InvocationStatus.SCHEDULED
        past = task.schedule(at=datetime.now(UTC) - timedelta(hours=1))("scheduled", 2)
        assert past.status is InvocationStatus.REGISTERED
        with pytest.raises(ValueError, match="delay or at"):
            task.schedule(delay=1, at=datetime.now(UTC))
        with pytest.raises(ValueError, match="no zone"):
            task.schedule(at=datetime(2030, 1, 1))
        first, urgent = task("order", 1), task.schedule(priority=5)("order", 2)
        InlineRunner(app).drain()
        assert (first.result, urgent.result) == (1, 2)
        assert RUNS["order"] == [2, 1]

    def test_the_items_of_a_group_are_checked(self, app: App) -> None:
        """One argument is written as a tuple of one."""
        with pytest.raises(TypeError, match=r"not 3; for one argument write \(3,\)"):
            bound(tasks.add, app).parallelize([3])

    def test_batches_and_single_calls_have_the_same_ids(self, app: App) -> None:
        """Defaults are filled in; batches are as large as asked for."""
        task = bound(tasks.add, app, parallel_batch_size=2)
        group = task.parallelize([(n,) for n in range(5)])
        assert [each.call_id for each in group] == [Call(task, task.args(n)).call_id for n in range(5)]
        assert len(group) == len(group.invocation_map) == 5
        single = bound(tasks.add, app, parallel_batch_size=0).parallelize([(9,), (9,)])
        assert single.invocations[0] == single.invocations[1]


def _remember(values: list[int] = []) -> list[int]:  # noqa: B006 - what is tested
    values.append(1)
    return values


class TestDevelopmentMode:
    """Tasks that run where they are called."""

    def test_the_body_runs_at_once(self, dev: App) -> None:
        """Whether or not its result is asked for; nothing is stored."""
        invocation = bound(tasks.note, dev)("dev", 1)
        assert RUNS["dev"] == [1]
        assert (invocation.status, invocation.result, invocation.num_retries) == (InvocationStatus.SUCCESS, 1, 0)
        assert isinstance(invocation, ConcurrentInvocation)
        assert SynchronousInvocation is ConcurrentInvocation
        assert not dev.is_initialized("orchestrator")
        for refused in (invocation.to_json, lambda: ConcurrentInvocation.from_json(dev, "")):
            with pytest.raises(FlecheRuntimeError, match="stored nowhere"):
                refused()

    def test_a_failure_is_kept(self, dev: App) -> None:
        """Asking again does not run it again."""
        invocation = bound(tasks.fail, dev, retry_for=(ValueError,), max_retries=2)("no")
        assert (invocation.status, invocation.num_retries) == (InvocationStatus.FAILED, 2)
        for _ in range(2):
            with pytest.raises(ValueError, match="no"):
                invocation.result

    def test_nested_async_and_parallel(self, dev: App) -> None:
        """All of it in this thread."""
        assert bound(tasks.chain, dev)(3).result == 3
        assert bound(tasks.add_async, dev)(1).result == 3
        assert bound(tasks.retry_once, dev)("dev retries").result == 1
        group = bound(tasks.add, dev).parallelize([(1, 1), {"x": 2}])
        assert list(group.results) == group.collect() == [2, 4]
        assert list(bound(tasks.give_generator, dev)().result) == [1, 2]
        failing = bound(tasks.fail, dev).parallelize([("a",), ("b",)])
        assert [str(error) for error in failing.collect(return_exceptions=True)] == ["a", "b"]
        with pytest.raises(ValueError, match="a"):
            failing.collect()
        done = bound(tasks.add, dev)(1)
        assert (done.get(timeout=1), done.wait(), done.cancel()) == (3, True, False)

        async def both() -> list[Any]:
            found = [result async for result in group.async_results()]
            return [*found, await bound(tasks.add_async, dev)(5).async_result()]

        assert asyncio.run(both()) == [2, 4, 7]


class TestDirectTasks:
    """Functions that run as tasks."""

    def test_they_return_results(self, dev: App) -> None:
        """With the name and documentation of the function; what is raised is raised."""
        double = dev.direct_task(functions.double)
        assert (double(3), double.__name__) == (6, "double")
        assert isinstance(double.task, Task)
        shout = dev.direct_task(max_retries=1)(functions.shout)
        assert shout("a", times=2) == "AA"
        later = dev.direct_task(functions.later)
        assert asyncio.run(later(1)) == 2
        with pytest.raises(ValueError, match="no"):
            dev.direct_task(tasks.fail.func)("no")

    def test_they_are_split_and_put_together(self, dev: App) -> None:
        """By tuples, mappings, or common arguments and these; without a way to put together it is refused."""
        total = dev.direct_task(parallel_func=lambda kwargs: [(n,) for n in range(kwargs["x"])], aggregate_func=sum)(
            functions.double
        )
        assert total(4) == 12
        joined = dev.direct_task(
            parallel_func=lambda kwargs: ({"times": kwargs["times"]}, [{"text": c} for c in kwargs["text"]]),
            aggregate_func="-".join,
        )(functions.shout)
        assert joined("ab", times=2) == "AA-BB"
        later = dev.direct_task(parallel_func=lambda kwargs: [(1,), (2,)], aggregate_func=list)(functions.later)
        assert asyncio.run(later(0)) == [2, 3]
        with pytest.raises(ValueError, match="needs an aggregate_func"):
            dev.direct_task(parallel_func=lambda kwargs: [])(functions.double)

    def test_workers_run_them(self, app: App) -> None:
        """The wrapper lets workers find the task."""
        double = app.direct_task(functions.double)
        InlineRunner(app)
        assert double(4) == 8
        assert app.get_task(double.task.task_id) is double.task


def test_subclasses_are_found_by_name() -> None:
    """At any depth, each once; an unknown name lists those that there are."""

    class Root: ...

    class Left(Root): ...

    class Right(Root): ...

    class Both(Left, Right): ...

    assert get_all_subclasses(Root) == [Left, Right, Both]
    assert get_subclass(Root, "Both") is Both
    assert get_subclass(Root, "Root") is Root
    with pytest.raises(ValueError, match="no Root called 'Nothing'; known are Both, Left, Right, Root"):
        get_subclass(Root, "Nothing")


def test_importing_the_runtime_is_light() -> None:
    """No numpy, pandas, sqlalchemy or typer."""
    import subprocess

    heavy = ("numpy", "pandas", "sqlalchemy", "typer", "rich")
    code = f"import sys, fleche.runtime; print([name for name in {heavy} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert told.strip() == "[]"


def test_the_key_of_a_task_call_is_that_of_the_cache(app: App) -> None:
    """The call as the cache knows it."""
    call = Call(bound(tasks.add, app), Arguments({"x": 1, "y": 2}))
    known = call.call()
    assert (known.module, known.name) == ("fleche.testing.tasks", "add")
    assert known.digested().arguments["x"] == digest(1)


def test_digests_stand_for_their_values(app: App) -> None:
    """As for a cached function: by themselves and in lists, for effects, and in development mode."""
    key = fleche.cache().values.save([1, 2])  # type: ignore[attr-defined]
    dev = App("dev", {"dev_mode_force_sync_tasks": True})
    for task in (app.task(functions.passed), app.task(effect=True)(functions.passed), dev.task(functions.passed)):
        InlineRunner(app)
        assert [task(key).result, task([key, 3]).result] == [[1, 2], [[1, 2], 3]]


def test_a_cached_function_is_filed_in_the_cache_of_the_app() -> None:
    """Unless it has one of its own; whatever is active."""
    store = MemoryStore()
    app = App("own cache", cache=Cache(store.values, store.calls))
    InlineRunner(app)
    task = app.task(functions.passed)
    other = MemoryStore()
    with fleche.cache(Cache(other.values, other.calls)):
        assert task(5).result == 5
        assert fleche.cache().query().count() == 0
    assert app.cache.query().count() == 1  # type: ignore[union-attr]
    assert task(5).status is InvocationStatus.SUCCESS


def test_a_result_that_was_filed_under_an_earlier_name_is_the_result(app: App) -> None:
    """The invocation points at the record that is there, before and after it is queued."""
    earlier = cached(code=None)(functions.double)
    assert earlier(21) == 42
    renamed = cached(code=None, was="tests.runtime.functions.double")(functions.twice)
    task = app.task(renamed)
    InlineRunner(app)
    invocation = task(21)
    assert invocation.status is InvocationStatus.SUCCESS
    assert invocation.result == 42


@pytest.mark.parametrize("failure", [OSError("disk full"), RuntimeError("odd")])
def test_a_cache_that_fails_costs_no_result(app: App, monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    """It is not asked, and the result travels with the invocation."""

    def failing(*_: Any, **__: Any) -> Any:
        raise failure

    cache = fleche.cache()
    task = app.task(cached(cache=cache, code=None)(functions.double))
    monkeypatch.setattr(type(cache), "lookup", failing)
    monkeypatch.setattr(type(cache), "prepare", failing)
    InlineRunner(app)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert task(4).get(30) == 8


def test_invocations_and_tasks_as_arguments_count_by_what_they_are(app: App) -> None:
    """An invocation by its id, a group by those of its members, a task by its function; not by all that they reach."""
    one, other = bound(tasks.add, app)(1), bound(tasks.add, app)(2)
    assert digest(one) == digest(pickle.loads(pickle.dumps(one))) != digest(other)
    group = bound(tasks.add, app).parallelize([(1,), (2,)])
    assert digest(group) == digest(type(group)(group.task, group.invocations))
    assert digest(bound(tasks.add, app)) == digest(tasks.add) != digest(tasks.echo)


def test_a_joined_invocation_is_pickled(app: App) -> None:
    """With what differed."""
    task = bound(tasks.note, app, registration_concurrency="task")
    task("pickled", 1)
    joined = task("pickled", 2)
    back = pickle.loads(pickle.dumps(joined))
    assert back == joined
    assert back.diff_arg == joined.diff_arg == Arguments({"name": "pickled", "value": 2})


def test_a_nested_exception_is_an_option(app: App) -> None:
    """By its dotted name, when a task is pickled."""
    task = bound(tasks.add, app, retry_for=(functions.Holder.Broken,))
    back = Task.from_json(app, task.to_json())
    assert back.options == {"retry_for": (functions.Holder.Broken,)}
    with pytest.raises(TypeError, match="cannot be imported"):
        bound(tasks.add, app, retry_for=("tests.runtime.functions.Holder.Gone",))


def test_a_delay_beyond_all_numbers_is_a_long_one(app: App) -> None:
    """The invocation is retried then, and is not left running."""
    task = bound(tasks.fail, app, retry_delay=1.0, retry_backoff=1e200)
    assert (app.orchestrator.retry_due(task, 2) or 0) > app.engine.now()
    with pytest.raises(InvalidTaskOptionsError, match="retry_backoff cannot be negative"):
        bound(tasks.fail, app, retry_backoff=-1.0)
    with pytest.raises(TypeError, match="'some' is none of 'disabled', 'task', 'arguments', 'keys'"):
        bound(tasks.fail, app, running_concurrency="some")


def test_an_async_body_that_blocks_lets_async_ones_run(app: App) -> None:
    """On one thread, whose event loop is taken by the body that waits."""
    InlineRunner(app)
    bound(tasks.add_async, app)
    assert bound(tasks.blocks_its_loop, app)(1).get(30) == 3
