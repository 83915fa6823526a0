"""Runners, and what they leave behind."""

from __future__ import annotations

from fleche.runtime.engine import Change, Engine, Slots
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
