"""Threads, forks, other processes at the same time, and processes that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fleche import faults
from fleche.call.records import Outcome, QueryCall
from fleche.digest import digest
from fleche.storage.file import FileStore
from fleche.storage.file.transform import Moves
from fleche.testing.strategies import plain

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and /proc")

_START = """
import os, signal, sys
from pathlib import Path
from fleche import faults
from fleche.call.records import DigestedCall, Outcome, QueryCall
from fleche.digest import digest
from fleche.storage.envelope import Envelope
from fleche.storage.file import FileStore
root, index, me = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
def call(x, who=0, **fields):
    arguments = {"x": digest(x), "who": digest(who)}
    given = {"module": "m", "name": "f", "arguments": arguments, "scalars": {"x": x, "who": who}}
    return DigestedCall(**{**given, **fields})
def file(store, x, who=0, value=None):
    value = x if value is None else value
    store.record(call(x, who, result=digest(value)), {digest(value): Envelope.pack(value)})
def barrier():
    print("ready", flush=True)
    sys.stdin.readline()
"""


class Crowd:
    """Processes that run one program and meet at barriers."""

    def __init__(self, program, root, index, size):
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-c", _START + program, str(root), str(index), str(number)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(size)
        ]

    def meet(self):
        for process in self._processes:
            assert process.stdout.readline() == "ready\n"
        for process in self._processes:
            process.stdin.write("go\n")
            process.stdin.flush()

    def end(self):
        said = [process.communicate(timeout=120)[0] for process in self._processes]
        assert [process.returncode for process in self._processes] == [0] * len(said), said
        return said


_ASK = """
barrier()
store = FileStore(root, index=index)
for x in range(15):
    file(store, x, me)
    if x == 7 and me % 2:
        for path in list(index.parent.glob(index.name + "*")):
            path.unlink(missing_ok=True)
    mine = [call.scalars["x"] for call in store.calls.query(QueryCall(arguments={"who": me}))]
    assert sorted(mine) == list(range(x + 1)), (me, x, mine)
barrier()
found = [(call.scalars["who"], call.scalars["x"]) for call in store.calls.query(QueryCall(name="f"))]
assert sorted(found) == [(who, x) for who in range(8) for x in range(15)], (me, len(found))
assert len(list(store.calls.recent(1000))) == store.calls.count() == 120
for x in range(15):
    hit = store.lookup(call(x, (me + 1) % 8).key)
    assert store.decode(hit.result, hit.envelope) == x
store.close()
"""


def test_eight_processes_ask_while_the_index_is_deleted(root, index):
    """Of eight processes on one host that file and ask, some delete the index: every answer is whole."""
    crowd = Crowd(_ASK, root, index, 8)
    crowd.meet()
    crowd.meet()
    crowd.end()


_CONTEND = """
store = FileStore(root, index=index.with_name(f"{me}.db"))
for x in range(25):
    if x % 5 == 0:
        barrier()
    if me % 2:
        store.record(call(x, outcome=Outcome.ERROR), {})
    else:
        file(store, x)
    if me % 2 == 0:
        hit = store.lookup(call(x).key)
        assert hit.outcome is Outcome.RESULT and hit.envelope is not None, (me, x, hit)
store.close()
"""


def test_a_result_is_never_replaced_by_an_error(root, index):
    """Of eight processes, each as on a host of its own, half file results and half errors: every result stays."""
    crowd = Crowd(_CONTEND, root, index, 8)
    for _ in range(5):
        crowd.meet()
    crowd.end()
    store = FileStore(root, index=index)
    found = list(store.calls.query(QueryCall(outcomes=frozenset(Outcome))))
    assert [record.outcome for record in found] == [Outcome.RESULT] * 25
    store.close()


_COMPUTE = """
import fleche
from fleche.caches import Cache
store = FileStore(root, index=index.with_name(f"{me}.db"))
@fleche.cached
def body(x):
    with open(index.with_name(f"ran-{x}"), "a") as file:
        file.write("once ")
    return [x] * 3
with fleche.cache(Cache(store.values, store.calls)):
    barrier()
    assert [body(x) for x in range(12)] == [[x] * 3 for x in range(12)]
