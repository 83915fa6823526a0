"""Several threads that fork at once, while others use and close stores."""

from __future__ import annotations

import os
import threading
import time

import pytest

from fleche.storage.embedded import EmbeddedStore
from fleche.storage.forks import FORKS

pytestmark = [pytest.mark.portable, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]


class Told:
    """Counts the forks that it was told of the beginning of, and not yet of the end."""

    def __init__(self) -> None:
        self.begun = 0
        self.most = 0
        self.first = threading.Event()
        self.second = threading.Event()

    def before_fork(self) -> None:
        """Let a second thread fork now, if it can."""
        self.begun += 1
        self.most = max(self.most, self.begun)
        if self.first.is_set():
            self.second.set()
        else:
            self.first.set()
            self.second.wait(0.2)

    def after_fork_in_parent(self) -> None:
        """Note the end."""
        self.begun -= 1

    def after_fork_in_child(self) -> None:
        """Do nothing."""


def fork():
    """Fork, as soon as filelock allows: where it is imported, it refuses while another thread forks."""
    while True:
        try:
            return os.fork()
        except RuntimeError as refusal:
            if "filelock" not in str(refusal):
                raise
            time.sleep(0.001)


def fork_and_wait():
    """Fork a child that ends at once."""
    child = fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def test_two_threads_do_not_fork_at_once():
    """What is told before a fork is told after it before another fork begins."""
    told = Told()
    FORKS.add(told)
    one = threading.Thread(target=fork_and_wait)
    one.start()
    told.first.wait()
    fork_and_wait()
    one.join()
    assert (told.begun, told.most) == (0, 1)


def test_what_is_made_during_a_fork_is_not_told_of_its_end_alone():
    """An object added by another thread while a fork begins hears of both its ends, or of none."""
    slow, late = Told(), Told()
    late.first.set()
    FORKS.add(slow)
    adding = threading.Thread(target=lambda: (slow.first.wait(), FORKS.add(late)))
    adding.start()
    fork_and_wait()
    adding.join()
    assert (slow.begun, late.begun) == (0, 0)


def test_forks_in_threads_while_stores_are_made_and_closed(tmp_path):
    """Every child can save, whatever the other threads were at; no hook fails, and nothing hangs."""
    shared = EmbeddedStore(tmp_path / "shared")
    failures: list[object] = []

    def fork_often(rounds):
        for number in range(rounds):
            child = fork()
            if child == 0:
                status = 1
                try:
                    shared.values.save(number)
                    status = 0
                finally:
                    os._exit(status)
            if os.waitpid(child, 0)[1]:
                failures.append("a child failed")

    def make(name):
        for number in range(15):
            store = EmbeddedStore(tmp_path / name)
            store.values.save(number)
            store.close()

    def use():
        for number in range(60):
            try:
                threading.Thread(target=shared.values.save, args=(number,)).start()
                shared.close()
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=fork_often, args=(25,)) for _ in range(2)]
    threads += [threading.Thread(target=make, args=(name,)) for name in ("a", "b")] + [threading.Thread(target=use)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    shared.close()


def test_what_a_finalizer_closes_is_closed_before_or_after_a_fork():
    """While one thread forks, what another drops is closed by the one that forks, or after the fork."""
    slow, closed = Told(), threading.Event()
    FORKS.add(slow)

    class Thing:
        def close(self) -> None:
            assert slow.begun == 0 or threading.current_thread() is threading.main_thread()
            closed.set()

    closing = threading.Thread(target=lambda: (slow.first.wait(), FORKS.close(Thing())))
    closing.start()
    fork_and_wait()
    closing.join()
    assert closed.is_set()
