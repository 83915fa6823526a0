"""A store of files believes what our keys signed."""

from __future__ import annotations

import pytest

from fleche.storage.call_text import call_text, signed_call_of
from fleche.storage.file import FileStore
from fleche.testing.signing import SigningTests


class TestFiles(SigningTests):
    @pytest.fixture(autouse=True)
    def _places(self, public, tmp_path):
        self.root, self.own, self.tmp = public / "store", tmp_path / "own", tmp_path
        FileStore(self.root, index=tmp_path / "index.db").close()
        self.root.chmod(0o777)

    def open(self, packing):
        store = FileStore(self.root, index=self.tmp / "index.db", packing=packing)
        assert not store.trusted
        return store

    def open_own(self, packing):
        store = FileStore(self.own, index=self.tmp / "own.db", packing=packing)
        assert store.trusted
        return store

    def plant(self, store, name, data):
        for path in (self.root / "values").rglob(f"{name}.*"):
            path.unlink()
            path.write_bytes(data)

    def forge(self, store, key, change):
        path = self.root / "calls" / key[:2] / key
        call, signature = signed_call_of(path.read_bytes(), key, "here")
        changed = change({"result": call.result, "form": call.form, "signature": signature})
        path.unlink()
        path.write_bytes(call_text(call.evolve(result=changed["result"], form=changed["form"]), changed["signature"]))
