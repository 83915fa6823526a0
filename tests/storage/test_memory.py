"""The memory store keeps to every suite; it is the reference."""

from __future__ import annotations

import pickle
from contextlib import nullcontext

import pytest
from hypothesis import settings

from fleche.storage.memory import CallMemory, MemoryStore, ValueMemory
from fleche.testing.stateful import RecordStoreMachine
from fleche.testing.storage import CallStorageTests, RecordStoreTests, ValueStorageTests

pytestmark = pytest.mark.portable


class TestValueMemory(ValueStorageTests):
    def open(self):
        return nullcontext(ValueMemory({}))


class TestCallMemory(CallStorageTests):
    def open(self):
        return nullcontext(CallMemory({}))


class TestMemoryStore(RecordStoreTests):
    def open(self):
        return nullcontext(MemoryStore())


class MemoryMachine(RecordStoreMachine):
    reopens = False

    def open_store(self):
        return nullcontext(MemoryStore())


TestMachine = MemoryMachine.TestCase
TestMachine.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)


@pytest.mark.parametrize("make", [MemoryStore, ValueMemory, CallMemory])
def test_memory_is_not_pickled(make):
    """A copy in another process would not be this memory, so pickling is refused, with the reason."""
    with pytest.raises(TypeError, match="another process"):
        pickle.dumps(make())
