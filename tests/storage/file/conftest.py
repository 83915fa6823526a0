"""A store of files in a new directory, with an index beside it, checked for leaks when the test is over."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from fleche.storage.file import FileStore


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def index(tmp_path):
    return tmp_path / "index.db"


@pytest.fixture
def store(root, index, tmp_path, open_below):
    store = FileStore(root, index=index)
    yield store
    store.close()
    gc.collect()
    if Path("/proc/self/fd").exists():
        assert open_below(tmp_path) == []
