"""Verify finds what is wrong and changes nothing; repair mends what can be."""

from __future__ import annotations

import os
import sqlite3

import pytest

from fleche.caches import Cache
from fleche.call import Call
from fleche.digest import digest
from fleche.storage.checking import Fault
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.envelope import Envelope
from fleche.storage.memory import CallMemory, MemoryStore, ValueMemory

pytestmark = pytest.mark.portable

LARGE = b"x" * 100_000


def call(x=1, result="r"):
    return Call(module="m", name="f", arguments={"x": x}, result=result)


def faults(report):
    return sorted({(str(finding.fault), finding.what) for finding in report.findings})


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def cache(root):
    store = EmbeddedStore(root)
    yield Cache(store.values, store.calls)
    store.close()


def file_of(root, value):
    return next((root / "values").glob(f"*/{digest(value)}.*"))


def spoil(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.chmod(0o644)
    path.write_bytes(data)


@pytest.mark.parametrize("kind", ["memory", "pair", "embedded"])
def test_a_missing_result(kind, cache):
    """The record is removed, so that the call is computed anew."""
    if kind != "embedded":
        store = MemoryStore()
        cache = Cache(store.values, store.calls) if kind == "memory" else Cache(ValueMemory({}), CallMemory({}))
    key = cache.save(call(1, [1]))
    cache.save(call(2, [2]))
    cache.values.evict(digest([1]))
    for _ in range(2):
        report = cache.verify(values=True)
        assert faults(report) == [("missing", "call")]
        assert not report.ok
        assert report.findings[0].digest == key
    report = cache.repair()
    assert report.ok
    assert "computed anew" in str(report) or "removed" in str(report)
    assert cache.verify(values=True).findings == ()
    assert str(cache.verify()) == "nothing is wrong"
    assert cache.query().count() == 1


@pytest.mark.parametrize("kind", ["memory", "pair", "embedded"])
def test_a_misfiled_value(kind, cache):
    """Its content has another digest: seen where values are loaded."""
    if kind != "embedded":
        store = MemoryStore()
        cache = Cache(store.values, store.calls) if kind == "memory" else Cache(ValueMemory({}), CallMemory({}))
    cache.values.save("something", digest("something else"))
    assert cache.verify().findings == ()
    assert faults(cache.verify(values=True)) == [("misfiled", "value")]


def test_a_misfiled_record(root, cache):
    """It is removed: under the key of its fields, of which some may be lost, it could be a wrong hit."""
    cache.save(call(1, [1]))
    cache.close()
    connection = sqlite3.connect(root / "index.db")
    with connection:
        connection.execute("update calls set key = ?", (call(2).key.raw,))
    connection.close()
    assert faults(cache.verify()) == [("misfiled", "call")]
    assert cache.repair().ok
    assert cache.query().all().empty()
    assert cache.verify(values=True).findings == ()


def test_damaged_files_and_rows(root, cache):
    """They are set aside; then their records lack a result, and go."""
    cache.save(call(1, LARGE))
    cache.save(call(2, b"y" * 5000))
    cache.save(call(3, "small"))
    sound = cache.save(call(4, "sound"))
    cache.close()
    spoil(file_of(root, LARGE))
    connection = sqlite3.connect(root / "index.db")
    with connection:
        for text in ('update "values" set envelope = substr(envelope, 1, 4000) where envelope is not null',):
            connection.execute(text)
        connection.execute(
            "update calls set envelope = zeroblob(length(envelope)) where result = ?", (digest("small").raw,)
        )
    connection.close()
    report = cache.verify()
    assert faults(report) == [("damaged", "value")]
    assert len(report.findings) == 3
    assert len(list((root / "quarantine").iterdir())) == 0
    repaired = cache.repair()
    assert repaired.ok
    assert faults(repaired) == [("damaged", "value"), ("missing", "call")]
    assert len(list((root / "quarantine").iterdir())) == 3
    assert cache.verify(values=True).findings == ()
    assert [found.key for found in cache.query()] == [sound]


def test_a_missing_file(root, cache):
    """The index forgets it."""
    cache.save(call(1, LARGE))
    file_of(root, LARGE).unlink()
    assert faults(cache.verify()) == [("missing", "value")]
    assert cache.repair().ok
    assert cache.verify().findings == ()
    assert cache.query().empty()


def test_strays_and_left_overs(root, cache):
    """Files that are not of this store are set aside, old ones in the making removed, young ones left alone."""
    cache.save(call(1, LARGE))
    folder = file_of(root, LARGE).parent
    (folder / "notes.txt").write_text("mine")
    (root / "values" / "stray").write_text("mine")
    old, young = folder / ".a.tmp~", folder / ".b.tmp~"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert faults(cache.verify()) == [("orphan", "store")]
    report = cache.repair()
    assert len(report.findings) == 3
    assert report.ok
    assert not old.exists()
    assert young.exists()
    assert len(list((root / "quarantine").iterdir())) == 2
    assert cache.verify().findings == ()


def test_a_lost_index(root, cache):
    """Value files are adopted, those that are damaged set aside."""
    cache.save(call(1, LARGE))
    cache.save(call(2, LARGE + b"2"))
    cache.close()
    spoil(file_of(root, LARGE + b"2"))
    for path in root.glob("index.db*"):
        path.unlink()
    assert cache.verify().findings == ()  # whoever wrote them may still be about to name them
    for path in (root / "values").glob("*/*"):
        os.utime(path, (0, 0))
    assert faults(cache.verify()) == [("damaged", "value"), ("orphan", "value")]
    assert cache.repair().ok
    assert cache.load_value(digest(LARGE)) == LARGE
    assert cache.verify(values=True).findings == ()
    assert cache.save(call(1, LARGE)) == call(1).key


@pytest.mark.parametrize("how", ["no database", "middle", "half"])
def test_a_broken_index(root, cache, how):
    """What can be read is kept, and the old index is in the quarantine."""
    count = 400
    for x in range(count):
        cache.save(call(x, "r" * 500 + str(x)))
    cache.save(call("large", LARGE))
    cache.close()
    connection = sqlite3.connect(root / "index.db")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    index = root / "index.db"
    data = bytearray(index.read_bytes())
    if how == "no database":
        data = bytearray(b"not a database" * 1000)
    elif how == "middle":
        data[len(data) // 2 : len(data) // 2 + 8192] = bytes(8192)
    else:
        data = data[: len(data) // 2]
    index.write_bytes(data)
    report = cache.verify()
    assert Fault.INDEX in [finding.fault for finding in report.findings]
    assert cache.repair().ok
    assert cache.verify(values=True).findings == ()
    assert any(path.name.startswith("index.db") for path in (root / "quarantine").iterdir())
    found = cache.query().count()
    assert found == 0 if how == "no database" else 0 < found <= count + 1
    for each in cache.query():
        assert each.result == "r" * 500 + str(each.arguments["x"]) or each.result == LARGE
    assert cache.load_value(digest(LARGE)) == LARGE
    assert cache.load(cache.save(call(1, "anew" if how == "no database" else "r" * 500 + "1"))).result


def test_another_process_goes_on_with_the_new_index(root, cache):
    """A store that has the old index open meets the new one."""
    cache.save(call(1, "r"))
    other = EmbeddedStore(root)
    assert other.lookup(call(1).key) is not None
    cache.close()
    (root / "index.db").write_bytes(b"not a database" * 1000)
    with_damage = cache.repair()
    assert with_damage.ok
    again = Cache(other.values, other.calls)
    again.save(call(2, "s"))
    assert cache.load(call(2).key).result == "s"
    other.close()


def test_code_trees_are_read_back(cache):
    """By their fingerprint."""
    from fleche.storage.base import CodeRecord

    code = CodeRecord(digest=digest("code"), kind="deep", tree="{}", source="{}")
    store = cache.values.store
    for each in (store, MemoryStore()):
        each.record(call(1).digested(), {digest("r"): Envelope.pack("r")}, code=code)
        assert each.code_record(code.digest) == code
        assert each.code_record(digest("other")) is None


def test_halves_of_different_stores_are_not_repaired_as_wholes(cache):
    """The records of one store are sound though their values are in another."""
    values, calls = ValueMemory({}), CallMemory({})
    for mixed in (Cache(values, cache.calls), Cache(cache.values, calls)):
        key = mixed.save(call(1, LARGE))
        assert mixed.verify(values=True).findings == ()
        assert mixed.repair().findings == ()
        assert mixed.load(key).result == LARGE


def test_repairing_twice_is_repairing_once(root, cache):
    """Nothing is found the second time."""
    cache.save(call(1, LARGE))
    cache.save(call(2, [2]))
    spoil(file_of(root, LARGE))
    assert cache.repair().findings
    assert cache.repair().findings == ()
