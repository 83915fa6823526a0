"""What is truncated, flipped, gone, replaced, full or locked: a miss or one clear error, never a wrong result."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys

import pytest

from fleche import faults
from fleche.digest import digest
from fleche.errors import DamagedError, SaveError, StoreError
from fleche.storage.embedded import EmbeddedStore

BIG = b"y" * 300_000


def truncate(path):
    data = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(data[: len(data) // 2])


def flip_end(path):
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def flip_start(path):
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def write_other(path):
    path.chmod(0o600)
    path.write_bytes(b"not ours")


def value_files(root):
    return [path for path in (root / "values").rglob("*") if path.is_file()]


@pytest.mark.parametrize("hurt", [truncate, flip_end, flip_start, write_other])
def test_a_damaged_file_is_a_miss(store, root, file, result, hurt):
    """A value file that is not what was written is noticed, set aside and replaced by the next filing."""
    np = pytest.importorskip("numpy")
    value = np.arange(40_000)
    call = file(store, 1, value)
    (path,) = value_files(root)
    hurt(path)
    hit = store.lookup(call.key)
    assert hit.envelope is None
    assert isinstance(hit.damage, DamagedError)
    assert not path.exists()
    assert len(list((root / "quarantine").iterdir())) == 1
    assert store.lookup(call.key).damage is None
    assert not store.values.contains(digest(value))
    file(store, 1, value)
    assert (result(store, call) == value).all()


@pytest.mark.parametrize("value", [1.5, "x" * 5000], ids=["in the row", "in the index"])
def test_a_damaged_row_is_a_miss(store, root, file, result, value):
    """Bytes in the index that are not what was written are set aside and replaced."""
    call = file(store, 1, value)
    with sqlite3.connect(root / "index.db") as other:
        for table in ("calls", '"values"'):
            other.execute(
                f"UPDATE {table} SET envelope = CAST(substr(envelope, 1, length(envelope) - 1) || x'00' AS BLOB)"
            )
    other.close()
    hit = store.lookup(call.key)
    assert hit.envelope is None
    assert isinstance(hit.damage, DamagedError)
    assert len(list((root / "quarantine").iterdir())) == 1
    with pytest.raises(KeyError):
        store.values.load(digest(value))
    file(store, 1, value)
    assert result(store, call) == value


def test_a_missing_file_is_a_miss(store, root, file, result):
    """A value file that someone deleted is a miss, and can be filed again."""
    call = file(store, 1, BIG)
    value_files(root)[0].unlink()
    assert store.lookup(call.key).envelope is None
    file(store, 1, BIG)
    assert result(store, call) == BIG


def test_only_the_damaged_form_is_set_aside(store, root):
    """Of two forms of one value the other one stays."""
    keys = [f"key {number}" for number in range(20_000)]
    one, other = dict.fromkeys(keys), dict.fromkeys(reversed(keys))
    key = store.values.save(one)
    store.values.save(other)
    newest = max(value_files(root), key=lambda path: path.stat().st_mtime_ns)
    flip_start(newest)
    with pytest.raises(DamagedError):
        store.values.load(key)
    assert list(store.values.load(key)) == keys


def test_untouched_files_are_mapped_unverified(store, root, file, monkeypatch):
    """A file that is, by size, inode and time, the one that was written is not read through; another one is."""
    np = pytest.importorskip("numpy")
    value = np.arange(40_000)
    call = file(store, 1, value)
    asked = []
    from fleche.storage.envelope import Envelope

    opened = Envelope.open
    monkeypatch.setattr(
        Envelope, "open", lambda path, **how: asked.append(how["verify_buffers"]) or opened(path, **how)
    )
    (path,) = value_files(root)
    store._files._started = 0.0  # written long after the machine was started
    store.lookup(call.key)
    os.utime(path, ns=(1, 1))
    store.lookup(call.key)
    store.lookup(call.key)
    assert asked == [False, True, False]


def test_files_from_before_the_last_start_are_verified(store, file, monkeypatch):
    """What was written without being synced before the machine was last started is verified once."""
    np = pytest.importorskip("numpy")
    call = file(store, 1, np.arange(40_000))
    from fleche.storage.envelope import Envelope

    asked = []
    opened = Envelope.open
    monkeypatch.setattr(
        Envelope, "open", lambda path, **how: asked.append(how["verify_buffers"]) or opened(path, **how)
    )
    store._files._started = float("inf")
    store.lookup(call.key)
    store.lookup(call.key)
    assert asked == [True, False]


def test_a_loaded_array_is_the_callers_own(store, file, result):
    """Writing to a mapped result changes neither the store nor the next result; evicting it does not take it away."""
    np = pytest.importorskip("numpy")
    call = file(store, 1, np.arange(40_000))
    first = result(store, call)
    first[:] = 0
    second = result(store, call)
    assert second[7] == 7
    store.values.evict(call.result)
    assert second.sum() == sum(range(40_000))


def test_a_deleted_store_is_made_again(store, root, file, result):
    """Where the directory was deleted, what is filed next goes into a new one."""
    file(store, 1, "old")
    shutil.rmtree(root)
    call = file(store, 2, "new")
    assert result(store, call) == "new"
    other = EmbeddedStore(root, create=False)
    assert other.calls.count() == 1
    file(store, 3, BIG)
    assert result(other, file(store, 3, BIG)) == BIG
    other.close()


def test_a_replaced_database_is_opened_again(store, root, tmp_path, file, result):
    """Where another database took the place of the file, the commit goes there."""
    file(store, 1, "old")
    other = EmbeddedStore(tmp_path / "other")
    kept = file(other, 5, "kept")
    other.close()
    for left in root.glob("index.db*"):
        left.unlink()
    shutil.copy(tmp_path / "other" / "index.db", root / "index.db")
    filed = file(store, 2, "new")
    again = EmbeddedStore(root, create=False)
    assert {call.key for call in again.calls.recent(9)} == {kept.key, filed.key}
    again.close()


def test_a_corrupted_index_is_one_clear_error(root, file):
    """A damaged database raises `StoreError` with the path and the way out, never an error of the driver."""
    store = EmbeddedStore(root)
    file(store, 1, "x")
    store.close()
    (root / "index.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 8000)
    with pytest.raises(StoreError, match=r"index\.db.*damaged"):
        store.lookup(digest(1))
    with pytest.raises(StoreError, match="damaged"):
        file(store, 2, "x")
    with pytest.raises(StoreError, match="damaged"):
        list(store.calls.list())
    store.close()


def test_a_locked_database_is_one_clear_error(store, root, file, monkeypatch):
    """Who holds the database for longer than the limit costs one `StoreError`; readers are not disturbed."""
    call = file(store, 1, "x")
    store._database.connection().execute("PRAGMA busy_timeout = 10")
    holder = sqlite3.connect(root / "index.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another process has held"):
        file(store, 2, "x")
    assert store.lookup(call.key) is not None
    holder.execute("ROLLBACK")
    holder.close()
    file(store, 2, "x")


@pytest.mark.parametrize("point", ["record:before-commit", "file:before-write", "whole:before-rename"])
def test_what_fails_halfway_leaves_nothing(store, root, file, make_call, point):
    """An error at any point of filing leaves neither record nor half a file, and the next filing works."""

    def fail():
        raise OSError(28, "No space left on device")

    with faults.armed(point, fail), pytest.raises((SaveError, OSError)):
        file(store, 1, BIG)
    assert store.lookup(make_call(1).key) is None
    assert not [path for path in value_files(root) if path.name.endswith("~")]
    file(store, 1, BIG)


_FULL = """
import resource, sys
from fleche.call.records import DigestedCall
from fleche.digest import digest
from fleche.errors import SaveError, StoreError
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.envelope import Envelope
store = EmbeddedStore(sys.argv[1])
def file(x, value):
    call = DigestedCall(module="m", name="f", arguments={"x": digest(x)}, result=digest(value))
    store.record(call, {call.result: Envelope.pack(value)})
    return call
