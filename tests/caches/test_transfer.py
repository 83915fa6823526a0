"""Transfer: everything that belongs to a record, once, and on again after an interruption."""

from __future__ import annotations

import pytest

import fleche
from fleche import cached
from fleche.caches import Cache, CacheWrapper
from fleche.call import Call, Outcome
from fleche.digest import digest
from fleche.errors import StoreError
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.memory import CallMemory, MemoryStore, ValueMemory
from fleche.storage.packing import Packing

pytestmark = pytest.mark.portable


def call(x=1, result="r"):
    return Call(module="m", name="f", arguments={"x": x}, result=result)


def memory():
    store = MemoryStore()
    return Cache(store.values, store.calls)


@pytest.fixture(params=["memory", "embedded", "pair"])
def other(request, tmp_path):
    if request.param == "embedded":
        store = EmbeddedStore(tmp_path / "other")
        yield Cache(store.values, store.calls)
        store.close()
    else:
        yield memory() if request.param == "memory" else Cache(ValueMemory({}), CallMemory({}))


def test_everything_that_belongs_to_a_record_arrives(disk, other):
    """Arguments, results in their form, code, lineage, streams, failures, and large values."""

    @cached
    def base(n):
        return {"b": list(range(n)), "a": bytes(200_000)}

    @cached
    def items(h):
        yield from h["b"]

    @cached
    def outer(x):
        return base(x[0])

    @cached
    def fails(x):
        raise ValueError(x)

    outer([3])
    handle = base.ref(3)
    assert list(items(handle)) == [0, 1, 2]
    with pytest.raises(ValueError, match="1"):
        fails(1)
    report = disk.transfer(other)
    assert report.ok
    assert report.moved == disk.query().all().count() == 4
    assert report.bytes > 200_000
    for found in disk.query().all():
        copy = next(iter(other.find_key(found.key)))
        assert copy.record == found.record
    assert list(base.calls.only().result) == ["b", "a"]
    with fleche.cache(other):
        assert list(outer([3])) == ["b", "a"]
        assert list(items(base.ref(3))) == [0, 1, 2]
        assert outer.calls.only().arguments["x"] == [3]
        assert base.calls.only().record.parent == outer.calls.only().key
        assert items.calls.only().record.inputs == (base.calls.only().key,)
    assert other.query().failed().count() == 1
    code = base.calls.only().code if disk is fleche.cache() else None
    read = getattr(other._store, "code_record", None)
    if code is not None and not hasattr(other._store, "_envelopes"):
        assert read(code) == disk._store.code_record(code)


def test_records_that_are_there_stay_or_are_replaced(other):
    """As asked; a result is never replaced by a failure, and replaces one."""
    source = memory()
    key = source.save(call(1, "new"))
    other.save(call(1, "old"))
    report = source.transfer(other)
    assert (report.moved, report.there) == (0, 1)
    assert other.load(key).result == "old"
    assert source.transfer(other, pop=True).there == 1
    assert source.contains(key)  # the other has another result
    assert source.transfer(other, overwrite=True).moved == 1
    assert other.load(key).result == "new"
    failed = memory()
    failed.prepare(call(1)).commit(ValueError("no"), outcome=Outcome.ERROR)
    assert failed.transfer(other, overwrite=True).there == 1
    assert other.load(key).result == "new"
    third = memory()
    third.prepare(call(1)).commit(ValueError("no"), outcome=Outcome.ERROR)
    assert other.transfer(third).moved == 1
    assert third.load(key).result == "new"


def test_a_transfer_that_was_interrupted_goes_on(other):
    """What failed is reported; running it again moves the rest, and removes what had arrived."""

    class Flaky(CacheWrapper):
        left = 3

        def receive(self, parcel, *, overwrite=False):
            self.left -= 1
            if self.left < 0:
                raise StoreError("the disk is full", path="there")
            return super().receive(parcel, overwrite=overwrite)

    source = memory()
    for x in range(5):
        source.save(call(x, [x]))
    report = source.transfer(Flaky(other))
    assert (report.moved, len(report.failed)) == (3, 2)
    assert "disk is full" in report.failed[0][1]
    assert "2 failed" in str(report)
    again = source.transfer(other, pop=True)
    assert (again.moved, again.there, again.failed) == (2, 3, ())
    assert source.query().empty()
    assert [found.result for found in other.query()] == [[x] for x in range(5)]


def test_a_query_is_transferred(other):
    """Only what it found."""
    source = memory()
    for x in range(4):
        source.save(call(x, x))
    assert source.query().filter(lambda found: found.result > 1).transfer(other, pop=True).moved == 2
    assert [found.result for found in source.query()] == [0, 1]
    assert [found.result for found in other.query()] == [2, 3]


def test_a_record_without_its_result_fails(other):
    """It is reported, and the others are moved."""
    source = memory()
    key = source.save(call(1, [1]))
    source.save(call(2, [2]))
    source.values.evict(digest([1]))
    report = source.transfer(other)
    assert report.moved == 1
    assert [failed for failed, _ in report.failed] == [key]
    with pytest.raises(TypeError, match="give a cache"):
        source.transfer("somewhere")


def test_a_lost_value_is_mended_by_a_transfer(other):
    """The record that is there counts as missing."""
    source = memory()
    for cache in (source, other):
        key = cache.save(call(1, [1]))
    other.values.evict(digest([1]))
    assert source.transfer(other).moved == 1
    assert other.load(key).result == [1]


def test_streams_move_out_of_a_store_that_compresses():
    """Their items are known by the stream of the pickle, not by its compressed bytes."""
    pytest.importorskip("zstandard")
    store = MemoryStore(packing=Packing(compress=True))
    source, other = Cache(store.values, store.calls), memory()

    @cached
    def numbers(n):
        yield from ("x" * 1000 + str(each) for each in range(n))

    with fleche.cache(source):
        items = list(numbers(20))
    assert source.transfer(other).ok
    with fleche.cache(other):
        assert list(numbers(20)) == items
        assert numbers.info().hits == 1
