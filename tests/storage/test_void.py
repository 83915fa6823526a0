"""The void keeps to what the suites ask of a store that keeps nothing."""

from __future__ import annotations

import pickle
from contextlib import nullcontext

import pytest

from fleche.storage.void import CallVoid, ValueVoid, VoidStore
from fleche.testing.storage import CallStorageTests, RecordStoreTests, ValueStorageTests

pytestmark = pytest.mark.portable


class TestValueVoid(ValueStorageTests):
    keeps = False

    def open(self):
        return nullcontext(ValueVoid())


class TestCallVoid(CallStorageTests):
    keeps = False

    def open(self):
        return nullcontext(CallVoid())


class TestVoidStore(RecordStoreTests):
    keeps = False

    def open(self):
        return nullcontext(VoidStore())


def test_a_void_is_pickled():
    """Nothing is as good there as here."""
    assert pickle.loads(pickle.dumps(VoidStore())).calls.count() == 0
