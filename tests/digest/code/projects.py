"""Small packages that tests write, import, edit and import again."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

Files = dict[str, str]


@dataclass(frozen=True)
class Edit:
    """One edit of a package, and whether calls made before it are still hits."""

    title: str
    hit: bool
    before: Files
    after: Files


def edits(path: Path) -> list[Edit]:
    """Read the cases of a file."""
    cases = []
    for block in path.read_text().split("\n##### ")[1:]:
        title, _, body = block.partition("\n")
        verdict, _, name = title.partition(": ")
        before, after = body.split("\n===\n")
        assert verdict in ("hit", "miss"), title
        cases.append(Edit(name, verdict == "hit", _files(before), _files(after)))
    return cases


def _files(body: str) -> Files:
    parts = re.split(r"^--- (.+)$", body, flags=re.MULTILINE)
    return {name: text.strip("\n") + "\n" for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def write(directory: Path, files: Files) -> None:
    """Write a package ``pkg`` into a directory."""
    package = directory / "pkg"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").touch()
    for name, text in files.items():
        (package / name).write_text(text)


@contextmanager
def imported(directory: Path, name: str = "pkg.main") -> Iterator[ModuleType]:
    """Import a module of a package in a directory, and forget the package afterwards."""
    sys.path.insert(0, str(directory))
    importlib.invalidate_caches()
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield importlib.import_module(name)
    finally:
        sys.dont_write_bytecode = before
        sys.path.remove(str(directory))
        for module in [m for m in sys.modules if m == "pkg" or m.startswith("pkg.")]:
            del sys.modules[module]
