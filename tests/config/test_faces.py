"""Tables to caches and back, in Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleche.caches import Cache
from fleche.config import (
    cache_from_config,
    cache_to_config,
    load_cache_config,
    load_default_metadata,
    storage_from_config,
    storage_to_config,
)
from fleche.errors import ConfigError
from fleche.storage.memory import MemoryStore
from fleche.storage.sql import SqlStore


@pytest.mark.parametrize(
    "table",
    [
        {"type": "memory"},
        {"type": "directory", "root": "r", "layout": "files", "verify": "always", "compress": True},
        {"type": "directory", "root": "r", "layout": "index", "trust": False},
        {"type": "sql", "url": "sqlite:///x.db", "trust": True},
        {"type": "stack", "caches": [{"type": "void"}, {"type": "memory"}], "write": "through"},
        {"type": "pool", "caches": [{"type": "readonly", "cache": {"type": "memory"}}]},
        {"type": "refreshing", "cache": {"type": "memory"}},
        {"type": "size_limited", "max_size": 3, "cache": {"type": "memory"}},
        {"type": "cache", "values": {"type": "file", "root": "v"}, "calls": {"type": "sql", "url": "sqlite:///c"}},
    ],
    ids=lambda table: str(table["type"]),
)
def test_a_table_comes_back(here: Path, table: dict[str, Any]) -> None:
    """What a cache is made from is what it says of itself, and makes the same cache again."""
    with cache_from_config(table) as cache:
        back = cache_to_config(cache)
        assert cache_to_config(cache_from_config(back)) == back
        assert {key: back[key] for key in ("type", "write", "max_size") if key in table}.items() <= table.items()


def test_storages_come_back(here: Path) -> None:
    """Values and calls."""
    for table, kind in (
        ({"type": "file", "root": str(here / "v")}, "values"),
        ({"type": "file", "root": str(here / "c")}, "calls"),
        ({"type": "memory"}, "calls"),
        ({"type": "void"}, "values"),
    ):
        storage = storage_from_config(table, kind)  # type: ignore[arg-type]
        assert storage_to_config(storage) == table
        assert hasattr(storage, "query") == (kind == "calls")
    assert hasattr(storage_from_config({"type": "sql"}), "query")


def test_secrets_are_left_out(here: Path) -> None:
    """Of keys and passwords."""
    with cache_from_config({"root": "r", "secret_key": "ab" * 32}) as cache:
        assert "ab" * 32 not in str(cache_to_config(cache))
    store = SqlStore.__new__(SqlStore)
    store._options = {"trust": False, "loader": None, "packing": None, "largest": 1, "lease_term": 20.0, "echo": False}
    store._options["create"] = True
    from fleche.storage.sql.address import Address

    store._build(Address.of("postgresql://ada:geheim@db/x"))
    assert "geheim" not in str(cache_to_config(Cache(store.values, store.calls)))


def test_what_no_table_can_say_is_told() -> None:
    """A filter is a function."""
    store = MemoryStore()
    with pytest.raises(ConfigError, match="no table can say"):
        cache_to_config(Cache(store.values, store.calls).filter(bool))
    with pytest.raises(ConfigError, match="has no key 'rooot'; did you mean 'root'"):
        cache_from_config({"rooot": "x"})


def test_defaults_are_loaded(here: Path) -> None:
    """The default cache as a table, and the metadata."""
    (here / "fleche.toml").write_text('[default]\ncache = "mine"\nmetadata = ["Git"]\n[mine]\nroot = "r"\n')
    assert load_cache_config() == {"type": "directory", "root": str(here / "r")}
    assert [kind.name for kind in load_default_metadata()] == ["git"]
