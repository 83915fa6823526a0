"""Stacks and pools: order, copies, ways to write, members that fail."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
import warnings

import pytest

import fleche
from fleche import cached
from fleche.caches import Cache, CachePool, CacheStack, CacheWrapper, ReadOnlyCache, Rejected
from fleche.call import Call, Outcome
from fleche.digest import digest
from fleche.errors import ConfigError, StoreError, StoreWarning, UncachedWarning
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.memory import MemoryStore

pytestmark = pytest.mark.portable


def call(x=1, result="r", name="f"):
    return Call(module="m", name=name, arguments={"x": x}, result=result)


def memory():
    store = MemoryStore()
    return Cache(store.values, store.calls)


class Broken(CacheWrapper):
    """A cache whose store cannot be reached."""

    def _fail(self, *_args, **_options):
        raise StoreError("no route to the store", path="far")

    lookup = find = find_key = load = load_value = evict = candidates = recent = describe = pick = _fail
    receive = keep = prepare = _fail


class Other(CacheWrapper):
    """A cache with keys of another algorithm."""

    @property
    def algorithm(self):
        return "other"


@pytest.fixture
def near():
    return memory()


@pytest.fixture
def far():
    return memory()


def test_a_hit_of_a_later_member_is_copied_into_the_first(near, far):
    """With its arguments, once its value was opened."""
    stack = CacheStack((near, far))
    key = far.save(call([1], [2]))
    hit = stack.lookup(key)
    assert not near.contains(key)
    assert stack.open(hit) == [2]
    assert near.load(key).result == [2]
    assert near.load(key).arguments["x"] == [1]
    assert near.load(key).record == far.load(key).record


def test_a_hit_behind_is_copied_into_the_first_that_can_be_written_to(near, far):
    """Never into one in front of which it lies already."""
    front = memory()
    stack = CacheStack((front.readonly(), near, far))
    far_key, front_key = far.save(call(1)), front.save(call(2))
    for key in (far_key, front_key):
        stack.open(stack.lookup(key))
    assert near.contains(far_key)
    assert not near.contains(front_key)


def test_a_result_further_back_beats_a_failure_in_front(near, far):
    """In lookups and in queries, where each call counts once."""
    near.prepare(call(1)).commit(ValueError("no"), outcome=Outcome.ERROR)
    key = far.save(call(1, "yes"))
    stack = CacheStack((near, far))
    assert stack.query().only().result == "yes"
    assert stack.query().failed().empty()
    assert stack.query().all().count() == 1
    assert [found.result for found in stack.recent(5)] == ["yes"]
    assert next(iter(stack.find_key(key))).result == "yes"
    assert stack.open(stack.lookup(key)) == "yes"
    assert near.load(key).result == "yes"


def test_the_first_record_of_a_key_counts(near, far):
    """Where members disagree."""
    key = near.save(call(1, "near"))
    far.save(call(1, "far"))
    stack = CacheStack((near, far))
    assert [found.result for found in stack.query()] == ["near"]
    assert stack.query(result="far").empty()
    assert stack.load(key).result == "near"


def test_a_lost_value_is_taken_from_behind(near, far):
    """And mended in front."""
    key = near.save(call(1, [1, 2]))
    far.save(call(1, [1, 2]))
    near.values.evict(digest([1, 2]))
    stack = CacheStack((near, far))
    assert stack.open(stack.lookup(key)) == [1, 2]
    assert near.open(near.lookup(key)) == [1, 2]


@pytest.mark.parametrize(("write", "there"), [("first", False), ("through", True), ("behind", True)])
def test_ways_to_write(near, far, write, there):
    """To the first, to all at once, or to the others later."""
    stack = CacheStack((near, far), write=write)
    with fleche.cache(stack):

        @cached
        def squares(n):
            yield from (x * x for x in range(n))

        @cached
        def double(x):
            return [x, x]

        assert list(squares(3)) == [0, 1, 4]
        assert double(2) == [2, 2]
    stack.flush()
    for member, has in ((near, True), (far, there)):
        assert member.query().count() == 2 * has
    if there:
        assert [found.record.code for found in far.query()] == [found.record.code for found in near.query()]
        with fleche.cache(far):
            assert list(squares(3)) == [0, 1, 4]
            assert squares.info().hits == 1


def test_closing_writes_what_is_behind(tmp_path):
    """Before anything is closed."""
    stores = [EmbeddedStore(tmp_path / name) for name in "ab"]
    stack = CacheStack([Cache(store.values, store.calls) for store in stores], write="behind")
    keys = [stack.save(call(x, [x])) for x in range(20)]
    stack.close()
    assert set(stores[1].calls.list()) == set(keys)
    stack.close()


def test_write_behind_survives_members_that_fail(near):
    """One warning, and the calls are there in front."""
    told = threading.Event()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stack = CacheStack((near, Broken(memory())), write="behind")
        keys = [stack.save(call(x)) for x in range(3)]
        stack.flush()
        told.set()
    assert len([each for each in caught if each.category is StoreWarning]) == 1
    assert all(near.contains(key) for key in keys)


@pytest.mark.parametrize("place", [0, 1])
def test_a_member_that_fails_is_left_out(near, place):
    """With one warning a reason, for reading."""
    near.save(call(1))
    members = [near]
    members.insert(place, Broken(memory()))
    stack = CacheStack(members)
    with pytest.warns(StoreWarning, match="no route") as caught:
        for _ in range(3):
            hit = stack.lookup(call(1).key)
            assert stack.open(hit) == "r"
            assert stack.lookup(call(2).key) is None
            assert stack.load(call(1).key).result == "r"
            assert stack.load_value(digest("r")) == "r"
            assert stack.query().count() == 1
            assert stack[call(1).key[:10]].result == "r"
            assert len(stack.recent(3)) == 1
    assert len(caught) <= 4
    assert all("left out" in str(each.message) for each in caught)


def test_through_is_filed_if_one_member_takes_it(near):
    """The others are warned of; if none takes it, the first error is raised."""

    class Full(CacheWrapper):
        def prepare(self, record, filing=None, *, values=None):
            prepared = super().prepare(record, filing, values=values)
            prepared._file = Broken(self)._fail
            return prepared

    stack = CacheStack((Full(memory()), near), write="through")
    with pytest.warns(StoreWarning, match="no route"):
        key = stack.save(call(1))
    assert near.contains(key)
    with pytest.raises(StoreError, match="no route"):
        CacheStack((Full(memory()), Full(memory())), write="through").save(call(1))


def test_a_stack_that_fails_altogether_raises_what_its_members_do():
    """So that the call goes on uncached, with the reason."""
    stack = CacheStack((Broken(memory()), Broken(memory())))
    with pytest.warns(StoreWarning), pytest.raises(StoreError, match="no route"):
        stack.lookup(call().key)
    with pytest.raises(StoreError, match="no route"):
        CacheStack((Broken(memory()),)).lookup(call().key)


def test_members_agree_in_algorithm(near):
    """It is checked when the stack is built."""
    with pytest.raises(ConfigError, match="different algorithms"):
        CacheStack((near, Other(memory())))
    with pytest.raises(ValueError, match="at least one"):
        CacheStack(())
    with pytest.raises(TypeError, match="takes caches"):
        CacheStack((near, 3))
    with pytest.raises(ConfigError, match="first, through, behind"):
        CacheStack((near,), write="sideways")


def test_evicting_removes_from_all_that_can_be_written_to(near, far):
    """So that forgetting forgets."""
    stack = CacheStack((near, far))
    key = near.save(call(1))
    far.save(call(1))
    stack.evict(key[:12])
    assert stack.lookup(key) is None
    with pytest.raises(Rejected):
        CacheStack((near.readonly(),)).evict(key)


def test_a_stack_leases_on_its_last_writable_member(near, far):
    """So that those who share it compute once."""
    assert CacheStack((near, far)).leases is far.leases
    assert CacheStack((near, far.readonly())).leases is near.leases
    assert CacheStack((near.readonly(),)).leases is None
    assert CachePool((near,)).leases is None


def test_two_stacks_on_one_shared_member_compute_once(far):
    """Each with a cache of its own in front."""
    ran, started, go = [], threading.Event(), threading.Event()

    @cached
    def slow(x):
        ran.append(x)
        started.set()
        assert go.wait(60)
        return x + 1

    def run():
        with fleche.cache(CacheStack((memory(), far), write="through")):
            found.append(slow(1))

    found = []
    threads = [threading.Thread(target=run) for _ in range(2)]
    threads[0].start()
    assert started.wait(60)
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join(60)
    assert found == [2, 2]
    assert ran == [1]


def test_a_pool_says_how_to_write(near, far):
    """Calls run over it, with one warning."""
    pool = CachePool((near, far))
    with pytest.raises(Rejected, match=r"CacheStack\(\(own, pool\)\)"):
        pool.prepare(call()).commit("r")
    far.save(call(1))

    @cached
    def f(x):
        return x

    with fleche.cache(pool), pytest.warns(UncachedWarning, match="pool is only read"):
        assert f(1) == f(1) == 1
    own = memory()
    with fleche.cache(CacheStack((own, pool))):
        assert f(1) == f(1) == 1
    assert own.query().count() == 1


def test_stacks_and_views_pickle_by_address(tmp_path):
    """The copy sees what the original stored."""
    stores = [EmbeddedStore(tmp_path / name) for name in "ab"]
    first, second = (Cache(store.values, store.calls) for store in stores)
    for cache in (CacheStack((first, second), write="through"), CachePool((first,)), ReadOnlyCache(first)):
        key = first.save(call([3], [4]))
        again = pickle.loads(pickle.dumps(cache))
        assert repr(again) == repr(cache)
        assert again.load(key).result == [4]
        again.close()
    for store in stores:
        store.close()


def test_the_active_cache_is_stacked(near, far):
    """``cache(new, stack=True)`` puts one in front, for a block or for good."""
    with fleche.cache(far):
        with fleche.cache(near, stack=True):
            assert fleche.cache().stack == (near, far)
            with fleche.cache("memory", stack=True):
                assert len(fleche.cache().stack) == 3
            fleche.cache().save(call(1))
        assert fleche.cache() is far
    assert near.contains(call(1).key)
    assert not far.contains(call(1).key)


def test_what_is_put_at_exit_is_written_at_once(near, far, monkeypatch):
    """Where no thread can be started any more."""

    def refuse(self):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    key = CacheStack((near, far), write="behind").save(call(1))
    assert far.contains(key)


def test_what_is_put_is_written_when_the_process_ends(tmp_path):
    """Though nobody closes the stack."""
    script = tmp_path / "study.py"
    script.write_text(
        "import sys, fleche\n"
        "from fleche.call import Call\n"
        "from fleche.caches import Cache, CacheStack\n"
        "from fleche.storage.embedded import EmbeddedStore\n"
        "near, far = (EmbeddedStore(path) for path in sys.argv[1:])\n"
        "stack = CacheStack((Cache(near.values, near.calls), Cache(far.values, far.calls)), write='behind')\n"
        "for x in range(50):\n"
        "    stack.save(Call(module='m', name='f', arguments={'x': x}, result=[x]))\n"
    )
    subprocess.run([sys.executable, str(script), str(tmp_path / "a"), str(tmp_path / "b")], check=True)
    store = EmbeddedStore(tmp_path / "b")
    assert store.calls.count() == 50
    store.close()


def test_a_forked_child_does_not_write_its_parents_calls_again(near, far):
    """And writes its own."""
    stack = CacheStack((near, far), write="behind")
    stack.save(call(1))
    stack._behind.after_fork_in_child()
    stack.save(call(2))
    stack.flush()
    assert far.contains(call(2).key)


def test_verifying_goes_on_past_a_member_that_cannot_be_reached(near):
    """Which is one of the findings."""

    class Gone(CacheWrapper):
        def check(self, *, values=False, repair=False):
            raise StoreError("no route to the store", path="far")

    report = CacheStack((Gone(memory()), near)).verify()
    assert [str(finding.fault) for finding in report.findings] == ["unreadable"]
    assert "no route" in str(report)


def test_many_threads_write_behind(near, far):
    """Nothing is left out."""
    stack = CacheStack((near, far), write="behind")
    start = threading.Barrier(8)

    def work(number):
        start.wait(60)
        for x in range(25):
            stack.save(call((number, x)))
            if x % 10 == 0:
                stack.flush()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    stack.flush()
    assert far.query().count() == near.query().count() == 200
