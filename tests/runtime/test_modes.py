"""Modes of the cache where a caller and a worker have one each."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from typing import Any

import pytest

import fleche
from fleche.caches import Cache
from fleche.errors import MissError
from fleche.memo.active import Mode, active_mode
from fleche.runtime import App
from fleche.runtime.modes import FILE, LOOK, carried, combined, working
from fleche.runtime.runner import InlineRunner, ThreadRunner
from fleche.storage.memory import MemoryStore
from fleche.testing import tasks
from fleche.testing.clock import ManualClock
from fleche.testing.tasks import bound


@pytest.fixture
def app() -> Iterator[App]:
    store = MemoryStore()
    with fleche.cache(Cache(store.values, store.calls)):
        yield App("modes", {"max_threads": 1}, cache=fleche.cache(), clock=ManualClock())


def started_in(mode: str, app: App) -> Any:
    """Return a runner that was started in a mode; the mode is not active where this is called."""
    with fleche.mode(mode):
        return ThreadRunner(app).__enter__()


@pytest.mark.parametrize(("one", "other"), list(product(Mode, Mode)))
def test_both_must_look_file_and_compute(one: Mode, other: Mode) -> None:
    """Whichever comes first."""
    together = combined(one, other)
    assert together is combined(other, one)
    assert (together is Mode.FROZEN) is (Mode.FROZEN in (one, other))
    if together is not Mode.FROZEN:
        assert (together in LOOK) is (one in LOOK and other in LOOK)
        assert (together in FILE) is (one in FILE and other in FILE)


def test_a_worker_that_only_reads_files_nothing(app: App) -> None:
    """Whatever the caller's mode."""
    task = bound(tasks.tally, app)
    runner = started_in("read", app)
    assert [task("reading worker").result, task("reading worker").result] == [1, 2]
    with fleche.mode("refresh"):
        assert task("reading worker").result == 3
    runner.__exit__()
    assert fleche.cache().query().count() == 0


def test_a_refresh_that_cannot_be_stored_has_its_own_result(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of the record which is still there."""

    def failing(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    task = bound(tasks.tally, app)
    InlineRunner(app)
    assert task("not stored").result == 1
    monkeypatch.setattr(type(fleche.cache()), "prepare", failing)
    with fleche.mode("refresh"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert task("not stored").result == 2
    assert task("not stored").result == 1


def test_a_frozen_worker_computes_nothing(app: App) -> None:
    """What is missing there is the exception of the invocation; an effect runs."""
    runner = started_in("frozen", app)
    with pytest.raises(MissError, match="mode 'frozen' computes nothing"):
        bound(tasks.tally, app)("frozen worker").get(30)
    with fleche.mode("off"), pytest.raises(MissError):
        bound(tasks.tally, app)("frozen worker").get(30)
    assert bound(tasks.note, app)("frozen worker", 1).get(30) == 1
    runner.__exit__()
    assert tasks.RUNS["frozen worker"] == [1]


def test_a_body_that_is_run_while_another_waits_has_its_own_mode(app: App) -> None:
    """In the same thread, and beneath it."""
    with fleche.mode("off"):
        waiting = bound(tasks.holds_a_lease, app)("modes inline")
    bound(tasks.second_time, app)
    other = bound(tasks.tally, app)("modes inline other")
    InlineRunner(app).drain()
    assert (waiting.result, other.result) == (1, 1)
    (record,) = fleche.cache().query()
    assert record.name == "tally"


@pytest.mark.parametrize("mode", ["off", "read", "refresh", "frozen"])
def test_a_body_is_not_run_in_the_mode_in_which_another_waits(app: App, mode: str) -> None:
    """That mode is for what the other calls."""
    waiting = bound(tasks.waits_in_mode, app)("modes waiting", mode)
    other = bound(tasks.tally, app)(f"modes waiting {mode}")
    bound(tasks.note, app)
    InlineRunner(app).drain()
    assert (waiting.result, other.result) == (1, 1)
    assert sorted(record.name for record in fleche.cache().query()) == ["tally", "waits_in_mode"]


def test_a_body_is_not_part_of_another_that_waits(app: App) -> None:
    """Neither is it inside of that, nor does that depend on it."""
    bound(tasks.waits_in_mode, app)("modes beside", "on")
    bound(tasks.tally, app)("modes beside")
    bound(tasks.note, app)
    InlineRunner(app).drain()
    assert [(call.record.parent, call.record.inputs) for call in fleche.cache().query()] == [(None, ())] * 2


def test_a_body_is_not_run_in_the_cache_in_which_another_waits() -> None:
    """But in that of who runs it; what the other calls itself is run where it is called."""
    store = MemoryStore()
    with fleche.cache(Cache(store.values, store.calls)):
        app = App("modes cache", clock=ManualClock())
        runner = InlineRunner(app)
        beside = MemoryStore()
        tasks.RUNS["modes cache block"].append(_InCache(Cache(beside.values, beside.calls)))
        waiting = bound(tasks.waits_in_block, app)("modes cache")
        other = bound(tasks.tally, app)("modes cache")
        bound(tasks.note, app)
        bound(tasks.echo, app)
        runner.drain()
        assert (waiting.result, other.result) == (("note", "echo"), 1)
        assert {call.name for call in fleche.cache().query()} == {"waits_in_block", "tally"}
    assert [call.name for call in Cache(beside.values, beside.calls).query()] == ["echo"]


class _InCache:
    """The block in which a cache is active."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def __enter__(self) -> None:
        self._block = fleche.cache(self._cache)
        self._block.__enter__()

    def __exit__(self, *_: object) -> None:
        self._block.__exit__(None, None, None)


def test_a_worker_has_its_mode_again_after_a_body() -> None:
    """Also where the body fails."""
    assert carried() is None
    with fleche.mode("read"):
        assert carried() == "read"
        with suppress(ValueError), working("refresh") as mode:
            assert mode is active_mode() is Mode.OFF
            raise ValueError
        assert active_mode() is Mode.READ
