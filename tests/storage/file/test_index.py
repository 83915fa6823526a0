"""The index of a host: it makes questions fast, and is never believed."""

from __future__ import annotations

import os
import sqlite3

import pytest

from fleche import faults
from fleche.call.records import QueryCall
from fleche.digest import digest
from fleche.errors import StoreError
from fleche.storage.file import FileStore
from fleche.storage.file import index as module
from fleche.storage.file.index import index_place


def found(store, **template):
    return [call.scalars["x"] for call in store.calls.query(QueryCall(**template))]


def remove_index(index):
    for path in index.parent.glob(f"{index.name}*"):
        path.unlink()


@pytest.fixture
def reads(store, monkeypatch):
    """A list of the keys whose files are read."""
    keys = []
    read = store.files.read
    monkeypatch.setattr(store.files, "read", lambda key: keys.append(key) or read(key))
    return keys


def settle(monkeypatch):
    """Let the clock of this host go on by a minute."""
    later = module._now() + 60 * 10**9
    monkeypatch.setattr(module, "_now", lambda: later)


def test_settled_folders_are_not_listed_again(store, file, reads, monkeypatch):
    """Once a folder is known nothing in it is read or listed for a question, only looked at."""
    for x in range(20):
        file(store, x, x)
    assert found(store) == list(range(20))
    settle(monkeypatch)
    assert found(store) == list(range(20))
    listed = []
    monkeypatch.setattr(store.files, "sights", lambda name: listed.append(name) or {})
    reads.clear()
    assert found(store) == list(range(20))
    assert found(store, arguments={"x": 7}) == [7]
    assert [call.scalars["x"] for call in store.calls.recent(3)] == [19, 18, 17]
    assert reads == listed == []


