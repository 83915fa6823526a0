"""Which parts of a function's code differ between a stored fingerprint and today's, by name."""

from __future__ import annotations

import ast
import json
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fleche.digest.code import CodeTree
from fleche.digest.code.normal import normalise
from fleche.storage.base import CodeRecord

__all__ = ["Moved", "brought", "changed"]

Naming = Callable[[str], str]
Parts = dict[str, set[tuple[Any, ...]]]

_BRINGS = "brings "
_OURS = ("cached", "fleche")


class Moved:
    """What is called otherwise today, told from the names that a function had then and has now.

    A tree that is kept for a fingerprint has the names of whoever computed it first, such as ``__main__``.

    >>> Moved("__main__.Model.fit", "pkg.model.Model.fit")("__main__.clean")
    'pkg.model.clean'

    Args:
        old: Module and name of the function then.
        new: Module and name of the function now.
    """

    def __init__(self, old: str, new: str) -> None:
        one, other = old.split("."), new.split(".")
        self._pairs: list[tuple[str, str]] = []
        while one and other and one != other:
            self._pairs.append((".".join(one), ".".join(other)))
            one, other = one[:-1], other[:-1]

    def __call__(self, name: str) -> str:
        """Return the name that something has today, by its old name."""
        for old, new in self._pairs:
            if name == old or name.startswith(f"{old}."):
                return new + name[len(old) :]
        return name


def changed(old: CodeRecord, new: CodeTree, naming: Naming) -> tuple[str, ...]:
    """Return the names of what differs: functions, classes and constants that were edited, came or went.

    For people, and for choosing among fingerprints: names say less than fingerprints do, and where nothing that has a
    name differs nothing is returned.

    Args:
        old: What stands behind the stored fingerprint.
        new: Today's tree.
        naming: What is called otherwise today, by its old name.
    """
    try:
        before, after = json.loads(old.tree)["nodes"], json.loads(new.to_json())["nodes"]
        moved = Moved(before[0]["name"], new.name)

        def named(name: str) -> str:
            found = naming(name)
            return moved(name) if found == name else found

        sources = {named(name): text for name, text in json.loads(old.source).items()}
    except (ValueError, KeyError, TypeError, IndexError):
        return ()
    one, other = _parts(before, named), _parts(after, str)
    found = {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}
    root = new.name
    if _text(sources.get(root)) != _text(dict(new.source).get(root)):
        found.add(root)
    return tuple(sorted(found))


def brought(old: CodeRecord) -> tuple[str, ...]:
    """Return the qualified names of the classes whose code a stored fingerprint took from the arguments of calls."""
    try:
        root = json.loads(old.tree)["nodes"][0]
        return tuple(label.removeprefix(_BRINGS) for label in root.get("children", {}) if label.startswith(_BRINGS))
    except (ValueError, KeyError, TypeError, IndexError):
        return ()


def _parts(nodes: Iterable[Mapping[str, Any]], naming: Naming) -> Parts:
    """Return what each name stands for; of the root only what is reached, since its digest is that of the whole."""
    found: Parts = {}
    for place, node in enumerate(nodes):
        if place:
            found.setdefault(naming(node["name"]), set()).add((node["kind"], node["digest"]))
    return found


def _text(source: str | None) -> Any:
    """Return what a function's literal source says, without its name, layout and what this library adds."""
    if source is None:
        return None
    try:
        node = ast.parse(textwrap.dedent(source)).body[0]
    except (SyntaxError, IndexError, ValueError):
        return source
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return ast.dump(node)
    node.name = "_"
    kept = [each for each in node.decorator_list if not any(word in ast.unparse(each) for word in _OURS)]
    return normalise(node, decorators=kept)
