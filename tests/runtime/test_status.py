"""Statuses: what may follow what, who may say so, and that the table is whole."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pytest

from fleche.runtime.exceptions import InvocationStatusOwnershipError, InvocationStatusTransitionError
from fleche.runtime.invocation.status import (
    RULES,
    InvocationStatus,
    InvocationStatusRecord,
    StatusConfiguration,
    StatusDefinition,
    status_record_transition,
    validate_transition,
)

S = InvocationStatus

# What the reference system allows, less what is closed there; every gap that was found in it is open here.
FROM_THE_REFERENCE = {
    (S.REGISTERED, S.PENDING),
    (S.REGISTERED, S.CONCURRENCY_CONTROLLED),
    (S.REGISTERED, S.CONCURRENCY_CONTROLLED_FINAL),
    (S.CONCURRENCY_CONTROLLED, S.REROUTED),
    (S.REROUTED, S.PENDING),
    (S.REROUTED, S.CONCURRENCY_CONTROLLED),
    (S.PENDING, S.RUNNING),
    (S.PENDING, S.KILLED),
    (S.PENDING, S.REROUTED),
    (S.PENDING, S.PENDING_RECOVERY),
    (S.PENDING_RECOVERY, S.REROUTED),
    *((S.RUNNING, to) for to in (S.PAUSED, S.KILLED, S.RETRY, S.SUCCESS, S.FAILED, S.RUNNING_RECOVERY)),
    (S.RUNNING_RECOVERY, S.REROUTED),
    (S.PAUSED, S.RESUMED),
    (S.PAUSED, S.KILLED),
    *((S.RESUMED, to) for to in (S.PAUSED, S.KILLED, S.RETRY, S.SUCCESS, S.FAILED)),
    (S.KILLED, S.REROUTED),
    (S.RETRY, S.PENDING),
}
GAPS_CLOSED = {
    (S.PENDING, S.FAILED),  # a cycle, found before the body runs
    (S.REROUTED, S.CONCURRENCY_CONTROLLED_FINAL),
    (S.RETRY, S.CONCURRENCY_CONTROLLED),
    (S.RETRY, S.CONCURRENCY_CONTROLLED_FINAL),
    (S.PAUSED, S.RUNNING_RECOVERY),
    (S.RESUMED, S.RUNNING_RECOVERY),
    (S.SCHEDULED, S.REGISTERED),
    (S.REGISTERED, S.SUCCESS),  # answered by the cache
    (S.PENDING_RECOVERY, S.DEAD_LETTER),
    (S.RUNNING_RECOVERY, S.DEAD_LETTER),
    (S.KILLED, S.DEAD_LETTER),
    *((status, S.CANCELLED) for status in S if not status.is_final()),
}


@pytest.mark.parametrize(("old", "new"), [*product(S, S)])
def test_what_may_follow_what(old: InvocationStatus, new: InvocationStatus) -> None:
    """Exactly what the reference system allows, and what closes its gaps; nothing follows itself."""
    allowed = (old, new) in FROM_THE_REFERENCE | GAPS_CLOSED
    assert old.can_transition_to(new) is allowed
    if allowed:
        validate_transition(old, new)
        return
    with pytest.raises(InvocationStatusTransitionError) as refused:
        validate_transition(old, new)
    assert refused.value.allowed_statuses == sorted(RULES.definitions[old].allowed_transitions)
    assert ("none" in str(refused.value)) is old.is_final()


def test_what_begins() -> None:
    """An invocation is registered, or scheduled for later."""
    for status in S:
        if status in (S.REGISTERED, S.SCHEDULED):
            assert status_record_transition(None, status).status is status
        else:
            with pytest.raises(InvocationStatusTransitionError):
                status_record_transition(None, status)


def test_sets_of_statuses() -> None:
    """What may be taken, what has ended, who owns what."""
    assert S.get_available_for_run_statuses() == {S.REGISTERED, S.REROUTED, S.RETRY}
    assert S.get_final_statuses() == {
        S.SUCCESS,
        S.FAILED,
        S.CONCURRENCY_CONTROLLED_FINAL,
        S.CANCELLED,
        S.DEAD_LETTER,
    }
    assert RULES.owned == {S.PENDING, S.RUNNING, S.PAUSED, S.RESUMED}
    assert RULES.acquiring == {S.PENDING}
    assert RULES.overriding == {S.PENDING_RECOVERY, S.RUNNING_RECOVERY, S.CANCELLED, S.DEAD_LETTER}
    assert not RULES.releasing & RULES.owned
    assert all(status.is_available_for_run() for status in RULES.available)
    assert [S.SUCCESS.value, S("pending_recovery")] == ["success", S.PENDING_RECOVERY]


def test_every_status_can_be_reached_and_left() -> None:
    """None is a trap that is not final, and none is out of reach."""
    reached = set(RULES.initial)
    for _ in S:
        reached |= {to for status in reached for to in RULES.definitions[status].allowed_transitions}
    assert reached == set(S)
    for status in S:
        ends = {status}
        for _ in S:
            ends |= {to for each in ends for to in RULES.definitions[each].allowed_transitions}
        assert ends & RULES.final


@pytest.mark.parametrize(("old", "new"), sorted(FROM_THE_REFERENCE | GAPS_CLOSED))
def test_ownership(old: InvocationStatus, new: InvocationStatus) -> None:
    """Where a status is owned only its owner moves on, unless the next one overrides that."""
    owner = "me" if old in RULES.owned else None
    record = InvocationStatusRecord(old, owner)
    follows = status_record_transition(record, new, "me")
    assert follows.runner_id == ("me" if new in RULES.owned else None)
    if old in RULES.owned and new not in RULES.overriding:
        with pytest.raises(InvocationStatusOwnershipError) as refused:
            status_record_transition(record, new, "you")
        assert (refused.value.current_owner, refused.value.attempted_owner) == ("me", "you")
    else:
        assert status_record_transition(record, new, "you").status is new


def test_a_claim_needs_an_owner() -> None:
    """Nobody cannot have it."""
    with pytest.raises(InvocationStatusOwnershipError, match="no runner is named"):
        status_record_transition(InvocationStatusRecord(S.REGISTERED), S.PENDING, None)


def test_records_are_plain_data() -> None:
    """They come back from JSON; a time without a zone is in UTC."""
    record = InvocationStatusRecord(S.RUNNING, "me", datetime(2030, 1, 2, tzinfo=UTC))
    assert InvocationStatusRecord.from_json(record.to_json()) == record
    naive = InvocationStatusRecord.from_json({"status": "retry", "runner_id": None, "timestamp": "2030-01-02T00:00:00"})
    assert naive.timestamp == datetime(2030, 1, 2, tzinfo=UTC)


def test_definitions_that_contradict_themselves_are_refused() -> None:
    """As is a table that is not whole."""
    with pytest.raises(ValueError, match="acquire and release"):
        StatusDefinition(acquires_ownership=True, releases_ownership=True)
    with pytest.raises(ValueError, match="nothing may follow"):
        StatusDefinition(is_final=True, allowed_transitions=frozenset({S.RETRY}))
    with pytest.raises(ValueError, match="overrides ownership"):
        StatusDefinition(overrides_ownership=True, requires_ownership=True)
    with pytest.raises(ValueError, match="no definition of scheduled"):
        StatusConfiguration({}, ())


def test_the_picture_is_drawn_from_the_table() -> None:
    """As the table is now; every status has a place in it."""
    from tools import statuses

    assert set(statuses.PLACES) == set(S)
    assert statuses.PICTURE.read_text(encoding="utf-8") == statuses.drawn()
