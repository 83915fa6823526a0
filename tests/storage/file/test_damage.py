"""What is truncated, flipped, gone or full: a miss or one clear error, never a wrong result."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from fleche import faults
from fleche.call.records import QueryCall
from fleche.digest import digest
from fleche.errors import DamagedError, SaveError, StoreError
from fleche.storage.file import FileStore

BIG = b"y" * 300_000


def truncate(path):
    rewrite(path, path.read_bytes()[: path.stat().st_size // 2])


def flip_end(path):
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    rewrite(path, bytes(data))


def flip_start(path):
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    rewrite(path, bytes(data))


def empty(path):
    rewrite(path, b"")


def write_other(path):
    rewrite(path, b"not ours")


def rewrite(path, data):
    path.chmod(0o600)
    path.write_bytes(data)


HURTS = [truncate, flip_end, flip_start, empty, write_other]


def files_of(root, folder):
    return [path for path in (root / folder).rglob("*") if path.is_file()]


@pytest.mark.parametrize("hurt", HURTS)
@pytest.mark.parametrize("value", [1.5, BIG], ids=["small", "large"])
def test_a_damaged_value_is_a_miss(store, root, file, result, hurt, value):
    """A value file that is not what was written is noticed, set aside and replaced by the next filing."""
    call = file(store, 1, value)
    (path,) = files_of(root, "values")
    hurt(path)
    hit = store.lookup(call.key)
    assert hit.envelope is None
    assert isinstance(hit.damage, DamagedError)
    assert not path.exists()
    assert len(files_of(root, "quarantine")) == 1
    assert not store.values.contains(digest(value))
    file(store, 1, value)
    assert result(store, call) == value


@pytest.mark.parametrize("hurt", HURTS)
def test_a_damaged_record_is_a_miss(root, index, file, result, make_call, hurt):
    """The file of a record that is not what was written is set aside by whoever meets it first, also in a question."""
    store = FileStore(root, index=index)
    calls = [file(store, x, x) for x in range(3)]
    assert store.calls.count() == 3
    store.close()
    for call in calls[1:]:
        hurt(store.files.paths(call.key)[0])
    assert store.lookup(calls[1].key) is None
    assert [call.key for call in store.calls.query(QueryCall())] == [calls[0].key]
    assert len(files_of(root, "quarantine")) == 2
    with pytest.raises(KeyError):
        store.calls.load(calls[1].key)
    assert result(store, file(store, 1, 1)) == 1
    store.close()


def test_a_record_that_is_replaced_while_it_is_set_aside_stays(store, file, monkeypatch, result):
    """Who finds damage and moves a whole record away that has just taken its place puts it back."""
    call = file(store, 1, 1)
    own, _ = store.files.paths(call.key)
    store.files.set_aside(own, (0, 0))
    assert result(store, call) == 1
    assert not files_of(store.root, "quarantine")


def test_what_is_deleted_is_a_miss(store, root, file, result):
    """Files and whole folders may be deleted; what they held can be filed again."""
    calls = [file(store, x, str(x)) for x in range(6)]
    values = files_of(root, "values")
    values[0].unlink()
    assert sum(result(store, call) is None for call in calls) == 1
    shutil.rmtree(root / "values")
    assert [result(store, call) for call in calls] == [None] * 6
    shutil.rmtree(root / "calls")
    assert [store.lookup(call.key) for call in calls] == [None] * 6
    assert list(store.calls.query(QueryCall())) == []
    assert [result(store, file(store, x, str(x))) for x in range(6)] == [str(x) for x in range(6)]


def test_a_deleted_store_is_made_again(store, root, file, result):
    """Where the directory was deleted, what is filed next goes into a new one."""
    file(store, 1, "old")
    shutil.rmtree(root)
    call = file(store, 2, "new")
    assert result(store, call) == "new"
    other = FileStore(root, create=False, index=root.parent / "other.db")
    assert [found.key for found in other.calls.query(QueryCall())] == [call.key]
    assert [found.key for found in store.calls.query(QueryCall())] == [call.key]
    other.close()


def test_only_the_damaged_form_is_set_aside(store, root):
    """Of two forms of one value the other one stays."""
    one, other = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    key = store.values.save(one)
    store.values.save(other)
    flip_end(max(files_of(root, "values"), key=lambda path: path.stat().st_mtime_ns))
    with pytest.raises(DamagedError):
        store.values.load(key)
    assert list(store.values.load(key)) == ["a", "b"]


def test_a_file_from_before_a_crash_is_not_believed(store, root, file, result):
    """What lies damaged under the name of a value is replaced when that value is filed, or saved."""
    call = file(store, 1, BIG)
    (path,) = files_of(root, "values")
    flip_end(path)
    file(store, 1, BIG)
    assert result(store, call) == BIG
    (path,) = files_of(root, "values")
    flip_end(path)
    store.values.save(BIG)
    assert store.values.load(digest(BIG)) == BIG


@pytest.mark.parametrize(
    "point", ["file:before-write", "whole:opened", "whole:before-rename", "call:before-write", "record:before-commit"]
)
def test_what_fails_halfway_leaves_nothing(store, root, file, make_call, point):
    """An error at any point of filing leaves neither record nor half a file, and the next filing works."""

    def fail():
        raise OSError(28, "No space left on device")

    with faults.armed(point, fail), pytest.raises((SaveError, OSError)):
        file(store, 1, BIG)
    assert store.lookup(make_call(1).key) is None
    assert not list(root.rglob("*~"))
    file(store, 1, BIG)


_FULL = """
import resource, sys
from fleche.call.records import DigestedCall, QueryCall
from fleche.digest import digest
from fleche.errors import SaveError, StoreError
from fleche.storage.file import FileStore
from fleche.storage.envelope import Envelope
store = FileStore(sys.argv[1], index=sys.argv[2])
def file(x, value):
    call = DigestedCall(module="m", name="f", arguments={"x": digest(x)}, result=digest(value))
    store.record(call, {call.result: Envelope.pack(value)})
    return call
