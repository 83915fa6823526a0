"""A pickle planted in a store that others can write to is never executed, whichever way it is looked at."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import fleche
from fleche import q
from fleche.caches import BaseCache, Cache, CachePool, CacheStack
from fleche.call import DigestedCall, Outcome
from fleche.call.live import Call
from fleche.digest import digest
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.envelope import Envelope
from fleche.storage.file import FileStore
from fleche.storage.memory import MemoryStore
from fleche.storage.packing import Packing
from fleche.storage.signing import Keyring

pytestmark = pytest.mark.filterwarnings("ignore::fleche.errors.FlecheWarning")

KEYS = Packing(keys=Keyring([b"k" * 32]))


class Bomb:
    """Touches a file when it is unpickled, by a function, by a state and by an argument."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(self.path),)


class BadError(Exception):
    """An exception whose unpickling runs code."""

    def __init__(self, path: str) -> None:
        super().__init__(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.args[0],)


@dataclass
class Planted:
    """A cache with planted pickles, and what they would touch."""

    cache: BaseCache
    store: Any
    mark: Path
    address: str
    write: Callable[[DigestedCall, dict[Any, Envelope]], None]
    """Files a record as someone without our keys would."""

    @property
    def keys(self) -> list[str]:
        return [str(key) for key in self.store.calls.list()]


def plant(store: Any, mark: Path) -> None:
    """File calls whose results, arguments, exceptions and streams are bombs: small ones, and ones that need a file."""
    small, error = Envelope.pack(Bomb(str(mark))), Envelope.pack(BadError(str(mark)))
    large = Envelope.pack([Bomb(str(mark)), os.urandom(100_000)])
    nested = Envelope.pack({"a": [1, (Bomb(str(mark)),)]})
    for number, bomb in enumerate((small, large, nested)):
        value, argument = digest(("result", number)), digest(("argument", number))
        record = DigestedCall(
            module="m",
            name="f",
            arguments={"x": argument, "n": digest(number), "text": argument},
            scalars={"n": number},
            kinds={"x": "list", "n": "int", "text": "str"},
            result=value,
        )
        store.record(record, {value: bomb, argument: Envelope.pack([Bomb(str(mark))])})
        failed = record.evolve(name="g", outcome=Outcome.ERROR)
        store.record(failed, {value: error})


@pytest.fixture(params=["index", "files", "sqlite", "index with keys", "files with keys"])
def planted(request: pytest.FixtureRequest, public: Path) -> Iterator[Planted]:
    """A store that others can write to, and did."""
    mark, place = public / "touched", public / "store"
    kind, packing = request.param.partition(" ")[0], KEYS if "keys" in request.param else Packing()
    if kind == "sqlite":
        from fleche.storage.sql import SqlStore

        store: Any = SqlStore(f"sqlite:///{place}.db", packing=packing)
        address = f"sqlite:///{place}.db"
        writer: Any = SqlStore(address)
    else:
        options = {} if kind == "index" else {"index": public / "index.db"}
        made = EmbeddedStore if kind == "index" else FileStore
        writer = made(place, **options)  # type: ignore[operator]
        place.chmod(0o777)
        store = made(place, packing=packing, **options)  # type: ignore[operator]
        address = str(place)
    assert not store.trusted
    plant(writer, mark)
    yield Planted(Cache(store.values, store.calls), store, mark, address, writer.record)
    store.close()
    writer.close()
    assert not mark.exists()


def tried(*looks: Callable[[], Any]) -> None:
    """Look in each way; it may be refused."""
    for look in looks:
        with suppress(Exception):
            look()


def test_the_bombs_are_bombs(tmp_path: Path) -> None:
    """What is planted does run code when a store is trusted, else these tests prove nothing."""
    store = EmbeddedStore(tmp_path / "own")
    plant(store, tmp_path / "touched")
    assert store.trusted
    for call in Cache(store.values, store.calls).query():
        tried(lambda call=call: dict(call.arguments), lambda call=call: call.result)
    assert (tmp_path / "touched").exists()
    store.close()


def test_loading(planted: Planted) -> None:
    """Records and values, by key, prefix and digest; results and arguments; handles; leases and lookups."""
    cache = planted.cache
    assert len(planted.keys) == 6
    for key in planted.keys:
        call = next(iter(cache.find_key(digest_of(key))))
        tried(
            lambda key=key: cache.load(key),
            lambda key=key: cache[key[:12]].result,
            lambda call=call: call.result,
            lambda call=call: call.ref().load(),
            lambda call=call: dict(call.arguments),
            lambda call=call: cache.open(cache.lookup(call.key)),
            lambda call=call: cache.open_result(call.record),
            lambda call=call: pickle.loads(pickle.dumps(call.record)),
            lambda call=call: cache.expand(call.key),
        )
    for value in [str(key) for key in planted.store.values.list()]:
        tried(
            lambda value=value: cache.load_value(value),
            lambda value=value: cache[value],
            lambda value=value: planted.store.values.load(value),
            lambda value=value: fleche.Digest(value).load(),
        )


def digest_of(key: str) -> fleche.Digest:
    return fleche.Digest(key)


