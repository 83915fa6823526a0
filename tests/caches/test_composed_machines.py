"""State machines and properties of caches made of caches, with a dict as the model."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fleche.caches import Cache, CacheStack, CacheWrapper, RefreshingCache, SizeLimitedCache
from fleche.call import Call, Outcome
from fleche.clock import to_micros
from fleche.digest import digest
from fleche.errors import StoreError
from fleche.storage.memory import MemoryStore

pytestmark = [pytest.mark.portable, pytest.mark.filterwarnings("ignore::fleche.errors.StoreWarning")]

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
places = st.integers(0, 6)
results = st.sampled_from([None, 1, True, [1, [2]], {"a": 1, "b": 2}, {"b": 2, "a": 1}, b"x" * 100_000])


def call(x, result=None, second=0):
    start = to_micros(NOON + timedelta(seconds=second)) / 1_000_000
    return Call(module="m", name="f", arguments={"x": x}, result=result, metadata={"runtime": {"timestart": start}})


def memory():
    store = MemoryStore()
    return Cache(store.values, store.calls)


class Flaky(CacheWrapper):
    """A cache that can be reached or not."""

    down = False

    def __getattribute__(self, name):
        if name in {"lookup", "find", "find_key", "load", "load_value", "candidates", "recent", "pick"} and self.down:
            raise StoreError("no route to the store", path="far")
        return super().__getattribute__(name)


class StackMachine(RuleBasedStateMachine):
    """A stack that writes through, whose first member loses calls and whose middle one comes and goes."""

    def __init__(self):
        super().__init__()
        self.near, self.middle, self.far = memory(), Flaky(memory().readonly()), memory()
        self.stack = CacheStack((self.near, self.middle, self.far), write="through")
        self.model = {}
        self.failed = set()

    @rule(x=places, result=results)
    def save(self, x, result):
        near = self.near.lookup(call(x).key)
        assert self.stack.save(call(x, result)) == call(x).key
        had = near is not None and near.outcome is Outcome.RESULT
        if x not in self.model or self.model[x][0] != digest(result) or not had:
            self.model[x] = (digest(result), repr(result))
        self.failed.discard(x)

    @rule(x=places)
    def fail(self, x):
        self.stack.prepare(call(x)).commit(ValueError(x), outcome=Outcome.ERROR)
        if x not in self.model:
            self.failed.add(x)

    @rule(x=places)
    def evict(self, x):
        self.stack.evict(call(x).key)
        self.model.pop(x, None)
        self.failed.discard(x)

    @rule(x=places)
    def lose_near(self, x):
        self.near.evict(call(x).key)
        if x in self.model:
            result = self.far.load(call(x).key).result
            self.model[x] = (digest(result), repr(result))

    @rule(x=places)
    def hit(self, x):
        hit = self.stack.lookup(call(x).key)
        if x in self.model:
            assert repr(self.stack.open(hit)) == self.model[x][1]
            assert repr(self.near.load(call(x).key).result) == self.model[x][1]
        else:
            assert hit is None or hit.outcome is Outcome.ERROR

    @rule(down=st.booleans())
    def reach(self, down):
        self.middle.down = down

    @invariant()
    def agrees(self):
        found = {each.arguments["x"]: repr(each.result) for each in self.stack.query()}
        assert found == {x: form for x, (_, form) in self.model.items()}
        assert {each.arguments["x"] for each in self.stack.query().failed()} == self.failed
        assert self.stack.query().all().count() == len(self.model) + len(self.failed)
        for x in range(7):
            assert self.stack.contains(call(x).key) == (x in self.model)


TestStack = StackMachine.TestCase


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 20))), st.integers(1, 5))
def test_a_limited_cache_is_a_dict_that_forgets_the_oldest(saved, size):
    """Whatever is saved in whatever order; the one just saved stays."""
    store = MemoryStore()
    cache = SizeLimitedCache(store.values, store.calls, size)
    model = {}
    for x, second in saved:
        key = cache.save(call(x, x, second))
        model.setdefault(key, (second, key))
        while len(model) > size:
            del model[min((mark, each) for each, mark in model.items() if each != key)[1]]
        assert {each.key for each in cache.query()} == set(model)


@given(st.lists(st.tuples(places, results)))
def test_views_agree_with_what_is_behind(saved):
    """A filtered cache shows what its function accepts; a refreshing one saves as the cache behind it does."""
    behind, plain = memory(), memory()
    view = RefreshingCache(behind)
    for x, result in saved:
        assert view.save(call(x, result)) == plain.save(call(x, result))
        assert view.lookup(call(x).key) is None
    assert [(each.record.key, repr(each.result)) for each in behind.query()] == [
        (each.record.key, repr(each.result)) for each in plain.query()
    ]
    even = plain.filter(lambda each: each.arguments["x"] % 2 == 0)
    for x in range(7):
        shown = x % 2 == 0 and plain.contains(call(x).key)
        assert even.contains(call(x).key) == (even.lookup(call(x).key) is not None) == shown
    assert {each.arguments["x"] for each in even.query()} == {x for x, _ in saved if x % 2 == 0}


@given(st.lists(st.tuples(places, results)))
def test_a_stack_of_one_is_the_cache(saved):
    """For everything that can be asked."""
    cache, alone = memory(), memory()
    stack = CacheStack((alone,))
    for x, result in saved:
        assert stack.save(call(x, result)) == cache.save(call(x, result))
    for x in range(7):
        key = call(x).key
        assert stack.contains(key) == cache.contains(key)
        assert (stack.lookup(key) is None) == (cache.lookup(key) is None)
        assert stack.candidates(key[:8]) == cache.candidates(key[:8])
        if cache.contains(key):
            assert stack.shrink(key) == cache.shrink(key)
            assert stack.load(key).record == cache.load(key).record
    assert stack.query().rows() == cache.query().rows()
    assert stack.describe() == cache.describe()


def test_processes_that_share_a_member_compute_once(tmp_path):
    """Each has a memory of its own in front of one directory."""
    script = tmp_path / "study.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys, fleche
            from fleche.caches import CacheStack

            @fleche.cached
            def slow(x):
                with open(sys.argv[2], "a") as file:
                    file.write("ran\\n")
                return [x]

            opened = fleche.cache
            with opened(sys.argv[1]):
                far = opened()
            with opened("memory"):
                near = opened()
            with opened(CacheStack((near, far), write="through")):
                assert slow(1) == [1]
            """
        )
    )
    command = [sys.executable, str(script), str(tmp_path / "store"), str(tmp_path / "ran")]
    running = [subprocess.Popen(command, env=dict(os.environ)) for _ in range(4)]
    assert [each.wait(120) for each in running] == [0] * 4
    assert (tmp_path / "ran").read_text() == "ran\n"
