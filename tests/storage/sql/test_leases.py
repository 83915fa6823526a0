"""Leases by rows pass the suite, among threads and among processes."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from fleche.storage.leases import Holder, Leases, Owner, Waited
from fleche.storage.sql import SqlStore
from fleche.testing.leases import AcrossProcesses, claimed, key_of

_OPENING = "from fleche.storage.sql import SqlStore\nstore = SqlStore(**{!r})\nleases = store.leases"
_TERM = 3.0  # seconds after which a killed holder is gone


class TestPostgresqlLeases(AcrossProcesses):
    @pytest.fixture(autouse=True)
    def _server(self, server):
        self.url = server.url

    def _place(self, folder: Path):
        return {
            "url": self.url,
            "schema": "l" + hashlib.md5(str(folder).encode()).hexdigest()[:12],
            "lease_term": _TERM,
        }

    def make(self, folder: Path) -> Leases:
        return _leases(self._place(folder))

    def opening(self, folder: Path) -> str:
        return _OPENING.format(self._place(folder))


class TestSqliteLeases(AcrossProcesses):
    def _place(self, folder: Path):
        kept = folder.parent / (folder.name + "-database")  # the suite counts the files of its folder
        kept.mkdir(exist_ok=True)
        return {"url": f"sqlite:///{kept}/calls.db", "lease_term": _TERM}

    def make(self, folder: Path) -> Leases:
        return _leases(self._place(folder))

    def opening(self, folder: Path) -> str:
        return _OPENING.format(self._place(folder))


class _Closing:
    """The leases of a store, which is closed with them."""

    def __init__(self, store):
        self.store = store

    def __getattr__(self, name):
        return getattr(self.store.leases, name)

    def close(self):
        self.store.close()


def _leases(place):
    return _Closing(SqlStore(**place))


def test_a_lease_is_renewed(make_store):
    """A lease lives longer than its term as long as its process does."""
    store, other = make_store(lease_term=0.6), make_store()
    lease = claimed(store.leases, 1)
    first = lease.good_until
    never = threading.Event()
    while not lease.lost and lease.good_until < first + 1.2:
        never.wait(0.02)
    assert not lease.lost
    assert isinstance(other.leases.claim(key_of(1), Owner("f")), Holder)
    lease.release()
    assert other.leases.holder(key_of(1)) is None


def test_a_lease_that_is_taken_over_is_lost(make_store, file, make_call, result):
    """Who could not renew a lease loses it to the next, and what it files then replaces nothing."""
    store, other = make_store(lease_term=60), make_store(lease_term=60)
    call = make_call(1)
    lease = store.leases.claim(call.key, Owner("f"))
    _end_all(store)
    taken = other.leases.claim(call.key, Owner("g"))
    assert not isinstance(taken, Holder)
    assert taken.token > lease.token
    kept = file(other, 1, "kept")
    _record(store, call, "late", lease)
    assert result(store, kept) == "kept"
    _record(other, call, "newer", taken)
    assert result(store, kept) == "newer"
    store.leases._renew_one(lease)
    assert lease.lost
    lease.release()
    assert store.leases.holder(call.key).function == "g"


def test_a_waiter_takes_over_when_the_term_is_over(make_store):
    """A wait ends when the holder's term does, by the clock of the database."""
    store, other = make_store(lease_term=60), make_store()
    claimed(store.leases, 1)
    assert other.leases.wait(key_of(1), Owner("f"), 0.01) is Waited.TIMEOUT
    _end_all(store)
    assert other.leases.wait(key_of(1), Owner("f"), 60) is Waited.GONE


def test_no_thread_is_left(make_store):
    """After `close` no thread renews leases."""
    store = make_store()
    claimed(store.leases, 1)
    assert [thread for thread in threading.enumerate() if thread.name == "fleche-leases"]
    store.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "fleche-leases"]


def test_rows_of_old_leases_are_removed(make_store):
    """What is over is removed after a day; its number is kept until then."""
    from fleche.storage.sql import core

    store = make_store()
    claimed(store.leases, 1).release()
    count = core.select(core.func.count()).select_from(core.leases)
    store.connections.one(core.SWEEP, {"age": 3_600_000_000})
    assert store.connections.one(count) == (1,)
    store.connections.one(core.SWEEP, {"age": -1_000_000})
    assert store.connections.one(count) == (0,)


def _end_all(store):
    """Let the terms of all leases be over."""
    from sqlalchemy import update

    from fleche.storage.sql.schema import leases

    store.connections.one(update(leases).values(until=0))


def _record(store, call, value, lease):
    from fleche.digest import digest
    from fleche.storage.envelope import Envelope

    store.record(call.evolve(result=digest(value)), {digest(value): Envelope.pack(value)}, lease)