store.close()
"""


def test_a_call_is_computed_once(root, index):
    """Of four processes that ask for the same calls at once one computes each; the others wait and find it."""
    crowd = Crowd(_COMPUTE, root, index, 4)
    crowd.meet()
    crowd.end()
    assert [index.with_name(f"ran-{x}").read_text() for x in range(12)] == ["once "] * 12


_DIE = """
point = sys.argv[4]
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
if point.startswith("store"):
    with faults.armed(point, die):
        FileStore(root, index=index)
store = FileStore(root, index=index)
for x in range(5):
    file(store, x)
    print(x, flush=True)
with faults.armed(point, die):
    file(store, 5)
    list(store.calls.query(QueryCall()))
"""


@pytest.mark.parametrize(
    "point",
    ["file:before-write", "whole:opened", "whole:written", "whole:before-rename", "whole:after-rename",
     "file:after-rename", "record:before-commit", "call:before-write", "call:after-write", "record:after-commit",
     "store:before-seal", "index:between", "index:refreshed"],
)  # fmt: skip
def test_what_was_acknowledged_survives_kill_9(root, index, file, make_call, point):
    """A process killed at any point leaves a store that opens, holds all that was acknowledged, and takes more."""
    command = [sys.executable, "-c", _START + _DIE, str(root), str(index), "0", point]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    acknowledged = [int(line) for line in ended.stdout.split()]
    assert acknowledged == ([] if point.startswith("store") else list(range(5)))
    store = FileStore(root, index=index)
    found = {call.scalars["x"]: store.lookup(call.key) for call in store.calls.query(QueryCall())}
    assert set(acknowledged) <= set(found) <= {*acknowledged, 5}
    for x, hit in found.items():
        assert store.decode(hit.result, hit.envelope) == x
    file(store, 5, 5)
    assert {finding.fault for finding in store.check()} <= {"orphan"}
    store.close()


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_an_interrupted_transformation_is_finished(store, root, index, make_call, after):
    """However far it came when it was interrupted, all records are as they should be when the store is opened next."""
    for name in ("f", "g"):
        for x in range(2):
            store.calls.save(make_call(x, name=name, metadata={"was": {"name": name}}))
    left = [None] * after

    def die():
        left.pop()
        if not left:
            raise KeyboardInterrupt

    with faults.armed("moves:before-write", die), pytest.raises(KeyboardInterrupt):
        store.calls.transform(lambda call: call.evolve(name={"f": "g", "g": "f"}[call.name]))
    assert Moves(store.files).pending
    assert [(finding.fault, finding.what) for finding in store.check()] == [("misfiled", "store")]
    other = FileStore(root, index=index.with_name("other.db"))
    assert not Moves(other.files).pending
    found = {(call.name, call.scalars["x"], call.metadata["was"]["name"]) for call in other.calls.query(QueryCall())}
    assert found == {("f", 0, "g"), ("f", 1, "g"), ("g", 0, "f"), ("g", 1, "f")}
    assert list(other.check()) == []
    other.close()


def test_what_others_file_while_records_move_stays(store, file, make_call):
    """A record that is filed after a transformation was planned is not replaced by an older one."""
    store.calls.save(make_call(1, result=digest("old")))
    newer = make_call(1, name="g", result=digest("new"), metadata={"tags": {"by": "another"}})

    def meanwhile():
        store.calls.save(newer)

    with faults.armed("moves:before-write", meanwhile):
        store.calls.transform(lambda call: call.evolve(name="g", result=digest("new")))
    assert plain(store.calls.load(newer.key)) == plain(newer)


def test_threads_share_a_store(store, file, result):
    """Eight threads file, look up and ask at once, and each finds what all have filed."""
    start = threading.Barrier(8)

    def work(number):
        start.wait()
        for x in range(15):
            file(store, x, [x, "value"])
            mine = file(store, 1000 + number * 100 + x, x)
            assert result(store, mine) == x
            assert mine.key in {call.key for call in store.calls.query(QueryCall(arguments={"x": mine.scalars["x"]}))}
        return number

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(work, range(8))) == list(range(8))
    assert store.calls.count() == 15 + 8 * 15


def test_a_forked_child_uses_the_store(store, file, result):
    """A child of a process with an open index files and asks, and the parent finds it."""
    first = file(store, 1, "parent")
    assert len(list(store.calls.query(QueryCall()))) == 1
    child = os.fork()
    if child == 0:
        status = 1
        try:
            assert result(store, first) == "parent"
            file(store, 2, "child")
            assert len(list(store.calls.query(QueryCall()))) == 2
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert [call.scalars["x"] for call in store.calls.query(QueryCall())] == [1, 2]
