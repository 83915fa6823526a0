"""Stores of files keep to every suite."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from fleche.storage.base import EnvelopeStorage, RecordStore
from fleche.storage.checking import Checkable
from fleche.storage.file import FileCalls, FileStore, FileValues
from fleche.testing.stateful import RecordStoreMachine
from fleche.testing.storage import CallStorageTests, RecordStoreTests, ValueStorageTests

pytestmark = pytest.mark.portable


@contextmanager
def opened():
    with tempfile.TemporaryDirectory() as folder:
        store = FileStore(Path(folder) / "store", index=Path(folder) / "index.db")
        try:
            yield store
        finally:
            store.close()


class TestStoreValues(ValueStorageTests):
    @contextmanager
    def open(self):
        with opened() as store:
            yield store.values


class TestStoreCalls(CallStorageTests):
    @contextmanager
    def open(self):
        with opened() as store:
            yield store.calls


class TestFileStore(RecordStoreTests):
    def open(self):
        return opened()


class TestPlainValues(ValueStorageTests):
    @contextmanager
    def open(self):
        with tempfile.TemporaryDirectory() as folder:
            yield FileValues(Path(folder) / "values")


class TestPlainCalls(CallStorageTests):
    @contextmanager
    def open(self):
        with tempfile.TemporaryDirectory() as folder:
            yield FileCalls(Path(folder) / "calls")


class FileMachine(RecordStoreMachine):
    def open_store(self):
        return opened()

    def reopened(self):
        store = FileStore(self.store.root, create=False, index=self.store.root.parent / "index.db")
        self.exits.callback(store.close)
        return store


TestMachine = FileMachine.TestCase
TestMachine.settings = settings(max_examples=10, stateful_step_count=20, deadline=None)


def test_what_it_can_do(store):
    """A store of files is a record store, keeps envelopes, and looks itself over."""
    assert isinstance(store, RecordStore)
    assert isinstance(store.values, EnvelopeStorage)
    assert isinstance(store, Checkable)
