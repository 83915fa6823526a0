"""What every store with secret keys keeps to, where others can write to it: subclass the suite and run it with pytest.

>>> class TestMyStore(SigningTests):
...     def open(self, packing):
...         return MyStore(packing=packing)
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fleche.call.records import DigestedCall, Outcome
from fleche.digest import Digest, digest
from fleche.errors import DamagedError, UntrustedError
from fleche.storage.acceptances import Acceptance, Accepting
from fleche.storage.base import RecordStore
from fleche.storage.envelope import Envelope
from fleche.storage.loader import TRUSTED
from fleche.storage.packing import PLAIN, Packing
from fleche.storage.signing import Keyring

__all__ = ["Bomb", "Model", "SigningTests"]

OLD, NEW, FOREIGN = (Keyring([letter * 32]) for letter in (b"o", b"n", b"f"))
BOTH = Keyring([b"n" * 32, b"o" * 32])
_SIZES = pytest.mark.parametrize("size", [1, 3000, 100_000])


class Model:
    """No type of the safe list."""

    def __init__(self, weights: Any) -> None:
        self.weights = weights


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(self.path),)


class SigningTests:
    """A store that is not trusted and has keys builds what they signed in full, and believes no other record."""

    exits: ExitStack

    @abstractmethod
    def open(self, packing: Packing) -> RecordStore:
        """Return a store of one place, the same at each call in a test, to which others can write."""

    @abstractmethod
    def open_own(self, packing: Packing) -> RecordStore:
        """Return a store of another place, which is trusted."""

    @abstractmethod
    def plant(self, store: RecordStore, name: Digest, data: bytes) -> None:
        """Put bytes in place of every copy of a value, as others could."""

    @abstractmethod
    def forge(self, store: RecordStore, key: Digest, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Change the record of a key as others could: entries ``result``, ``form`` (text) and ``signature`` (bytes)."""

    @pytest.fixture(autouse=True)
    def _closing(self) -> Iterator[None]:
        with ExitStack() as self.exits:
            yield

    def opened(self, keys: Keyring | None) -> RecordStore:
        """Open the store with these keys; it is closed when the test is over."""
        store = self.open(Packing(keys=keys))
        self.exits.callback(store.close)
        return store

    @staticmethod
    def call(x: int, **fields: Any) -> DigestedCall:
        """Return the record of a call ``m.f(x)``."""
        return DigestedCall(module="m", name="f", arguments={"x": digest(x)}, **fields)

    def file(self, store: RecordStore, x: int, value: Any) -> DigestedCall:
        """File a call of ``m.f(x)`` that returned a value."""
        call = self.call(x, result=digest(value))
        store.record(call, {digest(value): store.pack(value)})
        return call

    @staticmethod
    def result(store: RecordStore, call: DigestedCall) -> Any:
        """Return the result that a lookup finds, or None for a miss; a miss for want of a signature says so."""
        hit = store.lookup(call.key)
        if hit is None or hit.envelope is None or hit.result is None:
            assert hit is None or hit.damage is None or "signed" in str(hit.damage)
            return None
        return store.decode(hit.result, hit.envelope)

    def test_acceptances_are_believed_as_records_are(self) -> None:
        """Of what was accepted only what one of our keys signed counts, and only as it was said."""
        said = Acceptance(old=digest(1), new=digest(2), who="eve", at=datetime(2026, 1, 1, tzinfo=UTC))
        plain, foreign, ours = self.opened(None), self.opened(FOREIGN), self.opened(OLD)
        if not isinstance(plain, Accepting):
            pytest.skip("this store keeps no acceptances")
        assert isinstance(foreign, Accepting)
        assert isinstance(ours, Accepting)
        for theirs in (plain, foreign):
            theirs.accept(said)
            assert list(ours.acceptances()) == list(ours.acceptances(said.new)) == []
            assert [each.old for each in plain.acceptances(said.new)] == [said.old]
        ours.accept(said)
        for keys in (OLD, BOTH):
            mine = self.opened(keys)
            assert isinstance(mine, Accepting)
            assert [each.who for each in mine.acceptances(said.new)] == ["eve"]
        (kept,) = ours.acceptances(said.new)
        for change in ({"old": digest(3)}, {"added": {"seed": digest(42)}}, {"function": "m.g"}):
            assert not self._accepted(replace(kept, **change), OLD)
        assert self._accepted(kept, OLD)

    @staticmethod
    def _accepted(said: Acceptance, keys: Keyring) -> bool:
        return said.signature is not None and keys.verifies(said.covered(), said.signature)

    @_SIZES
    def test_what_we_signed_is_built_in_full(self, size: int) -> None:
        """Whatever its size; also after keys were rotated; not with a stranger's keys."""
        value = Model(b"w" * size)
        call = self.file(self.opened(OLD), 1, value)
        for keys in (OLD, BOTH):
            assert self.result(self.opened(keys), call).weights == value.weights
        for keys in (NEW, FOREIGN):
            assert self.result(self.opened(keys), call) is None
        rotated = self.opened(BOTH)
        self.file(self.opened(NEW), 1, value)
        assert self.result(self.opened(OLD), call) is None or self.result(rotated, call).weights == value.weights

    @_SIZES
    def test_what_is_computed_anew_replaces_what_was_not_signed(self, size: int) -> None:
        """A record that was filed without keys misses, and is a hit once it was filed with them."""
        value = Model(b"w" * size)
        call = self.file(self.opened(None), 1, value)
        store = self.opened(NEW)
        assert self.result(store, call) is None
        self.file(store, 1, value)
        assert self.result(store, call).weights == value.weights
        assert self.result(self.opened(NEW), call).weights == value.weights

    @_SIZES
    @pytest.mark.parametrize("keys", [None, FOREIGN])
    def test_a_planted_pickle_is_never_executed(self, tmp_path: Path, size: int, keys: Keyring | None) -> None:
        """A bomb in place of a signed value is a miss, whoever signed it, and what is computed anew replaces it."""
        touched, value = tmp_path / "touched", Model(b"w" * size)
        store = self.opened(NEW)
        call = self.file(store, 1, value)
        bomb = Envelope.pack(Bomb(str(touched)))
        self.plant(store, digest(value), (bomb if keys is None else bomb.signed(keys, digest(value))).to_bytes())
        store = self.opened(NEW)
        assert self.result(store, call) is None
        with suppress(UntrustedError, DamagedError, KeyError):
            store.values.load(digest(value))
        self.file(store, 1, value)
        assert self.result(store, call).weights == value.weights
        assert not touched.exists()

    def test_a_saved_value_replaces_a_planted_one(self, tmp_path: Path) -> None:
        """Also where it is saved by itself, once its load was refused."""
        store = self.opened(NEW)
        key = store.values.save(Model("w"))
        self.plant(store, key, Envelope.pack(Bomb(str(tmp_path / "touched"))).to_bytes())
        with suppress(UntrustedError, DamagedError):
            store.values.load(key)
        store.values.save(Model("w"))
        assert store.values.load(key).weights == "w"
        assert not (tmp_path / "touched").exists()

    def test_a_record_turned_to_another_signed_result_is_a_miss(self) -> None:
        """A signature binds a call to its result: nobody can give one call the result of another."""
        store = self.opened(NEW)
        one, two = self.file(store, 1, 10), self.file(store, 2, 20)
        other = {"result": digest(20), "form": Envelope.pack(20).form}
        self.forge(store, one.key, lambda row: row | other)
        assert self.result(self.opened(NEW), one) is None
        assert self.result(store, two) == 20
        self.file(store, 1, 10)
        assert self.result(store, one) == 10
        self.forge(store, one.key, lambda row: row | {"signature": None})
        assert self.result(store, one) is None
        self.file(store, 1, 10)
        assert self.result(store, one) == 10

    def test_an_error_replaces_a_result_that_nobody_signed(self) -> None:
        """Where the call now raises, a planted result does not hide it."""
        self.file(self.opened(None), 1, 10)
        store = self.opened(NEW)
        store.record(self.call(1, outcome=Outcome.ERROR), {})
        hit = store.lookup(self.call(1).key)
        assert hit is not None
        assert hit.outcome is Outcome.ERROR

    def test_a_transformation_signs_nothing_that_was_not_signed(self) -> None:
        """Records that are filed under new keys are as authentic as before: ours stay ours, planted ones planted."""
        self.file(self.opened(None), 1, 10)
        store = self.opened(NEW)
        self.file(store, 2, 20)
        store.calls.transform(lambda call: call.evolve(name="g"))
        assert self.result(store, self.call(1).evolve(name="g")) is None
        assert self.result(store, self.call(2).evolve(name="g")) == 20

    def test_without_keys_everything_plain_is_believed(self) -> None:
        """A store that others can write to stays what it was: plain types, whoever filed them."""
        call = self.file(self.opened(NEW), 1, [1, 2])
        assert self.result(self.opened(None), call) == [1, 2]

    def test_a_trusted_store_asks_nothing(self) -> None:
        """What was there before the keys stays a hit, since only we can have written it."""
        plain = self.open_own(PLAIN)
        self.exits.callback(plain.close)
        call = self.file(plain, 1, Model("w"))
        keyed = self.open_own(Packing(keys=NEW))
        self.exits.callback(keyed.close)
        assert self.result(keyed, call).weights == "w"

    def test_what_is_written_is_signed_for_its_digest(self) -> None:
        """Values of arguments and values saved by themselves too."""
        store = self.opened(NEW)
        key = store.values.save(Model("saved"))
        store.record(self.call(1), {digest(Model("given")): store.pack(Model("given"))})
        for name in (key, digest(Model("given"))):
            envelope = store.values.get_envelope(name)  # type: ignore[attr-defined]
            assert envelope.is_signed(NEW, name)
            assert not envelope.is_signed(NEW, digest("other"))
            assert isinstance(envelope.load(TRUSTED, verify=True), Model)