kept = file(1, "kept")
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
failures = []
for x in range(2, 100):
    try:
        file(x, b"y" * 300_000 if x == 2 else str(x) * 9000)
    except (SaveError, StoreError) as error:
        failures.append(str(error))
assert len(failures) > 2 and sys.argv[1] in failures[0], failures[:2]
assert store.lookup(kept.key).envelope is not None
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert store.lookup(file(200, b"z" * 300_000).key).envelope is not None
assert store._database.one("PRAGMA integrity_check") == ("ok",)
store.close()
"""


def test_a_full_disk_is_one_clear_error(root):
    """Where no more can be written filing raises an error with the path, and what is there can be read."""
    subprocess.run([sys.executable, "-c", _FULL, str(root)], check=True)


def test_a_store_that_others_can_write_to_is_read_with_care(root, file, result):
    """Plain values are loaded, classes are not built, and nothing is set aside for that."""
    from fractions import Fraction

    from fleche.errors import UntrustedError
    from fleche.storage.envelope import Envelope

    root.mkdir()
    root.chmod(0o777)
    store = EmbeddedStore(root)
    assert store.describe()["trusted"] is False
    assert result(store, file(store, 1, Fraction(1, 2))) == Fraction(1, 2)
    call = file(store, 2, Opaque())
    with pytest.raises(UntrustedError):
        result(store, call)
    assert store.lookup(call.key).envelope.form == Envelope.pack(Opaque()).form
    store.close()


class Opaque:
    """A class that is on no list."""

    def __digest__(self):
        return digest("opaque")


def test_a_file_that_no_row_names_is_not_believed(store, root, file, result):
    """What a crash left under the name of a value is replaced when that value is filed."""
    np = pytest.importorskip("numpy")
    value = np.arange(40_000)
    call = file(store, 1, value)
    (path,) = value_files(root)
    flip_end(path)
    store._database.connection().execute('DELETE FROM "values"')
    store._files._started = 0.0
    file(store, 1, value)
    assert (result(store, call) == value).all()
    flip_end(path)
    store.values.save(value)
    assert (store.values.load(digest(value)) == value).all()
