"""From caches and storages back to the tables that say them."""

from __future__ import annotations

from typing import Any

from fleche.caches import (
    BaseCache,
    Cache,
    CachePool,
    CacheStack,
    FilteredCache,
    ReadOnlyCache,
    RefreshingCache,
    SizeLimitedCache,
)
from fleche.errors import ConfigError
from fleche.storage.loader import TRUSTED

__all__ = ["cache_table", "storage_table"]


def cache_table(cache: BaseCache) -> dict[str, Any]:
    """Return the table of a cache, without secrets.

    Raises:
        ConfigError: It is made of something that no table can say.
    """
    match cache:
        case CacheStack():
            members = [cache_table(member) for member in cache.stack]
            return {"type": "stack", "caches": members} | ({} if cache.write == "first" else {"write": cache.write})
        case CachePool():
            return {"type": "pool", "caches": [cache_table(member) for member in cache.caches]}
        case FilteredCache():
            raise ConfigError(f"{cache} shows what a function accepts, which no table can say")
        case ReadOnlyCache():
            return {"type": "readonly", "cache": cache_table(cache.cache)}
        case RefreshingCache():
            return {"type": "refreshing", "cache": cache_table(cache.cache)}
        case SizeLimitedCache():
            behind = cache_table(Cache(cache.values, cache.calls))
            return {"type": "size_limited", "max_size": cache.max_size, "cache": behind}
        case Cache():
            return _store_table(cache)
    raise ConfigError(f"{cache} is of a class that no table can say: {type(cache).__qualname__}")


def _store_table(cache: Cache) -> dict[str, Any]:
    store = getattr(cache.values, "store", None)
    if store is None or store is not getattr(cache.calls, "store", None):
        return {"type": "cache", "values": storage_table(cache.values), "calls": storage_table(cache.calls)}
    return _whole_table(store)


def _whole_table(store: Any) -> dict[str, Any]:
    options = getattr(store, "_options", {})
    packing = options.get("packing")
    told: dict[str, Any] = {"compress": True} if getattr(packing, "compress", False) else {}
    match type(store).__name__:
        case "EmbeddedStore" | "FileStore" as name:
            table = {
                "type": "directory",
                "root": str(store.root),
                "layout": "files" if name == "FileStore" else "index",
            }
            told |= {"verify": "always"} if options.get("verify") else {}
            told |= {} if options.get("loader") is None else {"trust": options["loader"] is TRUSTED}
        case "SqlStore":
            table = {"type": "sql", "url": store.address.url.set(password=None).render_as_string()}
            told |= {} if store.address.schema is None else {"schema": store.address.schema}
            told |= {"trust": True} if options.get("trust") else {}
        case "MemoryStore":
            table = {"type": "memory"}
        case "VoidStore":
            table = {"type": "void"}
        case _:
            raise ConfigError(f"{store} is of a class that no table can say: {type(store).__qualname__}")
    return table | told


def storage_table(storage: Any) -> dict[str, Any]:
    """Return the table of a value or call storage.

    Raises:
        ConfigError: It is a storage that no table can say.
    """
    match type(storage).__name__:
        case "FileValues" | "FileCalls" if storage.store is None:
            return {"type": "file", "root": str(storage.root)}
        case "Sql":
            return {"type": "sql", "url": storage.store.address.url.set(password=None).render_as_string()}
        case "ValueMemory" | "CallMemory":
            return {"type": "memory"}
        case "ValueVoid" | "CallVoid":
            return {"type": "void"}
    raise ConfigError(f"{storage} is of a class that no table can say: {type(storage).__qualname__}")
