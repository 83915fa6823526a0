"""A store of files in a new directory, with an index beside it, checked for leaks when the test is over."""

from __future__ import annotations

import gc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fleche.call.records import DigestedCall
from fleche.digest import digest
from fleche.storage.envelope import Envelope
from fleche.storage.file import FileStore

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def open_files(root):
    """Return the files below a directory that this process has open."""
    found = []
    for number in list(Path("/proc/self/fd").iterdir()):
        try:
            name = str(number.readlink())
        except OSError:
            continue
        if name.startswith(str(root)):
            found.append(name)
    return found


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
def store(root, index, tmp_path):
    store = FileStore(root, index=index)
    yield store
    store.close()
    gc.collect()
    if Path("/proc/self/fd").exists():
        assert open_files(tmp_path) == []


@pytest.fixture
def make_call():
    def make(x=0, **fields):
        given = {
            "module": "m",
            "name": "f",
            "arguments": {"x": digest(x)},
            "scalars": {"x": x},
            "kinds": {"x": "int"},
            "at": NOON + timedelta(seconds=x),
        }
        return DigestedCall(**{**given, **fields})

    return make


@pytest.fixture
def file(make_call):
    """File ``m.f(x)`` with a value, and return the record."""

    def do(store, x, value, **fields):
        call = make_call(x, result=digest(value), **fields)
        store.record(call, {digest(value): Envelope.pack(value)})
        return call

    return do


@pytest.fixture
def result():
    """Return the stored result of a call, or None where it is gone."""

    def do(store, call):
        hit = store.lookup(call.key)
        return None if hit is None or hit.envelope is None else store.decode(hit.result, hit.envelope)

    return do
