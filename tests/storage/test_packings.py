"""Every store keeps to the suites however it packs: compressed, signed, in parts, and all of it."""

from __future__ import annotations

import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fleche.storage.embedded import EmbeddedStore
from fleche.storage.file import FileStore
from fleche.storage.memory import MemoryStore
from fleche.storage.packing import Packing
from fleche.storage.signing import Keyring
from fleche.storage.sql import SqlStore
from fleche.testing.storage import RecordStoreTests, ValueStorageTests

KEYS = Keyring([b"k" * 32])
PACKINGS = {
    "compressed": Packing(compress=True),
    "signed": Packing(keys=KEYS),
    "parts": Packing(parts=2, depth=2),
    "all": Packing(compress=True, keys=KEYS, parts=2, depth=2),
}
STORES = {
    "memory": lambda folder, packing: MemoryStore(packing=packing),
    "embedded": lambda folder, packing: EmbeddedStore(folder / "store", packing=packing),
    "file": lambda folder, packing: FileStore(folder / "store", index=folder / "index.db", packing=packing),
    "sql": lambda folder, packing: SqlStore(f"sqlite:///{folder}/calls.db", packing=packing),
}


@contextmanager
def opened(kind, packing):
    with tempfile.TemporaryDirectory() as folder, closing(STORES[kind](Path(folder), PACKINGS[packing])) as store:
        yield store


class _Packed:
    @pytest.fixture(autouse=True, params=STORES)
    def _kind(self, request):
        self.kind = request.param

    @pytest.fixture(autouse=True, params=PACKINGS)
    def _packing(self, request):
        self.packing = request.param


class TestStores(_Packed, RecordStoreTests):
    def open(self):
        return opened(self.kind, self.packing)


class TestValues(_Packed, ValueStorageTests):
    @contextmanager
    def open(self):
        with opened(self.kind, self.packing) as store:
            yield store.values
