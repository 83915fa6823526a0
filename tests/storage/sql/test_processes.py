"""Threads, forks, pickling, other processes, and connections that break."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fleche import faults
from fleche.call.records import Outcome
from fleche.digest import digest
from fleche.errors import StoreError
from fleche.storage.envelope import Envelope
from fleche.storage.sql import SqlStore

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def test_threads_share_a_store(store, file, result):
    """Eight threads file and look up at once, and each finds what all have filed."""
    start = threading.Barrier(8)

    def work(number):
        start.wait()
        for x in range(15):
            file(store, x, [x, "value"])
            assert result(store, file(store, 1000 + number * 100 + x, x)) == x

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert store.calls.count() == 15 + 8 * 15
    assert list(store.check()) == []


_FILE = """
import pickle, sys
from fleche.call.records import DigestedCall, Outcome
from fleche.digest import digest
from fleche.storage.sql import SqlStore
from fleche.storage.envelope import Envelope
place, number = pickle.loads(bytes.fromhex(sys.argv[1])), int(sys.argv[2])
sys.stdin.readline()
store = SqlStore(**place)
for x in range(30):
    base = dict(module="m", name=f"f{x % 3}", arguments={"x": digest(x)}, metadata={"environment": {"x": x % 2}})
    large = str(x) * 3000
    if number % 2:
        store.record(DigestedCall(**base, outcome=Outcome.ERROR), {})
    call = DigestedCall(**base, result=digest(x if x % 2 else large), inputs=(digest(1),))
    value = x if x % 2 else large
    store.record(call, {digest(value): Envelope.pack(value), digest("shared"): Envelope.pack("shared")})
    if number % 2:
        store.record(DigestedCall(**base, outcome=Outcome.ERROR), {})
    assert store.lookup(call.key).outcome is Outcome.RESULT
store.close()
"""


def test_eight_processes_make_one_store_and_file_the_same_keys(address):
    """Eight processes that begin at once make one schema; each key has one record, and no error replaced a result."""
    commands = [[sys.executable, "-c", _FILE, pickle.dumps(address).hex(), str(number)] for number in range(8)]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE, text=True) for command in commands]
    for child in children:
        child.stdin.write("go\n")
        child.stdin.close()
    assert [child.wait() for child in children] == [0] * 8
    store = SqlStore(**address, create=False)
    records = list(store.calls.recent(1000))
    assert len(records) == store.calls.count() == 30
    assert {record.outcome for record in records} == {Outcome.RESULT}
    assert all(dict(record.arguments) and record.inputs and record.metadata for record in records)
    assert list(store.check()) == []
    store.close()


def test_of_two_that_file_one_key_the_second_sees_the_first(on_server, make_call, result):
    """While one transaction has filed a key and not committed, another waits for it, and then the rule decides."""
    one, other = SqlStore(**on_server), SqlStore(**on_server)
    inside, go = threading.Event(), threading.Event()
    call = make_call(1)

    def pause():
        if threading.current_thread().name == "first":
            inside.set()
            go.wait()

    def first():
        one.record(call.evolve(result=digest("x")), {digest("x"): Envelope.pack("x")})

    with faults.armed("record:before-commit", pause):
        thread = threading.Thread(target=first, name="first")
        thread.start()
        inside.wait()
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(other.record, call.evolve(outcome=Outcome.ERROR), {})
            asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            from sqlalchemy import text

            while one.connections.one(text(asked)) == (0,):
                pass
            assert other.lookup(call.key) is None
            go.set()
            late.result()
        thread.join()
    assert result(other, call) == "x"
    one.close()
    other.close()


def test_a_deadlock_is_run_again(on_server, file, result):
    """Two transactions that wait for each other both succeed: the database gives one up, and it is run again."""
    from sqlalchemy import update

    from fleche.storage.sql.schema import calls

    store = SqlStore(**on_server)
    keys = [file(store, x, x).key.raw for x in range(2)]
    meet = threading.Barrier(2)
    runs = []

    def work(order):
        met = []

        def change(connection):
            runs.append(order)
            for key in order:
                connection.execute(update(calls).where(calls.c.key == key).values(expires=1))
                if not met:
                    met.append(meet.wait())

        store.connections.write(change)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, [keys, keys[::-1]]))
    assert len(runs) == 3
    store.close()


def test_a_killed_connection_is_replaced(server, on_server, file, result):
    """A connection that the server ended is replaced unseen; one that breaks in a transaction leaves nothing half."""
    store = SqlStore(**on_server)
    call = file(store, 1, "x" * 5000)
    server.kill_sessions()
    assert result(store, call) == "x" * 5000
    server.kill_sessions()
    assert result(store, file(store, 2, "y")) == "y"
    killed = []

    def kill():
        if not killed:
            killed.append(server.kill_sessions())

    with faults.armed("record:before-commit", kill):
        assert result(store, file(store, 3, "z")) == "z"
    assert killed
    assert store.calls.count() == 3
    with faults.armed("record:before-commit", server.kill_sessions), pytest.raises(StoreError, match="cannot be used"):
        file(store, 4, "z")
    assert result(store, file(store, 4, "z")) == "z"
    assert list(store.check()) == []
    store.close()


def test_a_lease_outlives_its_connections(server, on_server):
    """Leases are rows: ending connections ends none."""
    from fleche.testing.leases import claimed

    store = SqlStore(**on_server)
    with claimed(store.leases, 1) as lease:
        server.kill_sessions()
        store.leases._renew_one(lease)
        assert not lease.lost
    store.close()


def in_child(work):
    """Run in a forked child, and fail if it fails."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_a_forked_child_opens_its_own(store, file, result):
    """A child uses no connection of its parent, and the parent's work on after the child has ended."""
    first = file(store, 1, "parent")

    def work():
        assert not store.connections.is_open()
        assert result(store, first) == "parent"
        file(store, 2, "child")
        store.close()
        gc.collect()

    for _ in range(3):
        in_child(work)
        assert result(store, first) == "parent"
    assert sorted(store.values.load(key) for key in store.values.list()) == ["child", "parent"]


