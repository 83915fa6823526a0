"""Small projects that tests write, import, edit and import again."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

Files = dict[str, str]


@dataclass(frozen=True)
class Edit:
    """One edit of a project, and what it must do to calls made before it.

    Attributes:
        title: What is edited.
        hit: Whether calls made before it are still hits.
        because: For a miss, the nodes of the code tree that changed, as "kind name"; ``arguments`` for those.
        before: The files before, by path.
        after: The files after.
        function: Where the function is, as "module function".
        call: The arguments of the call as Python text, or None for a function that is only fingerprinted.
    """

    title: str
    hit: bool
    because: frozenset[str]
    before: Files
    after: Files
    function: str = "pkg.main f"
    call: str | None = None


def edits(path: Path) -> list[Edit]:
    """Read the cases of a file."""
    return [_edit(block) for block in path.read_text().split("\n##### ")[1:]]


def _edit(block: str) -> Edit:
    title, _, body = block.partition("\n")
    verdict, _, name = title.partition(": ")
    before, parted, after = body.partition("\n===\n")
    heads = re.findall(r"^(\w+): (.+)$", before.partition("\n--- ")[0] if not before.startswith("---") else "", re.M)
    fields = dict(heads)
    assert verdict in ("hit", "miss"), title
    assert fields.keys() <= {"because", "function", "call"}, title
    assert parted, title
    assert ("because" in fields) == (verdict == "miss"), title
    files = _files(before)
    return Edit(
        title=name,
        hit=verdict == "hit",
        because=frozenset(fields["because"].split(", ")) if "because" in fields else frozenset(),
        before=files,
        after={path: text for path, text in (files | _files(after)).items() if text is not None},
        function=fields.get("function", "pkg.main f"),
        call=fields.get("call"),
    )


def _files(body: str) -> Any:
    """Return the files of a half, by path; None for one that is gone."""
    parts = re.split(r"^--- (.+)$", body, flags=re.MULTILINE)
    files: dict[str, str | None] = {}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        path, _, gone = name.partition(" (gone)")
        files[path] = None if gone or name.endswith("(gone)") else text.strip("\n") + "\n"
    return files


def write(directory: Path, files: Files) -> None:
    """Write a project: files of the package ``pkg`` by their names, others by a path that begins with ``/``."""
    for name, text in {"__init__.py": "", **files}.items():
        path = directory / name[1:] if name.startswith("/") else directory / "pkg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@contextmanager
def imported(directory: Path, name: str = "pkg.main") -> Iterator[ModuleType]:
    """Import a module of a project in a directory, and forget the project afterwards.

    A name that ends in ``.py`` is a script: it runs as ``__main__``. What others imported under names of the project
    is not there meanwhile.
    """
    own = {path.stem for path in directory.iterdir()}
    hidden = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in own}
    for each in hidden:
        del sys.modules[each]
    sys.path.insert(0, str(directory))
    importlib.invalidate_caches()
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    main = sys.modules["__main__"]
    try:
        yield _script(directory / name) if name.endswith(".py") else importlib.import_module(name)
    finally:
        sys.modules["__main__"] = main
        sys.dont_write_bytecode = before
        sys.path.remove(str(directory))
        for found in [name for name, module in sys.modules.items() if _below(name, module, directory)]:
            del sys.modules[found]
        sys.modules.update(hidden)


def _script(path: Path) -> ModuleType:
    module = ModuleType("__main__")
    module.__file__ = str(path)
    module.__spec__ = None
    sys.modules["__main__"] = module
    exec(compile(path.read_text(), str(path), "exec", dont_inherit=True), vars(module))
    return module


def _below(name: str, module: Any, directory: Path) -> bool:
    if name.partition(".")[0] == "pkg":
        return True
    paths = getattr(module, "__path__", ())
    # torch.classes has a path that is no iterable.
    paths = map(str, paths) if isinstance(paths, Iterable) else ()
    places = [getattr(module, "__file__", None) or "", *paths]
    return any(place.startswith(f"{directory}/") for place in places)