kept = file(1, "kept")
resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
failures = []
for x in range(2, 20):
    try:
        file(x, b"y" * 300 if x == 2 else x)
    except (SaveError, StoreError) as error:
        failures.append(str(error))
assert len(failures) == 18 and sys.argv[1] in failures[0] and sys.argv[1] in failures[1], failures[:2]
assert store.lookup(kept.key).envelope is not None
assert [call.key for call in store.calls.query(QueryCall())] == [kept.key]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert store.lookup(file(200, b"z" * 300_000).key).envelope is not None
assert store.calls.count() == 2
store.close()
"""


def test_a_full_disk_is_one_clear_error(root, index):
    """Where no more can be written filing raises an error with the path, and what is there can be read and found."""
    subprocess.run([sys.executable, "-c", _FULL, str(root), str(index)], check=True)


def test_a_store_that_others_can_write_to_is_read_with_care(public, tmp_path, file, result):
    """Plain values are loaded, classes are not built, and nothing is set aside for that."""
    from fractions import Fraction

    from fleche.errors import UntrustedError

    root = public / "store"
    root.mkdir()
    root.chmod(0o777)
    store = FileStore(root, index=tmp_path / "index.db")
    assert store.describe()["trusted"] is False
    assert store.trusted is False
    assert result(store, file(store, 1, Fraction(1, 2))) == Fraction(1, 2)
    call = file(store, 2, Opaque())
    with pytest.raises(UntrustedError):
        result(store, call)
    assert isinstance(store.refuses(Opaque()), UntrustedError)
    assert store.lookup(call.key).envelope is not None
    store.close()


class Opaque:
    """A class that is on no list."""

    def __digest__(self):
        return digest("opaque")


def test_a_group_shares_a_directory_that_is_made_for_it(public, tmp_path, file):
    """Folders are as open as the directory, so that another user of the group can file too."""
    root = public / "store"
    root.mkdir()
    root.chmod(0o2770)
    store = FileStore(root, index=tmp_path / "index.db")
    call = file(store, 1, BIG)
    for folder in (root / "calls", root / "values", root / "calls" / call.key[:2]):
        assert folder.stat().st_mode & 0o7777 == 0o2770
    store.close()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to become somebody else")
def test_a_store_that_can_only_be_read(public, file, make_call):
    """Everything is found by somebody who may not write, and writing is one clear error."""
    root = public / "store"
    root.mkdir()
    store = FileStore(root, index=public / "index.db")
    call = file(store, 1, "x")
    store.close()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            store = FileStore(root, index=public / "missing" / "index.db")
            assert store.lookup(call.key).envelope is not None
            assert [found.key for found in store.calls.query(QueryCall())] == [call.key]
            for number, value in ((1, "other"), (2, "y")):
                with pytest.raises((StoreError, SaveError), match=str(root)):
                    file(store, number, value)
            with pytest.raises(StoreError, match=str(root)):
                store.calls.evict(call.key)
            with pytest.raises(StoreError):
                store.calls.transform()
            assert list(store.check()) == []
            store.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
