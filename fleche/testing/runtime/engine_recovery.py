"""Runners, and what they leave behind."""

from __future__ import annotations

import pytest

from fleche.runtime.engine import Change, Engine, Slots
from fleche.runtime.exceptions import FlecheRuntimeError
from fleche.runtime.invocation.status import InvocationStatus
from fleche.testing.clock import ManualClock
from fleche.testing.runtime.engine_suite import EngineSuite
from fleche.testing.runtime.steps import change, claim, new, ok, run

__all__ = ["RecoveryTests"]

_S = InvocationStatus
_SECOND = 1_000_000


class RecoveryTests(EngineSuite):
    """Runners, and what they leave behind."""

    def test_signs_of_life_keep_the_order(self, engine: Engine, clock: ManualClock) -> None:
        """Runners are listed in the order in which they were first heard of, as long as they are heard of."""
        engine.beat(["one"], serves=True)
        clock.advance(1)
        engine.beat(["two"])
        clock.advance(1)
        engine.beat(["one"], serves=True)
        alive = engine.runners(engine.now() - 2 * _SECOND)
        assert [(runner.owner, runner.serves) for runner in alive] == [("one", True), ("two", False)]
        clock.advance(1.5)
        assert [runner.owner for runner in engine.runners(engine.now() - 2 * _SECOND)] == ["one"]

    def test_what_nobody_moves_on_is_found(self, engine: Engine, clock: ManualClock) -> None:
        """Of whatever status: a dead owner, a claim that was not started in time, a step that was cut in two."""
        ids = engine.register([new(arguments=str(n)) for n in range(5)])
        engine.beat(["alive", "dead"])
        claimed = [claim(engine, owner=owner)[0] for owner in ("alive", "dead", "dead", "unknown")]
        for one, owner in zip(claimed, ("alive", "dead", "dead", "unknown"), strict=True):
            if one is not claimed[2]:
                run(engine, one, owner=owner)
        ok(engine, change(claimed[1], _S.PAUSED, owner="dead"), owner="dead")
        (cut,) = claim(engine)
        ok(engine, change(cut, _S.KILLED))
        clock.advance(10)
        engine.beat(["alive"])
        now = engine.now()
        found = engine.orphans(dead_before=now - 5 * _SECOND, pending_before=now - 5 * _SECOND)
        assert [info.id for info in found] == ids[1:]
        assert engine.orphans(dead_before=now - 60 * _SECOND, pending_before=now - 60 * _SECOND) == [
            engine.info(ids[3])
        ]

    def test_what_waits_for_a_slot_that_is_free_is_found(self, engine: Engine, clock: ManualClock) -> None:
        """Nobody else would move it on; while the slot is taken, it waits rightly."""
        slots = Slots(key="k", waits=True)
        one, two, plain = engine.register([new(slots=slots), new(arguments="b", slots=slots), new(arguments="c")])
        assert [claimed.id for claimed in claim(engine, 2)] == [one, plain]
        stray = new(arguments="d")
        engine.register([stray])
        ok(engine, Change(id=stray.id, status=_S.CONCURRENCY_CONTROLLED))
        clock.advance(10)
        now = engine.now()
        found = engine.orphans(dead_before=0, pending_before=now - 5 * _SECOND)
        assert {info.id for info in found} == {one, plain, stray.id}
        assert engine.status(two).status is _S.CONCURRENCY_CONTROLLED

    def test_who_waits_for_a_slot_that_another_comes_for_is_no_orphan(self, engine: Engine, clock: ManualClock) -> None:
        """However long it takes until a worker claims that one."""
        slots = Slots(key="s", waits=True)
        ids = engine.register([new(arguments=str(n), slots=slots) for n in range(3)])
        (one,) = claim(engine, 3)
        ok(engine, change(one, _S.REROUTED))
        clock.advance(10)
        now = engine.now()
        assert engine.orphans(dead_before=0, pending_before=now - 5 * _SECOND) == []
        assert [engine.status(each).status for each in ids[1:]] == [_S.REROUTED, _S.CONCURRENCY_CONTROLLED]

    @pytest.mark.parametrize("status", [_S.PENDING_RECOVERY, _S.RUNNING_RECOVERY])
    def test_a_recovery_that_was_cut_in_two_is_found(self, engine: Engine, clock: ManualClock, status: _S) -> None:
        """Whoever recovered it died between the two steps; a moment after the first one, it may yet make the second."""
        (each,) = engine.register([new()])
        (one,) = claim(engine)
        if status is _S.RUNNING_RECOVERY:
            run(engine, one)
        ok(engine, Change(id=each, status=status))
        now = engine.now()
        assert engine.orphans(dead_before=now, pending_before=now - 5 * _SECOND) == []
        clock.advance(10)
        now = engine.now()
        (found,) = engine.orphans(dead_before=now, pending_before=now - 5 * _SECOND)
        assert found.id == each
        ok(engine, Change(id=each, status=_S.REROUTED))
        assert [again.id for again in claim(engine)] == [each]

    def test_a_clock_that_is_set_back_makes_nobody_dead(self, engine: Engine, clock: ManualClock) -> None:
        """A sign of life from the future is one; what a dead runner left is found later, and not lost."""
        (each,) = engine.register([new()])
        engine.beat(["w"])
        (one,) = claim(engine)
        run(engine, one)
        clock.advance(-3600)
        engine.beat(["w"])
        assert [runner.owner for runner in engine.runners(engine.now() - 5 * _SECOND)] == ["w"]
        now = engine.now()
        assert engine.orphans(dead_before=now - 5 * _SECOND, pending_before=now - 5 * _SECOND) == []
        clock.advance(10)
        now = engine.now()
        (found,) = engine.orphans(dead_before=now - 5 * _SECOND, pending_before=now - 5 * _SECOND)
        assert found.id == each
        ok(engine, Change(id=each, status=_S.RUNNING_RECOVERY), Change(id=each, status=_S.REROUTED))
        assert len(claim(engine)) == 1

    def test_a_claim_from_the_future_is_found_when_its_time_has_come(self, engine: Engine, clock: ManualClock) -> None:
        """The clock was set back after it; while it is not started, nobody else has it."""
        (each,) = engine.register([new()])
        engine.beat(["w"])
        claim(engine)
        clock.advance(-60)
        now = engine.now()
        assert engine.orphans(dead_before=0, pending_before=now - 5 * _SECOND) == []
        assert claim(engine) == []
        clock.advance(70)
        now = engine.now()
        assert [info.id for info in engine.orphans(dead_before=0, pending_before=now - 5 * _SECOND)] == [each]

    def test_a_clock_that_is_set_forward_is_forgiven_at_the_next_sign_of_life(
        self, engine: Engine, clock: ManualClock
    ) -> None:
        """Until then a living runner looks dead; what was taken from it so is refused to it, and run once more."""
        kept, taken = engine.register([new(), new(arguments="b")])
        engine.beat(["w"])
        one, two = claim(engine, 2)
        run(engine, one)
        run(engine, two)
        clock.advance(3600)
        now = engine.now()
        assert len(engine.orphans(dead_before=now - 5 * _SECOND, pending_before=0)) == 2
        ok(engine, Change(id=taken, status=_S.RUNNING_RECOVERY), Change(id=taken, status=_S.REROUTED))
        engine.beat(["w"])
        assert engine.orphans(dead_before=now - 5 * _SECOND, pending_before=0) == []
        ok(engine, change(one, _S.SUCCESS))
        assert isinstance(engine.step("w", [change(two, _S.SUCCESS)])[0][0], FlecheRuntimeError)
        assert engine.status(kept).status is _S.SUCCESS
        assert [again.id for again in claim(engine)] == [taken]
