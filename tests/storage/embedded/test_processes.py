"""Threads, forks, pickling, other processes, and processes that die."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fleche.digest import digest
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.envelope import Envelope

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and /proc")


def test_threads_share_a_store(store, file, result):
    """Eight threads file and look up at once, and each finds what all have filed."""
    start = threading.Barrier(8)

    def work(number):
        start.wait()
        for x in range(30):
            file(store, x, [x, "value"])
            assert result(store, file(store, 1000 + number * 100 + x, x)) == x
        return number

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(work, range(8))) == list(range(8))
    assert store.calls.count() == 30 + 8 * 30


def test_a_connection_ends_with_its_thread(store, file, root, open_files):
    """A thread that is over leaves no open file."""
    before = len(open_files())
    for x in range(3):
        thread = threading.Thread(target=file, args=(store, x, x))
        thread.start()
        thread.join()
    gc.collect()
    assert len(open_files()) == before


def test_closing_lets_go_of_everything(root, file, result, open_files):
    """After `close` no file is open, whichever threads used the store; and it can be used again."""
    store = EmbeddedStore(root)
    used, over = threading.Event(), threading.Event()

    def work():
        file(store, 1, "one")
        used.set()
        over.wait()

    thread = threading.Thread(target=work)
    thread.start()
    used.wait()
    file(store, 2, "two")
    store.close()
    assert open_files() == []
    assert not list(root.glob("*-wal"))
    over.set()
    thread.join()
    assert result(store, file(store, 3, "three")) == "three"
    store.close()
    assert open_files() == []


def test_a_dropped_store_is_closed(root, file, open_files):
    """A store that nobody refers to any more has no open file."""
    store = EmbeddedStore(root)
    file(store, 1, 1)
    del store
    gc.collect()
    assert open_files() == []


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


def test_a_forked_child_opens_its_own(store, file, result, root, open_files):
    """A child inherits no connection, writes what the parent finds, and outlives the parent's connections."""
    first = file(store, 1, "parent")

    def work():
        assert not [name for name in open_files() if "index.db" in name]
        assert result(store, first) == "parent"
        file(store, 2, "child")

    in_child(work)
    assert sorted(store.values.load(key) for key in store.values.list()) == ["child", "parent"]
    assert store.calls.count() == 2


def test_a_child_keeps_writing_when_the_parent_has_closed(root, file, result):
    """What a child files after its parent closed the store is there for the next who opens it."""
    store = EmbeddedStore(root)
    file(store, 1, "parent")
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            file(store, 2, "child, early")
            os.write(ready[1], b"x")
            os.read(go[0], 1)
            file(store, 3, "child, late")
            status = 0
        finally:
            os._exit(status)
    os.read(ready[0], 1)
    store.close()
    other = EmbeddedStore(root)
    file(other, 4, "other")
    other.close()
    os.write(go[1], b"x")
    assert os.waitpid(child, 0)[1] == 0
    last = EmbeddedStore(root)
    assert last.calls.count() == 4
    assert last._database.one("PRAGMA integrity_check") == ("ok",)
    last.close()
    for end in (*ready, *go):
        os.close(end)


def test_forking_while_other_threads_work(store, file):
    """A fork waits for the transactions of other threads, and both sides work on."""
    stop = threading.Event()

    def work(number):
        x = 0
        while not stop.is_set():
            file(store, number * 100_000 + x, x)
            x += 1
        return x

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(work, number) for number in range(3)]
        for x in range(10):
            in_child(lambda x=x: file(store, 900_000 + x, "child"))
        stop.set()
        done = sum(each.result() for each in running)
    assert store.calls.count() == done + 10
    assert store._database.one("PRAGMA integrity_check") == ("ok",)


def test_a_pickled_store_is_its_address(store, file, result):
    """A store in another process is the same store, opened when it is first used."""
    call = file(store, 1, "x")
    copy = pickle.loads(pickle.dumps(store))
    assert not copy._database._slots
    assert result(copy, call) == "x"
    faces = pickle.loads(pickle.dumps((store.values, store.calls)))
    assert faces[0].store is faces[1].store
    assert faces[0].load(digest("x")) == "x"
    copy.close()
    faces[0].store.close()


_MAKE = """
import sys
from fleche.call.records import DigestedCall
from fleche.digest import digest
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.envelope import Envelope
sys.stdin.readline()
store = EmbeddedStore(sys.argv[1])
for x in range(20):
    call = DigestedCall(module="m", name="f", arguments={"x": digest((x, int(sys.argv[2])))}, result=digest(x))
    store.record(call, {digest(x): Envelope.pack(x)})
store.close()
"""


def test_eight_processes_make_one_store(root):
    """Of eight processes that begin at once one makes the store, and what each files is there."""
    commands = [[sys.executable, "-c", _MAKE, str(root), str(number)] for number in range(8)]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE, text=True) for command in commands]
    for child in children:
        child.stdin.write("go\n")
        child.stdin.close()
    assert [child.wait() for child in children] == [0] * 8
    store = EmbeddedStore(root, create=False)
    assert store.calls.count() == 160
    store.close()


_DIE = """
import os, signal, sys
from fleche import faults
from fleche.call.records import DigestedCall
from fleche.digest import digest
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.envelope import Envelope
root, point, value = sys.argv[1], sys.argv[2], sys.argv[3] * int(sys.argv[4])
def file(store, x):
    call = DigestedCall(module="m", name="f", arguments={"x": digest(x)}, result=digest(value + str(x)))
    store.record(call, {call.result: Envelope.pack(value + str(x))})
    print(x, flush=True)
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
if point.startswith("store"):
    with faults.armed(point, die):
        EmbeddedStore(root)
store = EmbeddedStore(root)
for x in range(5):
    file(store, x)
with faults.armed(point, die):
    file(store, 5)
"""


@pytest.mark.parametrize("repeat", [1, 5000, 300_000], ids=["in the row", "in the index", "in a file"])
@pytest.mark.parametrize(
    "point",
    ["file:before-write", "whole:written", "whole:before-rename", "file:after-rename", "record:before-commit",
     "record:after-commit", "store:before-seal"],
)  # fmt: skip
def test_what_was_acknowledged_survives_kill_9(root, file, make_call, result, point, repeat):
    """A process killed at any point leaves a store that opens, holds all that was acknowledged, and takes more."""
    ended = subprocess.run(
        [sys.executable, "-c", _DIE, str(root), point, "v", str(repeat)], capture_output=True, text=True
    )
    reached = repeat == 300_000 or not point.startswith(("file", "whole")) or "after" in point
    acknowledged = [int(line) for line in ended.stdout.split()]
    store = EmbeddedStore(root)
    for x in acknowledged:
        assert result(store, make_call(x)) == "v" * repeat + str(x)
    if point.startswith("store"):
        assert acknowledged == []
        assert ended.returncode == -9
    else:
        assert len(acknowledged) >= 5
        assert ended.returncode == (-9 if (reached and "after-rename" not in point) or repeat == 300_000 else 0)
    value = "v" * repeat + "5"
    assert result(store, file(store, 5, value)) == value
    assert store._database.one("PRAGMA integrity_check") == ("ok",)
    store.close()


def test_a_killed_writer_leaves_no_half_file(root, file):
    """Whatever is below ``values/`` under its final name is whole."""
    subprocess.run([sys.executable, "-c", _DIE, str(root), "whole:written", "v", "300000"], capture_output=True)
    for path in (root / "values").rglob("*"):
        if path.is_file() and not path.name.endswith("~"):
            Envelope.open(path, mapped=False, verify_buffers=True)
