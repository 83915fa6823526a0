"""What is asked for, and what is forgotten."""

from __future__ import annotations

import pytest

from fleche.runtime.engine import Engine
from fleche.runtime.exceptions import (
    InvocationNotFoundError,
)
from fleche.runtime.invocation.status import InvocationStatus
from fleche.testing.clock import ManualClock
from fleche.testing.runtime.engine_suite import EngineSuite
from fleche.testing.runtime.steps import change, claim, finish, joining, new, ok, run

__all__ = ["KeepingTests"]

_S = InvocationStatus
_SECOND = 1_000_000


class KeepingTests(EngineSuite):
    """What is asked for, and what is forgotten."""

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

    def test_equal_times_keep_the_order(self, engine: Engine) -> None:
        """On a clock that stands still: of histories, lists, orphans and what is purged."""
        ids = engine.register([new(arguments=str(n)) for n in range(4)])
        for one in claim(engine, 4):
            run(engine, one)
            engine.note(one.id, "looked at")
            ok(engine, change(one, _S.RETRY), change(one, _S.CANCELLED))
        for each in ids:
            lines = engine.history(each)
            assert {line.at for line in lines} == {engine.now()}
            statuses = [line.record.status if line.record else line.note for line in lines]
            assert statuses == [_S.REGISTERED, _S.PENDING, _S.RUNNING, "looked at", _S.RETRY, _S.CANCELLED]
        assert engine.listed() == ids[::-1]
        assert engine.listed(limit=2, offset=1) == [ids[2], ids[1]]
        assert engine.purge(engine.now()) == 0
        assert engine.purge(engine.now() + 1) == 4
