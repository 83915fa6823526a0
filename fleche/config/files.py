"""Configuration files: found, read, checked and merged."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleche.errors import ConfigError

__all__ = ["Settings", "nearest", "read_settings"]

RESERVED_TABLES = frozenset({"default", "runtime"})
RESERVED_CACHES = frozenset({"memory", "void", "default"})
_KEYS = {
    "default": frozenset({"cache", "metadata", "digest", "root"}),
    "cache": frozenset({"type", "root"}),
}
_TYPES = ("directory", "memory", "void")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the configuration files say, merged: of two files that have a table, the nearer one's counts.

    Attributes:
        tables: Tables by name; paths in them are absolute.
        origin: The file that each table came from.
    """

    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    origin: Mapping[str, Path] = field(default_factory=dict)

    @property
    def default(self) -> Mapping[str, Any]:
        """The ``[default]`` table."""
        return self.tables.get("default", {})

    def cache(self, name: str) -> Mapping[str, Any] | None:
        """Return the table of a named cache, or None."""
        return None if name in RESERVED_TABLES else self.tables.get(name)

    @property
    def caches(self) -> list[str]:
        """The names that a cache can be asked for by."""
        return sorted({*RESERVED_CACHES, *self.tables} - {"runtime"})


def read_settings(start: Path) -> Settings:
    """Return the settings that hold for a directory.

    Files count in this order: ``fleche.toml``, or ``[tool.fleche]`` of ``pyproject.toml``, in the directory and in
    each above it up to the home directory; then ``fleche/cache.toml`` in the configuration directory of the user.
    ``[default] root = true`` makes a file the last of the walk.

    Raises:
        ConfigError: A file cannot be read, or holds what it should not.
    """
    tables: dict[str, Mapping[str, Any]] = {}
    origin: dict[str, Path] = {}
    for path, found in _documents(start):
        for name, table in found.items():
            if name not in tables:
                tables[name] = _checked(path, name, table)
                origin[name] = path
    return Settings(tables=tables, origin=origin)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint at the known word that is nearest to a wrong one, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _documents(start: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    home = Path.home()
    for directory in (start, *start.parents):
        found = _of_directory(directory)
        if found is not None:
            yield found
            if found[1].get("default", {}).get("root") is True:
                return
        if directory == home:
            break
    personal = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "fleche" / "cache.toml"
    if personal.is_file():
        yield personal, _parse(personal)


def _of_directory(directory: Path) -> tuple[Path, Mapping[str, Any]] | None:
    own = directory / "fleche.toml"
    if own.is_file():
        return own, _parse(own)
    project = directory / "pyproject.toml"
    if project.is_file():
        table = _parse(project).get("tool", {}).get("fleche")
        if table is not None:
            return project, table
    return None


def _parse(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def _checked(path: Path, name: str, table: Any) -> Mapping[str, Any]:
    if not isinstance(table, Mapping):
        raise ConfigError(
            f"{path}: {name!r} stands outside a table; settings go under [default] or the name of a cache"
        )
    if name == "runtime":
        return table
    known = _KEYS["default" if name == "default" else "cache"]
    for key in table:
        if key not in known:
            raise ConfigError(
                f"{path}: [{name}] has no key {key!r}{nearest(key, known)} (known: {', '.join(sorted(known))})"
            )
    if name == "default":
        return table
    if name in RESERVED_CACHES:
        raise ConfigError(f"{path}: [{name}] is reserved; give the cache another name")
    return _checked_cache(path, name, dict(table))


def _checked_cache(path: Path, name: str, table: dict[str, Any]) -> Mapping[str, Any]:
    kind = table.setdefault("type", "directory")
    if kind not in _TYPES:
        raise ConfigError(f"{path}: [{name}] type = {kind!r}{nearest(str(kind), _TYPES)} (known: {', '.join(_TYPES)})")
    if kind == "directory":
        if not isinstance(table.get("root"), str):
            raise ConfigError(f"{path}: [{name}] needs root, the path of its directory, as text")
        table["root"] = str((path.parent / Path(table["root"]).expanduser()).absolute())
    return table
