"""The lock of short sections: exclusive, reentrant, and of use to a condition."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from fleche import spinlock
from fleche.spinlock import SpinLock
from fleche.testing.interrupts import Interrupt


def test_one_thread_at_a_time_is_inside() -> None:
    """However many want to be."""
    lock, inside, most = SpinLock(), 0, 0

    def enter() -> None:
        nonlocal inside, most
        for _ in range(2000):
            with lock:
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == (1, 0)


def test_who_has_it_may_take_it_again() -> None:
    """And it is free once it was given back as often."""
    lock = SpinLock()
    with lock, lock:
        assert not _takes(lock)
    assert _takes(lock)


def test_one_that_is_held_for_long_is_waited_for() -> None:
    """A thread that has looked often enough blocks, and gets it when it is given back."""
    lock, held = SpinLock(), threading.Event()
    got: list[bool] = []

    def take() -> None:
        held.set()
        got.append(lock.acquire())
        lock.release()

    lock.acquire()
    thread = threading.Thread(target=take)
    thread.start()
    held.wait()
    lock.release()
    thread.join()
    assert got == [True]


def test_it_can_be_tried() -> None:
    """At once, or for some time."""
    lock = SpinLock()
    with lock:
        assert not _takes(lock, False)
        assert not _takes(lock, True, 0.001)


def test_a_condition_of_it_wakes_who_waits() -> None:
    """Who waits does not hold it, however often it was taken."""
    lock = SpinLock()
    condition = lock.condition()
    ready, woken = threading.Event(), []

    def wait() -> None:
        with lock, condition:
            ready.set()
            woken.append(condition.wait(30))

    thread = threading.Thread(target=wait)
    thread.start()
    ready.wait()
    with condition:
        condition.notify()
    thread.join()
    assert woken == [True]


def test_a_condition_is_not_told_by_who_does_not_hold_it() -> None:
    """As with any lock."""
    with pytest.raises(RuntimeError, match="un-acquired"):
        SpinLock().condition().notify()


@pytest.mark.parametrize("outside", [False, True])
def test_an_interruption_leaves_it_as_it_was(outside: bool) -> None:
    """Wherever in it Ctrl-C comes, it is free afterwards, or still held by who held it before."""
    step = 0
    while _is_interrupted(step, outside=outside):
        step += 1
    assert step > 1


def _is_interrupted(step: int, *, outside: bool) -> bool:
    """Interrupt the lock's own code at a step; return whether there is such a step."""
    lock, interrupt = SpinLock(), Interrupt(spinlock, step)
    if outside:
        lock.acquire()
    with suppress(KeyboardInterrupt), interrupt, lock:
        pass
    if outside:
        assert not _takes(lock)
        lock.release()
    assert _takes(lock), f"held for good, where it was interrupted at step {step}"
    return interrupt.left < 0


def _takes(lock: SpinLock, *how: bool | float) -> bool:
    """Return whether another thread gets the lock."""
    got: list[bool] = []

    def take() -> None:
        got.append(lock.acquire(*(how or (False,))))  # type: ignore[arg-type]
        if got[0]:
            lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return got[0]