def test_queries_and_tables(planted: Planted) -> None:
    """Conditions that need values, sorting, grouping, tables, results."""
    calls = planted.cache.query().all()
    assert calls.count() == 6
    assert calls.where(q.result < 1).empty()
    assert calls.where(q.result.contains("a") | q.arg.text.startswith("a")).empty()
    assert calls.where(~(q.result == 1)).count() == 6
    tried(
        calls.df,
        calls.pl,
        calls.rows,
        lambda: list(calls.results()),
        lambda: list(calls.sorted("result")),
        lambda: list(calls.sorted("arg.x")),
        lambda: calls.groupby("result"),
        lambda: list(calls.unique("arg.x")),
        lambda: calls.filter(lambda call: call.result).count(),
    )
    assert len(calls.df()) == 6


def test_representations(planted: Planted) -> None:
    """Text and HTML of caches, queries, calls and arguments, and key completion."""
    cache = planted.cache
    for shown in (cache, cache.query(), cache.query().all(), *cache.query().all()):
        assert repr(shown)
        assert shown._repr_html_()
    assert all(repr(call.arguments) for call in cache.query())
    assert cache._ipython_key_completions_()


def test_the_command_line(planted: Planted, tmp_path: Path) -> None:
    """Every verb that looks."""
    if planted.address.startswith("sqlite"):
        pytest.skip("the command line is tried with directories; databases are opened by the same code")
    key, value = planted.keys[0], str(next(iter(planted.store.values.list())))
    for words in (
        ["info"],
        ["ls", "--all"],
        ["ls", "--all", "--json"],
        ["ls", "--where", "result < 1 or arg.text > 'a'"],
        ["show", key],
        ["show", key, "--json"],
        ["show", value],
        ["verify"],
        ["verify", "--values"],
        ["export", str(tmp_path / "archive")],
        ["transfer", planted.address, str(tmp_path / "mine")],
    ):
        option = [] if words[0] == "transfer" else ["--store", planted.address]
        done = subprocess.run(
            [sys.executable, "-m", "fleche", *words, *option],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"FLECHE_SECRET_KEY": (b"k" * 32).hex()},
        )
        assert "Traceback" not in done.stderr, done.stderr
    assert not planted.mark.exists()


def test_transfer_and_stacks_into_a_store_of_our_own(planted: Planted, tmp_path: Path) -> None:
    """Also when it is then looked at there, where every type is built; and with a target that signs what it files."""
    signing = EmbeddedStore(tmp_path / "open", packing=KEYS)
    (tmp_path / "open").chmod(0o777)
    signing.close()
    targets = [MemoryStore(), EmbeddedStore(tmp_path / "own"), EmbeddedStore(tmp_path / "open", packing=KEYS)]
    for store in targets:
        mine = Cache(store.values, store.calls)
        tried(lambda mine=mine: planted.cache.transfer(mine), lambda mine=mine: planted.cache.query().transfer(mine))
        for stack in (CacheStack((mine, planted.cache)), CachePool((mine, planted.cache))):
            for key in planted.keys:
                tried(
                    lambda stack=stack, key=key: stack.open(stack.lookup(digest_of(key))),
                    lambda stack=stack, key=key: stack.load(key).result,
                    lambda stack=stack, key=key: dict(stack.load(key).arguments),
                )
        for call in mine.query().all():
            tried(lambda call=call: call.result, lambda call=call: dict(call.arguments))
        for value in store.values.list():
            tried(lambda store=store, value=value: store.values.load(value))
        store.close()
        assert not planted.mark.exists(), store


def test_verifying_and_repairing(planted: Planted) -> None:
    """With values too; and what is left is looked at again."""
    tried(planted.cache.verify, lambda: planted.cache.verify(values=True), planted.cache.repair)
    for call in planted.cache.query().all():
        tried(lambda call=call: call.result)


def add_one(x: int) -> int:
    return x + 1


def one_item(x: int) -> Iterator[int]:
    yield x


def test_cached_functions(planted: Planted) -> None:
    """A planted result of a cached function is a miss; the body runs, and its result replaces it."""
    f = fleche.cached(cache=planted.cache, errors=(ValueError,), version=1, code=None)(add_one)
    stream = fleche.cached(cache=planted.cache, version=1, code=None)(one_item)
    bomb, error = Envelope.pack(Bomb(str(planted.mark))), Envelope.pack(BadError(str(planted.mark)))
    for outcome, envelope in ((Outcome.RESULT, bomb), (Outcome.ERROR, error)):
        record = Call(module=f.call(1).module, name=f.call(1).name, version=1, arguments={"x": 1}).digested()
        assert record.key == f.key(1)
        record = record.evolve(result=digest("planted"), outcome=outcome)
        planted.store.calls.evict(record.key)
        planted.write(record, {digest("planted"): envelope})
        tried(lambda: f.load(1), lambda: f.ref(1).load(), lambda: f.call(1))
        assert f(1) == 2
        assert f(1) == 2
    assert list(stream(3)) == list(stream(3)) == [3]
    tried(lambda: f.rerun(1))
