"""What every engine of the task runtime keeps to, as tests: subclass the suite and say how one is opened."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from fleche.digest import digest
from fleche.runtime.engine import Change, Claimed, Engine, Join, NewInvocation, Outcome, Slots
from fleche.runtime.exceptions import (
    FlecheRuntimeError,
    InvocationNotFoundError,
    InvocationStatusOwnershipError,
    InvocationStatusTransitionError,
)
from fleche.runtime.identifiers import CallDTO, CallId, InvocationId, TaskId
from fleche.runtime.invocation.base_invocation import new_invocation_id
from fleche.runtime.invocation.status import RULES, InvocationStatus, validate_transition
from fleche.testing.clock import ManualClock

__all__ = ["EngineTests", "check_histories", "new"]

_S = InvocationStatus
_OPEN = frozenset(InvocationStatus) - RULES.final
_SECOND = 1_000_000


def new(task: str = "m.f", arguments: str = "a", **fields: Any) -> NewInvocation:
    """Return an invocation to be registered."""
    call = CallDTO(CallId(TaskId.from_key(task), arguments), {"x": arguments})
    return NewInvocation(id=fields.pop("id", None) or new_invocation_id(), call=call, **fields)


def check_histories(engine: Engine) -> None:
    """Replay every history against the table of what may follow what."""
    for each in engine.listed(limit=1_000_000):
        last = None
        for entry in engine.history(each):
            if entry.record is not None:
                validate_transition(last, entry.record.status)
                last = entry.record.status
        assert last == engine.status(each).status


class EngineTests:
    """The contract of engines."""

    @abstractmethod
    def open(self, clock: ManualClock) -> AbstractContextManager[Engine]:
        """Return an empty engine for a ``with`` block."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The engine's clock."""
        return ManualClock()

    @pytest.fixture
    def engine(self, clock: ManualClock) -> Iterator[Engine]:
        """An engine; at the end every history is replayed."""
        with self.open(clock) as engine:
            yield engine
            check_histories(engine)

    # -- registering and claiming ------------------------------------------------------------------------------

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

    # -- joining -----------------------------------------------------------------------------------------------

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

    # -- statuses ----------------------------------------------------------------------------------------------

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

    # -- running slots -----------------------------------------------------------------------------------------

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

    # -- waiting for each other --------------------------------------------------------------------------------

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

    # -- events ------------------------------------------------------------------------------------------------

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

    # -- runners and recovery ----------------------------------------------------------------------------------

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

    # -- asking and forgetting ---------------------------------------------------------------------------------

    def test_lists_by_task_and_status(self, engine: Engine, clock: ManualClock) -> None:
        """The latest change first; paged; counted."""
        ids = []
        for n in range(4):
            ids += engine.register([new("m.f" if n % 2 else "m.g", str(n))])
            clock.advance(1)
        assert engine.listed() == ids[::-1]
        assert engine.listed("m.f") == [ids[3], ids[1]]
        assert engine.listed(limit=2, offset=1) == [ids[2], ids[1]]
        claim(engine)
        clock.advance(1)
        assert engine.listed(statuses={_S.PENDING}) == [ids[0]]
        assert engine.count() == 4
        assert engine.count("m.f", {_S.REGISTERED}) == 2

    def test_tags_are_found_until_the_end(self, engine: Engine) -> None:
        """A tag finds what bears it, oldest first, as long as it is not final."""
        ids = engine.register([new(arguments=str(n), tags=("t", str(n))) for n in range(2)])
        assert engine.find("t") == ids
        assert engine.find("t", {_S.PENDING}) == []
        (one,) = claim(engine)
        finish(engine, one)
        assert engine.find("t") == ids[1:]
        assert engine.find("0") == []

    def test_histories_can_be_added_to(self, engine: Engine) -> None:
        """A note has its place among the statuses."""
        (each,) = engine.register([new(registrar="client")])
        engine.note(each, "looked at")
        claim(engine)
        first, note, last = engine.history(each)
        assert first.registrar == "client"
        assert (note.record, note.note) == (None, "looked at")
        assert last.record is not None
        assert first.at <= note.at <= last.at

    def test_purging_forgets_what_ended_before(self, engine: Engine, clock: ManualClock) -> None:
        """Nothing of it is left; what has not ended stays, however old."""
        old, open_, recent = engine.register([new(arguments=str(n), tags=("t",)) for n in range(3)])
        (one,) = claim(engine)
        finish(engine, one)
        clock.advance(10)
        other, last = claim(engine, 2)
        assert (other.id, last.id) == (open_, recent)
        finish(engine, last)
        assert engine.purge(engine.now() - 5 * _SECOND) == 1
        with pytest.raises(InvocationNotFoundError):
            engine.info(old)
        assert engine.history(old) == []
        assert set(engine.listed()) == {open_, recent}
        assert engine.purge(engine.now() - 5 * _SECOND) == 0

    def test_clearing_forgets_everything(self, engine: Engine) -> None:
        """Who waits is told, and the engine is as new."""
        engine.register([new(), joining("k")])
        claim(engine)
        engine.clear()
        assert engine.count() == 0
        assert claim(engine) == []
        assert engine.find("k") == []


# -- helpers ---------------------------------------------------------------------------------------------------


def joining(tag: str, statuses: frozenset[InvocationStatus] = _OPEN) -> NewInvocation:
    """Return an invocation that is joined to another one of the same tag."""
    return new(arguments=tag, tags=(tag,), joins=(Join(tag=tag, statuses=statuses),))


def claim(engine: Engine, limit: int = 1, owner: str = "w") -> list[Claimed]:
    """Return what a worker gets; pending."""
    return engine.step(owner, limit=limit)[1]


def change(claimed: Claimed, status: InvocationStatus, owner: str = "w", **fields: Any) -> Change:
    """Return a change of what a worker claimed."""
    return Change(id=claimed.id, status=status, owner=owner, attempt=claimed.attempt, **fields)


def ok(engine: Engine, *changes: Change, owner: str = "w") -> None:
    """Set statuses; none is refused."""
    answers, _ = engine.step(owner, changes)
    for answer in answers:
        if isinstance(answer, FlecheRuntimeError):
            raise answer


def run(engine: Engine, claimed: Claimed, owner: str = "w") -> None:
    """Start what a worker claimed."""
    ok(engine, change(claimed, _S.RUNNING, owner), owner=owner)


def finish(engine: Engine, claimed: Claimed, *, ran: bool = False) -> None:
    """Start what a worker claimed, unless it runs, and let it succeed."""
    if not ran:
        run(engine, claimed)
    ok(engine, change(claimed, _S.SUCCESS))


def together(count: int, work: Any) -> list[Any]:
    """Return what so many threads return that begin at the same moment."""
    gate = threading.Barrier(count)
    got: list[Any] = [None] * count
    errors: list[BaseException] = []

    def one(number: int) -> None:
        gate.wait()
        try:
            got[number] = work(number)
        except BaseException as error:  # raised again below, in the thread of the test
            errors.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return got