def test_a_change_within_one_tick_is_seen(store, file, root, make_call):
    """A record that comes when the clock of the file system has not ticked since the folder was read is found."""
    call = file(store, 1, "one")
    folder = root / "calls" / call.key[:2]
    before = folder.stat()
    assert found(store) == [1]
    own, _ = store.files.paths(call.key)
    changed = call.evolve(metadata={"tags": {"new": 1}})
    from fleche.storage.call_text import call_text

    store.files.write(changed, call_text(changed))
    os.utime(own, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert found(store, metadata={"tags": {"new": 1}}) == [1]


def test_what_others_file_and_evict_is_seen(store, root, tmp_path, file):
    """Records of another host, with an index of its own, are found at the next question."""
    other = FileStore(root, index=tmp_path / "other.db")
    for x in range(10):
        file(store if x % 2 else other, x, x)
    assert found(store) == found(other) == list(range(10))
    other.calls.evict(next(iter(other.calls.query(QueryCall(arguments={"x": 4})))).key)
    assert found(store) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    other.close()


@pytest.mark.parametrize("point", ["index:between", "index:refreshed"])
def test_the_index_is_deleted_within_a_question(store, index, file, point):
    """However far a question has come, deleting the index takes nothing from the answer."""
    for x in range(30):
        file(store, x, x)
    assert found(store) == list(range(30))
    file(store, 30, 30)
    left = [1]

    def delete():
        if left:
            left.pop()
            remove_index(index)

    with faults.armed(point, delete):
        assert found(store) == list(range(31))
    assert left == []
    assert found(store) == list(range(31))


def test_the_index_is_deleted_while_an_answer_is_read(store, index, file):
    """Between two records of an answer the index may go."""
    for x in range(300):
        file(store, x, 1)
    answer = store.calls.query(QueryCall())
    first = next(answer).scalars["x"]
    remove_index(index)
    store.index.close()
    assert [first, *(call.scalars["x"] for call in answer)] == list(range(300))


def test_a_record_that_changes_within_an_answer(store, file, make_call):
    """A record that is replaced or evicted after it was found is as its file is, or left out."""
    calls = [file(store, x, 1) for x in range(4)]
    answer = store.calls.query(QueryCall())
    next(answer)
    store.calls.evict(calls[1].key)
    file(store, 2, "changed")
    assert [(call.scalars["x"], call.result) for call in answer] == [(2, digest("changed")), (3, digest(1))]


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\x00" + b"\xff" * 8000, b"no database" * 1000])
def test_a_damaged_index_is_made_anew(root, index, file, content):
    """An index that is no database any more costs nothing but the time to make it again."""
    store = FileStore(root, index=index)
    file(store, 1, "x")
    assert found(store) == [1]
    store.close()
    remove_index(index)
    index.write_bytes(content)
    assert found(store) == [1]
    store.close()
    with sqlite3.connect(index) as database:
        assert database.execute("SELECT count(*) FROM calls").fetchone() == (1,)
    database.close()


def test_an_index_that_lies_is_not_believed(store, index, file):
    """Rows that the files do not bear out are not in an answer."""
    for x in range(3):
        file(store, x, x)
    assert found(store) == [0, 1, 2]
    with sqlite3.connect(index) as database:
        database.execute("UPDATE files SET sight = 'nonsense'")
        database.execute("UPDATE calls SET result = x'00'")
    database.close()
    assert found(store, arguments={"x": 1}) == [1]
    assert found(store, result=1) == [1]


def test_a_folder_that_is_gone_takes_its_records_along(store, root, file):
    """After a folder was deleted none of its records is counted among the newest."""
    import shutil

    calls = [file(store, x, x) for x in range(6)]
    assert found(store) == list(range(6))
    shutil.rmtree(root / "calls" / calls[5].key[:2])
    left = [call.scalars["x"] for call in reversed(calls) if store.lookup(call.key) is not None]
    assert [call.scalars["x"] for call in store.calls.recent(2)] == left[:2]


def test_keys_of_another_scheme(store, root, make_call):
    """A record whose key was derived in another way is found, and filed under its new key by `transform`."""
    from fleche.digest import Digest
    from fleche.storage.call_text import call_text, seal, unseal

    call, key = make_call(3), Digest("ab" * 16)
    body = unseal(b"fleche-call", call_text(call), "here")
    store.files.write_file(store.files.paths(key)[0], seal(b"fleche-call", {**body, "key": key}))
    assert found(store) == [3]
    assert list(store.calls.list()) == [key]
    store.calls.transform()
    assert list(store.calls.list()) == [call.key]
    assert found(store) == [3]


def test_a_folder_that_cannot_be_listed_is_one_clear_error(store, root, file):
    """An answer that would lack records is not given."""
    file(store, 1, 1)
    (root / "calls").rename(root / "elsewhere")
    (root / "calls").write_text("")
    with pytest.raises(StoreError, match=r"calls cannot be listed"):
        found(store)


def test_without_an_index_files_are_read(root, tmp_path, file):
    """Where no index can be made, as on a full disk, every question is answered from the files."""
    (tmp_path / "occupied").write_text("")
    store = FileStore(root, index=tmp_path / "occupied" / "index.db")
    for x in range(5):
        file(store, x, x)
    assert found(store) == list(range(5))
    assert [call.scalars["x"] for call in store.calls.recent(2)] == [4, 3]
    assert store.calls.count() == 5
    store.close()


def test_a_plan_is_used_not_a_scan(store, file, monkeypatch):
    """A question goes to the index."""
    file(store, 1, 1)
    assert store.index.find(QueryCall().digested()) is not None
    monkeypatch.setattr(store.calls, "_records", lambda: pytest.fail("all files were read"))
    assert found(store) == [1]


def test_the_place_of_the_index(tmp_path, monkeypatch):
    """By default below the user's cache directory, one per store and host; elsewhere where that is on a network."""
    place = index_place("5eed")
    assert place.is_relative_to(tmp_path / "cache")
    assert place.name.startswith("5eed.")
    monkeypatch.setattr(module, "is_network", lambda path: True)
    (tmp_path / "local").mkdir(mode=0o700)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "local"))
    place = index_place("5eed")
    assert place.is_relative_to(tmp_path / "local")
    place.parent.chmod(0o777)
    with pytest.raises(StoreError, match="no place for an index"):
        index_place("5eed")


def test_the_default_index(root, file, tmp_path):
    """Without a place of its own the index is made in the default one."""
    store = FileStore(root)
    file(store, 1, 1)
    assert found(store) == [1]
    store.close()
    assert len(list((tmp_path / "cache").rglob("*.db"))) == 1


def test_an_index_that_cannot_be_asked_is_one_clear_error(store, file, monkeypatch):
    """A folder of records that cannot be read is an error, not an answer."""
    call = file(store, 1, 1)

    def refuse(path):
        raise StoreError(f"{path} cannot be read")

    monkeypatch.setattr("fleche.storage.file.call_files._content", refuse)
    with pytest.raises(StoreError, match="cannot be read"):
        found(store)
    with pytest.raises(StoreError, match="cannot be read"):
        store.lookup(call.key)
