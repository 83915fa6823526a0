"""Caches and storages from tables, and back, in Python: the functions that existing code imports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fleche.config.build import build_calls, build_values
from fleche.config.checking import Checker
from fleche.config.describing import cache_table, storage_table
from fleche.config.opening import opener

if TYPE_CHECKING:
    from fleche.caches import BaseCache
    from fleche.call import MetaData
    from fleche.storage.base import CallStorage, ValueStorage

__all__ = [
    "cache_from_config",
    "cache_to_config",
    "load_cache_config",
    "load_default_metadata",
    "storage_from_config",
    "storage_to_config",
]

_ORIGIN = "the configuration that was given"


def load_cache_config(name: str | None = None) -> dict[str, Any]:
    """Return what a name, path or URL means, as a table in which nothing is named any more.

    Args:
        name: The name of a table in a configuration file, a path or a URL; None is the default cache.

    Raises:
        ConfigError: There is no such cache, or a configuration file is wrong.

    >>> load_cache_config("memory")
    {'type': 'memory'}
    """
    return dict(opener.locate(name).recipe)


def cache_from_config(config: Mapping[str, Any] | str | None = None) -> BaseCache:
    """Return the cache of a table, as a configuration file has it, or of a name, path or URL.

    Of one table there is one cache in a process. Paths in a table are relative to the working directory.

    Args:
        config: The table, or the name; None is the default cache.

    Raises:
        ConfigError: It is wrong.
        StoreError: The store cannot be opened.

    >>> cache_from_config({"type": "readonly", "cache": "memory"})
    ReadOnlyCache(Cache(MemoryStore()))
    """
    if config is None or isinstance(config, str):
        return opener(config)
    return opener.open(opener.recipe(Checker(_ORIGIN, Path.cwd()).cache("cache", config)))


def cache_to_config(cache: BaseCache) -> dict[str, Any]:
    """Return the table of a cache, from which `cache_from_config` makes an equal one. Secret keys are left out.

    Raises:
        ConfigError: It is made of something that no table can say.
    """
    return cache_table(cache)


def storage_from_config(
    config: Mapping[str, Any], kind: Literal["values", "calls"] = "values"
) -> ValueStorage | CallStorage:
    """Return the storage of a table that is ``values`` or ``calls`` of a cache.

    Args:
        config: The table.
        kind: Which of both it is.

    Raises:
        ConfigError: It is wrong.
        StoreError: The storage cannot be opened.
    """
    known = "calls" if config.get("type") in ("sql", "postgresql", "postgres", "sqlite") else kind
    other = "values" if known == "calls" else "calls"
    checked = Checker(_ORIGIN, Path.cwd()).cache("cache", {known: config, other: {"type": "void"}})
    return build_calls(checked[known]) if known == "calls" else build_values(checked[known])


def storage_to_config(storage: ValueStorage | CallStorage) -> dict[str, Any]:
    """Return the table of a storage, from which `storage_from_config` makes an equal one.

    Raises:
        ConfigError: It is a storage that no table can say.
    """
    return storage_table(storage)


def load_default_metadata() -> tuple[MetaData, ...]:
    """Return the metadata that is noted of every call: what ``[default] metadata`` names.

    Raises:
        ConfigError: A configuration file is wrong.
    """
    return opener.metadata()
