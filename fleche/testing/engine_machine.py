"""A state machine that drives an engine against a model: routing, claiming, finishing, dying, recovering, purging."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from fleche.runtime.engine import Change, Claimed, Engine, Join, Outcome, Slots
from fleche.runtime.exceptions import FlecheRuntimeError
from fleche.runtime.identifiers import InvocationId
from fleche.runtime.invocation.status import RULES, InvocationStatus
from fleche.testing.clock import ManualClock
from fleche.testing.engines import check_histories, new

__all__ = ["EngineMachine"]

_S = InvocationStatus
_OPEN = frozenset(InvocationStatus) - RULES.final
_HOLDING = {_S.PENDING, _S.RUNNING, _S.PAUSED, _S.RESUMED}
_CAPACITY = {"s": 1, "t": 2}
_SECOND = 1_000_000


class _Model:
    """One invocation, as the model sees it."""

    def __init__(self, tag: str | None, slot: str | None, *, waits: bool) -> None:
        self.tag, self.slot, self.waits = tag, slot, waits
        self.status = _S.REGISTERED
        self.owner: str | None = None
        self.attempt = 0
        self.outcome: str | None = None


class EngineMachine(RuleBasedStateMachine):
    """Drives an engine; subclasses say how one is opened."""

    invocations = Bundle("invocations")
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.engine = self.open(self.clock)
        self.model: dict[InvocationId, _Model] = {}

    def open(self, clock: ManualClock) -> Engine:
        """Return an empty engine."""
        raise NotImplementedError

    def teardown(self) -> None:
        """Replay every history, and release the engine."""
        check_histories(self.engine)
        self.engine.close()

    # -- what happens ------------------------------------------------------------------------------------------

    @rule(
        target=invocations,
        tag=st.sampled_from([None, "a", "b"]),
        slot=st.sampled_from([None, "s", "t"]),
        waits=st.booleans(),
        priority=st.integers(0, 2),
    )
    def register(self, tag: str | None, slot: str | None, waits: bool, priority: int) -> Any:
        """Register a call; one of the same tag that is open is joined."""
        fields: dict[str, Any] = {"priority": priority}
        if tag is not None:
            fields |= {"tags": (tag,), "joins": (Join(tag=tag, statuses=_OPEN),)}
        if slot is not None:
            fields["slots"] = Slots(key=slot, capacity=_CAPACITY[slot], waits=waits)
        one = new(**fields)
        (found,) = self.engine.register([one])
        same = [each for each, row in self.model.items() if tag is not None and row.tag == tag and row.status in _OPEN]
        if same:
            assert found == same[0]
            return multiple()
        assert found == one.id
        self.model[found] = _Model(tag, slot, waits=waits)
        return found

    @rule(target=claims, owner=st.sampled_from(["one", "two"]), limit=st.integers(1, 4), start=st.booleans())
    def claim(self, owner: str, limit: int, start: bool) -> Any:
        """Claim what may run: as many as there are, up to the limit, and never beyond the slots."""
        self.engine.beat([owner])
        ready = sum(row.status in RULES.available for row in self.model.values())
        _, claimed = self.engine.step(owner, limit=limit, start=start)
        assert len(claimed) <= min(limit, ready)
        for one in claimed:
            row = self.model[one.id]
            assert row.status in RULES.available
            row.attempt += 1
            assert one.attempt == row.attempt
            assert one.status is (_S.RUNNING if start else _S.PENDING)
            row.status, row.owner = one.status, owner
        for each, row in self.model.items():
            if row.status in RULES.available:
                self._follow_slots(each, row, exhausted=len(claimed) < limit)
        return multiple(*((owner, one) for one in claimed))

    def _follow_slots(self, each: InvocationId, row: _Model, *, exhausted: bool) -> None:
        """What found no slot was held back; where the claim was not filled, everything else was claimed."""
        actual = self.engine.status(each).status
        if actual is not row.status:
            assert row.slot is not None
            assert actual is (_S.CONCURRENCY_CONTROLLED if row.waits else _S.CONCURRENCY_CONTROLLED_FINAL)
            row.status = actual
        elif exhausted:
            raise AssertionError(f"{each} may run, and was not claimed")

    @rule(claim=consumes(claims), to=st.sampled_from([_S.SUCCESS, _S.FAILED, _S.RETRY, _S.REROUTED, _S.KILLED]))
    def end(self, claim: tuple[str, Claimed], to: InvocationStatus) -> None:
        """A worker ends what it claimed, in one way or another; it is believed only if it still holds it."""
        owner, one = claim
        self._try(owner, one, _S.RUNNING)
        self._try(owner, one, to, outcome=Outcome(result=f"{owner} {one.attempt}"))

    def _try(self, owner: str, one: Claimed, to: InvocationStatus, **fields: Any) -> None:
        row = self.model.get(one.id)
        change = Change(id=one.id, status=to, owner=owner, attempt=one.attempt, **fields)
        (answer,), _ = self.engine.step(owner, [change])
        allowed = (
            row is not None
            and row.attempt == one.attempt
            and to in RULES.definitions[row.status].allowed_transitions
            and (row.status not in RULES.owned or row.owner == owner)
        )
        assert isinstance(answer, FlecheRuntimeError) is not allowed, (answer, allowed)
        if allowed:
            assert row is not None
            self._becomes(row, to)
            if "outcome" in fields:
                row.outcome = fields["outcome"].result

    def _becomes(self, row: _Model, to: InvocationStatus) -> None:
        row.status = to
        row.owner = row.owner if to in RULES.owned else None
        for each, other in self.model.items():
            waits = other.slot == row.slot and other.status is _S.CONCURRENCY_CONTROLLED
            if row.slot is not None and waits and self._held(row.slot) < _CAPACITY[row.slot]:
                other.status = self.engine.status(each).status  # at most as many are let out as there are slots
                assert other.status in (_S.CONCURRENCY_CONTROLLED, _S.REROUTED)

    def _held(self, slot: str) -> int:
        return sum(row.slot == slot and row.status in _HOLDING for row in self.model.values())

    @rule(each=invocations)
    def cancel(self, each: InvocationId) -> None:
        """Anyone may cancel what has not ended."""
        row = self.model.get(each)
        (answer,), _ = self.engine.step("", [Change(id=each, status=_S.CANCELLED)])
        if row is None or row.status in RULES.final:
            assert isinstance(answer, FlecheRuntimeError)
            return
        assert not isinstance(answer, FlecheRuntimeError)
        self._becomes(row, _S.CANCELLED)

    @rule()
    def die_and_recover(self) -> None:
        """Time passes, every runner is dead, and what they owned is given back."""
        self.clock.advance(60)
        now = self.engine.now()
        orphans = self.engine.orphans(dead_before=now - 30 * _SECOND, pending_before=now - 30 * _SECOND)
        expected = {each for each, row in self.model.items() if row.status in _HOLDING or row.status is _S.KILLED}
        assert {info.id for info in orphans} == expected
        for info in orphans:
            row = self.model[info.id]
            steps = [_S.REROUTED] if row.status is _S.KILLED else [_S.RUNNING_RECOVERY, _S.REROUTED]
            if row.status is _S.PENDING:
                steps[0] = _S.PENDING_RECOVERY
            answers, _ = self.engine.step("", [Change(id=info.id, status=status) for status in steps])
            assert not any(isinstance(answer, FlecheRuntimeError) for answer in answers)
            for status in steps:
                self._becomes(row, status)

    @rule()
    def purge(self) -> None:
        """Everything that ended before now is forgotten, and nothing else."""
        self.clock.advance(1)
        ended = [each for each, row in self.model.items() if row.status in RULES.final]
        assert self.engine.purge(self.engine.now()) == len(ended)
        for each in ended:
            del self.model[each]

    # -- what always holds -------------------------------------------------------------------------------------

    @invariant()
    def agrees(self) -> None:
        """The engine knows what the model knows."""
        assert set(self.engine.listed(limit=1_000_000)) == set(self.model)
        for each, row in self.model.items():
            info = self.engine.info(each)
            assert info.record.status is row.status
            assert info.record.runner_id == row.owner
            assert info.attempt == row.attempt
            if row.status in (_S.SUCCESS, _S.FAILED):
                assert (info.outcome and info.outcome.result) == row.outcome

    @invariant()
    def slots_hold(self) -> None:
        """Never more holders than slots; and nothing is parked while one is free."""
        held = Counter(row.slot for row in self.model.values() if row.status in _HOLDING)
        for slot, capacity in _CAPACITY.items():
            assert held[slot] <= capacity
            parked = any(row.slot == slot and row.status is _S.CONCURRENCY_CONTROLLED for row in self.model.values())
            returning = any(row.slot == slot and row.status in RULES.available for row in self.model.values())
            assert not parked or held[slot] == capacity or returning

    @invariant()
    def equal_calls_are_one(self) -> None:
        """Of one tag, one is open at a time."""
        tags = Counter(row.tag for row in self.model.values() if row.tag is not None and row.status in _OPEN)
        assert all(count == 1 for count in tags.values())
