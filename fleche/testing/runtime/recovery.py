"""What becomes of invocations whose workers die, are slow, or come back, as tests: on any engine, with any clock."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from fleche.runtime import App
from fleche.runtime.engine import Claimed
from fleche.runtime.exceptions import (
    FlecheRuntimeError,
    InvocationDeadLetterError,
    InvocationStatusOwnershipError,
)
from fleche.runtime.invocation.dist_invocation import DistributedInvocation
from fleche.runtime.invocation.status import InvocationStatus
from fleche.testing.clock import ManualClock
from fleche.testing.runtime.policy_suite import PolicySuite, calls
from fleche.testing.tasks import RUNS

__all__ = ["RecoveryPolicyTests"]

_S = InvocationStatus
_HOUR = 3600.0  # seconds, after which whoever gave no sign of life is dead


class RecoveryPolicyTests(PolicySuite):
    """Recovery, step by step: no runner runs, each step is made by hand."""

    # -- dying -------------------------------------------------------------------------------------------------

    def test_what_a_dead_runner_left_is_given_back(self, app: App, clock: ManualClock, name: str) -> None:
        """What a living one runs is left alone, whatever its age."""
        held, lost = calls(app, 2, name)
        for each, owner in ((held, "alive"), (lost, "dead")):
            assert claim(app, owner).id == each.invocation_id
        app.engine.beat(["alive", "dead"])
        clock.advance(9 * 60)
        app.engine.beat(["alive"])
        assert app.orchestrator.recover() == []
        clock.advance(2 * 60)
        app.engine.beat(["alive"])
        assert app.orchestrator.recover() == [lost.invocation_id]
        assert [status(each) for each in (held, lost)] == [_S.RUNNING, _S.REROUTED]

    def test_a_task_that_kills_its_workers_is_given_up(self, app: App, clock: ManualClock, name: str) -> None:
        """After as many recoveries as are allowed; its result says so."""
        (invocation,) = calls(app, 1, name)
        for number in range(app.conf.max_recoveries + 1):
            assert status(invocation).is_available_for_run()
            claim(app, f"w{number}")
            clock.advance(_HOUR)
            assert app.orchestrator.recover() == [invocation.invocation_id]
        assert status(invocation) is _S.DEAD_LETTER
        assert app.engine.info(invocation.invocation_id).recoveries == app.conf.max_recoveries + 1
        with pytest.raises(InvocationDeadLetterError, match="died 3 times"):
            invocation.get_final_result()
        assert app.orchestrator.recover() == []

    def test_who_comes_back_from_the_dead_is_refused(self, app: App, clock: ManualClock, name: str) -> None:
        """Its result is not that of the invocation, whether it comes before or after that of the next."""
        for first in ("old", "new"):
            (invocation,) = calls(app, 1, f"{name} {first}")
            old = claim(app, "zombie")
            clock.advance(_HOUR)
            app.orchestrator.recover()
            new = claim(app, "next")
            late, good = app.execution.run(old, "zombie"), app.execution.run(new, "next")
            assert late is not None
            assert good is not None
            order = [("zombie", late), ("next", good)]
            for owner, change in order if first == "old" else order[::-1]:
                (answer,), _ = app.engine.step(owner, [change])
                assert isinstance(answer, FlecheRuntimeError) is (owner == "zombie")
            ends = [line.status for line in invocation.history].count(_S.SUCCESS)
            assert (ends, invocation.get_final_result()) == (1, 0)

    # -- being slow --------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("taken", [False, True])
    def test_a_slow_start_of_a_living_worker_is_no_death(
        self, app: App, clock: ManualClock, name: str, taken: bool
    ) -> None:
        """What it did not start in time is given back, and then it is refused: the body runs once."""
        (invocation,) = calls(app, 1, name)
        app.engine.beat(["slow"])
        old = claim(app, "slow", start=False)
        clock.advance(app.conf.max_pending_seconds + 1)
        app.engine.beat(["slow"])
        assert app.orchestrator.recover() == [invocation.invocation_id]
        assert app.engine.info(invocation.invocation_id).recoveries == 0
        new = claim(app, "next") if taken else None
        assert app.execution.run(old, "slow") is None
        new = new or claim(app, "next")
        finish(app, new, "next")
        assert invocation.get_final_result() == 0
        assert RUNS[name] == [0]

    def test_who_looks_gives_back_what_was_not_started(self, app: App, clock: ManualClock, name: str) -> None:
        """After max_pending_seconds, and not before."""
        (invocation,) = calls(app, 1, name)
        app.engine.beat(["slow"])
        claim(app, "slow", start=False)
        clock.advance(app.conf.max_pending_seconds - 0.1)
        assert app.orchestrator.get_invocation_status(invocation) is _S.PENDING
        clock.advance(0.2)
        assert app.orchestrator.get_invocation_status(invocation) is _S.REROUTED

    # -- recovering, and dying meanwhile -----------------------------------------------------------------------

    def test_a_recovery_that_dies_midway_strands_nothing(
        self, app: App, clock: ManualClock, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each was left between two steps; the next recovery gives it back, and counts one death."""
        found = calls(app, 3, name)
        for _ in found:
            claim(app, "dead")
        clock.advance(_HOUR)
        step = app.engine.step

        def cut(owner: str, changes: Any = (), **more: Any) -> Any:
            step(owner, changes[:1], **more)
            raise OSError("the store is away")

        monkeypatch.setattr(app.engine, "step", cut)
        assert app.orchestrator.recover() == []
        monkeypatch.undo()
        assert {status(each) for each in found} == {_S.RUNNING_RECOVERY}
        clock.advance(_HOUR)
        assert app.orchestrator.recover() == [each.invocation_id for each in found]
        assert [app.engine.info(each.invocation_id).recoveries for each in found] == [1, 1, 1]
        for each in found:
            finish(app, claim(app, "next"), "next")
            assert status(each) is _S.SUCCESS

    def test_one_that_cannot_be_recovered_does_not_hinder_others(
        self,
        app: App,
        clock: ManualClock,
        name: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """It is told of, and tried again at the next look."""
        first, second = calls(app, 2, name)
        for _ in range(2):
            claim(app, "dead")
        clock.advance(_HOUR)
        step = app.engine.step

        def failing(owner: str, changes: Any = (), **more: Any) -> Any:
            if changes and changes[0].id == first.invocation_id:
                raise OSError("this row cannot be read")
            return step(owner, changes, **more)

        monkeypatch.setattr(app.engine, "step", failing)
        with caplog.at_level(logging.ERROR):
            assert app.orchestrator.recover() == [second.invocation_id]
        assert f"invocation {first.invocation_id} was not recovered" in caplog.text
        monkeypatch.undo()
        assert app.orchestrator.recover() == [first.invocation_id]

    def test_two_that_recover_at_once_count_one_death(self, app: App, clock: ManualClock, name: str) -> None:
        """Each saw the same orphan; the second finds that it is none any more."""
        (invocation,) = calls(app, 1, name)
        claim(app, "dead")
        clock.advance(_HOUR)
        seen = app.engine.info(invocation.invocation_id)
        recovery = app.orchestrator._recovery  # noqa: SLF001 - what two runners do at the same moment
        assert recovery.one(seen) is True
        assert recovery.one(seen) is False
        claim(app, "next")
        assert recovery.one(seen) is False
        assert app.engine.info(invocation.invocation_id).recoveries == 1
        assert status(invocation) is _S.RUNNING

    def test_who_was_recovered_in_vain_is_told(self, app: App, clock: ManualClock, name: str) -> None:
        """A runner that took long to give a sign of life is refused what was taken from it, and may go on claiming."""
        (invocation,) = calls(app, 1, name)
        old = claim(app, "slow")
        clock.advance(_HOUR)
        app.orchestrator.recover()
        app.engine.beat(["slow"])
        change = app.execution.run(old, "slow")
        assert change is not None
        (answer,), _ = app.engine.step("slow", [change])
        assert isinstance(answer, FlecheRuntimeError)
        assert not isinstance(answer, InvocationStatusOwnershipError) or "attempt" in str(answer)
        again = claim(app, "slow")
        assert again.attempt > old.attempt
        finish(app, again, "slow")
        assert status(invocation) is _S.SUCCESS


# -- helpers ---------------------------------------------------------------------------------------------------


def claim(app: App, owner: str, *, start: bool = True) -> Claimed:
    """Return what a worker gets, running already or pending."""
    (claimed,) = app.engine.step(owner, limit=1, start=start)[1]
    return claimed


def finish(app: App, claimed: Claimed, owner: str) -> None:
    """Run the body of what a worker claimed, and set what follows."""
    change = app.execution.run(claimed, owner)
    assert change is not None
    (answer,), _ = app.engine.step(owner, [change])
    if isinstance(answer, FlecheRuntimeError):
        raise answer


def status(invocation: DistributedInvocation[Any, Any]) -> InvocationStatus:
    """Return a status as it is, and recover nothing by asking."""
    return invocation.app.engine.status(invocation.invocation_id).status
