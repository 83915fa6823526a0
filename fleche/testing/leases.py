"""The suite that every kind of leases passes: subclass it, and say how one is made."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fleche.digest import Digest
from fleche.storage.leases import Holder, Lease, Leases, Owner, Waited
from fleche.testing.leases_worker import compute_once

__all__ = ["AcrossProcesses", "LeasesSuite", "WorkerProcess", "claimed", "key_of", "worker_process"]

_PATIENCE = 60.0  # seconds after which a test counts as hanging


def key_of(number: int) -> Digest:
    """Return a key; greater for a greater number."""
    return Digest(f"{number:04x}" * 8)


class LeasesSuite:
    """What holds for threads and tasks of one process. A subclass overrides `make`."""

    def make(self, folder: Path) -> Leases:
        """Return new leases; those made of one folder exclude each other."""
        raise NotImplementedError

    @pytest.fixture
    def leases(self, tmp_path: Path) -> Iterator[Leases]:
        """Leases that are closed at the end."""
        made = self.make(tmp_path)
        yield made
        made.close()

    @pytest.fixture
    def threads(self) -> Iterator[ThreadPoolExecutor]:
        """Threads that must all end."""
        with ThreadPoolExecutor(16) as pool:
            yield pool

    def test_a_key_has_one_holder(self, leases: Leases) -> None:
        """A second claim is told who holds the key, whoever asks."""
        lease = claimed(leases, 1, Owner("train.fit"))
        told = leases.claim(key_of(1), Owner("other"))
        assert isinstance(told, Holder)
        assert (told.function, told.pid) == ("train.fit", os.getpid())
        assert told.thread == threading.current_thread().name
        assert f"pid {os.getpid()} on {told.host}" in str(told)
        assert leases.holder(key_of(1)) == told
        assert leases.holder(key_of(2)) is None
        assert claimed(leases, 2).key == key_of(2)
        assert not lease.lost

    def test_numbers_grow(self, leases: Leases) -> None:
        """Every lease of a key has a greater number than those before it."""
        tokens = []
        for _ in range(20):
            with claimed(leases, 1) as lease:
                tokens.append(lease.token)
        assert tokens == sorted(set(tokens))

    def test_released_is_free(self, leases: Leases) -> None:
        """A released key can be claimed, and releasing again takes nothing from the new holder."""
        first = claimed(leases, 1)
        first.release()
        second = claimed(leases, 1)
        first.release()
        assert not second.lost
        assert not first.lost
        assert isinstance(leases.claim(key_of(1), Owner("f")), Holder)

    def test_nothing_to_wait_for(self, leases: Leases) -> None:
        """Waiting for a key that nobody holds ends at once."""
        assert leases.wait(key_of(1), Owner("f")) is Waited.GONE
        assert leases.poll(key_of(1), Owner("f")) is Waited.GONE

    def test_a_wait_is_bounded(self, leases: Leases) -> None:
        """A timeout ends a wait."""
        with claimed(leases, 1):
            assert leases.wait(key_of(1), Owner("f"), 0.0) is Waited.TIMEOUT
            assert leases.wait(key_of(1), Owner("f"), 0.01) is Waited.TIMEOUT
            assert leases.wait(key_of(1), Owner("f", (key_of(2),)), 0.01) is Waited.TIMEOUT

    def test_a_release_wakes_all(self, leases: Leases, threads: ThreadPoolExecutor) -> None:
        """All threads that wait for a key are woken by its release."""
        lease = claimed(leases, 1)
        waits = [threads.submit(leases.wait, key_of(1), Owner("f")) for _ in range(8)]
        lease.release()
        assert {ended(wait) for wait in waits} == {Waited.GONE}

    def test_another_thread_may_release(self, leases: Leases, threads: ThreadPoolExecutor) -> None:
        """A lease belongs to whoever has it, not to the thread that claimed it."""
        lease = ended(threads.submit(claimed, leases, 1))
        lease.release()
        assert leases.holder(key_of(1)) is None

    def test_polling(self, leases: Leases) -> None:
        """A step of a wait says nothing while the key is held, and then that it is gone."""
        lease = claimed(leases, 1)
        owner = Owner("f", (key_of(9),))
        assert [leases.poll(key_of(1), owner) for _ in range(3)] == [None] * 3
        lease.release()
        assert leases.poll(key_of(1), owner) is Waited.GONE

    def test_closing_gives_everything_back(self, leases: Leases) -> None:
        """After close a lease is lost, and its release does nothing."""
        lease = claimed(leases, 1)
        leases.close()
        assert lease.lost
        lease.release()

    def test_one_computation_per_key(self, leases: Leases, threads: ThreadPoolExecutor, tmp_path: Path) -> None:
        """Eight threads compute fifty keys fifty times, never two the same key at once."""
        keys = [key_of(n) for n in range(50)]
        start = threading.Barrier(8)

        def work() -> int:
            start.wait(_PATIENCE)
            return sum(compute_once(leases, key, tmp_path) for key in keys)

        assert sum(ended(w) for w in [threads.submit(work) for _ in range(8)]) == 50

    def test_a_call_that_needs_itself(self, leases: Leases) -> None:
        """Waiting for a key that one holds oneself is a circle of one."""
        with claimed(leases, 1), claimed(leases, 2):
            assert leases.wait(key_of(1), Owner("f", (key_of(1), key_of(2)))) is Waited.CYCLE

    @pytest.mark.parametrize("order", [(1, 2), (2, 1), (1, 2, 3), (3, 2, 1), (2, 3, 1), (4, 1, 3, 2)])
    def test_a_circle_of_threads(self, leases: Leases, threads: ThreadPoolExecutor, order: tuple[int, ...]) -> None:
        """In a circle exactly the one who waits for the largest key steps out; then all others go on."""
        held = {n: claimed(leases, n) for n in order}
        following = dict(zip(order, order[1:] + order[:1], strict=True))

        def work(n: int) -> Waited:
            how = leases.wait(key_of(following[n]), Owner("f", (key_of(n),)))
            held[n].release()
            return how

        waits = {n: threads.submit(work, n) for n in order}
        assert {n for n in order if ended(waits[n]) is Waited.CYCLE} == {n for n in order if following[n] == max(order)}

    def test_a_chain_is_no_circle(self, leases: Leases, threads: ThreadPoolExecutor) -> None:
        """Waits that do not come back to where they began end when the last computation does."""
        held = {n: claimed(leases, n) for n in (1, 2, 3)}

        def work(n: int) -> Waited:
            how = leases.wait(key_of(n + 1), Owner("f", (key_of(n),)))
            held[n].release()
            return how

        waits = [threads.submit(work, n) for n in (1, 2)]
        for _ in range(5):
            assert leases.poll(key_of(1), Owner("f", (key_of(7),))) is None
        held[3].release()
        assert [ended(wait) for wait in waits] == [Waited.GONE] * 2

    def test_a_wait_that_was_left(self, leases: Leases) -> None:
        """Who gave up waiting closes no circle."""
        with claimed(leases, 1), claimed(leases, 2):
            assert leases.poll(key_of(2), Owner("f", (key_of(1),))) is None
            leases.leave(key_of(2), Owner("f", (key_of(1),)))
            for _ in range(3):
                assert leases.poll(key_of(1), Owner("g", (key_of(2),))) is None
                assert leases.poll(key_of(2), Owner("h", (key_of(3),))) is None

    def test_a_forgotten_poll_ends_with_what_it_held(self, leases: Leases) -> None:
        """Who polled and never said that it left closes no circle once its own lease is released."""
        with claimed(leases, 2):
            with claimed(leases, 1):
                assert leases.poll(key_of(2), Owner("f", (key_of(1),))) is None
            with claimed(leases, 1):
                for _ in range(3):
                    assert leases.poll(key_of(1), Owner("g", (key_of(2),))) is None
                    assert leases.poll(key_of(2), Owner("h", (key_of(3),))) is None

    def test_tasks_of_one_thread(self, leases: Leases) -> None:
        """Tasks that poll in one thread find their circle: what counts is what each holds."""

        async def task(mine: int, other: int) -> Waited:
            with claimed(leases, mine):
                await asyncio.sleep(0)
                while (how := leases.poll(key_of(other), Owner("f", (key_of(mine),)))) is None:
                    await asyncio.sleep(0)
                return how

        async def both() -> tuple[Waited, Waited]:
            return await asyncio.wait_for(asyncio.gather(task(1, 2), task(2, 1)), _PATIENCE)

        assert list(asyncio.run(both())) == [Waited.CYCLE, Waited.GONE]


class AcrossProcesses(LeasesSuite):
    """What holds for the processes of one machine as well. A subclass also overrides `opening`."""

    def opening(self, folder: Path) -> str:
        """Return Python that makes ``leases`` as `make` does, in another process."""
        raise NotImplementedError

    @pytest.fixture
    def workers(self, tmp_path: Path) -> Iterator[Any]:
        """Starts processes, which are killed at the end."""
        with ExitStack() as stack:
            yield lambda: stack.enter_context(worker_process(self.opening(tmp_path)))

    def test_another_process_is_told(self, leases: Leases, workers: Any) -> None:
        """A claim by another process is told process, thread and function of the holder."""
        worker = workers()
        with claimed(leases, 1, Owner("train.fit")):
            told = worker.ask("claim", key_of(1))
            assert told.startswith(f"holder pid {os.getpid()} on ")
            assert "train.fit" in told
        assert worker.ask("claim", key_of(1)).startswith("lease")
        told_here = leases.claim(key_of(1), Owner("f"))
        assert isinstance(told_here, Holder)
        assert (told_here.pid, told_here.function) == (worker.pid, "worker")

    def test_a_killed_holder_is_gone(self, leases: Leases, workers: Any, threads: ThreadPoolExecutor) -> None:
        """A waiter takes over from a holder killed with -9, with a greater number, and no file is left."""
        worker = workers()
        token = int(worker.ask("claim", key_of(1)).split()[1])
        wait = threads.submit(leases.wait, key_of(1), Owner("f", (key_of(2),)))
        worker.kill()
        assert ended(wait) is Waited.GONE
        with claimed(leases, 1) as lease:
            assert lease.token > token

    def test_a_fork_inherits_nothing(self, leases: Leases) -> None:
        """In a forked child its parent's lease is lost; releasing it or dying there takes nothing from the parent."""
        with claimed(leases, 1) as lease:

            def child() -> bool:
                refused = isinstance(leases.claim(key_of(1), Owner("f")), Holder)
                lost = lease.lost
                lease.release()
                return lost and refused and isinstance(leases.claim(key_of(1), Owner("f")), Holder)

            assert in_fork(child)
            assert not lease.lost
            assert isinstance(leases.claim(key_of(1), Owner("f")), Holder)

    def test_a_fork_keeps_nothing_alive(self, leases: Leases, workers: Any) -> None:
        """A child that was forked while its parent held a lease does not keep it when the parent is killed."""
        worker = workers()
        worker.ask("claim", key_of(1))
        orphan = int(worker.ask("fork"))
        try:
            worker.kill()
            assert leases.wait(key_of(1), Owner("f"), _PATIENCE) is Waited.GONE
        finally:
            os.kill(orphan, signal.SIGKILL)

    def test_a_program_started_by_the_holder_holds_nothing(self, leases: Leases, workers: Any) -> None:
        """A program that the holder started, and that lives on, does not keep the lease."""
        worker = workers()
        worker.ask("claim", key_of(1))
        orphan = int(worker.ask("start"))
        try:
            worker.kill()
            assert leases.wait(key_of(1), Owner("f"), _PATIENCE) is Waited.GONE
        finally:
            os.kill(orphan, signal.SIGKILL)

    @pytest.mark.parametrize("order", [(1, 2), (2, 1), (3, 1, 2)])
    def test_a_circle_of_processes(self, workers: Any, order: tuple[int, ...]) -> None:
        """In a circle of processes exactly the one who waits for the largest key steps out; then all others go on."""
        found = {n: workers() for n in order}
        following = dict(zip(order, order[1:] + order[:1], strict=True))
        for n in order:
            assert found[n].ask("claim", key_of(n)).startswith("lease")
        for n in order:
            found[n].tell("wait", key_of(following[n]), key_of(n))
        pending = set(order)
        n = next(n for n in order if following[n] == max(order))
        assert found[n].hear() == "cycle"
        while pending:
            pending.remove(n)
            found[n].ask("release", key_of(n))
            n = next((m for m in pending if following[m] == n), 0)
            if n:
                assert found[n].hear() == "gone"

    def test_a_circle_through_threads_and_processes(
        self, leases: Leases, workers: Any, threads: ThreadPoolExecutor
    ) -> None:
        """A circle of two threads here and another process is left by one of them."""
        worker = workers()
        worker.ask("claim", key_of(3))
        held = {n: claimed(leases, n) for n in (1, 2)}

        def work(n: int) -> Waited:
            how = leases.wait(key_of(n + 1), Owner("f", (key_of(n),)))
            held[n].release()
            return how

        waits = [threads.submit(work, n) for n in (1, 2)]
        worker.tell("wait", key_of(1), key_of(3))
        assert [ended(wait) for wait in reversed(waits)] == [Waited.CYCLE, Waited.GONE]
        assert worker.hear() == "gone"

    def test_many_processes_contend(self, workers: Any, tmp_path: Path) -> None:
        """Eight processes compute forty keys forty times, never two the same key at once."""
        keys = [key_of(n) for n in range(40)]
        found = [workers() for _ in range(8)]
        for worker in found:
            worker.tell("compute", tmp_path, *keys)
        assert sum(int(worker.hear()) for worker in found) == 40

    def test_nothing_is_left(self, tmp_path: Path, workers: Any) -> None:
        """After everyone is closed or dead and somebody looked, only files of a fixed number are left."""
        leases, worker = self.make(tmp_path), workers()
        worker.ask("claim", key_of(1))
        with claimed(leases, 2):
            assert leases.poll(key_of(1), Owner("f", (key_of(2),))) is None
            worker.kill()
            leases.wait(key_of(1), Owner("f", (key_of(2),)))
            with claimed(leases, 1), claimed(leases, 3):
                assert isinstance(leases.claim(key_of(1), Owner("f")), Holder)
                leases.poll(key_of(3), Owner("f", (key_of(2),)))
        leases.close()
        worker.close()
        assert len([path for path in tmp_path.rglob("*") if path.is_file()]) <= 1


