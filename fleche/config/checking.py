"""Tables of a configuration file, checked against the schema; paths in them become absolute."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fleche.config.addresses import absolute_url, is_path
from fleche.config.schema import CACHES, CALLS, DEFAULT, VALUES, Key, Kind, Table, find
from fleche.errors import ConfigError

__all__ = ["Checker", "nearest"]

_SHAPES: Mapping[Kind, type | tuple[type, ...]] = {
    Kind.TEXT: str,
    Kind.PATH: str,
    Kind.URL: str,
    Kind.FLAG: bool,
    Kind.NUMBER: int,
    Kind.NAMES: list,
    Kind.SECRET: (str, list),
    Kind.CACHE: (str, Mapping),
    Kind.CACHES: list,
    Kind.STORAGE: Mapping,
}


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint at the known word that is nearest to a wrong one, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


class Checker:
    """Checks tables of one origin.

    Args:
        origin: The file, or what else the tables come from, for messages.
        base: The directory to which paths are relative.
    """

    def __init__(self, origin: str, base: Path) -> None:
        self._origin = origin
        self._base = base

    def default(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """Return the table ``[default]``.

        Raises:
            ConfigError: Something in it is not what it should be.
        """
        return self._keys("default", table, DEFAULT)

    def cache(self, name: str, table: Mapping[str, Any]) -> dict[str, Any]:
        """Return the table of a cache. One that has a template is checked whole when that is known.

        Raises:
            ConfigError: Something in it is not what it should be.
        """
        if "template" in table and "type" not in table:
            return self._keys(name, table, _every(name, CACHES), partial=True)
        kind = table.get("type", "cache" if "values" in table and "calls" in table else "directory")
        schema = self._type(name, kind, CACHES)
        whole = self._keys(name, table, schema, partial="template" in table)
        if "template" not in table:
            self._storages(name, whole)
        if {"cache", "values", "calls"} <= schema.by_name.keys() and "template" not in table:
            self._source(name, whole)
        if schema.name in ("stack", "pool") and "template" not in table:
            self._members(name, whole)
        return {"type": schema.name} | {key: value for key, value in whole.items() if key != "type"}

    def _type(self, name: str, kind: Any, tables: Mapping[str, Table]) -> Table:
        found = find(tables, kind) if isinstance(kind, str) else None
        if found is None:
            known = sorted({*tables, *(alias for table in tables.values() for alias in table.aliases)})
            raise self._wrong(f"[{name}] type = {kind!r}{nearest(str(kind), known)} (known: {', '.join(known)})")
        return found

    def _keys(self, name: str, table: Mapping[str, Any], schema: Table, *, partial: bool = False) -> dict[str, Any]:
        known = schema.by_name
        for key in table:
            if key not in known:
                raise self._wrong(
                    f"[{name}] has no key {key!r}{nearest(key, known)} (known: {', '.join(sorted(known))})"
                )
        missing = [key for key in schema.keys if key.required and key.name not in table]
        if missing and not partial:
            raise self._wrong(f"[{name}] needs {missing[0].name}: {missing[0].meaning}, as {missing[0].kind}")
        return {key: self._value(name, known[key], value) for key, value in table.items()}

    def _value(self, name: str, key: Key, value: Any) -> Any:
        shown = "…" if key.kind is Kind.SECRET else repr(value)
        shape = _SHAPES[key.kind]
        if not isinstance(value, shape) or (key.kind is Kind.NUMBER and isinstance(value, bool)):
            needs = "needs" if key.required else "takes"
            raise self._wrong(f"[{name}] {needs} {key.name}: {key.meaning}, as {key.kind}; {shown} is none")
        if key.choices:
            for each in value if isinstance(value, list) else [value]:
                if each not in key.choices:
                    known = ", ".join(key.choices)
                    raise self._wrong(
                        f"[{name}] {key.name}: there is no {each!r}{nearest(str(each), key.choices)} (known: {known})"
                    )
        return self._made(name, key, value)

    def _made(self, name: str, key: Key, value: Any) -> Any:
        match key.kind:
            case Kind.PATH:
                return str((self._base / Path(value).expanduser()).absolute())
            case Kind.URL:
                return absolute_url(value, self._base)
            case Kind.CACHE:
                return self._reference(f"{name}.{key.name}", value)
            case Kind.CACHES:
                return [self._reference(f"{name}.{key.name}[{place}]", each) for place, each in enumerate(value)]
            case Kind.STORAGE:
                return self._storage(f"{name}.{key.name}", VALUES if key.name == "values" else CALLS, value)
        return value

    def _storage(self, name: str, tables: Mapping[str, Table], table: Mapping[str, Any]) -> dict[str, Any]:
        if "type" not in table:  # a template has it; else it is missed when the whole is checked
            return self._keys(name, table, _every(name, tables), partial=True)
        schema = self._type(name, table["type"], tables)
        return self._keys(name, table, schema) | {"type": schema.name}

    def _reference(self, name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self.cache(name, value)
        if not isinstance(value, str):
            raise self._wrong(f"[{name}] is {value!r}; write {Kind.CACHE}")
        if "://" in value:
            return absolute_url(value, self._base)
        return str((self._base / Path(value).expanduser()).absolute()) if is_path(value) else value

    def _storages(self, name: str, table: Mapping[str, Any]) -> None:
        for part in ("values", "calls"):
            if "type" not in table.get(part, {"type": ""}):
                raise self._wrong(f"[{name}.{part}] needs type: what the storage is")

    def _source(self, name: str, table: Mapping[str, Any]) -> None:
        if ("cache" in table) == ("values" in table and "calls" in table):
            raise self._wrong(f"[{name}] needs cache, or values and calls: what is behind it")

    def _members(self, name: str, table: Mapping[str, Any]) -> None:
        if ("caches" in table) == ("stack" in table) or not (table.get("caches") or table.get("stack")):
            raise self._wrong(f"[{name}] needs caches: the members, nearest first, at least one")

    def _wrong(self, what: str) -> ConfigError:
        return ConfigError(f"{self._origin}: {what}")


def _every(name: str, tables: Mapping[str, Table]) -> Table:
    """Return a table that may have every key that one of several may have."""
    return Table(name=name, meaning="", keys=tuple(key for table in tables.values() for key in table.keys))
