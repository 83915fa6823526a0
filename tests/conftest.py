"""Fixtures of every test: a store of its own, and nothing left behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import fleche
from fleche.caches import Cache
from fleche.digest.files import MEMO
from fleche.memo.active import _cache, _meta, _mode, defaults
from fleche.storage import registry, serializers
from fleche.storage.base import RecordStore
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.file import FileStore
from fleche.storage.memory import MemoryStore

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True, stateful_step_count=25)
hypothesis.settings.register_profile("long", max_examples=500, deadline=None, stateful_step_count=80)
hypothesis.settings.register_profile("exhaustive", max_examples=4000, deadline=None, stateful_step_count=80)
hypothesis.settings.load_profile("ci")


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test sees, or writes to, the store and the settings of whoever runs it; what it registers is gone after it."""
    for name in [name for name in os.environ if name.startswith("FLECHE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FLECHE_DIR", str(tmp_path / "default-store"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "no-config"))
    monkeypatch.setattr(MEMO, "beyond", lambda: None)
    monkeypatch.setattr(registry, "STORAGES", registry.StorageRegistry())
    monkeypatch.setattr(serializers, "SERIALIZERS", serializers.Serializers())
    before = dict(defaults.__dict__)
    defaults.cache = None
    defaults._mode = None
    tokens = [(_cache, _cache.set(None)), (_mode, _mode.set(None)), (_meta, _meta.set(()))]
    yield
    for variable, token in tokens:
        variable.reset(token)
    defaults.__dict__.update(before)


@pytest.fixture(scope="session")
def server() -> Iterator[Any]:
    """A PostgreSQL server of this test process's own."""
    from tests.servers import running_server

    with running_server() as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """An embedded store in a directory of its own."""
    store = EmbeddedStore(tmp_path / "store")
    yield store
    store.close()


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[FileStore]:
    """A store of files in a directory of its own, with its index beside it."""
    store = FileStore(tmp_path / "files", index=tmp_path / "files-index.db")
    yield store
    store.close()


@pytest.fixture
def memory_store() -> MemoryStore:
    """A store in memory."""
    return MemoryStore()


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that others can reach: those of pytest are closed again whenever another pytest starts."""
    with tempfile.TemporaryDirectory() as directory:
        public = Path(directory)
        public.chmod(0o755)
        yield public


@pytest.fixture(params=["embedded", "memory", "file"])
def cache(request: pytest.FixtureRequest) -> Iterator[Cache]:
    """A cache that is active for the test, of each kind."""
    name = "store" if request.param == "embedded" else f"{request.param}_store"
    store: RecordStore = request.getfixturevalue(name)
    cache = Cache(store.values, store.calls)
    with fleche.cache(cache):
        yield cache


@pytest.fixture
def disk(store: EmbeddedStore) -> Iterator[Cache]:
    """A cache on disk that is active for the test."""
    cache = Cache(store.values, store.calls)
    with fleche.cache(cache):
        yield cache
