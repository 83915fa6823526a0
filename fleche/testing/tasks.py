"""The tasks that the suites of the runtime run. Suites bind them to apps of their own, by `bound`."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

from fleche.runtime import App
from fleche.runtime.exceptions import RetryError
from fleche.runtime.task import Task

__all__ = ["EVENTS", "RUNS", "app", "bound"]

app = App("fleche.testing.tasks")


class _Notes(defaultdict[str, Any]):
    """What bodies note and wait for; it holds a lock, so its content is no part of any task's code."""

    def __init__(self, kind: Any) -> None:
        super().__init__(kind)
        self.lock = threading.Lock()

    def __missing__(self, key: str) -> Any:
        with self.lock:
            return self.setdefault(key, self.default_factory())  # type: ignore[misc]


RUNS = _Notes(list)
"""What ran, by a name that the test chose."""

EVENTS = _Notes(threading.Event)
"""Gates that tests open, by name."""


def bound(task: Task[Any, Any], other: App, **options: Any) -> Any:
    """Return a task for another app, with more options."""
    made: Task[Any, Any] = Task(other, task.func, {**task.options, **options})
    other.tasks[made.task_id] = made
    return made


def own() -> Any:
    """Return the invocation whose body this is in, of whatever app."""
    from fleche.runtime.context import _invocations

    return next(iter(_invocations.get().values()))


def here(name: str) -> Any:
    """Return the task of a name, for the app whose body this is in."""
    return own().app.get_task(globals()[name].task_id)


@app.task
def add(x: Any, y: Any = 2) -> Any:
    """Return a sum."""
    return x + y


@app.task
def echo(value: Any) -> Any:
    """Return the argument."""
    return value


@app.task
def give_generator() -> Any:
    """Return what cannot be sent."""
    return (value for value in (1, 2))


@app.task
def everything(a: Any, b: Any = 2, /, c: Any = 3, *rest: Any, d: Any, e: Any = 5, **more: Any) -> Any:
    """Return all that a function can be given."""
    return a, b, c, rest, d, e, more


@app.task
async def add_async(x: Any, y: Any = 2) -> Any:
    """Return a sum, on an event loop."""
    return x + y


@app.task
async def add_both_async(x: int) -> Any:
    """Wait for two others on an event loop."""
    return await here("add")(x) + await here("add_async")(x)


@app.task(effect=True)
async def own_invocation_async(number: int) -> str:  # noqa: ARG001 - it makes the calls differ
    """Return the id of the invocation whose body this is."""
    return str(own().invocation_id)


@app.task(effect=True)
def note(name: str, value: Any = None) -> Any:
    """Note that it ran."""
    RUNS[name].append(value)
    return value


@app.task
def counted(name: str, value: Any = None) -> Any:
    """Note that it ran; its result is kept."""
    RUNS[name].append(value)
    return value


@app.task
def tally(name: str) -> int:
    """Return how often it ran."""
    RUNS[name].append("tally")
    return len(RUNS[name])


@app.task
def asks_tally(name: str) -> Any:
    """Return how often another one ran, of a task and of a cached function."""
    return here("tally")(name).result, here("tally").cached(f"{name} cached")


@app.task
def waits_in_mode(name: str, mode: str) -> Any:
    """Wait for another, which is due a while later, in a mode of its own."""
    from fleche import mode as in_mode

    with in_mode(mode):
        return here("note").schedule(delay=1)(name, 1).result


@app.task
def waits_in_block(name: str) -> Any:
    """Wait for two others in a block that the test noted, of which one is due a while later."""
    with RUNS[f"{name} block"][0]:
        later = here("note").schedule(delay=1)(name, "note")
        return later.result, here("echo")("echo").result


@app.task(effect=True)
def wait_for(name: str, value: Any = None) -> Any:
    """Say that it began, and wait until a gate is opened."""
    RUNS[name].append(value)
    EVENTS[f"{name} began"].set()
    EVENTS[name].wait(30)
    return value


@app.task
def gated(name: str, value: Any = None) -> Any:
    """The same, of a task whose results are kept."""
    RUNS[name].append(value)
    EVENTS[f"{name} began"].set()
    EVENTS[name].wait(30)
    return value


@app.task(effect=True)
def exclusive(name: str, value: Any) -> Any:
    """Note when it begins and when it ends."""
    RUNS[name].append("in")
    for _ in range(100):
        threading.Event().wait(0)  # lets other threads run
    RUNS[name].append("out")
    return value


@app.task(effect=True)
def first_is_slow(name: str) -> Any:
    """Wait for a gate at the first try only."""
    retries = here("first_is_slow").invocation.num_retries
    if retries == 0:
        EVENTS[name].wait(30)
    return retries


@app.task
def waits_for_gated(name: str) -> Any:
    """Wait for another task, which waits for a gate."""
    return here("gated")(name, 1).result


@app.task
def fail(message: str) -> Any:
    """Raise."""
    raise ValueError(message)


