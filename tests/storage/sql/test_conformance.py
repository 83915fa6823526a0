"""A store in a database keeps to every suite, on PostgreSQL and in an SQLite file."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from hypothesis import settings

from fleche.storage.checking import Checkable
from fleche.storage.sql import Sql, SqlStore
from fleche.testing.stateful import RecordStoreMachine
from fleche.testing.storage import CallStorageTests, RecordStoreTests, ValueStorageTests


class _Opened:
    """Takes the opener of the dialect in turn."""

    @pytest.fixture(autouse=True)
    def _opener(self, opener):
        self.opened = opener


class TestSqlValues(_Opened, ValueStorageTests):
    @contextmanager
    def open(self):
        with self.opened() as store:
            yield store.values


class TestSqlCalls(_Opened, CallStorageTests):
    @contextmanager
    def open(self):
        with self.opened() as store:
            yield store.calls


class TestSqlStore(_Opened, RecordStoreTests):
    def open(self):
        return self.opened()

    def test_it_can_look_itself_over(self):
        """The store has the ability, and nothing is wrong with a new one."""
        with self.open() as store:
            assert isinstance(store, Checkable)
            assert list(store.check()) == []


class TestSqlInMemory(CallStorageTests):
    """Records without values, in this process's memory."""

    @contextmanager
    def open(self):
        calls = Sql()
        yield calls
        calls.close()


class SqlMachine(RecordStoreMachine):
    opened = None

    def open_store(self):
        return type(self).opened()

    def reopened(self):
        old = self.store
        store = SqlStore(old.address.text(), schema=old.address.schema, create=False)
        self.exits.callback(store.close)
        return store


def test_machine(opener):
    """Any sequence of operations leaves the store as the model is."""
    from hypothesis.stateful import run_state_machine_as_test

    machine = type("SqlMachine", (SqlMachine,), {"opened": staticmethod(opener)})
    run_state_machine_as_test(machine, settings=settings(max_examples=15, stateful_step_count=20, deadline=None))
