"""Asking about tasks: what the cache knows of them, and why one waits."""

import logging

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
    with pytest.raises(InvocationTimeoutError, match="no worker has taken it; is a runner running"):
        invocation.get(timeout=0.01)
    monkeypatch.setattr(dist_invocation, "_PATIENCE", 0.01)
    with caplog.at_level(logging.WARNING, "fleche.runtime"):
        assert not invocation.wait(0.02)
    (record,) = caplog.records
    assert "double has waited for 0.01 s: no worker has taken it" in record.getMessage()
    with ThreadRunner(app):
        assert invocation.result == 6


def test_a_group_says_what_it_is(app):
    """How many invocations, and of which task."""
    group = app.task(functions.double).parallelize([(1,), (2,)])
    assert repr(group) == "<DistributedInvocationGroup: 2 invocations of tests.runtime.functions.double>"