@app.task(max_retries=2)
def retry_once(name: str) -> Any:
    """Ask for another try at the first."""
    retries = here("retry_once").invocation.num_retries
    RUNS[name].append(retries)
    if retries == 0:
        raise RetryError("once more")
    return retries


@app.task
def chain(depth: int) -> int:
    """Call itself with less, and wait for it."""
    return 0 if depth == 0 else 1 + int(here("chain")(depth - 1).result)


@app.task
def leaf_sum(first: int, count: int, depth: int) -> int:
    """Add up numbers, split in halves that other invocations add up."""
    if depth == 0 or count < 2:
        return sum(range(first, first + count))
    half = count // 2
    parts = [(first, half, depth - 1), (first + half, count - half, depth - 1)]
    return sum(here("leaf_sum").parallelize(parts).results)


@app.task
def itself(x: int) -> Any:
    """Call itself with the same argument."""
    return here("itself")(x).result


@app.task
def ping(x: int) -> Any:
    """Call `pong`, which calls `ping`."""
    return here("pong")(x).result


@app.task
def pong(x: int) -> Any:
    """Call `ping`, which calls `pong`."""
    return here("ping")(x).result


@app.task(effect=True)
def leave(code: int) -> Any:
    """Leave the process, as it thinks."""
    raise SystemExit(code)


@app.task
def change_argument(values: list[int]) -> list[int]:
    """Change its argument, and return it."""
    values.append(99)
    return values


class Odd(Exception):
    """An exception that cannot be made of its arguments."""

    def __init__(self, *, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


@app.task
def fail_oddly(code: int) -> Any:
    """Raise an exception with a cause and a note."""
    error = Odd(code=code)
    error.add_note("look here")
    raise error from KeyError("the cause")


@app.task
def unsendable() -> Any:
    """Return what cannot be sent."""
    return threading.Lock()


@app.task
def fail_unsendably() -> Any:
    """Raise what cannot be sent whole."""
    raise ValueError(threading.Lock())


MISSING = object()
"""A default that says that nothing was given."""


@app.task
def given(name: str, value: Any = MISSING) -> Any:  # noqa: ARG001 - it makes calls different
    """Return whether a value was given, as functions ask it: by identity."""
    return value is not MISSING


class Mute(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@app.task(effect=True, retry_for=(Mute,), max_retries=1)
def fail_mutely() -> Any:
    """Raise what has no text."""
    raise Mute


@app.task(effect=True)
def nests(name: str, value: Any) -> Any:
    """Wait for another for a while, then for good."""
    EVENTS[f"{name} waits"].set()
    return here("wait_for")(name, value).result


@app.task(effect=True)
async def waits_twice(name: str) -> Any:
    """Wait for two others at once, on an event loop."""
    import asyncio

    calls = [here("wait_for")(f"{name} {each}", each) for each in "ab"]
    return await asyncio.gather(*(call.async_result() for call in calls))


@app.task(effect=True, max_retries=1, retry_delay=0.2)
def second_time(name: str) -> Any:
    """Succeed when it is run again, which is a while later."""
    RUNS[name].append("second_time")
    if len(RUNS[name]) == 1:
        EVENTS[f"{name} failed"].set()
        raise RetryError
    return 1


@app.task
def holds_a_lease(name: str) -> Any:
    """Wait for another, while the call is being computed."""
    RUNS[f"{name} holds"].append(1)
    return here("second_time")(name).result


@app.task(effect=True)
def wants_a_lease(name: str) -> Any:
    """Want the result of the one that waits, as a cached function."""
    from fleche import cached

    task = here("holds_a_lease")
    return cached(cache=task.app.cache)(task.func)(name)


@app.task(effect=True)
async def blocks_its_loop(x: int) -> Any:
    """Wait for an async one as if this were a plain function."""
    return here("add_async")(x).result


@app.task(effect=True)
def leaves_child(name: str) -> str:
    """Call another, and end without waiting for it; return its id."""
    return str(here("note")(name, "child").invocation_id)


@app.task
async def fail_async(message: str) -> Any:
    """Raise, on an event loop."""
    raise ValueError(message)


@app.task
async def itself_async(x: int) -> Any:
    """Call itself with the same argument, on an event loop."""
    return await here("itself_async")(x)


@app.task
def runs_a_loop(x: int) -> Any:
    """Wait for two others on an event loop of its own."""
    import asyncio

    async def both() -> Any:
        return await here("add")(x) + await here("add_async")(x)

    return asyncio.run(both())


@app.task(effect=True)
def shares(name: str, number: int) -> int:  # noqa: ARG001 - it makes the calls differ
    """Call another one twice, and wait for both."""
    return sum(here("gated").parallelize([(name, 1), (name, 1)]).results)


@app.task(effect=True)
def raise_base(kind: str) -> Any:
    """Raise an exception that is none that programs catch."""
    import builtins

    raise getattr(builtins, kind)("no")


@app.task(effect=True)
def fork() -> Any:
    """Fork; the child returns as if it were the body, and the parent returns how it ended."""
    import os
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking where there are threads
        child = os.fork()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if child else "child"
