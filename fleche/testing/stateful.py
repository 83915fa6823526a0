"""A state machine over a record store, with dicts as the model: any sequence of operations, and the two agree."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fleche.call.records import DigestedCall, Outcome, QueryCall
from fleche.digest import Digest, digest
from fleche.storage.base import EnvelopeStorage, RecordStore
from fleche.storage.envelope import Envelope
from fleche.testing.strategies import plain

__all__ = ["RecordStoreMachine"]

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_VALUES = (None, 1, "text", {"a": 1, "b": 2}, {"b": 2, "a": 1}, "x" * 3000, b"y" * 100_000)

_values = st.sampled_from(_VALUES)
_outcomes = st.sampled_from([Outcome.RESULT, Outcome.RESULT, Outcome.ERROR, Outcome.PARTIAL])


class RecordStoreMachine(RuleBasedStateMachine):
    """Any sequence of filing, saving, evicting and reopening leaves the store as the model is.

    Subclass it, give `open_store`, and run ``YourMachine.TestCase`` with pytest.
    """

    reopens = True
    """Whether what was stored is there when the store is opened again."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[Digest, DigestedCall] = {}
        self.values: dict[Digest, dict[str, Any]] = {}
        self.exits = ExitStack()
        self.store = self.exits.enter_context(self.open_store())

    def open_store(self) -> AbstractContextManager[RecordStore]:
        """Return a new, empty store for the length of a ``with`` block."""
        raise NotImplementedError

    def reopened(self) -> RecordStore:
        """Return the same store, opened again."""
        return self.store

    @rule(x=st.integers(0, 3), name=st.sampled_from("fg"), value=_values, outcome=_outcomes, given=st.booleans())
    def record(self, x: int, name: str, value: Any, outcome: Outcome, given: bool) -> None:
        """File a call, with its result's bytes or without."""
        call = DigestedCall(
            module="m",
            name=name,
            arguments={"x": digest(x)},
            scalars={"x": x},
            kinds={"x": "int"},
            result=digest(value),
            outcome=outcome,
            metadata={"tags": {"name": name}},
            at=_NOON + timedelta(seconds=x),
        )
        envelope = Envelope.pack(value)
        self.store.record(call, {digest(value): envelope} if given else {})
        self._model(call.evolve(form=envelope.form) if given else call, {envelope.form: value} if given else {})

    def _model(self, call: DigestedCall, forms: dict[str, Any]) -> None:
        old = self.calls.get(call.key)
        if (
            old is None
            or old.outcome is not Outcome.RESULT
            or (call.outcome is Outcome.RESULT and call.result != old.result)
        ):
            self.calls[call.key] = call
        elif call.result != old.result:
            return
        elif forms and call.outcome is old.outcome and not self._has(old):
            self.calls[call.key] = call
        if call.result is not None:
            for form, value in forms.items():
                self.values.setdefault(call.result, {})[form] = value

    def _has(self, call: DigestedCall) -> bool:
        forms = self.values.get(call.result or Digest(""), {})
        return bool(forms) and call.form in (None, *forms)

    @rule(value=_values)
    def save(self, value: Any) -> None:
        """Save a value."""
        key = self.store.values.save(value)
        self.values.setdefault(key, {})[Envelope.pack(value).form] = value
        assert repr(self.store.values.load(key)) == repr(value)

    @rule(value=_values)
    def evict_value(self, value: Any) -> None:
        """Evict a value in all its forms."""
        self.store.values.evict(digest(value))
        self.values.pop(digest(value), None)

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def evict_call(self, data: st.DataObject) -> None:
        """Evict a record, by key or by prefix."""
        key = data.draw(st.sampled_from(sorted(self.calls)))
        self.store.calls.evict(self.store.calls.shrink(key) if data.draw(st.booleans()) else key)
        del self.calls[key]

    @precondition(lambda self: self.reopens)
    @rule()
    def reopen(self) -> None:
        """Close the store and open it again."""
        self.store.close()
        self.store = self.reopened()

    @rule()
    def rename(self) -> None:
        """Let the two functions trade names."""
        swapped = {"f": "g", "g": "f"}
        self.store.calls.transform(lambda call: call.evolve(name=swapped[call.name]))
        changed = [call.evolve(name=swapped[call.name]) for call in self.calls.values()]
        self.calls = {call.key: call for call in changed}

    @invariant()
    def agrees(self) -> None:
        """Everything that can be asked has the model's answer."""
        store = self.store
        assert set(store.calls.list()) == set(self.calls)
        assert set(store.values.list()) == set(self.values)
        assert store.calls.count() == len(self.calls)
        for key, call in self.calls.items():
            assert plain(store.calls.load(key)) == plain(call)
            hit = store.lookup(key)
            assert hit is not None
            assert (hit.outcome, hit.result, hit.form) == (call.outcome, call.result, call.form)
            assert (hit.envelope is not None) == self._has(call)
            if hit.envelope is not None and hit.result is not None:
                found = store.decode(hit.result, hit.envelope)
                if hit.form is not None:
                    assert repr(found) == repr(self.values[hit.result][hit.form])
        for key, forms in self.values.items():
            if isinstance(store.values, EnvelopeStorage):
                for form in forms:
                    assert store.values.get_envelope(key, form).form == form
            assert repr(store.values.load(key)) in {repr(value) for value in forms.values()}
        results = {call.key for call in self.calls.values() if call.outcome is Outcome.RESULT}
        assert {call.key for call in store.calls.query(QueryCall())} == results
        with pytest.raises(KeyError):
            store.values.load(digest("never saved"))

    def teardown(self) -> None:
        """Close the store."""
        self.exits.close()
