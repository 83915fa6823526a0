"""From recipes to caches: the one place that knows every backend."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleche.caches import BaseCache, Cache
from fleche.errors import ConfigError
from fleche.storage.packing import PLAIN, Packing

if TYPE_CHECKING:
    from fleche.call import LazyCall
    from fleche.call.conditions import Condition
    from fleche.storage.base import CallStorage, ValueStorage
    from fleche.storage.loader import Loader
    from fleche.storage.signing import Keyring

__all__ = ["build", "build_calls", "build_values", "check", "name_of"]

Open = Callable[[Mapping[str, Any]], BaseCache]


def name_of(recipe: Mapping[str, Any]) -> str:
    """Return a text that is the same for the same recipe."""
    return json.dumps(recipe, sort_keys=True)


def build(recipe: Mapping[str, Any], open_part: Open) -> BaseCache:
    """Return the cache of a recipe, new.

    Args:
        recipe: What `Resolver.of` gives.
        open_part: Gives the caches that it is made of.

    Raises:
        ConfigError: Its parts do not go together.
        StoreError: A store cannot be opened.
    """
    return _BUILDERS[recipe["type"]](recipe, open_part)


def check(recipe: Mapping[str, Any]) -> None:
    """Look at what only opening would read: keys and conditions, of every part. Nothing is opened.

    Raises:
        ConfigError: One cannot be read.
    """
    if "secret_key" in recipe:
        _keys(recipe)
    if "where" in recipe:
        _condition(recipe)
    for part in (*recipe.get("caches", ()), *(recipe[name] for name in ("cache", "values", "calls") if name in recipe)):
        check(part)


def _directory(recipe: Mapping[str, Any], _: Open) -> BaseCache:
    options: dict[str, Any] = {
        "cachedir_tag": bool(recipe.get("tag")),
        "verify": recipe.get("verify") == "always",
        "loader": _loader(recipe),
    }
    layout = _layout(recipe)
    if layout == "files":
        from fleche.storage.file import FileStore

        files = FileStore(recipe["root"], **options, packing=_packing(recipe))
        return Cache(files.values, files.calls)
    from fleche.storage.embedded import EmbeddedStore

    store = EmbeddedStore(recipe["root"], **options, packing=_packing(recipe))
    return Cache(store.values, store.calls)


def _layout(recipe: Mapping[str, Any]) -> str:
    """Return the layout that is asked for, else that of the store that is there, else what suits the file system."""
    layout: str = recipe.get("layout", "auto")
    if layout != "auto":
        return layout
    root = Path(recipe["root"])
    try:
        sealed = json.loads((root / "FORMAT").read_bytes())
        return "files" if sealed["layout"] == "files" else "index"
    except (OSError, ValueError, KeyError, TypeError):  # none, or one of which its store tells what is wrong
        pass
    from fleche.storage.network import is_network

    return "files" if not (root / "index.db").exists() and is_network(root) else "index"


def _memory(*_: Any) -> BaseCache:
    from fleche.storage.memory import MemoryStore

    store = MemoryStore()
    return Cache(store.values, store.calls)


def _void(*_: Any) -> BaseCache:
    from fleche.storage.void import VoidStore

    store = VoidStore()
    return Cache(store.values, store.calls)


def _sql(recipe: Mapping[str, Any], _: Open) -> BaseCache:
    from fleche.storage.sql import SqlStore

    store = SqlStore(
        recipe["url"],
        schema=recipe.get("schema"),
        trust=recipe.get("trust", False),
        packing=_packing(recipe),
    )
    return Cache(store.values, store.calls)


def _pair(recipe: Mapping[str, Any], _: Open) -> BaseCache:
    return Cache(build_values(recipe["values"]), build_calls(recipe["calls"]))


def _stack(recipe: Mapping[str, Any], open_part: Open) -> BaseCache:
    from fleche.caches import CacheStack

    return CacheStack(tuple(map(open_part, recipe["caches"])), write=recipe.get("write", "first"))


def _pool(recipe: Mapping[str, Any], open_part: Open) -> BaseCache:
    from fleche.caches import CachePool

    return CachePool(tuple(map(open_part, recipe["caches"])))


def _readonly(recipe: Mapping[str, Any], open_part: Open) -> BaseCache:
    return open_part(recipe["cache"]).readonly()


def _refreshing(recipe: Mapping[str, Any], open_part: Open) -> BaseCache:
    from fleche.caches import RefreshingCache

    return RefreshingCache(open_part(recipe["cache"]))


def _filtered(recipe: Mapping[str, Any], open_part: Open) -> BaseCache:
    condition = _condition(recipe)
    return open_part(recipe["cache"]).filter(_Meets(condition))


def _condition(recipe: Mapping[str, Any]) -> Condition:
    from fleche.query import parse

    try:
        return parse(recipe["where"])
    except ValueError as error:
        raise ConfigError(f"where = {recipe['where']!r}: {error}") from error


def _size_limited(recipe: Mapping[str, Any], open_part: Open) -> BaseCache:
    from fleche.caches import SizeLimitedCache

    behind = open_part(recipe["cache"])
    if type(behind) is not Cache:
        raise ConfigError(f"a cache of limited size needs a store behind it, not {behind}")
    try:
        return SizeLimitedCache(behind.values, behind.calls, recipe["max_size"])
    except ValueError as error:
        raise ConfigError(str(error)) from error


_BUILDERS: Mapping[str, Callable[[Mapping[str, Any], Open], BaseCache]] = {
    "cache": _pair,
    "directory": _directory,
    "filtered": _filtered,
    "memory": _memory,
    "pool": _pool,
    "readonly": _readonly,
    "refreshing": _refreshing,
    "size_limited": _size_limited,
    "sql": _sql,
    "stack": _stack,
    "void": _void,
}


@dataclass(frozen=True, slots=True)
class _Meets:
    condition: Condition

    def __call__(self, call: LazyCall) -> bool:
        return bool(self.condition.decide(call.record, call))


def build_values(table: Mapping[str, Any]) -> ValueStorage:
    """Return the value storage of a checked table."""
    if table["type"] == "file":
        from fleche.storage.file.values import FileValues

        return FileValues(table["root"], packing=_packing(table))
    if table["type"] == "memory":
        from fleche.storage.memory import ValueMemory

        return ValueMemory({})
    from fleche.storage.void import ValueVoid

    return ValueVoid()


def build_calls(table: Mapping[str, Any]) -> CallStorage:
    """Return the call storage of a checked table."""
    if table["type"] == "file":
        from fleche.storage.file.calls import FileCalls

        return FileCalls(table["root"])
    if table["type"] == "sql":
        from fleche.storage.sql import Sql

        return Sql(table.get("url"))
    if table["type"] == "memory":
        from fleche.storage.memory import CallMemory

        return CallMemory({})
    from fleche.storage.void import CallVoid

    return CallVoid()


def _loader(recipe: Mapping[str, Any]) -> Loader | None:
    from fleche.storage.loader import TRUSTED
    from fleche.storage.safe_loader import SAFE

    if "trust" not in recipe:
        return None
    return TRUSTED if recipe["trust"] else SAFE


def _packing(recipe: Mapping[str, Any]) -> Packing:
    compress, parts = recipe.get("compress", False), recipe.get("parts") or None
    keys = _keys(recipe) if "secret_key" in recipe or os.environ.get("FLECHE_SECRET_KEY") else None
    return Packing(compress=compress, parts=parts, keys=keys) if compress or parts or keys else PLAIN


def _keys(recipe: Mapping[str, Any]) -> Keyring:
    from fleche.storage.signing import Keyring, read_keys

    if "secret_key" not in recipe:
        return Keyring.from_environment()
    try:
        return Keyring(read_keys(recipe["secret_key"]))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"secret_key: {error}") from None
