"""Reading configuration files."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleche.runtime.exceptions import ConfigError

__all__ = ["load_config_from_toml", "load_file"]


def load_config_from_toml(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """Return the settings in a TOML file; of a ``pyproject.toml`` only its table ``[tool.fleche.runtime]``.

    Raises:
        ConfigError: It is no TOML.
        OSError: It cannot be read.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}") from error
    if path.name != "pyproject.toml":
        return content
    table = content.get("tool", {}).get("fleche", {}).get("runtime", {})
    return table if isinstance(table, Mapping) else {}


def load_file(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """Return the settings in a file: ``.toml``, ``.json``, ``.yaml`` or ``.yml``.

    Raises:
        ValueError: Its name ends otherwise, or it holds no mapping.
        ConfigError: It cannot be parsed, or is YAML and ``pyyaml`` is not installed.
        OSError: It cannot be read.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind == ".toml":
        return load_config_from_toml(path)
    if kind == ".json":
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(f"{path} is no JSON: {error}") from error
    elif kind in (".yaml", ".yml"):
        content = _yaml(path)
    else:
        raise ValueError(f"{path}: a configuration file ends in .toml, .json, .yaml or .yml")
    if not isinstance(content, Mapping):
        raise ConfigError(f"{path} holds no mapping of settings")
    return content


def _yaml(path: Path) -> Any:
    try:
        import yaml  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        raise ConfigError(f"{path}: reading YAML needs the package pyyaml; or use TOML") from error
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no YAML: {error}") from error
