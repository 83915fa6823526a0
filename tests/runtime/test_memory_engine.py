"""The engine in memory keeps to the contract of engines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis.stateful import invariant

import fleche
from fleche.runtime import App
from fleche.runtime.engine import Change, Engine, MemoryEngine, Slots, memory
from fleche.runtime.engine.memory import _HOLDING
from fleche.runtime.identifiers import InvocationId
from fleche.runtime.invocation.status import RULES, InvocationStatus
from fleche.runtime.runner import ThreadRunner
from fleche.testing import tasks
from fleche.testing.clock import ManualClock
from fleche.testing.engine_machine import EngineMachine
from fleche.testing.engines import EngineTests
from fleche.testing.interrupts import Interrupt
from fleche.testing.runtime.steps import change, claim, joining, new, ok, run
from fleche.testing.runtimes import PolicyTests
from fleche.testing.tasks import bound


class TestMemoryEngine(EngineTests):
    """The contract, in memory."""

    @contextmanager
    def open(self, clock: ManualClock) -> Iterator[Engine]:
        yield MemoryEngine(clock)


class MemoryEngineMachine(EngineMachine):
    """The machine, in memory, where what is counted beside the rows is what they say."""

    engine: MemoryEngine

    def open(self, clock: ManualClock) -> Engine:
        return MemoryEngine(clock)

    @invariant()
    def counts_what_there_is(self) -> None:
        """What may run is in the queue, once; who holds a slot is noted, and nobody else; tags are of what is open."""
        engine, rows = self.engine, self.engine._rows.values()
        queued = {(row.place, row.id) for row in rows if row.status in RULES.available}
        assert queued == {(row.place, row.id) for row in rows if row.place}
        assert engine._available == len(queued)
        assert queued <= {(place, each) for _, place, each in engine._ready}
        holders: dict[str, set[InvocationId]] = {}
        for row in rows:
            if row.new.slots is not None and row.status in _HOLDING:
                holders.setdefault(row.new.slots.key, set()).add(row.id)
        assert engine._holders == holders
        tagged = {(tag, row.id) for row in rows if row.status not in RULES.final for tag in row.new.tags}
        assert tagged == {(tag, each) for tag, ids in engine._tags.items() for each in ids}


TestMemoryEngineMachine = MemoryEngineMachine.TestCase


def test_purging_leaves_nothing_behind() -> None:
    """Of a life of everything, no row, tag, slot or edge stays in memory."""
    clock = ManualClock()
    engine = MemoryEngine(clock)
    slots = Slots(key="s", waits=True)
    ids = engine.register([new(arguments=str(n), tags=("t", str(n)), slots=slots) for n in range(3)])
    engine.register([new(arguments="later", due=engine.now() + 60_000_000)])
    for _ in ids:
        (one,) = claim(engine, 5)
        run(engine, one)
        engine.wait(one.id, ids)
        engine.link(one.id, ids[-1])
        ok(engine, change(one, InvocationStatus.RETRY, retries=1))
    for each in engine.listed():
        ok(engine, Change(id=each, status=InvocationStatus.CANCELLED))
    clock.advance(61)
    assert claim(engine, 5) == []
    assert engine.purge(engine.now() + 1) == 4
    empty = MemoryEngine(clock)
    for name, value in vars(engine).items():
        if isinstance(value, dict | list | set | tuple) or hasattr(value, "popleft"):
            assert value == getattr(empty, name), name
    assert vars(engine._graph) == vars(empty._graph)
    assert vars(engine._waits) == vars(empty._waits)
    assert not engine._watches._watching


def test_a_group_is_looked_over_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look costs what has ended since, not all members again."""
    looks = 0
    look = MemoryEngine._is_over

    def counted(engine: MemoryEngine, invocation_id: InvocationId) -> bool:
        nonlocal looks
        looks += 1
        return look(engine, invocation_id)

    monkeypatch.setattr(MemoryEngine, "_is_over", counted)
    app = App("group", cache=fleche.cache())
    group = bound(tasks.add, app).parallelize([(n,) for n in range(300)])
    with ThreadRunner(app):
        assert sum(1 for _ in group.results) == 300
    assert looks == 300


def test_who_waits_again_and_again_is_noted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that waits for each of a group costs no more memory than its members, and looks for no circle in vain."""
    looks: list[object] = []
    monkeypatch.setattr("fleche.runtime.engine.memory.circle", lambda *found: looks.append(found))
    engine = MemoryEngine()
    body, *members = engine.register([new(arguments=str(n)) for n in range(50)])
    (one,) = claim(engine)
    run(engine, one)
    for _ in members:
        engine.wait(body, members)
        engine.stop_waiting(body)
    assert len(engine._blocking) == len(members)
    assert not looks


def test_what_was_waited_for_is_forgotten_where_no_claim_asks() -> None:
    """Workers that take what others wait for in its turn leave nothing behind, however many there were."""
    engine = MemoryEngine()
    body, *_ = engine.register([new()])
    run(engine, claim(engine)[0])
    for _ in range(200):
        (member,) = engine.register([new()])
        engine.wait(body, [member])
        _, (one,) = engine.step("w", limit=1, start=True, blockers=False)
        ok(engine, change(one, InvocationStatus.SUCCESS))
        engine.purge(engine.now() + 1)
    assert len(engine._blocking) < 50


@pytest.mark.parametrize("later", [False, True])
def test_what_is_joined_is_run_though_its_client_was_interrupted(later: bool) -> None:
    """At whatever step of registering it Ctrl-C comes: one that is found is one that is in the queue."""
    step = 0
    while _is_joined_and_run(step, later=later):
        step += 1
    assert step > 5


def _is_joined_and_run(step: int, *, later: bool) -> bool:
    """Interrupt registering at a step, register an equal call and run it; return whether there is such a step."""
    clock = ManualClock()
    engine = MemoryEngine(clock)
    interrupt = Interrupt(memory, step)
    due = engine.now() + 1_000_000 if later else None
    with suppress(KeyboardInterrupt), interrupt:
        engine.register([joining("k")._replace(due=due)])
    (found,) = engine.register([joining("k")._replace(due=due)])
    assert engine.count() == engine.count("m.f") == len(engine.listed()) <= 2
    assert engine.orphans(dead_before=engine.now(), pending_before=engine.now()) == []
    clock.advance(2)
    assert found in [one.id for one in claim(engine, 2)], f"interrupted at step {step}"
    return interrupt.left < 0


class TestMemoryPolicy(PolicyTests):
    """The policy of recovery, in memory."""

    def make(self, clock: ManualClock) -> App:
        return App("policy", cache=fleche.cache(), clock=clock)
