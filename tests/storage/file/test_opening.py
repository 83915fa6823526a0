"""What is opened, what is made, and what is refused with the reason and the way out."""

from __future__ import annotations

import json
import pickle
import stat
import subprocess
import sys

import pytest

from fleche.digest import digest
from fleche.errors import FormatError, StoreError
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.file import FileCalls, FileStore, FileValues


def test_a_new_store(store, root):
    """A new store is its owner's alone, and says that its files are the truth."""
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    seal = json.loads((root / "FORMAT").read_text())
    assert (seal["format"], seal["layout"]) == (1, "files")
    described = store.describe()
    assert (described["layout"], described["calls"], described["values"], described["bytes"]) == ("files", 0, 0, 0)
    assert not list(root.rglob("*~"))


def test_each_layout_names_the_class_that_reads_it(tmp_path):
    """A store of the other layout is refused, with the class that opens it."""
    FileStore(tmp_path / "files").close()
    EmbeddedStore(tmp_path / "index").close()
    with pytest.raises(FormatError, match=r"fleche\.storage\.file\.FileStore"):
        EmbeddedStore(tmp_path / "files")
    with pytest.raises(FormatError, match=r"fleche\.storage\.embedded\.EmbeddedStore"):
        FileStore(tmp_path / "index")
    assert not (tmp_path / "files" / "index.db").exists()


def test_nothing_is_made_where_that_is_not_wanted(root):
    """``create=False`` makes nothing, and other directories are left alone."""
    with pytest.raises(StoreError, match="no store"):
        FileStore(root, create=False)
    assert not root.exists()
    root.mkdir()
    (root / "thesis.tex").write_text("")
    with pytest.raises(FormatError, match=r"thesis\.tex"):
        FileStore(root)


def test_a_pickled_store_is_its_address(store, file, result):
    """A store in another process is the same store, with the same options; so are its faces."""
    call = file(store, 1, "x")
    copy = pickle.loads(pickle.dumps(store))
    assert result(copy, call) == "x"
    assert copy._options == store._options
    values, calls = pickle.loads(pickle.dumps((store.values, store.calls)))
    assert values.store is calls.store
    assert values.load(digest("x")) == "x"
    assert calls.load(call.key).result == call.result
    copy.close()
    values.store.close()


def test_plain_directories_are_pickled_by_address(tmp_path, make_call):
    """The faces without a store arrive with their place and options."""
    values, calls = FileValues(tmp_path / "values", verify=True), FileCalls(tmp_path / "calls")
    key = values.save([1])
    call = make_call(1, result=key)
    calls.save(call)
    others = pickle.loads(pickle.dumps((values, calls)))
    assert others[0].load(key) == [1]
    assert others[0]._options == values._options
    assert others[1].load(call.key).result == key


def test_values_are_read_on_a_network(tmp_path, monkeypatch):
    """Files are mapped on a local disk and read on a network file system, unless the user says which."""
    assert FileValues(tmp_path).files._mapped
    monkeypatch.setattr("fleche.storage.file.values.is_network", lambda path: True)
    assert not FileValues(tmp_path).files._mapped
    assert FileValues(tmp_path, mapped=True).files._mapped


def test_syncing(root, index, file, monkeypatch):
    """With ``sync`` every file is on the disk before it has its name."""
    synced = []
    monkeypatch.setattr("os.fsync", synced.append)
    store = FileStore(root, index=index, sync=True)
    synced.clear()
    file(store, 1, 1)
    assert len(synced) == 4  # value and record, each with its folder
    store.close()


def test_importing_is_light():
    """The store can be imported without SQLAlchemy, numpy, pandas or filelock."""
    program = (
        "import sys, fleche.storage.file\n"
        "print([m for m in ('sqlalchemy', 'numpy', 'pandas', 'filelock', 'platformdirs') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
