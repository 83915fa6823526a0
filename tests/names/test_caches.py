"""`fleche.caches`: stacks and views, as the documentation of version 0 shows them."""

from __future__ import annotations

import pytest

from fleche import cache, fleche
from fleche.caches import (
    Cache,
    CachePool,
    CacheStack,
    FilteredCache,
    ReadOnlyCache,
    RefreshingCache,
    Rejected,
    SizeLimitedCache,
)
from fleche.storage import CallMemory, ValueMemory

pytestmark = pytest.mark.portable

RUNS = []


@pytest.fixture(autouse=True)
def _no_runs():
    RUNS.clear()


def memory():
    return Cache(ValueMemory({}), CallMemory({}))


@fleche
def tenfold(x):
    RUNS.append(x)
    return x * 10


def test_a_hit_in_a_later_member_of_a_stack_comes_to_the_first():
    """What is new is written to the first only."""
    local, remote = memory(), memory()
    with cache(remote):
        tenfold(42)
    with cache(CacheStack((local, remote))):
        assert tenfold(42) == 420
        tenfold(43)
    assert RUNS == [42, 43]
    assert local.contains(tenfold.digest(42))
    assert local.contains(tenfold.digest(43))
    assert not remote.contains(tenfold.digest(43))


def test_a_cache_can_be_stacked_on_the_active_one():
    """``cache(new, stack=True)`` and ``push``."""
    base, front = memory(), memory()
    with cache(base):
        tenfold(1)
        with cache(front, stack=True):
            assert isinstance(cache(), CacheStack)
            tenfold(1)
        assert isinstance(cache().push(front), CacheStack)
    assert RUNS == [1]
    assert front.contains(tenfold.digest(1))


def test_a_pool_reads_from_all():
    """And is written to by nobody: a miss is computed, not stored, and warned of once."""
    one, other = memory(), memory()
    for number, each in enumerate((one, other)):
        with cache(each):
            tenfold(number)

    @fleche
    def other_name(x):
        return x

    with cache(CachePool((one, other))):
        assert [tenfold(0), tenfold(1)] == [0, 10]
        with pytest.warns(UserWarning, match="only read"):
            assert other_name(2) == 2
    assert RUNS == [0, 1]
    assert not any(each.contains(other_name.digest(2)) for each in (one, other))


def test_a_read_only_view_gives_hits_and_takes_nothing():
    """Saving by hand is `Rejected`."""
    own = memory()
    with cache(own):
        tenfold(1)
        call = tenfold.call(2).returned(20)
    with cache(ReadOnlyCache(own)):
        assert tenfold(1) == 10
        assert tenfold(2) == 20
    assert RUNS == [1, 2]
    assert not own.contains(tenfold.digest(2))
    with pytest.raises(Rejected):
        own.readonly().save(call)


def test_a_filtered_view_shows_some_calls():
    """Those that the predicate accepts; the others are computed."""
    own = memory()
    with cache(own):
        tenfold(1)
        tenfold(2)
    view = FilteredCache(own, lambda call: call.arguments["x"] > 1)
    assert [call.result for call in view.query()] == [20]
    with cache(view):
        tenfold(1)
        tenfold(2)
    assert RUNS == [1, 2, 1]


def test_a_refreshing_view_computes_anew_and_saves():
    """Every call."""
    own = memory()
    with cache(RefreshingCache(own)):
        tenfold(1)
        tenfold(1)
    assert RUNS == [1, 1]
    assert own.contains(tenfold.digest(1))


def test_a_limited_cache_forgets_the_oldest():
    """So many calls stay."""
    own = SizeLimitedCache(ValueMemory({}), CallMemory({}), max_size=2)
    with cache(own):
        for number in range(3):
            tenfold(number)
    assert sorted(call.arguments["x"] for call in own.query()) == [1, 2]
