"""Configuration files: found, read, checked and merged."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleche.config.checking import Checker
from fleche.config.schema import RESERVED_CACHES, RESERVED_TABLES
from fleche.errors import ConfigError

__all__ = ["Settings", "read_settings"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the configuration files say, merged: of two files that have a table, the nearer one's counts.

    Attributes:
        tables: Tables by name; paths in them are absolute.
        origin: The file that each table came from.
        files: The files that were read, nearest first.
    """

    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    origin: Mapping[str, Path] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

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
    files = []
    for path, found in _documents(start):
        files.append(path)
        for name, table in found.items():
            if name not in tables:
                tables[name] = _checked(path, name, table)
                origin[name] = path
    return Settings(tables=tables, origin=origin, files=tuple(files))


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
    if name in RESERVED_CACHES - RESERVED_TABLES:
        raise ConfigError(f"{path}: [{name}] is reserved; give the cache another name")
    checker = Checker(str(path), path.parent)
    return checker.default(table) if name == "default" else checker.cache(name, table)
