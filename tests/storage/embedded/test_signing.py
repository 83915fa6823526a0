"""The embedded store believes what our keys signed."""

from __future__ import annotations

import sqlite3

import pytest

from fleche.storage.embedded import EmbeddedStore
from fleche.testing.signing import SigningTests

FIELDS = "result", "form", "signature"


class TestEmbedded(SigningTests):
    @pytest.fixture(autouse=True)
    def _places(self, public, tmp_path):
        self.root, self.own = public / "store", tmp_path / "own"
        EmbeddedStore(self.root).close()
        self.root.chmod(0o777)

    def open(self, packing):
        store = EmbeddedStore(self.root, packing=packing)
        assert not store.trusted
        return store

    def open_own(self, packing):
        store = EmbeddedStore(self.own, packing=packing)
        assert store.trusted
        return store

    def plant(self, store, name, data):
        with sqlite3.connect(self.root / "index.db") as index:
            for table, column in (("calls", "result"), ('"values"', "digest")):
                index.execute(
                    f"UPDATE {table} SET envelope = ? WHERE {column} = ? AND envelope IS NOT NULL", (data, name.raw)
                )
        for path in (self.root / "values").rglob(f"{name}.*"):
            path.unlink()
            path.write_bytes(data)
        index.close()

    def forge(self, store, key, change):
        with sqlite3.connect(self.root / "index.db") as index:
            row = index.execute(f"SELECT {', '.join(FIELDS)} FROM calls WHERE key = ?", (key.raw,)).fetchone()
            result, form, signature = row
            fields = {"result": result.hex(), "form": form.hex(), "signature": signature}
            changed = change(fields)
            values = bytes.fromhex(changed["result"]), bytes.fromhex(changed["form"]), changed["signature"], key.raw
            index.execute("UPDATE calls SET (result, form, signature) = (?, ?, ?) WHERE key = ?", values)
        index.close()
