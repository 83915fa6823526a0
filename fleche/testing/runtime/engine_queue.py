"""Registering, claiming and joining."""

from __future__ import annotations

from fleche.digest import digest
from fleche.runtime.engine import Change, Engine, Outcome
from fleche.runtime.identifiers import InvocationId
from fleche.runtime.invocation.status import InvocationStatus
from fleche.testing.clock import ManualClock
from fleche.testing.runtime.engine_suite import EngineSuite
from fleche.testing.runtime.steps import change, claim, finish, joining, new, ok, run, together

__all__ = ["QueueTests"]

_S = InvocationStatus
_SECOND = 1_000_000


class QueueTests(EngineSuite):
    """Registering, claiming and joining."""

    # -- registering and claiming --------------------------------------------------------------------------------------

    def test_what_is_registered_is_claimed_in_order(self, engine: Engine) -> None:
        """Each goes to one claim, first come first served, and never more than asked for."""
        ids = engine.register([new(arguments=str(n)) for n in range(5)])
        assert [engine.status(each).status for each in ids] == [_S.REGISTERED] * 5
        assert [one.id for one in claim(engine, 2)] == ids[:2]
        assert [one.id for one in claim(engine, 9)] == ids[2:]
        assert claim(engine) == []
        assert {engine.status(each).status for each in ids} == {_S.PENDING}
        assert engine.status(ids[0]).runner_id == "w"

    def test_registering_again_changes_nothing(self, engine: Engine) -> None:
        """An id is registered once."""
        one = new()
        assert engine.register([one]) == engine.register([one]) == [one.id]
        assert engine.count() == 1
        assert len(claim(engine, 5)) == 1

    def test_priority_comes_before_order(self, engine: Engine) -> None:
        """The greater priority is claimed sooner; equal ones in order."""
        ids = engine.register([new(arguments=str(n), priority=n % 2) for n in range(4)])
        assert [one.id for one in claim(engine, 4)] == [ids[1], ids[3], ids[0], ids[2]]

    def test_a_claim_can_start_at_once(self, engine: Engine) -> None:
        """Those without a parent are running when they are claimed; others are pending."""
        first, second = engine.register([new(), new(arguments="b", parent=InvocationId("p"))])
        _, claimed = engine.step("w", limit=2, start=True)
        assert [(one.id, one.status) for one in claimed] == [(first, _S.RUNNING), (second, _S.PENDING)]
        assert [entry.record and entry.record.status for entry in engine.history(first)] == [
            _S.REGISTERED,
            _S.PENDING,
            _S.RUNNING,
        ]

    def test_one_claim_of_many_at_once_gets_it(self, engine: Engine) -> None:
        """Of many threads that claim at the same moment, each invocation goes to exactly one."""
        ids = engine.register([new(arguments=str(n)) for n in range(40)])
        got = together(8, lambda n: [one.id for one in claim(engine, 10, owner=f"w{n}")])
        assert sorted(each for some in got for each in some) == sorted(ids)

    def test_what_is_answered_is_a_success_at_once(self, engine: Engine) -> None:
        """It is never claimed, and its history says so."""
        key = digest("call")
        (each,) = engine.register([new(answer=key)])
        assert engine.status(each).status is _S.SUCCESS
        assert engine.info(each).outcome == Outcome(record=key)
        assert claim(engine) == []

    def test_what_is_answered_waits_for_no_time(self, engine: Engine) -> None:
        """Whenever it was to run: it need not."""
        key = digest("call")
        (each,) = engine.register([new(answer=key, due=engine.now() + 5 * _SECOND)])
        assert engine.status(each).status is _S.SUCCESS
        assert engine.info(each).outcome == Outcome(record=key)

    def test_what_is_due_later_waits_for_its_time(self, engine: Engine, clock: ManualClock) -> None:
        """It is scheduled, then registered, and claimed not before its time."""
        (later,) = engine.register([new(due=engine.now() + 5 * _SECOND)])
        assert engine.status(later).status is _S.SCHEDULED
        clock.advance(4.9)
        assert claim(engine) == []
        clock.advance(0.2)
        assert [one.id for one in claim(engine)] == [later]
        statuses = [entry.record.status for entry in engine.history(later) if entry.record]
        assert statuses == [_S.SCHEDULED, _S.REGISTERED, _S.PENDING]

    def test_what_came_to_the_queue_twice_is_claimed_once(self, engine: Engine) -> None:
        """Of what was given back, taken by name, cancelled or forgotten meanwhile, only what may run is claimed."""
        a, b, c, d, e = engine.register([new(arguments=str(n)) for n in range(5)])
        (one,) = claim(engine)
        assert one.id == a
        for _ in range(2):
            ok(engine, Change(id=a, status=_S.REROUTED, owner="w"), Change(id=a, status=_S.PENDING, owner="w"))
        ok(engine, Change(id=a, status=_S.REROUTED, owner="w"))
        ok(engine, Change(id=b, status=_S.PENDING, owner="w"), Change(id=b, status=_S.REROUTED, owner="w"))
        ok(engine, Change(id=c, status=_S.CANCELLED))
        assert engine.forget(c)
        assert [one.id for one in claim(engine, 9)] == [d, e, a, b]
        assert claim(engine, 9) == []

    def test_the_mode_of_a_call_comes_with_each_claim(self, engine: Engine) -> None:
        """Whatever happened to it meanwhile."""
        plain, read = engine.register([new(), new(arguments="b", mode="read")])
        one, other = claim(engine, 2)
        assert (one.mode, other.mode) == (None, "read")
        run(engine, other)
        ok(engine, change(other, _S.RETRY, retries=1))
        assert [again.mode for again in claim(engine, 2)] == ["read"]
        assert (engine.info(plain).mode, engine.info(read).mode) == (None, "read")

    # -- joining -------------------------------------------------------------------------------------------------------

    def test_equal_calls_are_joined(self, engine: Engine) -> None:
        """While the first is not final, the others are joined to it; afterwards one is registered anew."""
        (first,) = engine.register([joining("k")])
        assert engine.register([joining("k"), joining("other")]) != [first, first]
        (one,) = claim(engine, 1)
        assert engine.register([joining("k")]) == [first]
        finish(engine, one)
        assert engine.register([joining("k")]) != [first]

    def test_joining_looks_at_the_statuses_asked_for(self, engine: Engine) -> None:
        """What is picked up already is not joined where only what waits counts."""
        waiting = frozenset({_S.REGISTERED})
        (first,) = engine.register([joining("k", waiting)])
        assert engine.register([joining("k", waiting)]) == [first]
        claim(engine)
        assert engine.register([joining("k", waiting)]) != [first]

    def test_what_is_scheduled_is_brought_forward_by_what_is_joined_to_it(
        self, engine: Engine, clock: ManualClock
    ) -> None:
        """To its time, or to now; never back."""
        hour = engine.now() + 3600 * _SECOND
        later = joining("k")._replace(due=hour)
        (first,) = engine.register([later])
        assert engine.register([joining("k")._replace(due=hour + _SECOND)]) == [first]
        assert engine.info(first).due == hour
        assert engine.register([joining("k")._replace(due=hour - 1800 * _SECOND)]) == [first]
        clock.advance(1801)
        assert [one.id for one in claim(engine)] == [first]
        (second,) = engine.register([joining("n")._replace(due=hour)])
        assert engine.register([joining("n")]) == [second]
        assert engine.status(second).status is _S.REGISTERED
        assert [one.id for one in claim(engine)] == [second]
        clock.advance(3600)
        assert claim(engine) == []

    def test_one_of_many_equal_calls_at_once_is_registered(self, engine: Engine) -> None:
        """Eight threads register the same call at the same moment: one invocation."""
        got = together(8, lambda _: engine.register([joining("k")])[0])
        assert len(set(got)) == 1
        assert engine.count() == 1

    def test_a_batch_joins_within_itself(self, engine: Engine) -> None:
        """Equal calls of one batch are one invocation."""
        ids = engine.register([joining("k"), joining("k")])
        assert ids[0] == ids[1]
