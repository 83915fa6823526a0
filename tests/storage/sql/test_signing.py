"""A store in a database believes what our keys signed."""

from __future__ import annotations

from functools import partial

import pytest

from fleche.storage.sql import SqlStore
from fleche.storage.sql.schema import calls, values
from fleche.testing.signing import SigningTests


def _plant(name, data, connection):
    for table, column in ((calls, calls.c.result), (values, values.c.digest)):
        connection.execute(
            table.update().where(column == name.raw, table.c.envelope.is_not(None)).values(envelope=data)
        )


def _forge(key, change, connection):
    row = connection.execute(calls.select().where(calls.c.key == key.raw)).one()
    changed = change({"result": row.result.hex(), "form": row.form.hex(), "signature": row.signature})
    cells = {name: bytes.fromhex(changed[name]) for name in ("result", "form")}
    connection.execute(calls.update().where(calls.c.key == key.raw).values(signature=changed["signature"], **cells))


class TestSql(SigningTests):
    @pytest.fixture(autouse=True)
    def _place(self, address):
        self.address = address

    def open(self, packing):
        store = SqlStore(**self.address, packing=packing)
        assert not store.trusted
        return store

    def open_own(self, packing):
        return SqlStore(**self.address, packing=packing, trust=True)

    def plant(self, store, name, data):
        store.connections.write(partial(_plant, name, data))

    def forge(self, store, key, change):
        store.connections.write(partial(_forge, key, change))
