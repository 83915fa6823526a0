"""What is opened, what is made, and what is refused with the reason and the way out."""

from __future__ import annotations

import json
import os
import stat
import traceback

import pytest

from fleche.errors import FormatError, StoreError
from fleche.storage.embedded import EmbeddedStore
from fleche.version import VERSION


def reseal(root, **changes):
    path = root / "FORMAT"
    found = {**json.loads(path.read_text()), **changes}
    path.unlink()
    path.write_text(json.dumps(found))


def test_a_new_store(store, root):
    """A new store is its owner's alone, marked as a cache, ignored by git, and says what it is."""
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert (root / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert (root / ".gitignore").read_text() == "*\n"
    seal = json.loads((root / "FORMAT").read_text())
    assert (seal["program"], seal["format"], seal["algorithm"], seal["layout"]) == ("fleche", 1, "xxh3-128", "index")
    assert (seal["written_by"], seal["digest"]) == (VERSION, "fleche/1")
    described = store.describe()
    assert (described["path"], described["calls"], described["values"]) == (str(root), 0, 0)


def test_without_the_tag(root):
    """A store may be left out of the caches that backups leave out."""
    EmbeddedStore(root, cachedir_tag=False).close()
    assert not (root / "CACHEDIR.TAG").exists()


def test_nothing_is_made_where_that_is_not_wanted(root):
    """``create=False`` makes nothing."""
    with pytest.raises(StoreError, match="no store"):
        EmbeddedStore(root, create=False)
    assert not root.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2, "written_by": "9.0", "readable_from": "8.0"}, "format 2.*fleche 8.0"),
        ({"digest": "fleche/2"}, "fleche/2"),
        ({"algorithm": "sha256"}, "FLECHE_DIGEST=sha256"),
        ({"layout": "files"}, "layout 'files'"),
        ({"program": "other"}, "another program"),
    ],
)
def test_other_stores_are_refused(root, changes, message):
    """A newer format, other digests or layouts, and other programs: one clear error, and nothing is touched."""
    EmbeddedStore(root).close()
    reseal(root, **changes)
    with pytest.raises(FormatError, match=message) as caught:
        EmbeddedStore(root)
    assert str(root) in str(caught.value)
    assert caught.value.path == str(root)


def test_a_newer_minor_format_is_read(root, file):
    """A minor change only adds, so this version goes on."""
    EmbeddedStore(root).close()
    reseal(root, minor=7, new_key=[1])
    store = EmbeddedStore(root)
    file(store, 1, "x")
    store.close()


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff\xfe"])
def test_a_strange_seal_is_refused(root, text):
    """A ``FORMAT`` that is not ours is not overwritten."""
    root.mkdir()
    (root / "FORMAT").write_bytes(text.encode("latin-1"))
    with pytest.raises(FormatError, match="not a fleche store"):
        EmbeddedStore(root)
    assert (root / "FORMAT").read_bytes() == text.encode("latin-1")


def test_a_foreign_directory_is_not_adopted(root):
    """A directory that holds other things is refused and stays as it is; an empty one is taken."""
    root.mkdir()
    (root / "thesis.tex").touch()
    with pytest.raises(FormatError, match=r"thesis\.tex"):
        EmbeddedStore(root)
    assert list(root.iterdir()) == [root / "thesis.tex"]
    (root / "thesis.tex").unlink()
    EmbeddedStore(root).close()


def test_a_half_made_store_is_finished(root):
    """A store whose maker died before it was sealed is made complete."""
    EmbeddedStore(root).close()
    (root / "FORMAT").unlink()
    (root / ".index.12ab.tmp~").touch()
    EmbeddedStore(root).close()
    assert (root / "FORMAT").exists()


def test_a_file_in_its_place(root):
    """A file where the directory should be is an error with the path."""
    root.write_text("x")
    with pytest.raises(StoreError, match=str(root)):
        EmbeddedStore(root)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to become somebody else")
@pytest.mark.parametrize("readable", [False, True])
def test_a_store_of_somebody_else(public, make_call, file, readable):
    """Without permission there is one clear error; with permission to read, what is there is found."""
    root = public / "store"
    store = EmbeddedStore(root)
    file(store, 1, "x")
    store.close()
    if readable:
        root.chmod(0o755)
        (root / "index.db").chmod(0o644)
    assert _as_nobody(lambda: _look(root, make_call(1).key, file, readable)) == 0


def _as_nobody(work):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


def _look(root, key, file, readable):
    if not readable:
        with pytest.raises(StoreError, match=str(root)):
            EmbeddedStore(root)
        return
    store = EmbeddedStore(root)
    assert store.lookup(key).envelope is not None
    assert list(store.calls.list()) == [key]
    assert store.values.load(next(iter(store.values.list()))) == "x"
    with pytest.raises(StoreError, match=str(root)):
        file(store, 2, "y")
