"""Scope: which modules a fingerprint walks into, by their names, wherever they are installed."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from fleche.digest.code.identity import MAIN, function_identity

__all__ = ["Scope", "project_directory", "views"]

_MARKS = ("pyproject.toml", "fleche.toml", ".git")
_INSTALLED = ("site-packages", "dist-packages")


class Scope:
    """The modules that one fingerprint walks.

    Args:
        packages: Top-level packages that are walked, with all that is in them.
        directory: A project's directory: modules below it are walked too, unless they are installed packages or the
            standard library; None for none.
    """

    def __init__(self, packages: Iterable[str], directory: Path | None = None) -> None:
        self.packages = frozenset(packages)
        self.directory = directory
        self._known: dict[str, bool] = {}

    @classmethod
    def of(cls, root: Any, roots: Iterable[str] = ()) -> Scope:
        """Return the scope of a function or class: its own top-level package and the roots.

        For main, and for a module that is a single file and not installed, it is the project: the modules beside such
        a file are as much the user's own as the modules of a package are.
        """
        module = function_identity(root)[0]
        if module == MAIN:
            return cls(roots, project_directory())
        top = module.partition(".")[0]
        return cls({top, *roots}, _directory_of_file(top))

    def covers(self, module: str) -> bool:
        """Whether a module's code is walked; functions of other modules count by name alone."""
        known = self._known.get(module)
        if known is None:
            known = self._known[module] = self._covers(module)
        return known

    def _covers(self, module: str) -> bool:
        top = module.partition(".")[0]
        if top in self.packages or top in (MAIN, "__mp_main__"):
            return True
        if any(module == root or module.startswith(f"{root}.") for root in self.packages):
            return True
        return self.directory is not None and not installed(top) and _below(_origin(top), self.directory)


def views(root: Any, roots: Iterable[str] = ()) -> list[Scope]:
    """Return the scopes that a function may have had where it was: in a project, in a package, in main."""
    module = function_identity(root)[0]
    top = module.partition(".")[0]
    own = set() if module == MAIN else {top}
    found = [Scope({*own, *roots}, project_directory())]
    origin = None if module == MAIN or installed(top) else _origin(top)
    if origin is not None:
        found.append(Scope({*own, *roots}, _marked(Path(origin).absolute().parent)))
    return [*found, Scope({*own, *roots})]


def project_directory() -> Path:
    """Return the directory of the project that the main script or the notebook belongs to."""
    script = getattr(sys.modules.get(MAIN), "__file__", None)
    return _marked(Path(script).absolute().parent if script else Path.cwd())


def _directory_of_file(top: str) -> Path | None:
    """Return the directory of the project of a top-level module that is one file, or None for any other."""
    if hasattr(sys.modules.get(top), "__path__") or installed(top):
        return None
    origin = _origin(top)
    return None if origin is None else _marked(Path(origin).absolute().parent)


def _marked(start: Path) -> Path:
    for directory in (start, *start.parents):
        if any((directory / mark).exists() for mark in _MARKS):
            return directory
    return start


def installed(top: str) -> bool:
    """Whether a top-level package is of the standard library, or lies where packages are installed."""
    origin = _origin(top)
    if origin is None or any(part in _INSTALLED for part in Path(origin).parts):
        return True
    # A project may have a module of the same name as one of the library; then it lies elsewhere.
    library = top in sys.stdlib_module_names or top in sys.builtin_module_names
    return library and (not Path(origin).is_absolute() or _below(origin, Path(os.__file__).parent))


def _origin(top: str) -> str | None:
    module: ModuleType | None = sys.modules.get(top)
    try:
        spec = None if module is not None else importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    origin = getattr(module, "__file__", None) if module is not None else getattr(spec, "origin", None)
    if origin is None:
        paths = getattr(module if module is not None else spec, "__path__", None)
        paths = paths or getattr(spec, "submodule_search_locations", None)
        origin = next(iter(paths), None) if paths else None
    return None if origin is None else os.fspath(origin)


def _below(origin: str | None, directory: Path) -> bool:
    return origin is not None and Path(origin).absolute().is_relative_to(directory)
