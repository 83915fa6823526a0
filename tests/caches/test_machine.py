"""A state machine over a cache with a dict as the model, whatever the cache is made of."""

from __future__ import annotations

import tempfile
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fleche.caches import Cache
from fleche.call import Call, Outcome
from fleche.digest import Digest, digest
from fleche.errors import AmbiguousDigestError
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.memory import CallMemory, MemoryStore, ValueMemory

pytestmark = pytest.mark.portable

arguments = st.integers(0, 12)
results = st.sampled_from([None, 1, 1.0, True, "text", [1, [2]], {"a": 1, "b": 2}, {"b": 2, "a": 1}, b"x" * 100_000])


def call(x: int, result: Any = None) -> Call:
    return Call(module="m", name="f", arguments={"x": x}, result=result)


def form(value: Any) -> str:
    """What a result must come back as: its type and order count."""
    return repr(value)


class CacheMachine(RuleBasedStateMachine):
    """Saving, preparing, failing, evicting and asking leave the cache as the model is."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = self.open_cache()
        self.model: dict[int, tuple[Digest, str]] = {}
        self.failed: set[int] = set()

    def open_cache(self) -> Cache:
        raise AssertionError("a subclass opens the cache")

    @rule(x=arguments, result=results)
    def save(self, x: int, result: Any) -> None:
        assert self.cache.save(call(x, result)) == call(x).key
        if x not in self.model or self.model[x][0] != digest(result):  # an equal result leaves the old one alone
            self.model[x] = (digest(result), form(result))
        self.failed.discard(x)

    @rule(x=arguments, result=results)
    def save_anew(self, x: int, result: Any) -> None:
        self.cache.evict(call(x).key)
        self.cache.save(call(x, result))
        self.model[x] = (digest(result), form(result))
        self.failed.discard(x)

    @rule(x=arguments)
    def abandon(self, x: int) -> None:
        with self.cache.prepare(call(x)):
            pass

    @rule(x=arguments)
    def fail(self, x: int) -> None:
        self.cache.prepare(call(x)).commit(ValueError(x), outcome=Outcome.ERROR)
        if x not in self.model:
            self.failed.add(x)

    @rule(x=arguments)
    def evict(self, x: int) -> None:
        self.cache.evict(call(x).key)
        self.model.pop(x, None)
        self.failed.discard(x)

    @rule(x=arguments, length=st.integers(4, 31))
    def by_prefix(self, x: int, length: int) -> None:
        key = call(x).key
        try:
            found = self.cache.resolve(key[:length])[0]
        except AmbiguousDigestError:
            assert any(call(y).key[:length] == key[:length] for y in range(13) if y != x)
        except KeyError:
            assert x not in self.model
            assert x not in self.failed
        else:
            assert found == [key]

    @invariant()
    def agrees(self) -> None:
        for x in range(13):
            key: Digest = call(x).key
            assert self.cache.contains(key) == (x in self.model)
            if x in self.model:
                assert form(self.cache.load(key).result) == self.model[x][1]
        found = {call.arguments["x"] for call in self.cache.query(name="f")}
        assert found == set(self.model)
        assert {call.arguments["x"] for call in self.cache.query().failed()} == self.failed
        assert self.cache.query(arguments={"x": 3}).any() == (3 in self.model)


class OneStoreMachine(CacheMachine):
    """Over the embedded default."""

    def open_cache(self) -> Cache:
        self.directory = tempfile.TemporaryDirectory()
        self.store = EmbeddedStore(self.directory.name + "/store")
        return Cache(self.store.values, self.store.calls)

    def teardown(self) -> None:
        self.store.close()
        self.directory.cleanup()


class MemoryMachine(CacheMachine):
    """Over memory."""

    def open_cache(self) -> Cache:
        store = MemoryStore()
        return Cache(store.values, store.calls)


class TwoStoragesMachine(CacheMachine):
    """Over two storages that know nothing of each other."""

    def open_cache(self) -> Cache:
        return Cache(ValueMemory({}), CallMemory({}))


TestOneStore = OneStoreMachine.TestCase
TestMemory = MemoryMachine.TestCase
TestTwoStorages = TwoStoragesMachine.TestCase
