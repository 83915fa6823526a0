"""What is opened, listed and written, and under which names."""

from __future__ import annotations

import stat
import sys

import pytest

from fleche.call.records import Outcome, QueryCall
from fleche.digest import digest
from fleche.storage.base import CodeRecord
from fleche.storage.call_text import call_of, unseal
from fleche.storage.envelope import Envelope

BIG = b"y" * 300_000


class Watch:
    """Notes which files of a directory are opened, and which folders are listed, while it is on."""

    def __init__(self):
        self.root = None
        self.opened = []
        self.listed = []
        sys.addaudithook(self)

    def __call__(self, event, arguments):
        if self.root is None or event not in ("open", "os.scandir", "os.listdir"):
            return
        name = str(arguments[0])
        if name.startswith(self.root):
            (self.opened if event == "open" else self.listed).append(name.removeprefix(self.root))

    def start(self, root):
        self.root, self.opened, self.listed = str(root), [], []


WATCH = Watch()


@pytest.fixture
def watch(root):
    yield lambda: WATCH.start(root) or WATCH
    WATCH.root = None


@pytest.mark.parametrize("value", [1.5, "x" * 5000, BIG], ids=["small", "middle", "large"])
def test_a_hit_opens_two_files_and_lists_none(store, file, result, watch, value):
    """The record and its result, by name, whatever else is stored."""
    call = file(store, 1, value)
    for x in range(2, 30):
        file(store, x, x)
    assert store.trusted  # which is looked at once
    seen = watch()
    assert result(store, call) == value
    assert len(seen.opened) == 2
    assert seen.opened[0].startswith("/calls/")
    assert seen.opened[1].startswith("/values/")
    assert seen.listed == []


def test_a_miss_lists_nothing(store, file, make_call, watch):
    """That a call is unknown is found out by its names."""
    file(store, 1, 1)
    seen = watch()
    assert store.lookup(make_call(2).key) is None
    assert seen.listed == []
    assert len(seen.opened) == 2


def test_filing_lists_nothing(store, file, watch):
    """A record and its value are written by name; the index is not touched."""
    file(store, 1, "first")
    seen = watch()
    file(store, 2, "second")
    assert seen.listed == []
    assert store.index._opened is None


def test_a_prefix_lists_one_folder(store, file, watch):
    """What a prefix names is found in the folder of its first two characters."""
    keys = [file(store, x, x).key for x in range(40)]
    assert store.trusted
    for face, key in ((store.calls, keys[0]), (store.values, digest(7))):
        seen = watch()
        assert face.load(key[:12]) is not None
        assert set(seen.listed) <= {f"/calls/{key[:2]}", f"/values/{key[:2]}"}
        assert len(set(seen.listed)) == 1


def test_the_names_and_modes(store, root, make_call):
    """Results lie under their key, everything else beside it; nothing can be written to."""
    call = make_call(1, result=digest("x"))
    store.record(call, {digest("x"): Envelope.pack("x")}, code=CodeRecord(digest("c"), "deep", "{}", "source"))
    error = make_call(2, result=None, outcome=Outcome.ERROR)
    store.record(error, {})
    names = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    form = Envelope.pack("x").form
    value, code = digest("x"), digest("c")
    assert names - {"FORMAT", "CACHEDIR.TAG", ".gitignore"} == {
        f"calls/{call.key[:2]}/{call.key}",
        f"calls/{error.key[:2]}/{error.key}.other",
        f"values/{value[:2]}/{value}.{form}",
        f"code/{code[:2]}/{code}",
    }
    path = root / "calls" / call.key[:2] / call.key
    assert stat.S_IMODE(path.stat().st_mode) & 0o222 == 0
    assert call_of(path.read_bytes(), call.key, "here").form == form
    assert unseal(b"fleche-code", (root / "code" / code[:2] / code).read_bytes(), "here")["source"] == "source"


def test_an_error_is_never_written_over_a_result(store, root, make_call, file, result):
    """An error that is filed at the same moment as a result lies beside it, and the result is what is found."""
    error = make_call(1, result=None, outcome=Outcome.ERROR)
    store.record(error, {})
    call = file(store, 1, "value")
    own, other = store.files.paths(call.key)
    assert (own.exists(), other.exists()) == (True, False)
    from fleche.storage.call_text import call_text

    store.files.write(error, call_text(error))  # as a host does that looked before the result was there
    assert result(store, call) == "value"
    assert store.calls.count() == 1
    assert [found.outcome for found in store.calls.query(QueryCall(outcomes=frozenset(Outcome)))] == [Outcome.RESULT]
    store.calls.evict(call.key)
    assert not own.exists()
    assert not other.exists()


def test_a_result_that_lands_while_an_error_is_filed_stays(store, make_call, file, result):
    """An error that takes the place of another error takes nothing from a result that comes in between."""
    from fleche import faults

    store.record(make_call(1, result=None, outcome=Outcome.ERROR), {})
    landed = []

    def land():
        if not landed:
            landed.append(None)
            landed.append(file(store, 1, "value"))

    with faults.armed("call:before-write", land):
        store.record(make_call(1, result=None, outcome=Outcome.PARTIAL), {})
    assert result(store, landed[1]) == "value"


def test_a_form_that_is_saved_again_is_the_newest(store):
    """Of several forms the one that was saved last is loaded, also where the clock of files has not ticked."""
    one, other = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    for value in (one, other, one, other, one):
        key = store.values.save(value)
        assert list(store.values.load(key)) == list(value)
