"""Every kind of cache that a file or the environment can name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import fleche
from fleche.caches import BaseCache, Cache, CachePool, CacheStack, ReadOnlyCache, RefreshingCache, SizeLimitedCache
from fleche.call import Call
from fleche.config import Opener
from fleche.errors import ConfigError
from fleche.storage import network
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.file import FileStore

Write = Callable[[str], Path]


def kept(cache: BaseCache) -> int:
    """Save a call, and return what is then kept."""
    cache.save(Call(module="m", name="f", arguments={"x": 1}, result=[1, 2]))
    return len([call.result for call in cache.query()])


def store_of(cache: BaseCache) -> object:
    assert isinstance(cache, Cache)
    return cache._store


def test_existing_files_work(here: Path, write: Write) -> None:
    """A value storage and a call storage of their own, with the serializers' names as types."""
    for kind in ("pickle", "cloudpickle", "dill", "file"):
        write(f'[mine]\nvalues.type = "{kind}"\nvalues.root = "v"\ncalls.type = "sql"\ncalls.url = "sqlite:///c.db"\n')
        with Opener()("mine") as cache:
            assert kept(cache) == 1
    assert (here / "v").is_dir()
    assert (here / "c.db").is_file()
    write('[mine]\nvalues = {type = "memory"}\ncalls = {type = "pickle", root = "calls"}\n')
    with Opener()("mine") as cache:
        assert kept(cache) == 1
    assert (here / "calls").is_dir()


def test_caches_are_made_of_caches(here: Path, write: Write) -> None:
    """Named, or written in place."""
    write(
        """
        [own]
        root = "own"
        [team]
        type = "sql"
        url = "sqlite:///team.db"
        [both]
        type = "stack"
        caches = ["own", {type = "readonly", cache = "team"}]
        write = "through"
        [all]
        type = "pool"
        caches = ["own", "team"]
        [anew]
        type = "refreshing"
        cache = "own"
        [few]
        type = "size-limited"
        max_size = 1
        values.type = "memory"
        calls.type = "memory"
        [fewer]
        type = "size_limited"
        max_size = 1
        cache = "own"
        [small]
        type = "filtered"
        cache = "own"
        where = "arg.x < 1"
        """
    )
    opener = Opener()
    both = opener("both")
    assert isinstance(both, CacheStack)
    assert both.stack[0] is opener("own")
    assert isinstance(both.stack[1], ReadOnlyCache)
    assert both.write == "through"
    assert kept(both) == 1
    pool, anew, few, fewer = map(opener, ("all", "anew", "few", "fewer"))
    assert isinstance(pool, CachePool)
    assert isinstance(anew, RefreshingCache)
    assert isinstance(few, SizeLimitedCache)
    assert isinstance(fewer, SizeLimitedCache)
    assert kept(few) == 1
    assert opener("own").query().count() == 1
    assert opener("small").query().count() == 0
    for name in ("own", "team"):
        opener(name).close()


