"""Asking about tasks: what the cache knows of them, and why one waits."""

import asyncio
import logging
import queue
from concurrent.futures import ThreadPoolExecutor

import pytest

from fleche.caches import Cache
from fleche.memo.explain import Cause
from fleche.runtime import App
from fleche.runtime.exceptions import InvocationTimeoutError
from fleche.runtime.invocation import dist_invocation
from fleche.runtime.runner import ThreadRunner
from fleche.storage.memory import MemoryStore
from tests.runtime import functions


@pytest.fixture
def app():
    """An app in memory, with a cache of its own."""
    store = MemoryStore()
    return App("asking", cache=Cache(store.values, store.calls))


def test_a_task_can_be_asked_as_a_cached_function(app):
    """What a worker computed is a hit for it, and the cause of a miss is told."""
    task = app.task(functions.double)
    assert task.cached.why(2).cause is Cause.NEVER
    with ThreadRunner(app):
        assert task(2).result == 4
    assert task.cached.why(2).hit
    assert [call.arguments["x"] for call in task.cached.calls] == [2]
    assert str(task.cached.why(3).arguments["x"]) == "x: 2 -> 3"
    assert task.cached.plan([2, 3]).hits == 1


def test_a_wait_that_nobody_ends_is_said(app, caplog, monkeypatch):
    """Where no worker takes an invocation, a bounded wait says so, and a long one logs it."""
    invocation = app.task(functions.double)(3)
    said = r"not done after 0.01 s: no worker has taken it; is a runner of this app running, such as `with ThreadRunner"
    with pytest.raises(InvocationTimeoutError, match=said):
        invocation.get(timeout=0.01)
    with pytest.raises(InvocationTimeoutError, match=said):
        app.get_task(invocation.task.task_id).parallelize([(4,)]).collect(timeout=0.01)
    monkeypatch.setattr(dist_invocation, "_PATIENCE", 0.01)
    with caplog.at_level(logging.WARNING, "fleche.runtime"):
        assert not invocation.wait(0.02)
    (record,) = caplog.records
    assert "double has waited for 0.01 s: no worker has taken it" in record.getMessage()
    with ThreadRunner(app):
        assert invocation.result == 6


class _Told(logging.Handler):
    """Says when something was logged."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = queue.Queue()

    def emit(self, record):
        """Keep the line."""
        self.lines.put(record.getMessage())


async def _first(results):
    return await anext(aiter(results))


@pytest.mark.parametrize(
    "ask",
    [
        lambda task: next(task.parallelize([(1,), (2,)]).results),
        lambda task: task(1).result,
        lambda task: asyncio.run(_first(task.parallelize([(1,), (2,)]).async_results())),
        lambda task: asyncio.run(task(1).async_result()),
    ],
    ids=["results", "result", "async_results", "async_result"],
)
def test_whoever_waits_is_told_that_no_worker_is_there(app, monkeypatch, ask):
    """However it waits; when a runner is there, it goes on."""
    monkeypatch.setattr(dist_invocation, "_PATIENCE", 0.01)
    told = _Told()
    dist_invocation.log.addHandler(told)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, app.task(functions.double))
        try:
            assert "no worker has taken it" in told.lines.get(timeout=30)
        finally:
            dist_invocation.log.removeHandler(told)
            with ThreadRunner(app):
                assert waiting.result() in (2, 4)


def test_a_group_says_what_it_is(app):
    """How many invocations, and of which task."""
    group = app.task(functions.double).parallelize([(1,), (2,)])
    assert repr(group) == "<DistributedInvocationGroup: 2 invocations of tests.runtime.functions.double>"
