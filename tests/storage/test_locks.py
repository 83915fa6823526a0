"""Lock mixins put one operation at a time around a key."""

from __future__ import annotations

import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from fleche.storage.base import Intent, OperationContext
from fleche.storage.locks import GlobalLockMixin, KeyLocks, PerKeyLockMixin

pytestmark = pytest.mark.portable

PATIENCE = 30.0


class Traced(OperationContext):
    """Notes when operations begin and end."""

    def __init__(self, name="store"):
        self.name = name
        self.trace = []

    @contextmanager
    def _operation_context(self, key, *, intent=Intent.WRITE):
        with super()._operation_context(key, intent=intent):
            self.trace.append(("begin", key, intent))
            yield
            self.trace.append(("end", key, intent))


class Locked(PerKeyLockMixin, Traced):
    pass


class Serial(GlobalLockMixin, Traced):
    pass


def blocked(store, key, other, *, intent=Intent.WRITE) -> bool:
    """Whether an operation on ``other`` has to wait for one on ``key`` in another thread."""
    done = threading.Event()

    def operate():
        with store._operation_context(other, intent=intent):
            done.set()

    with ThreadPoolExecutor(1) as pool:
        with store._operation_context(key):
            future = pool.submit(operate)
            # A free lock is taken at once; a held one is seen by the entry that waits for it.
            while not done.is_set() and max((e.users for e in store._key_locks._entries.values()), default=0) < 2:
                threading.Event().wait(0.001)
            waited = not done.is_set()
        future.result(PATIENCE)
    return waited


def test_one_key_is_written_by_one_thread():
    """Two writes of one key exclude each other, however it is spelled; reads and other keys do not wait."""
    store = Locked()
    assert blocked(store, "ab", "ab")
    assert blocked(store, "ab", "AB")
    assert not blocked(store, "ab", "cd")
    assert not blocked(store, "ab", "ab", intent=Intent.READ)
    assert len(store._key_locks) == 0


def test_one_lock_for_all():
    """The global kind excludes writes of different keys as well."""
    assert blocked(Serial(), "ab", "cd")


def test_reentrant_and_chained():
    """A thread may enter the same key again, and the context below is entered each time."""
    store = Locked("name")
    with store._operation_context("ab"), store._operation_context("ab", intent=Intent.READ):
        pass
    assert store.name == "name"
    assert [what for what, _, _ in store.trace] == ["begin", "begin", "end", "end"]


def test_an_error_frees_the_lock():
    """A failed operation leaves no lock behind."""
    store = Locked()
    with pytest.raises(ValueError, match="no"), store._operation_context("ab"):
        raise ValueError("no")
    assert len(store._key_locks) == 0


def test_a_pickle_carries_no_locks():
    """A store is pickled while it is locked, and the copy is free."""
    store = Locked("name")
    with store._operation_context("ab"):
        copy = pickle.loads(pickle.dumps(store))
        assert not blocked(copy, "cd", "ef")
        assert len(copy._key_locks) == 0
    assert copy.name == "name"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_starts_free():
    """A lock that another thread held at the fork is free in the child."""
    locks, held, go = KeyLocks(), threading.Event(), threading.Event()

    def hold():
        with locks.hold("ab"):
            held.set()
            go.wait(PATIENCE)

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(hold)
        held.wait(PATIENCE)
        child = os.fork()
        if child == 0:
            with locks.hold("ab"):
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        go.set()
        future.result(PATIENCE)
