"""Nothing that is planted in a store that others can write to is executed, whatever the caches are made of."""

from __future__ import annotations

import os
import sqlite3

import pytest

from fleche.caches import Cache, CachePool, CacheStack, ReadOnlyCache
from fleche.call import Call, QueryCall
from fleche.digest import digest
from fleche.errors import UntrustedError
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.envelope import Envelope
from fleche.storage.memory import CallMemory, MemoryStore, ValueMemory

pytestmark = [pytest.mark.portable, pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs owners and modes")]


class Bomb:
    """Leaves a folder behind where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def call(x, result):
    return Call(module="m", name="f", arguments={"x": x}, result=result)


@pytest.fixture
def mark(tmp_path):
    return tmp_path / "mark"


@pytest.fixture
def shared(tmp_path, mark):
    """A store that others can write to, with a bomb as a result, one as an argument, and a sound call."""
    tmp_path.chmod(0o700)
    root = tmp_path / "shared"
    store = EmbeddedStore(root)
    cache = Cache(store.values, store.calls)
    cache.save(call([1], ["result"]))
    cache.save(call(["argument"], [2]))
    cache.save(call([3], [3]))
    store.close()
    bomb = Envelope.pack(Bomb(str(mark)))
    row = bomb.to_bytes(), bytes.fromhex(bomb.form)
    connection = sqlite3.connect(root / "index.db")
    with connection:
        connection.execute("update calls set envelope = ?, form = ? where result = ?", (*row, digest(["result"]).raw))
        connection.execute(
            'update "values" set envelope = ?, form = ? where digest = ?', (*row, digest(["argument"]).raw)
        )
    connection.close()
    root.chmod(0o777)
    store = EmbeddedStore(root)
    assert not store.trusted
    yield Cache(store.values, store.calls)
    store.close()
    assert not mark.exists()


def trusted(kind):
    if kind == "pair":
        return Cache(ValueMemory({}), CallMemory({}))
    store = MemoryStore()
    return Cache(store.values, store.calls)


@pytest.mark.parametrize("write", ["first", "through", "behind"])
@pytest.mark.parametrize("kind", ["memory", "pair"])
def test_a_stack_in_front_of_it(shared, kind, write):
    """What is sound is copied; a bomb is neither built nor copied."""
    near = trusted(kind)
    stack = CacheStack((near, shared), write=write)
    for x, value in (([1], None), (["argument"], [2]), ([3], [3])):
        key = call(x, 0).key
        if value is None:
            with pytest.raises(UntrustedError):
                stack.open(stack.lookup(key))
            with pytest.raises(UntrustedError):
                _ = stack.load(key).result
            assert near.lookup(key) is None
        else:
            assert stack.open(stack.lookup(key)) == value
            assert near.load(key).result == value
    stack.flush()
    with pytest.raises(KeyError):
        near.load_value(digest(["argument"]))
    assert near.verify(values=True).ok


def test_views_queries_tables_and_pictures(shared):
    """None of them builds a bomb."""
    views = [ReadOnlyCache(shared), CachePool((shared, trusted("memory"))), CacheStack((trusted("memory"), shared))]
    for view in [shared, *views]:
        assert len(view.query().table()) == 3
        assert view.query()._repr_html_()
        assert view._repr_html_()
        assert [repr(found) for found in view.query()]
        assert [found._repr_html_() for found in view.recent(5)]
        assert view._ipython_key_completions_()
        with pytest.raises(UntrustedError):
            _ = view.load(call([1], 0).key).result
        with pytest.raises(UntrustedError):
            view.load(call(["argument"], 0).key).arguments["x"]


def test_a_transfer_reports_what_is_refused(shared):
    """The record whose result is refused fails, and the argument that is refused is left out."""
    target = trusted("memory")
    report = shared.transfer(target)
    assert report.moved == 2
    assert [key for key, _ in report.failed] == [call([1], 0).key]
    assert "UntrustedError" in report.failed[0][1]
    assert [key for key, _ in report.left_out] == [digest(["argument"])]
    assert not report.ok
    assert target.query().count() == 2
    assert shared.query(QueryCall(result=[3])).transfer(target).there == 1


def test_verifying_reports_what_is_refused(shared):
    """And builds nothing."""
    found = shared.verify(values=True)
    assert {finding.fault for finding in found.findings} == {"unreadable"}
    shared.repair()


def test_a_value_under_the_digest_of_another_is_not_given_on(shared, tmp_path):
    """A plain value that others filed under a digest that is not its own stays where it is."""
    other = Envelope.pack(["other"])
    connection = sqlite3.connect(tmp_path / "shared" / "index.db")
    with connection:
        connection.execute(
            "update calls set envelope = ?, form = ? where result = ?",
            (other.to_bytes(), bytes.fromhex(other.form), digest([3]).raw),
        )
    connection.close()
    report = shared.transfer(trusted("memory"))
    assert call([3], 0).key in [key for key, _ in report.failed]
    assert "misfiled" in {finding.fault for finding in shared.verify(values=True).findings}
