"""`fleche.state`: what is active, and functions bound to it."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fleche import BoundWrapper, fleche
from fleche.caches import Cache
from fleche.metadata import Git, Runtime, Tags
from fleche.state import cache, get_cache, get_metadata, meta, project, tags
from fleche.storage.memory import CallMemory, ValueMemory

pytestmark = pytest.mark.portable


def memory():
    return Cache(ValueMemory({}), CallMemory({}))


@fleche
def add(x, y=0):
    """Add."""
    return x + y


def both(x):
    """A plain function that calls a cached one."""
    return add(x), add(x + 1)


def test_a_cache_is_active_for_a_block_or_for_good():
    """Set at once; leaving a block takes it back; without a block it stays."""
    before = get_cache()
    one, other = memory(), memory()
    with cache(one):
        assert get_cache() is cache() is one
        with cache(other):
            assert cache() is other
        assert cache() is one
    assert cache() is before
    sticky = cache(one)
    assert cache() is one
    with sticky:
        assert cache() is one
    assert cache() is before


def test_metadata_is_active_for_a_block_and_can_be_stacked():
    """``meta`` replaces what the context had, ``stack=True`` adds to it; what is noted of every call stays."""
    always = get_metadata()
    git, origin = Git(), Tags(origin="x")
    with meta(git):
        assert get_metadata() == (*always, git)
        with meta(origin, stack=True):
            assert get_metadata() == (*always, git, origin)
        with meta(origin):
            assert get_metadata() == (*always, origin)
    assert get_metadata() == always
    assert any(isinstance(kind, Runtime) for kind in always)


def test_tags_and_project_are_metadata():
    """They are noted under ``tags``."""
    with cache(memory()), tags(phase=1), project("p"):
        add(1)
        assert add.query().only().metadata["tags"] == {"phase": 1, "project": "p"}


def test_a_thread_does_not_see_the_cache_but_what_is_bound_brings_it():
    """A context does not reach a plain thread; `BoundWrapper.bind` carries it there."""
    own = memory()
    seen = []
    with cache(own):
        bound = BoundWrapper.bind(add)
        thread = threading.Thread(target=lambda: seen.append((get_cache() is own, bound(2, 3))))
        thread.start()
        thread.join()
    assert seen == [(False, 5)]
    assert own.contains(add.digest(2, 3))


def test_what_is_bound_goes_to_any_pool():
    """One bound callable serves several pools, after the block as well."""
    own = memory()
    with cache(own), tags(run="a"):
        bound = BoundWrapper.bind(add)
    for _ in range(2):
        with ThreadPoolExecutor(2) as pool:
            assert [f.result() for f in [pool.submit(bound, n, n) for n in range(3)]] == [0, 2, 4]
    assert sorted(call.result for call in own.query(metadata={"tags": {"run": "a"}})) == [0, 2, 4]


def test_arguments_can_be_given_in_advance():
    """``f.bind(...)`` and ``BoundWrapper.bind(f, ...)`` apply them as `functools.partial` does."""
    own = memory()
    with cache(own):
        assert add.bind(40)(2) == BoundWrapper.bind(add, 40, y=2)() == add.bind(y=2)(40) == 42
        assert isinstance(add.bind(), BoundWrapper)
    assert own.contains(add.digest(40, 2))


def test_a_plain_function_can_be_bound():
    """The cached functions that it calls use the cache of the place where it was bound."""
    own = memory()
    with cache(own):
        bound = BoundWrapper.bind(both)
    assert bound(1) == (1, 2)
    assert own.contains(add.digest(1))
    assert own.contains(add.digest(2))


def test_a_cache_on_disk_is_pickled_with_what_is_bound(tmp_path):
    """By its address, so that another process finds it."""
    with cache(str(tmp_path / "store")):
        bound = pickle.loads(pickle.dumps(BoundWrapper.bind(add)))
        assert bound(3, 4) == 7
        assert add.contains(3, 4)


def test_a_cache_in_memory_cannot_leave_the_process():
    """Pickling says why."""
    with cache(memory()), pytest.raises(TypeError, match="memory"):
        pickle.dumps(BoundWrapper.bind(add))
