"""Who waits for whom, and who is told."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from fleche.runtime.engine import Change, Engine, Slots
from fleche.runtime.identifiers import InvocationId
from fleche.runtime.invocation.status import InvocationStatus
from fleche.testing.clock import ManualClock
from fleche.testing.runtime.engine_suite import EngineSuite
from fleche.testing.runtime.steps import change, claim, finish, new, ok, run

__all__ = ["WaitingTests"]

_S = InvocationStatus
_SECOND = 1_000_000


class WaitingTests(EngineSuite):
    """Who waits for whom, and who is told."""

    # -- waiting for each other ----------------------------------------------------------------------------------------

    def test_those_that_others_wait_for_come_first(self, engine: Engine) -> None:
        """Oldest first, only those that wait for none and may run; what ended is waited for no more."""
        a, b, c, d = engine.register([new(arguments=str(n)) for n in range(4)])
        (parent,) = claim(engine)
        run(engine, parent)
        assert parent.id == a
        assert engine.wait(a, [d, c]) == []
        assert engine.wait(a, [d, c]) == []
        assert engine.blocking(5) == [c, d]
        assert engine.blocking(1) == [c]
        assert engine.blocking(0) == []
        assert [one.id for one in claim(engine, 3)] == [c, d, b]
        assert engine.blocking(5) == []

    def test_blockers_can_be_switched_off(self, engine: Engine) -> None:
        """Then the order of the queue holds."""
        a, b, c = engine.register([new(arguments=str(n)) for n in range(3)])
        (parent,) = claim(engine)
        run(engine, parent)
        engine.wait(a, [c])
        _, claimed = engine.step("w", limit=1, blockers=False)
        assert [one.id for one in claimed] == [b]

    def test_a_chain_yields_its_end(self, engine: Engine) -> None:
        """Where one waits for a second and that for a third, the third comes first."""
        a, b, c = engine.register([new(arguments=str(n)) for n in range(3)])
        for one in claim(engine, 2):
            run(engine, one)
        engine.wait(a, [b])
        engine.wait(b, [c])
        assert engine.blocking(5) == [c]
        (last,) = claim(engine)
        assert last.id == c

    def test_a_circle_is_refused_and_named(self, engine: Engine) -> None:
        """The edge that would close it is not noted; its way is returned, from the one that asked."""
        a, b, c = engine.register([new(arguments=str(n)) for n in range(3)])
        assert engine.wait(a, [b]) == []
        assert engine.wait(b, [c]) == []
        assert engine.wait(c, [a]) == [c, a, b]
        assert engine.wait(a, [a]) == [a]
        engine.stop_waiting(b)
        assert engine.wait(c, [a]) == []

    def test_calls_that_make_each_other_are_found(self, engine: Engine) -> None:
        """A circle of calls is refused and named from the caller on; what ended is no part of one."""
        a, b, c, twin = engine.register([new(arguments=name) for name in ("a", "b", "c", "a")])
        calls = {name: engine.info(each).call.call_id for name, each in (("a", a), ("b", b), ("c", c))}
        assert engine.link(a, b) == engine.link(a, b) == []
        assert engine.link(b, c) == []
        assert engine.link(c, a) == [calls["c"], calls["a"], calls["b"]]
        assert engine.link(c, twin) == [calls["c"], calls["a"], calls["b"]]
        assert engine.link(a, twin) == [calls["a"]]
        engine.unlink(b)
        assert engine.link(c, twin) == []
        assert engine.link(a, c) == [calls["a"], calls["c"]]
        ok(engine, Change(id=twin, status=_S.CANCELLED))
        assert engine.link(a, c) == []

    def test_a_slot_that_is_held_by_who_waits_closes_a_circle(self, engine: Engine) -> None:
        """What it waits for would wait for its slot; not where a slot is free, or where slots are not waited for."""
        for capacity, waits, refused in ((1, True, True), (2, True, False), (1, False, False)):
            slots = Slots(key=f"{capacity} {waits}", capacity=capacity, waits=waits)
            (a,) = engine.register([new(slots=slots)])
            (parent,) = claim(engine)
            run(engine, parent)
            (b,) = engine.register([new(arguments="b", slots=slots)])
            assert engine.wait(a, [b]) == ([a, b] if refused else [])
            assert engine.blocking(5) == ([] if refused else [b])
            ok(engine, Change(id=b, status=_S.CANCELLED))

    def test_slots_that_are_all_held_by_who_waits_close_a_circle(self, engine: Engine) -> None:
        """Only when the last of their holders waits too: until then one may become free."""
        slots = Slots(key="s", capacity=3, waits=True)
        parents = engine.register([new(arguments=str(n), slots=slots) for n in range(3)])
        for one in claim(engine, 3):
            run(engine, one)
        children = engine.register([new(arguments=f"c{n}", slots=slots) for n in range(3)])
        middle, plain = engine.register([new(arguments="middle"), new(arguments="plain")])
        assert claim(engine, 1)[0].id == middle
        assert engine.wait(parents[0], [children[0]]) == []
        assert engine.wait(parents[1], [middle]) == []
        assert engine.wait(middle, [children[1]]) == []
        assert engine.wait(parents[2], [plain]) == []
        engine.stop_waiting(parents[2])
        circle = engine.wait(parents[2], [children[2]])
        assert circle == [parents[2], children[2]]
        engine.stop_waiting(middle)
        assert engine.wait(parents[2], [children[2]]) == []

    @pytest.mark.parametrize("status", [_S.REROUTED, _S.RETRY])
    def test_who_is_given_back_waits_for_nothing(self, engine: Engine, status: _S) -> None:
        """Its body is gone: what it waited for is waited for no more, and no circle goes through it."""
        a, b = engine.register([new(arguments=str(n)) for n in range(2)])
        (parent,) = claim(engine)
        run(engine, parent)
        assert engine.wait(a, [b]) == []
        assert engine.blocking(5) == [b]
        if status is _S.RETRY:
            ok(engine, change(parent, _S.RETRY))
        else:
            ok(engine, Change(id=a, status=_S.RUNNING_RECOVERY), Change(id=a, status=_S.REROUTED))
        assert engine.blocking(5) == []
        assert engine.wait(b, [a]) == []

    # -- events --------------------------------------------------------------------------------------------------------

    def test_who_waits_is_told_of_an_end(self, engine: Engine) -> None:
        """Waiting for several returns those that ended; what is gone counts as ended."""
        a, b = engine.register([new(), new(arguments="b")])
        assert engine.until_final([a, b], 0) == []
        waiting = threading.Event()
        got: list[Any] = []

        def wait() -> None:
            waiting.set()
            got.extend(engine.until_final([a, b], 30))

        thread = threading.Thread(target=wait)
        thread.start()
        waiting.wait()
        (one,) = claim(engine)
        finish(engine, one)
        thread.join()
        assert got == [a]
        assert engine.until_final([a], 0) == [a]
        assert engine.until_final([InvocationId("gone")], 0) == [InvocationId("gone")]

    def test_a_watch_tells_each_end_once(self, engine: Engine) -> None:
        """Whether it came before the watch, between two looks or during one; what is gone counts as ended."""
        a, b, c = engine.register([new(arguments=str(n)) for n in range(3)])
        one, two, three = claim(engine, 3)
        finish(engine, one)
        with engine.watch([a, b, c, InvocationId("gone"), a]) as watch:
            assert sorted(watch.ended(0)) == sorted([a, "gone"])
            assert watch.ended(0) == []
            finish(engine, two)
            assert list(watch) == [b, c]
            assert watch.ended() == [b]
            assert (len(watch), b in watch, c in watch) == (1, False, True)
            last = threading.Thread(target=finish, args=(engine, three))
            last.start()
            assert engine.until_final(watch, 30) == [c]
            last.join()
            assert watch.ended() == []  # nothing is left to wait for

    def test_a_watch_can_be_stopped_and_closed(self, engine: Engine) -> None:
        """A wake lets it ask; once it is closed it is told of nothing, and others that watch the same still are."""
        (a,) = engine.register([new()])
        with engine.watch([a]) as other:
            with engine.watch([a]) as watch:
                assert watch.ended(30, stop=lambda: True) == []
            (one,) = claim(engine)
            finish(engine, one)
            assert watch.ended(0) == []
            assert other.ended() == [a]

    def test_who_waits_for_work_is_told_of_it(self, engine: Engine) -> None:
        """Something to claim, a wake, or a stop lets it go on."""
        got: list[bool] = []
        thread = threading.Thread(target=lambda: got.append(engine.until_work(30)))
        thread.start()
        engine.register([new()])
        thread.join()
        assert got == [True]
        claim(engine)
        stopped = threading.Event()
        idle = threading.Thread(target=lambda: engine.until_work(30, stop=stopped.is_set))
        idle.start()
        stopped.set()
        engine.wake()
        idle.join()

    def test_who_waits_for_an_end_can_be_stopped(self, engine: Engine) -> None:
        """Asked before it blocks, and at a wake; a wake alone lets nobody go."""
        (a,) = engine.register([new()])
        assert engine.until_final([a], 30, stop=lambda: True) == []
        stopped, asked = threading.Event(), threading.Semaphore(0)
        got: list[Any] = []

        def stop() -> bool:
            asked.release()
            return stopped.is_set()

        thread = threading.Thread(target=lambda: got.append(engine.until_final([a], 30, stop=stop)))
        thread.start()
        asked.acquire()
        engine.wake()
        assert thread.is_alive()
        stopped.set()
        engine.wake()
        thread.join()
        assert got == [[]]

    def test_who_waits_for_work_is_told_of_what_is_due_sooner(self, engine: Engine, clock: ManualClock) -> None:
        """All who wait are, since any of them may be busy then: what was due later or never is looked for anew."""
        engine.register([new(due=engine.now() + 60 * _SECOND)])
        asked = threading.Semaphore(0)

        def stop() -> bool:
            asked.release()
            return False

        waiting = [threading.Thread(target=lambda: engine.until_work(30, stop=stop)) for _ in range(2)]
        for thread in waiting:
            thread.start()
            asked.acquire()
        engine.register([new(arguments="b", due=engine.now() + _SECOND // 100)])
        for thread in waiting:
            thread.join(20)
            assert not thread.is_alive()
        clock.advance(1)
        assert len(claim(engine, 2)) == 1
