"""The embedded store keeps to every suite."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from fleche.storage.embedded import EmbeddedStore
from fleche.testing.stateful import RecordStoreMachine
from fleche.testing.storage import CallStorageTests, RecordStoreTests, ValueStorageTests

pytestmark = pytest.mark.portable


@contextmanager
def opened():
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddedStore(Path(folder) / "store")
        try:
            yield store
        finally:
            store.close()


class TestEmbeddedValues(ValueStorageTests):
    @contextmanager
    def open(self):
        with opened() as store:
            yield store.values


class TestEmbeddedCalls(CallStorageTests):
    @contextmanager
    def open(self):
        with opened() as store:
            yield store.calls


class TestEmbeddedStore(RecordStoreTests):
    def open(self):
        return opened()


class EmbeddedMachine(RecordStoreMachine):
    def open_store(self):
        return opened()

    def reopened(self):
        store = EmbeddedStore(self.store.root, create=False)
        self.exits.callback(store.close)
        return store


TestMachine = EmbeddedMachine.TestCase
TestMachine.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