def test_the_environment_may_name_a_stack(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With commas between, nearest first; each part a name, a path or a URL."""
    monkeypatch.setenv("FLECHE_STORE", f"memory, ./near, sqlite:///{tmp_path}/far.db")
    opener = Opener()
    assert opener.locate().place == f"stack of memory, {here}/near, sqlite:///{tmp_path}/far.db"
    stack = opener(None)
    assert isinstance(stack, CacheStack)
    assert [member is opener(name) for member, name in zip(stack.stack, ("memory", "./near"), strict=False)] == [
        True
    ] * 2
    stack.close()


def test_urls_say_the_layout(here: Path) -> None:
    """``files://`` is a directory with a file for each record; any other way finds it again by its FORMAT."""
    with Opener()(f"files://{here}/f") as cache:
        assert isinstance(store_of(cache), FileStore)
    with Opener()("./f") as cache:
        assert isinstance(store_of(cache), FileStore)
    with Opener()("./i") as cache:
        assert isinstance(store_of(cache), EmbeddedStore)


def test_a_new_store_suits_its_file_system(here: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a network file system it is of files, unless the table says otherwise."""
    monkeypatch.setattr(network, "is_network", lambda _: True)
    with Opener()("./n") as cache:
        assert isinstance(store_of(cache), FileStore)
    write('[forced]\nroot = "forced"\nlayout = "index"\n')
    with Opener()("forced") as cache:
        assert isinstance(store_of(cache), EmbeddedStore)


def test_templates_fill_in_what_is_not_said(here: Path, write: Write) -> None:
    """Own settings win; paths stay relative to the file that has them; a circle and a typing error are told."""
    (here.parent / "fleche.toml").write_text(
        '[base]\nvalues.type = "pickle"\nvalues.root = "v"\ncalls.type = "memory"\n'
    )
    write('[mine]\ntemplate = "base"\ncalls.type = "void"\n[other]\ntemplate = "mine"\nvalues.compress = true\n')
    assert Opener().recipe("mine") == {
        "type": "cache",
        "values": {"type": "file", "root": str(here.parent / "v")},
        "calls": {"type": "void"},
    }
    assert Opener().recipe("other")["values"]["compress"] is True
    write('[a]\ntemplate = "b"\n[b]\ntemplate = "a"\n')
    with pytest.raises(ConfigError, match="a → b → a goes in a circle"):
        Opener().recipe("a")
    write('[a]\ntemplate = "bse"\n')
    with pytest.raises(ConfigError, match="did you mean 'base'"):
        Opener().recipe("a")


def test_a_cache_is_not_made_of_itself(write: Write) -> None:
    """Neither directly nor by way of another; the default one neither."""
    write('[one]\ntype = "readonly"\ncache = "two"\n[two]\ntype = "stack"\nstack = ["one"]\n')
    with pytest.raises(ConfigError, match="one → two → one"):
        Opener().locate("one")
    write('[default]\ncache = "default"\n')
    with pytest.raises(ConfigError, match="made of itself"):
        Opener().locate()
    write('[default]\ncache = "mine"\n[mine]\ntype = "readonly"\ncache = "default"\n')
    with pytest.raises(ConfigError, match="made of itself"):
        Opener().locate()


def test_keys_sign_and_trust_is_said(here: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """secret_key, else FLECHE_SECRET_KEY; a wrong one is told without showing it."""
    write(f'[signed]\nroot = "s"\nsecret_key = "{"ab" * 32}"\ncompress = true\nverify = "always"\n')
    with Opener()("signed") as cache:
        store = store_of(cache)
        assert isinstance(store, EmbeddedStore)
        assert store.packing.keys
        assert store.packing.compress
        assert kept(cache) == 1
    monkeypatch.setenv("FLECHE_SECRET_KEY", "cd" * 32)
    with Opener()("./t") as cache:
        store = store_of(cache)
        assert isinstance(store, EmbeddedStore)
        assert store.packing.keys
    monkeypatch.delenv("FLECHE_SECRET_KEY")
    write('[signed]\nroot = "s"\nsecret_key = "no hexadecimal"\n')
    with pytest.raises(ConfigError, match="secret_key") as raised:
        Opener()("signed")
    assert "no hexadecimal" not in str(raised.value).replace("not hexadecimal", "")
    write(
        '[safe]\nroot = "s"\ntrust = false\n[sure]\nroot = "s"\ntrust = true\n'
        '[db]\ntype = "sql"\nurl = "sqlite:///d"\ntrust = true'
    )
    opener = Opener()
    assert [store_of(opener(name)).trusted for name in ("safe", "sure", "db")] == [False, True, True]  # type: ignore[attr-defined]
    for name in ("safe", "sure", "db"):
        opener(name).close()


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (
            "postgresql://ada:secret@db/science?schema=lab&sslpassword=secret",
            "postgresql://ada@db/science (schema lab)",
        ),
        ("postgres://ada:secret@db:5433/science", "postgresql://ada@db:5433/science"),
    ],
)
def test_passwords_are_never_shown(here: Path, url: str, place: str) -> None:
    """Neither in the place nor in the reason, nor in the picture of the object."""
    located = Opener().locate(url)
    assert located.place == place.replace("postgresql", url.split(":")[0])
    assert "secret" not in repr(located)


def test_a_default_cache_may_be_a_table(here: Path, write: Write) -> None:
    """Written in place; relative paths are relative to the file."""
    (here.parent / "fleche.toml").write_text('[default]\ncache = {type = "stack", caches = ["memory", "./far"]}\n')
    assert Opener().locate().place == f"stack of memory, {here.parent}/far"


def test_names_reach_cached_functions(here: Path, write: Write) -> None:
    """By ``cache("name")``."""
    write('[mine]\ntype = "stack"\ncaches = ["memory", "./far"]\n')
    with fleche.cache("mine"):
        assert isinstance(fleche.cache(), CacheStack)
        fleche.cache().close()
