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


def here(name: str) -> Any:
    """Return the task of a name, for the app whose body this is in."""
    from fleche.runtime.context import _invocations

    return next(iter(_invocations.get().values())).app.get_task(globals()[name].task_id)


@app.task
def add(x: Any, y: Any = 2) -> Any:
    """Return a sum."""
    return x + y


@app.task
def echo(value: Any) -> Any:
    """Return the argument."""
    return value


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
def note(name: str, value: Any = None) -> Any:
    """Note that it ran."""
    RUNS[name].append(value)
    return value


@app.task
def counted(name: str, value: Any = None) -> Any:
    """Note that it ran; its result is kept."""
    RUNS[name].append(value)
    return value


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
