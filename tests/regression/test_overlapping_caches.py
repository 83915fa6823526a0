"""Caches that have stores in common, and members of which several hold one key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fleche.caches import Cache, CachePool, CacheStack, Filing, RefreshingCache, Rejected
from fleche.call import ABSENT, Call, Outcome
from fleche.digest import digest
from fleche.errors import StoreError
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.file import FileStore
from fleche.storage.memory import CallMemory, MemoryStore, ValueMemory

pytestmark = pytest.mark.portable

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def memory():
    store = MemoryStore()
    return Cache(store.values, store.calls)


def call(result="r", tag="none"):
    return Call(module="m", name="f", arguments={"x": 1}, result=result, metadata={"tags": {"who": tag}})


def good(found):
    return found.metadata["tags"]["who"] == "good"


@pytest.mark.parametrize(
    "compose",
    [
        lambda one, _: (one, one),
        lambda one, _: (one, RefreshingCache(one)),
        lambda one, other: (CacheStack((other, one)), one),
        lambda one, other: (one, CacheStack((one, other))),
        lambda one, other: (one, CacheStack((other, one), write="through")),
    ],
)
def test_what_is_popped_from_a_place_into_the_same_place_is_not_lost(compose):
    """It is refused, and everything stays."""
    one = memory()
    source, target = compose(one, memory())
    key = one.save(call())
    with pytest.raises(Rejected, match="the part that only the source has"):
        source.transfer(target, pop=True)
    assert one.load(key).result == "r"


@pytest.mark.parametrize("kind", [FileStore, EmbeddedStore])
def test_one_directory_by_two_names_is_one_place(kind, tmp_path):
    """A symbolic link hides nothing."""
    one = kind(tmp_path / "one")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    two = kind(tmp_path / "two")
    cache = Cache(one.values, one.calls)
    key = cache.save(call())
    with pytest.raises(Rejected):
        cache.transfer(Cache(two.values, two.calls), pop=True)
    assert cache.contains(key)
    one.close()
    two.close()


class Elsewhere(CallMemory):
    """Calls in the memory of another storage, which nothing tells."""

    def __init__(self, other):
        super().__init__({})
        self.other = other
        for name in ("put", "get", "list", "_evict", "_contains"):
            setattr(self, name, getattr(other, name))


def test_a_place_that_was_not_known_to_be_the_same_keeps_what_was_popped_too():
    """It is filed again, and the report says so."""
    calls, values = CallMemory({}), ValueMemory({})
    cache = Cache(values, calls)
    key = cache.save(call())
    report = cache.transfer(Cache(values, Elsewhere(calls)), pop=True)
    assert [each for each, _ in report.failed] == [key]
    assert cache.load(key).result == "r"


def test_members_that_only_read_are_no_obstacle():
    """What only the near member has goes to the one behind it."""
    near, far = memory(), memory()
    key = near.save(call())
    CacheStack((near, far.readonly())).transfer(far, pop=True)
    assert far.contains(key)
    assert not near.contains(key)


def test_a_result_is_moved_and_not_the_failure_in_front_of_it():
    """Of several members the record that counts is picked."""
    near, far, target = memory(), memory(), memory()
    near.prepare(call()).commit(ABSENT, outcome=Outcome.ERROR)
    key = far.save(call())
    CacheStack((near, far)).transfer(target, pop=True)
    assert target.load(key).result == "r"


def test_a_record_that_is_filed_while_it_is_moved_stays():
    """A result that takes the place of a failure between reading and removing is not removed."""
    source, target = memory(), memory()
    key = source.prepare(call()).commit(ABSENT, outcome=Outcome.ERROR)
    receive = target.receive

    def meanwhile(parcel, **options):
        source.save(call())
        return receive(parcel, **options)

    target.receive = meanwhile
    report = source.transfer(target, pop=True)
    assert "meanwhile" in report.failed[0][1]
    assert source.load(key).result == "r"


def lost(cache):
    cache.save(call(result="old", tag="good"))
    cache.values.evict(digest("old"))


def expired(cache):
    record = call(result=None, tag="good").digested().evolve(result=None, at=LONG_AGO)
    filing = Filing(expires=lambda _: LONG_AGO + timedelta(days=1))
    cache.prepare(record, filing, values={"x": 1}).commit("old")


@pytest.mark.parametrize("compose", [CacheStack, CachePool])
@pytest.mark.parametrize("spoil", [lost, expired])
def test_members_are_told_apart(compose, spoil):
    """A call is loaded, filtered and moved as the one that a hit is, not as one that is no hit any more."""
    near, far, target = memory(), memory(), memory()
    spoil(near)
    key = far.save(call(result="new", tag="bad"))
    both = compose((near.readonly(), far.readonly()))
    assert both.open(both.lookup(key)) == "new"
    assert both.load(key).result == "new"
    assert not good(both.load(key))
    assert both.filter(good).lookup(key) is None
    both.transfer_keys([key], target)
    assert target.load(key).result == "new"


def test_a_member_that_does_not_evict_is_no_secret():
    """The others evict, and whoever asked learns each time that the record may come back."""
    near, down, far = memory(), memory(), memory()
    stack = CacheStack((near, down, far), write="through")

    def fails(key):
        raise StoreError("it is down")

    down.evict = fails
    key = stack.save(call())
    for _ in range(2):
        with pytest.raises(StoreError, match="down"):
            stack.evict(key)
    assert not near.contains(key)
    assert not far.contains(key)
