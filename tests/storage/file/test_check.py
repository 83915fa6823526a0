"""A store looks itself over, and mends what can be mended."""

from __future__ import annotations

import os
import shutil
import sqlite3

import pytest

from fleche.call.records import QueryCall
from fleche.digest import digest
from fleche.storage.checking import Fault
from fleche.storage.whole import temporary_sibling

BIG = b"y" * 300_000


def flip(path, place=-20):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def seen(store, **options):
    return sorted((finding.fault, finding.what, bool(finding.mended)) for finding in store.check(**options))


@pytest.fixture
def full(store, file):
    """The store with four records, each with its result."""
    for x in range(4):
        file(store, x, BIG + bytes([x]))
    return store


def test_nothing_is_wrong(full):
    """A store as it was filled has no fault, also when it is repaired."""
    assert seen(full) == seen(full, repair=True) == []


def test_damage(full, file):
    """Damaged records and values are found wherever the damage is, and set aside by repair."""
    calls = sorted(full.files.every())
    flip(calls[0])
    values = sorted(path for path in full.values.root.rglob("*") if path.is_file())
    flip(values[0])
    found = list(full.check())
    assert {finding.place for finding in found if finding.fault is Fault.DAMAGED} == {str(calls[0]), str(values[0])}
    assert all(finding.mended == "" for finding in found)
    assert calls[0].exists()
    assert (Fault.DAMAGED, "call", True) in seen(full, repair=True)
    assert not calls[0].exists()
    assert not values[0].exists()
    assert Fault.DAMAGED not in {finding.fault for finding in full.check()}


def test_missing_and_orphans(full):
    """A result that is gone is missing; a value that no record names is an orphan, and stays."""
    full.values.evict(digest(BIG + b"\x00"))
    key = full.values.save("for itself")
    assert seen(full, repair=True) == [("missing", "value", False), ("orphan", "value", False)]
    assert full.values.load(key) == "for itself"


def test_misfiled(full, make_call):
    """Files under a name that is not theirs are found and set aside."""
    calls = sorted(full.files.every())
    shutil.copy(calls[0], calls[1])
    (calls[0].parent / "notes.txt").write_text("mine")
    value = next(path for path in full.values.root.rglob("*") if path.is_file())
    shutil.copy(value, value.with_name(value.name[:-8] + "00000000"))
    found = seen(full)
    assert ("misfiled", "call", False) in found
    assert ("misfiled", "value", False) in found
    assert ("damaged", "call", False) in found
    full.check(repair=True)
    for _ in full.check(repair=True):
        pass
    assert {fault for fault, _, _ in seen(full)} <= {"orphan"}


def test_what_the_dead_left(full):
    """A file in the making that is older than a day is removed; a young one is somebody's."""
    old, young = temporary_sibling(full.root / "calls" / "x"), temporary_sibling(full.root / "calls" / "y")
    for path in (old, young):
        path.write_text("half")
    long_ago = old.stat().st_mtime - 2 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    assert seen(full) == [("orphan", "store", False)]
    assert seen(full, repair=True) == [("orphan", "store", True)]
    assert not old.exists()
    assert young.exists()


def test_an_index_that_disagrees(full, index, monkeypatch):
    """An index that holds another record than an unchanged file is told of, and made anew by repair."""
    from fleche.storage.file import index as module

    assert len(list(full.calls.query(QueryCall()))) == 4
    later = module._now() + 60 * 10**9
    monkeypatch.setattr(module, "_now", lambda: later)
    assert len(list(full.calls.query(QueryCall()))) == 4
    assert seen(full) == []
    with sqlite3.connect(index) as database:
        database.execute("UPDATE calls SET wall = 7, outcome = 1")
    database.close()
    assert {fault for fault, _, _ in seen(full)} == {"index"}
    assert {mended for _, _, mended in seen(full, repair=True)} == {True}
    assert seen(full) == []
    assert len(list(full.calls.query(QueryCall()))) == 4
