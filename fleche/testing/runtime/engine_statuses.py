"""Statuses, and running slots."""

from __future__ import annotations

import threading

import pytest

from fleche.runtime.engine import Change, Engine, Outcome, Slots
from fleche.runtime.exceptions import (
    FlecheRuntimeError,
    InvocationNotFoundError,
    InvocationStatusOwnershipError,
    InvocationStatusTransitionError,
)
from fleche.runtime.identifiers import InvocationId
from fleche.runtime.invocation.status import RULES, InvocationStatus
from fleche.testing.clock import ManualClock
from fleche.testing.runtime.engine_suite import EngineSuite
from fleche.testing.runtime.steps import change, claim, finish, new, ok, run, together

__all__ = ["StatusTests"]

_S = InvocationStatus
_OPEN = frozenset(InvocationStatus) - RULES.final
_SECOND = 1_000_000


class StatusTests(EngineSuite):
    """Statuses, and running slots."""

    # -- statuses ------------------------------------------------------------------------------------------------------

    def test_an_illegal_change_is_refused_alone(self, engine: Engine) -> None:
        """It says what is allowed, changes nothing, and does not hinder the others."""
        first, second = engine.register([new(), new(arguments="b")])
        one, two = claim(engine, 2)
        answers, _ = engine.step("w", [change(one, _S.SUCCESS), change(two, _S.RUNNING)])
        assert isinstance(answers[0], InvocationStatusTransitionError)
        assert answers[0].to_status == "success"
        assert "running" in answers[0].allowed_statuses
        assert engine.status(first).status is _S.PENDING
        assert engine.status(second).status is _S.RUNNING

    def test_only_the_owner_moves_it_on(self, engine: Engine) -> None:
        """Another runner is refused; recovery is not."""
        engine.register([new()])
        (one,) = claim(engine)
        stranger = Change(id=one.id, status=_S.RUNNING, owner="stranger")
        assert isinstance(engine.step("stranger", [stranger])[0][0], InvocationStatusOwnershipError)
        recovery = Change(id=one.id, status=_S.PENDING_RECOVERY)
        assert not isinstance(engine.step("", [recovery])[0][0], FlecheRuntimeError)

    def test_an_old_attempt_is_refused_with_its_result(self, engine: Engine) -> None:
        """Who was given up for dead finds the invocation claimed again, even under its own name, and stores nothing."""
        engine.register([new()])
        (old,) = claim(engine)
        run(engine, old)
        ok(engine, Change(id=old.id, status=_S.RUNNING_RECOVERY), Change(id=old.id, status=_S.REROUTED))
        (fresh,) = claim(engine)
        assert fresh.attempt > old.attempt
        run(engine, fresh)
        late = change(old, _S.SUCCESS, outcome=Outcome(result="late"))
        assert isinstance(engine.step("w", [late])[0][0], InvocationStatusOwnershipError)
        assert engine.info(old.id).outcome is None
        ok(engine, change(fresh, _S.SUCCESS, outcome=Outcome(result="good")))
        assert engine.info(old.id).outcome == Outcome(result="good")

    def test_a_retry_comes_back_when_it_is_due(self, engine: Engine, clock: ManualClock) -> None:
        """It counts, and is not claimed before its time."""
        engine.register([new()])
        (one,) = claim(engine)
        run(engine, one)
        ok(engine, change(one, _S.RETRY, retries=1, due=engine.now() + 3 * _SECOND))
        assert claim(engine) == []
        clock.advance(3)
        (again,) = claim(engine)
        assert (again.id, again.retries) == (one.id, 1)

    def test_unknown_ids_have_a_named_error(self, engine: Engine) -> None:
        """Asking for one raises, changing one answers it; a history is empty."""
        nobody = InvocationId("nobody")
        for ask in (engine.info, engine.status):
            with pytest.raises(InvocationNotFoundError):
                ask(nobody)
        assert engine.history(nobody) == []
        (answer,), _ = engine.step("w", [Change(id=nobody, status=_S.CANCELLED)])
        assert isinstance(answer, InvocationNotFoundError)

    # -- running slots -------------------------------------------------------------------------------------------------

    def test_a_slot_is_held_by_one(self, engine: Engine) -> None:
        """Those that wait are parked, and come back one by one in order."""
        ids = engine.register([new(arguments=str(n), slots=Slots(key="s", waits=True)) for n in range(3)])
        order = []
        for _ in ids:
            (one,) = claim(engine, 5)
            order.append(one.id)
            assert claim(engine, 5) == []
            run(engine, one)
            assert claim(engine, 5) == []
            finish(engine, one, ran=True)
        assert order == ids
        assert {engine.status(each).status for each in ids} == {_S.SUCCESS}

    def test_a_slot_that_was_promised_is_not_lost(self, engine: Engine) -> None:
        """Where the one that was let out of waiting is cancelled before it is claimed, the next is let out."""
        ids = engine.register([new(arguments=str(n), slots=Slots(key="s", waits=True)) for n in range(3)])
        (one,) = claim(engine)
        assert claim(engine, 5) == []
        finish(engine, one)
        assert engine.status(ids[1]).status is _S.REROUTED
        ok(engine, Change(id=ids[1], status=_S.CANCELLED))
        assert [one.id for one in claim(engine, 5)] == [ids[2]]

    def test_a_claim_by_name_needs_a_slot_too(self, engine: Engine) -> None:
        """Setting one pending by hand is refused while its slots are taken; what is set by hand is queued no more."""
        ids = engine.register([new(arguments=str(n), slots=Slots(key="s", waits=True)) for n in range(2)])
        by_hand = [Change(id=each, status=_S.PENDING, owner="w") for each in ids]
        answers, _ = engine.step("w", by_hand)
        assert isinstance(answers[1], InvocationStatusOwnershipError)
        assert "slots are taken" in answers[1].reason
        assert engine.status(ids[0]).status is _S.PENDING
        assert claim(engine, 5) == []
        ok(engine, Change(id=ids[1], status=_S.CANCELLED), Change(id=ids[0], status=_S.REROUTED, owner="w"))
        assert [one.id for one in claim(engine, 5)] == [ids[0]]

    def test_a_slot_is_not_waited_for_unless_asked(self, engine: Engine) -> None:
        """Without waiting, what finds no slot ends without having run."""
        first, second = engine.register([new(arguments=str(n), slots=Slots(key="s")) for n in range(2)])
        assert [one.id for one in claim(engine, 5)] == [first]
        assert engine.status(second).status is _S.CONCURRENCY_CONTROLLED_FINAL

    def test_slots_have_a_capacity_and_a_key(self, engine: Engine) -> None:
        """So many run at once under one key; other keys have slots of their own."""
        slots = Slots(key="s", capacity=2, waits=True)
        engine.register([new(arguments=str(n), slots=slots) for n in range(3)])
        engine.register([new(arguments="b", slots=Slots(key="t", waits=True))])
        assert len(claim(engine, 9)) == 3

    def test_a_slot_holds_under_races(self, engine: Engine) -> None:
        """Forty invocations of one slot, eight workers: never two at once, and all are run."""
        engine.register([new(arguments=str(n), slots=Slots(key="s", waits=True)) for n in range(40)])
        inside = threading.Semaphore(1)

        def work(number: int) -> int:
            done = 0
            while engine.count(statuses=_OPEN):
                for one in claim(engine, owner=f"w{number}"):
                    assert inside.acquire(blocking=False), "two held the slot"
                    run(engine, one, owner=f"w{number}")
                    inside.release()
                    ok(engine, change(one, _S.SUCCESS, owner=f"w{number}"), owner=f"w{number}")
                    done += 1
            return done

        assert sum(together(8, work)) == 40

    def test_whoever_gives_up_frees_the_slot(self, engine: Engine) -> None:
        """A holder that is recovered, killed or retried gives its slot to the next that waits."""
        ids = engine.register([new(arguments=str(n), slots=Slots(key="s", waits=True)) for n in range(3)])
        (one,) = claim(engine)
        assert claim(engine) == []
        run(engine, one)
        ok(engine, Change(id=one.id, status=_S.RUNNING_RECOVERY), Change(id=one.id, status=_S.DEAD_LETTER))
        (two,) = claim(engine)
        assert two.id == ids[1]
        assert claim(engine) == []
        run(engine, two)
        ok(engine, change(two, _S.RETRY, retries=1))
        (three,) = claim(engine)
        assert three.id == ids[2]

    def test_one_that_is_paused_keeps_its_slot(self, engine: Engine) -> None:
        """And while it is resumed."""
        engine.register([new(arguments=str(n), slots=Slots(key="s", waits=True)) for n in range(2)])
        (one,) = claim(engine)
        run(engine, one)
        for status in (_S.PAUSED, _S.RESUMED):
            ok(engine, change(one, status))
            assert claim(engine) == []
        finish(engine, one, ran=True)
        assert len(claim(engine)) == 1

    @pytest.mark.parametrize("status", [_S.RETRY, _S.REROUTED])
    def test_one_that_comes_again_waits_for_a_slot_like_any_other(self, engine: Engine, status: _S) -> None:
        """It has given its own to the next; what it counted stays."""
        first, second = engine.register([new(arguments=str(n), slots=Slots(key="s", waits=True)) for n in range(2)])
        (one,) = claim(engine)
        if status is _S.RETRY:
            run(engine, one)
        ok(engine, change(one, status, retries=1))
        (two,) = claim(engine, 5)
        assert two.id == second
        assert claim(engine, 5) == []
        assert engine.status(first).status is _S.CONCURRENCY_CONTROLLED
        finish(engine, two)
        (again,) = claim(engine, 5)
        assert (again.id, again.retries) == (first, 1)

    def test_what_waits_for_a_slot_is_not_looked_at_again(self, engine: Engine) -> None:
        """However often others claim: it is parked once, and let out once."""
        ids = engine.register([new(arguments=str(n), slots=Slots(key="s", waits=True)) for n in range(40)])
        (one,) = claim(engine)
        assert claim(engine, 100) == []
        lines = sum(len(engine.history(each)) for each in ids)
        for _ in range(50):
            assert claim(engine, 100) == []
        assert sum(len(engine.history(each)) for each in ids) == lines
        finish(engine, one)
        for _ in ids[1:]:
            (one,) = claim(engine, 100)
            finish(engine, one)
        assert max(len(engine.history(each)) for each in ids) == 6