def test_forking_while_other_threads_work(store, file):
    """A fork waits for the statements of other threads, and both sides work on."""
    stop = threading.Event()

    def work(number):
        x = 0
        while not stop.is_set():
            file(store, number * 100_000 + x, x)
            x += 1
        return x

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(work, number) for number in range(3)]
        for x in range(5):
            in_child(lambda x=x: file(store, 900_000 + x, "child"))
        stop.set()
        done = sum(each.result() for each in running)
    assert store.calls.count() == done + 5
    assert list(store.check()) == []


def test_a_pickled_store_is_its_address(store, file, result):
    """A store in another process is the same store, opened when it is first used."""
    call = file(store, 1, "x")
    copy = pickle.loads(pickle.dumps(store))
    assert not copy.connections.is_open()
    assert result(copy, call) == "x"
    faces = pickle.loads(pickle.dumps((store.values, store.calls)))
    assert faces[0].store is faces[1].store
    assert faces[0].load(digest("x")) == "x"
    copy.close()
    faces[0].store.close()


def test_nothing_is_left_open(server, on_server, file):
    """Closing a store, or dropping it, closes its connections, whichever threads used them; and it opens again."""
    gc.collect()
    before = len(server.sessions())
    store = SqlStore(**on_server)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda x: file(store, x, x), range(20)))
    assert len(server.sessions()) > before
    store.close()
    _settle(server, before)
    file(store, 1, "again")
    assert len(server.sessions()) > before
    store = None
    gc.collect()
    _settle(server, before)
    assert store is None


def _settle(server, count):
    """Wait until the server has noticed that connections were closed."""
    for _ in range(10_000):
        if len(server.sessions()) <= count:
            return
    raise AssertionError(server.sessions())


_DIE = """
import os, pickle, signal, sys
from fleche import faults
from fleche.call.records import DigestedCall
from fleche.digest import digest
from fleche.storage.sql import SqlStore
from fleche.storage.envelope import Envelope
place, point = pickle.loads(bytes.fromhex(sys.argv[1])), sys.argv[2]
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
if point.startswith("store"):
    with faults.armed(point, die):
        SqlStore(**place)
store = SqlStore(**place)
with faults.armed(point, die):
    call = DigestedCall(module="m", name="f", result=digest("v" * 5000))
    store.record(call, {call.result: Envelope.pack("v" * 5000)})
"""


@pytest.mark.parametrize("point", ["record:before-commit", "record:after-commit", "store:before-seal"])
def test_a_killed_process_leaves_all_or_nothing(address, point):
    """A process killed at any point leaves a store that opens, with the whole record or none of it."""
    ended = subprocess.run([sys.executable, "-c", _DIE, pickle.dumps(address).hex(), point])
    assert ended.returncode == -9
    store = SqlStore(**address)
    assert store.calls.count() == len(list(store.values.list())) == (point == "record:after-commit")
    store.close()
