"""Calls in one file, written from a cache and read into one."""

from __future__ import annotations

import os
import pickle
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleche.caches import Cache
from fleche.caches.archive import export_calls, import_calls
from fleche.call import Call
from fleche.digest import Digest
from fleche.errors import FormatError, StoreError
from fleche.storage.archive import ArchiveStore
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.envelope import Envelope
from fleche.storage.memory import MemoryStore
from fleche.storage.packing import Packing
from fleche.storage.signing import Keyring
from fleche.storage.sql import SqlStore


class Custom:
    """A type that the safe loader does not build."""

    def __init__(self, word: str) -> None:
        self.word = word


class Planted:
    """A pickle that leaves a trace when it is built in full."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (os.environ["PLANTED"],)


def filled(*results: object) -> Cache:
    store = MemoryStore()
    cache = Cache(store.values, store.calls)
    for number, result in enumerate(results):
        cache.save(Call(module="m", name="f", arguments={"x": number, "xs": [number] * 3}, result=result))
    return cache


def keys(cache: Cache) -> list[Digest]:
    return sorted(call.key for call in cache.query().all())


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Cache]:
    store = EmbeddedStore(tmp_path / "target")
    yield Cache(store.values, store.calls)
    store.close()


def test_what_goes_in_comes_out(tmp_path: Path, target: Cache) -> None:
    """Calls, results and arguments; importing twice is as once; a dry run does nothing."""
    source = filled({"a": 1}, "text", b"x" * 3_000_000)
    report = export_calls(source, tmp_path / "calls.fleche", keys(source))
    assert (report.moved, report.failed) == (3, ())
    assert import_calls(tmp_path / "calls.fleche", target, dry_run=True).moved == 3
    assert target.query().empty()
    assert import_calls(tmp_path / "calls.fleche", target).moved == 3
    assert keys(target) == keys(source)
    assert [call.result for call in target.query()] == [call.result for call in source.query()]
    assert sorted(call.arguments["xs"] for call in target.query()) == [[0] * 3, [1] * 3, [2] * 3]
    again = import_calls(tmp_path / "calls.fleche", target)
    assert (again.moved, again.there) == (0, 3)
    assert import_calls(tmp_path / "calls.fleche", target, dry_run=True).there == 3
    assert target.verify(values=True).ok


def test_exporting_again_adds_what_is_new(tmp_path: Path) -> None:
    """And writes nothing else anew."""
    source = filled(1, 2)
    export_calls(source, tmp_path / "a", keys(source)[:1])
    report = export_calls(source, tmp_path / "a", keys(source))
    assert (report.moved, report.there) == (1, 1)


def test_nothing_planted_is_executed(tmp_path: Path, target: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither when an archive is read, nor when what was imported is; the refusal names the type."""
    monkeypatch.setenv("PLANTED", str(tmp_path / "planted"))
    source = filled("harmless")
    (key,) = keys(source)
    export_calls(source, tmp_path / "a", [key])
    result = source.load(key).record.result
    assert result is not None
    store = ArchiveStore(tmp_path / "a")
    store.values.evict(result)
    evil = Envelope.pack(Planted())
    store.values.put_envelope(result, evil)
    record = store.calls.get(key).evolve(form=evil.form)
    store.calls.put(record, key)
    store.close()
    assert not (tmp_path / "planted").exists()
    report = import_calls(tmp_path / "a", target)
    assert "mkdir" in report.failed[0][1]
    assert target.query().empty()
    assert not (tmp_path / "planted").exists()
    assert not list(import_calls(tmp_path / "a", None, dry_run=True).left_out)
    assert not (tmp_path / "planted").exists()
    pickle.loads(pickle.dumps(Planted()))  # the trap works
    assert (tmp_path / "planted").exists()


@pytest.mark.parametrize("kind", ["trusted", "untrusted"])
def test_a_value_under_another_name_is_refused(tmp_path: Path, target: Cache, kind: str) -> None:
    """Its digest is computed anew, whoever can write to the store that takes it."""
    if kind == "untrusted":
        database = SqlStore(f"sqlite:///{tmp_path}/shared.db")
        target = Cache(database.values, database.calls)
    source = filled("one", "two")
    one, two = keys(source)
    export_calls(source, tmp_path / "a", [one, two])
    store = ArchiveStore(tmp_path / "a")
    right, wrong = (store.calls.get(key).result for key in (one, two))
    assert right is not None
    assert wrong is not None
    data = store.values.get_envelope(wrong)
    store.values.evict(right)
    store.values.put_envelope(right, data)
    store.calls.put(store.calls.get(one).evolve(form=data.form), one)
    store.close()
    report = import_calls(tmp_path / "a", target)
    assert [key for key, _ in report.failed] == [one]
    assert "another digest" in report.failed[0][1]
    assert keys(target) == [two]
    target.close()


