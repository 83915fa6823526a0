"""`fleche.executor`: executors that carry the active cache."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import pytest

from fleche import cache, cached, fleche, mode, tags
from fleche.caches import Cache
from fleche.executor import wrap_executor
from fleche.storage.memory import CallMemory, ValueMemory

pytestmark = pytest.mark.portable

RUNS = []


@pytest.fixture(autouse=True)
def own():
    RUNS.clear()
    memory = Cache(ValueMemory({}), CallMemory({}))
    with cache(memory):
        yield memory


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield wrap_executor(pool)


class Refusing(Executor):
    """An executor that must not be asked."""

    def submit(self, *args, **kwargs):
        raise AssertionError("submitted")


@fleche
def square(x, power=2):
    RUNS.append(x)
    return x**power


def total(numbers):
    return sum(square(n) for n in numbers)


def test_it_returns_the_executor_and_wraps_it_once():
    """Wrapping twice does nothing more."""
    with ThreadPoolExecutor(1) as pool:
        assert wrap_executor(pool) is pool
        submit = pool.submit
        assert wrap_executor(pool).submit is submit


def test_what_is_submitted_is_stored_in_the_cache_of_the_caller(own, pool):
    """Though the worker's thread has another one."""
    futures = [pool.submit(square, n, power=3) for n in range(4)]
    assert [f.result() for f in futures] == [0, 1, 8, 27]
    assert all(own.contains(square.digest(n, 3)) for n in range(4))


def test_a_hit_is_not_submitted():
    """The future is done at once, and no worker is asked."""
    square(5)
    future = wrap_executor(Refusing()).submit(square, 5)
    assert isinstance(future, Future)
    assert future.done()
    assert future.result() == 25
    assert RUNS == [5]


def test_none_is_a_hit_too():
    """A function that returned None is not run again."""

    @fleche
    def nothing(x):
        RUNS.append(x)

    nothing(1)
    assert wrap_executor(Refusing()).submit(nothing, 1).result() is None


def test_a_kept_exception_is_a_hit_too():
    """The future has it."""

    @cached(errors=(KeyError,))
    def fails(x):
        raise KeyError(x)

    with pytest.raises(KeyError):
        fails(1)
    assert isinstance(wrap_executor(Refusing()).submit(fails, 1).exception(), KeyError)


def test_map_goes_through_submit(own, pool):
    """So it carries the cache as well."""
    assert list(pool.map(square, range(4))) == [0, 1, 4, 9]
    assert own.query(name="square").count() == 4


def test_tags_and_modes_travel(own, pool):
    """What is active at the call of ``submit`` holds in the worker."""
    with tags(grid="a"):
        pool.submit(square, 2).result()
    assert own.query(metadata={"tags": {"grid": "a"}}).only().result == 4
    with mode("off"):
        pool.submit(square, 9).result()
    assert not square.contains(9)
    with mode("refresh"):
        pool.submit(square, 2).result()
    assert RUNS == [2, 9, 2]


def test_a_plain_function_carries_the_cache_to_those_that_it_calls(own, pool):
    """Though it is not cached itself."""
    assert pool.submit(total, [1, 2, 3]).result() == 14
    assert own.query(name="square").count() == 3


def test_other_callables_run_as_ever(pool):
    """Results, exceptions and wrong calls are what they were."""
    assert pool.submit(max, 1, 7).result() == 7
    assert isinstance(pool.submit(int, "x").exception(), ValueError)
    assert isinstance(pool.submit(square).exception(), TypeError)


def test_a_call_without_a_required_argument_runs_uncached(pool):
    """A stored result of another call is not taken for it."""

    @fleche(require="seed")
    def draw(x, seed=0):
        RUNS.append(x)
        return x

    draw(1, seed=0)
    with pytest.warns(UserWarning, match="seed"):
        pool.submit(draw, 1).result()
    assert RUNS == [1, 1]


def test_a_miss_in_frozen_mode_is_the_futures_error(pool):
    """It computes nothing."""
    from fleche.errors import MissError

    with mode("frozen"):
        assert isinstance(pool.submit(square, 3).exception(), MissError)
    assert RUNS == []


def test_two_submissions_of_one_call_compute_once(pool):
    """The second waits for the first."""
    started, go = threading.Event(), threading.Event()

    @fleche
    def slow(x):
        RUNS.append(x)
        started.set()
        go.wait(30)
        return x

    first = pool.submit(slow, 1)
    assert started.wait(30)
    second = pool.submit(slow, 1)
    go.set()
    assert (first.result(30), second.result(30)) == (1, 1)
    assert RUNS == [1]


def test_a_function_that_returns_a_future_is_stored_when_it_resolves(pool):
    """A hit gives a future again."""

    @fleche
    def later(x):
        RUNS.append(x)
        return pool.submit(pow, x, 2)

    assert later(6).result() == 36
    assert later(6).result() == 36
    assert RUNS == [6]


SCRIPT = """
import sys
from concurrent.futures import ProcessPoolExecutor

from fleche import BoundWrapper, cache, fleche, wrap_executor


@fleche
def cube(x):
    return x**3


def twice(x):
    return 2 * cube(x)


if __name__ == "__main__":
    with cache(sys.argv[1]), ProcessPoolExecutor(2) as pool:
        bound = BoundWrapper.bind(cube)
        print([f.result() for f in [pool.submit(bound, n) for n in range(2)]])
        wrap_executor(pool)
        print([f.result() for f in [pool.submit(cube, n) for n in range(4)]])
        print(pool.submit(twice, 5).result(), list(pool.map(cube, [6, 7])))
        print(cube.query().count(), pool.submit(cube, 7).done())
    with cache("memory"), ProcessPoolExecutor(1) as pool:
        wrap_executor(pool)
        print(pool.submit(max, 2, 3).result())
        try:
            pool.submit(cube, 1).result()
        except TypeError as error:
            print("memory" in str(error))
"""


def test_processes_store_in_the_cache_of_the_caller(tmp_path):
    """A cache on disk reaches worker processes; one in memory says that it does not."""
    script = tmp_path / "grid.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script, str(tmp_path / "store")], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.splitlines() == ["[0, 1]", "[0, 1, 8, 27]", "250 [216, 343]", "7 True", "3", "True"]
    assert done.stderr == ""
