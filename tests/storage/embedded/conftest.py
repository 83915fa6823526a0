"""A store in a new directory, checked for leaks when the test is over."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from fleche.storage.embedded import EmbeddedStore


@pytest.fixture(name="open_files")
def _open_files(root, open_below):
    return lambda: open_below(root)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def store(root, open_below):
    store = EmbeddedStore(root)
    yield store
    store.close()
    gc.collect()
    if Path("/proc/self/fd").exists():
        assert open_below(root) == []