def test_signed_values_are_built_in_full(tmp_path: Path, target: Cache) -> None:
    """By a key that is known; by none without it; or if all is trusted."""
    ours, others = Keyring([b"k" * 32]), Keyring([b"o" * 32])
    source = filled(Custom("a"))
    export_calls(source, tmp_path / "a", keys(source), sign=ours)
    assert "Custom" in import_calls(tmp_path / "a", target).failed[0][1]
    assert "Custom" in import_calls(tmp_path / "a", target, keys=others).failed[0][1]
    assert import_calls(tmp_path / "a", target, keys=ours).ok
    assert next(iter(target.query())).result.word == "a"
    export_calls(source, tmp_path / "b", keys(source))
    assert import_calls(tmp_path / "b", None, dry_run=True, trust=True).ok


def test_bytes_of_others_are_never_signed_as_they_are(public: Path, tmp_path: Path) -> None:
    """A store that signs packs them anew, by the safe loader: else it would build them in full when it reads them."""
    ring = Keyring([b"k" * 32])
    source = filled(Custom("theirs"))
    export_calls(source, tmp_path / "a", keys(source))
    (public / "shared").mkdir()
    (public / "shared").chmod(0o777)
    store = EmbeddedStore(public / "shared", packing=Packing(keys=ring))
    assert not store.trusted
    shared = Cache(store.values, store.calls)
    assert "Custom" in import_calls(tmp_path / "a", shared, keys=ring).failed[0][1]
    assert shared.query().empty()
    store.close()


def test_damage_is_noticed(tmp_path: Path, target: Cache) -> None:
    """Of a value and of a record; the others are imported."""
    source = filled("one", "two", "three")
    path = tmp_path / "a"
    export_calls(source, path, keys(source))
    one, two, three = keys(source)
    result = source.load(one).record.result
    database = sqlite3.connect(path)
    flip = "UPDATE entries SET data = CAST(substr(data, 1, 60) || x'00' || substr(data, 62) AS BLOB) WHERE name LIKE ?"
    assert database.execute(flip, (f"values/{result}%",)).rowcount == 1
    assert database.execute(flip, (f"calls/{two}",)).rowcount == 1
    database.commit()
    database.close()
    report = import_calls(path, target)
    assert sorted(key for key, _ in report.failed) == sorted([one, two])
    assert keys(target) == [three]


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    """A missing file, another file, another database, an archive that has been tampered with."""
    with pytest.raises(StoreError, match="there is no archive"):
        import_calls(tmp_path / "missing", None)
    (tmp_path / "text").write_text("not a database at all, but long enough to be read as one" * 20)
    with pytest.raises(FormatError, match="no archive"):
        import_calls(tmp_path / "text", None)
    with pytest.raises(FormatError, match="no archive"):
        export_calls(filled(1), tmp_path / "text", [])
    database = sqlite3.connect(tmp_path / "other.db")
    database.execute("CREATE TABLE other (x)")
    database.close()
    with pytest.raises(FormatError, match="no archive"):
        import_calls(tmp_path / "other.db", None)
    export_calls(filled(1), tmp_path / "a", [])
    database = sqlite3.connect(tmp_path / "a")
    database.execute("CREATE TRIGGER t AFTER DELETE ON entries BEGIN DELETE FROM entries; END")
    database.close()
    with pytest.raises(FormatError):
        import_calls(tmp_path / "a", None)


KILLED = """
import os, signal, sys
from fleche.caches import Cache
from fleche.caches.archive import ArchiveCache, export_calls, import_calls
from fleche.storage.archive import entries
from fleche.storage.embedded import EmbeddedStore

entries._BATCH_ENTRIES = 8
exporting, place, path = sys.argv[1] == "export", sys.argv[2], sys.argv[3]
store = EmbeddedStore(place)
cache = Cache(store.values, store.calls)
kind = ArchiveCache if exporting else Cache
receive, seen = kind.receive, []

def counted(self, parcel, *, overwrite=False):
    seen.append(parcel)
    if len(seen) == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return receive(self, parcel, overwrite=overwrite)

kind.receive = counted
if exporting:
    export_calls(cache, path, [call.key for call in cache.query()])
else:
    import_calls(path, cache)
"""


def test_what_was_killed_goes_on(tmp_path: Path) -> None:
    """An export and an import, each killed halfway and run again, have everything; nothing is damaged."""
    store = EmbeddedStore(tmp_path / "source")
    source = Cache(store.values, store.calls)
    for number in range(20):
        source.save(Call(module="m", name="f", arguments={"x": number}, result=[number]))
    path = tmp_path / "a"

    def killed(what: str, place: Path) -> None:
        done = subprocess.run([sys.executable, "-c", KILLED, what, str(place), str(path)], check=False, timeout=60)
        assert done.returncode == -signal.SIGKILL

    killed("export", tmp_path / "source")
    report = export_calls(source, path, keys(source))
    assert report.ok
    assert 0 < report.there < 20
    assert report.there + report.moved == 20
    killed("import", tmp_path / "target")
    other = EmbeddedStore(tmp_path / "target")
    target = Cache(other.values, other.calls)
    assert 0 < target.query().count() < 20
    report = import_calls(path, target)
    assert report.ok
    assert keys(target) == keys(source)
    assert target.verify(values=True).ok
    store.close()
    other.close()
