"""Views: what they show, what they refuse, and size limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import fleche
from fleche import cached
from fleche.caches import Cache, CacheWrapper, RefreshingCache, Rejected, SizeLimitedCache
from fleche.call import Call, Outcome
from fleche.clock import to_micros
from fleche.digest import digest
from fleche.errors import AmbiguousDigestError, UnknownDigestError
from fleche.storage.memory import MemoryStore

pytestmark = pytest.mark.portable

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def call(x=1, result="r", name="f", second=None):
    start = {} if second is None else {"timestart": to_micros(NOON + timedelta(seconds=second)) / 1_000_000}
    metadata = {"runtime": start} if start else {}
    return Call(module="m", name=name, arguments={"x": x}, result=result, metadata=metadata)


@pytest.fixture
def cache():
    store = MemoryStore()
    return Cache(store.values, store.calls)


def test_a_read_only_cache_computes_silently_and_writes_nothing(cache):
    """Hits are hits; a miss runs, returns, and is no warning."""

    @cached
    def f(x):
        return [x]

    @cached
    def numbers(n):
        yield from range(n)

    with fleche.cache(cache):
        f(1)
    with fleche.cache(cache.readonly()):
        assert f(1) == [1]
        assert f.info().hits == 1
        assert f(2) == f(2) == [2]
        assert list(numbers(3)) == [0, 1, 2]
    assert cache.query().count() == 1
    view = cache.readonly()
    assert view.prepare(call(5)).commit("r") == call(5).key
    for refused in (view.save, view.evict, lambda _: view.repair()):
        with pytest.raises(Rejected, match="read-only"):
            refused(call(5))
    with pytest.raises(PermissionError):
        cache.transfer(view)
    with pytest.raises(Rejected):
        view.transfer(cache, pop=True)


def test_a_filtered_cache_shows_what_a_function_accepts(cache):
    """In lookups, queries, prefixes, completion and transfer alike."""
    keys = {name: cache.save(call(name=name)) for name in ("train", "test")}
    view = cache.filter(lambda found: found.name == "train")
    assert view.lookup(keys["train"]) is not None
    assert view.lookup(keys["test"]) is None
    assert [found.name for found in view.query()] == [found.name for found in view.recent(9)] == ["train"]
    assert view.load(keys["train"]).result == "r"
    assert view[keys["train"][:10]].name == "train"
    for ask in (view.load, view.shrink, view.pick, view.__getitem__):
        with pytest.raises(KeyError):
            ask(keys["test"])
    assert len(view._ipython_key_completions_()) == 1
    store = MemoryStore()
    other = Cache(store.values, store.calls)
    assert view.transfer(other).moved == 1
    assert view.load_value(digest("r")) == "r"
    with pytest.raises(Rejected):
        view.save(call())


def test_a_filtered_cache_is_not_confused_by_what_it_hides(cache):
    """A prefix that is ambiguous behind may name one call in the view."""
    seen = {}
    for x in range(1500):
        key = call(x).key
        if key[:4] in seen:
            break
        seen[key[:4]] = x
    pair = [seen[key[:4]], x]
    for each in pair:
        cache.save(call(each))
    view = cache.filter(lambda found: found.arguments["x"] == pair[0])
    with pytest.raises(AmbiguousDigestError):
        cache.load(key[:4])
    assert view.load(key[:4]).arguments["x"] == pair[0]


def test_recent_calls_are_looked_for_until_there_are_enough(cache):
    """Behind many that are hidden."""
    for x in range(40):
        cache.save(call(x, second=x))
    view = cache.filter(lambda found: found.arguments["x"] < 3)
    assert [found.arguments["x"] for found in view.recent(2)] == [2, 1]


def test_a_refreshing_cache_computes_anew_and_saves(cache):
    """Each time."""
    ran = []

    @cached
    def f(x):
        ran.append(x)
        return len(ran)

    with fleche.cache(cache):
        f(1)
    view = RefreshingCache(cache)
    with fleche.cache(view):
        assert f(1) == 2
        assert f(1) == 3
    with fleche.cache(cache):
        assert f(1) == 3
    with pytest.raises(UnknownDigestError):
        view.load(cache.query().only().key)
    assert view[cache.query().only().key[:10]].result == 3


def test_a_limited_cache_forgets_the_oldest(cache):
    """By when they began, whatever the order in which they were filed."""
    limited = SizeLimitedCache(cache.values, cache.calls, 3)
    for second in (5, 1, 4, 2, 3):
        limited.save(call(second, second=second))
    assert [found.arguments["x"] for found in limited.query()] == [3, 4, 5]
    limited.save(call(0, second=0))
    assert [found.arguments["x"] for found in limited.query()] == [0, 4, 5]
    limited.prepare(call(9, second=9)).commit(ValueError("no"), outcome=Outcome.ERROR)
    assert limited.query().all().count() == 3
    with pytest.raises(ValueError, match="at least one"):
        SizeLimitedCache(cache.values, cache.calls, 0)
    assert limited.describe()["max_size"] == 3
    assert repr(limited).startswith("SizeLimitedCache(")


def test_a_limited_cache_receives_no_more_than_it_holds(cache):
    """By transfer too."""
    for second in range(9):
        cache.save(call(second, second=second))
    store = MemoryStore()
    limited = SizeLimitedCache(store.values, store.calls, 4)
    assert cache.transfer(limited).moved == 9
    assert [found.arguments["x"] for found in limited.query()] == [5, 6, 7, 8]


def test_a_wrapper_says_what_it_wraps(cache):
    """In its text and its facts."""
    view = CacheWrapper(cache)
    assert repr(view) == "CacheWrapper(Cache(MemoryStore()))"
    assert view.describe()["view"] == "CacheWrapper"
    assert view.leases is cache.leases
    assert view.algorithm == cache.algorithm
