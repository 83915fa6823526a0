"""Damage that another process mends while it is set aside, and records that it evicts while they are listed."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from fleche.caches import Cache, CacheStack, SizeLimitedCache
from fleche.call import Call
from fleche.errors import DamagedError, StoreWarning
from fleche.storage.file import FileStore
from fleche.storage.memory import CallMemory, MemoryStore, ValueMemory
from fleche.storage.whole import put_back

pytestmark = pytest.mark.portable


def call(x=1):
    return Call(module="m", name="f", arguments={"x": x}, result=x)


def test_a_value_that_was_mended_meanwhile_is_not_set_aside(tmp_path, monkeypatch):
    """Between the look at a damaged file and its removal another process has written it anew."""
    store = FileStore(tmp_path / "store")
    key = store.values.save([1, 2])
    (path,) = (tmp_path / "store/values").glob(f"*/{key}.*")
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole[:-1])
    check = store.values.files.check

    def mended_after(digest, form):
        try:
            check(digest, form)
        finally:
            path.write_bytes(whole)

    monkeypatch.setattr(store.values.files, "check", mended_after)
    with pytest.raises(DamagedError):
        store.values.load(key)
    assert store.values.load(key) == [1, 2]


def test_what_was_taken_away_gets_its_name_back_where_there_are_no_hard_links(tmp_path, monkeypatch):
    """It is renamed, unless something newer has the name."""

    def refused(*_):
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    taken, path = tmp_path / "taken", tmp_path / "path"
    taken.write_text("old")
    put_back(taken, path)
    assert path.read_text() == "old"
    taken.write_text("older")
    put_back(taken, path)
    assert path.read_text() == "old"
    assert not taken.exists()


class Vanishing(CallMemory):
    """Calls of which another process evicts one while they are listed."""

    gone = None

    def list(self):
        return [*super().list(), *([self.gone] if self.gone else [])]


def test_a_record_that_is_evicted_while_the_oldest_are_sought_stops_nothing(caplog):
    """The limit holds, and nothing is logged."""
    calls = Vanishing({})
    cache = SizeLimitedCache(ValueMemory({}), calls, 2)
    keys = [cache.save(call(x)) for x in range(2)]
    calls.gone = "0" * len(keys[0])
    cache.save(call(2))
    calls.gone = None
    assert calls.count() <= 2
    assert not caplog.records


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_is_written_behind_goes_on_after_a_thread_that_ended(monkeypatch):
    """The next call gets a thread, which writes what was left too."""
    near, far = (Cache(store.values, store.calls) for store in (MemoryStore(), MemoryStore()))
    stack = CacheStack((near, far), write="behind")
    receive, ended = far.receive, Future()

    def ends(parcel, **options):
        monkeypatch.setattr(far, "receive", receive)
        ended.set_result(threading.current_thread())
        raise SystemExit

    monkeypatch.setattr(far, "receive", ends)
    stack.save(call(1))
    ended.result(60).join()  # pytest hears of it when the thread is over, which is to be within this test
    stack.save(call(2))
    stack.flush()
    assert far.contains(stack.prepare(call(2)).key)


def test_a_member_that_lacks_something_keeps_nothing_from_the_others():
    """A KeyError of one member behind is not taken for a record that is gone."""
    near, odd, far = (Cache(store.values, store.calls) for store in (MemoryStore(), MemoryStore(), MemoryStore()))

    def refuses(parcel, **options):
        raise KeyError("no such bucket")

    odd.receive = refuses
    stack = CacheStack((near, odd, far), write="behind")
    with pytest.warns(StoreWarning, match="no such bucket"):
        key = stack.save(call())
        stack.flush()
    assert far.contains(key)