class WorkerProcess:
    """A process that runs `leases_worker`."""

    def __init__(self, opening: str) -> None:
        program = f"{opening}\nfrom fleche.testing.leases_worker import main\nmain(leases)"
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.pid = self._process.pid

    def tell(self, *words: object) -> None:
        """Give a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")

    def hear(self) -> str:
        """Return the next answer."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def ask(self, *words: object) -> str:
        """Give a command and return its answer."""
        self.tell(*words)
        return self.hear()

    def kill(self) -> None:
        """Kill it with -9 and wait until it is dead."""
        self._process.kill()
        self._process.wait(_PATIENCE)

    def close(self) -> None:
        """Kill it and close its pipes."""
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def worker_process(opening: str) -> Iterator[WorkerProcess]:
    """Run a worker for the length of a ``with`` block."""
    worker = WorkerProcess(opening)
    try:
        yield worker
    finally:
        worker.close()


def claimed(leases: Leases, number: int, owner: Owner | None = None) -> Lease:
    """Return a lease that is expected to be free."""
    lease = leases.claim(key_of(number), owner or Owner("f"))
    assert not isinstance(lease, Holder), str(lease)
    return lease


def ended(future: Future[Any]) -> Any:
    """Return the result of a thread that is expected to end."""
    return future.result(_PATIENCE)


def in_fork(check: Any) -> bool:
    """Return what a check says in a forked child."""
    child = os.fork()
    if child == 0:
        os._exit(0 if check() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
