"""What a function that is an argument holds, and cannot be told from another: then the call has no key.

Code that reaches a client by a global name reaches the same one at each call, so that its name will do. A function that
is handed over brings its own: two lambdas of the same text over two clients are two values.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from fleche.digest.code.graph import Node
from fleche.digest.code.labels import frames_of
from fleche.digest.code.watch import graph_of
from fleche.digest.names import lookup
from fleche.digest.refusals import capturing, is_without_content
from fleche.errors import Indigestible

__all__ = ["check_captured"]

_HELD = ("closure ", "default ")
_PARTS = frozenset({"wrapper", "table"})


def check_captured(path: str, function: FunctionType) -> None:
    """Check that everything that a function captured has a digest; what has no content, such as a lock, need not.

    Args:
        path: Where the function is.
        function: The function.

    Raises:
        Indigestible: Something has none.
    """
    found = lookup(function.__module__ or "", function.__qualname__)
    if found is function or getattr(found, "__wrapped__", None) is function:
        return  # there is one of it, and it is known by its name
    root = graph_of(function)
    for name, node in _opaque(root, set()) if root is not None else ():
        module, qualname = (*(frames_of(node.label) or ()), "", "")[:2]
        if not is_without_content(module, qualname) and not _is_silent(_loaded(module, qualname)):
            raise capturing(path, function.__name__, name, f"{module}.{qualname}", _cause(function, name))


def _opaque(node: Node, seen: set[int]) -> Iterator[tuple[str, Node]]:
    """Yield what is known by its type only of what a function holds, by name."""
    if id(node) in seen:
        return
    seen.add(id(node))
    for label, child in node.edges.items():
        kind, _, name = label.partition(" ")
        if node.kind == "function" and not label.startswith(_HELD):
            continue
        whole = name if node.kind == "function" else kind
        if child.kind == "opaque":
            yield whole, child
        elif child.kind in _PARTS or child.kind == "function":
            for inner, found in _opaque(child, seen):
                yield f"{whole}: {inner}", found


def _is_silent(cls: type | None) -> bool:
    logging = sys.modules.get("logging")
    return logging is not None and cls is not None and issubclass(cls, (logging.Filterer, logging.LoggerAdapter))


def _cause(function: FunctionType, name: str) -> Indigestible | None:
    """Return why what a free variable or a default holds has no digest."""
    from fleche.digest.walk import digest  # which asks here: each needs the other

    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    try:
        digest(cells[name].cell_contents, name=name)
    except Indigestible as error:
        return error
    except (KeyError, ValueError):
        return None
    return None


def _loaded(module: str, qualname: str) -> type | None:
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None
