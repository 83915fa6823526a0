"""`CodeTree`: what a fingerprint is made of, for people: as text, as a table, as JSON; a layer above draws it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from types import FunctionType
from typing import TYPE_CHECKING, Any

from fleche.digest.code.graph import Node, graph_digest, node_digest
from fleche.digest.drawing import DRAWING
from fleche.digest.text import Digest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CodeTree", "tree_of"]

_EMPTY = Digest()
_AGAIN = "a small mutable value, looked at again at each call"
_WHY = {
    ("function", "source"): "its code, without comments, docstrings and layout",
    ("function", "bytecode"): "no source is known that compiles to it; under another minor version of Python it misses",
    ("function", "by name"): "of another package, whose code is not looked at",
    ("class", "by value"): "its fields and annotations; bases, attributes and methods count below",
    ("class", "by name"): "of another package, whose code is not looked at",
    ("constant", "by value"): "a value that cannot change in place",
    ("constant", "by binding"): "a large value, looked at when the name was bound; a change in place is not noticed",
    ("table", "by value"): "a container with code in it; each item counts below",
    ("wrapper", "by type"): "it wraps something, which counts below",
    ("wrapper", "by name"): "a method of an object, which counts below",
    ("attribute", "by name"): "an attribute of a function",
    ("state", "by name"): "the code changes it itself, so that its value does not count",
    ("opaque", "by type"): "it has no digest, so that only its type counts",
    ("module", "by name"): "a module, or what is taken of one; what your project has in it counts by itself",
    ("builtin", "by name"): "of Python itself, or compiled",
    ("unbound", "by name"): "nothing has this name yet",
    ("cycle", "by distance"): "it is inside itself, and counts further up",
    ("environment", "by version"): "a version that was asked for",
}
_FIXED = f"by value: {_WHY['constant', 'by value']}"
_ZEROS = re.compile(r"\b0+(?=\d)")  # labels are padded, to be sorted
_PLAIN = frozenset({"function", "class", "builtin", "module"})  # whose reason is what one expects


@dataclass(frozen=True, slots=True)
class CodeTree:
    """What a fingerprint is made of.

    Attributes:
        name: How the thing is called where it lives.
        kind: ``function``, ``class``, ``constant``, ``state``, ``opaque``, ``module``, ``builtin``, ``unbound``, …
        digest: Of the root: the fingerprint. Of any other node: of its own content, without what it reaches.
        how: ``source``, ``bytecode``, ``by value``, ``by binding`` (a large mutable value, digested when it was bound),
            ``by name`` (its content does not count), ``by version``, or ``by type``.
        children: What it reaches, by label, such as ``global helper`` or ``closure n``. What was shown before has none.
        source: By name, the literal source texts of the nodes whose source was used; at the root only.
        own: The digest of its own content, without what it reaches: at the root too.
        why: Why it counts and how, in words.
        again: Whether it was shown before, with its children; it is the same then.
    """

    name: str
    kind: str
    digest: Digest
    how: str
    children: tuple[tuple[str, CodeTree], ...] = ()
    source: tuple[tuple[str, str], ...] = ()
    own: Digest = _EMPTY
    why: str = ""
    again: bool = False

    def __str__(self) -> str:
        lines = []
        for depth, label, _, tree in self._walk():
            expected = (tree.kind in _PLAIN and tree.how != "bytecode") or tree.why == _FIXED
            why = tree.how if expected or not tree.why else tree.why
            via = f"{_ZEROS.sub('', label)}: " if label else ""
            lines.append(f"{'  ' * depth}{via}{tree.kind} {tree.name} {tree.digest[:8]} ({why})")
        return "\n".join(lines)

    def _walk(self) -> Iterator[tuple[int, str, str, CodeTree]]:
        """Yield depth, label, the name of what reaches it, and the node itself, as they are printed."""
        todo: list[tuple[int, str, str, CodeTree]] = [(0, "", "", self)]
        while todo:
            depth, label, above, tree = todo.pop()
            yield depth, label, above, tree
            todo.extend((depth + 1, name, tree.name, child) for name, child in reversed(tree.children))

    def rows(self) -> list[dict[str, Any]]:
        """Return the nodes as a table, each once, in the order of the text.

        Returns:
            Dicts of ``depth`` (0 is the function itself), ``name``, ``kind``, ``how``, ``why`` (in words), ``digest``,
            ``via`` (the label by which it is reached, such as ``global helper``) and ``reached_from`` (the name of what
            reaches it).

        >>> from fleche.digest.code import CodeWatch
        >>> [row["kind"] for row in CodeWatch(lambda: 1).tree().rows()]
        ['function']
        """
        return [
            {
                "depth": depth,
                "name": tree.name,
                "kind": tree.kind,
                "how": tree.how,
                "why": tree.why,
                "digest": tree.digest,
                "via": label,
                "reached_from": above,
            }
            for depth, label, above, tree in self._walk()
            if not tree.again
        ]

    def df(self) -> pd.DataFrame:
        """Return `rows` as a pandas data frame.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas as pd

        return pd.DataFrame(self.rows())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ARG002 - notebooks ask so
        printer.text(str(self))

    def _repr_html_(self) -> str | None:
        return None if DRAWING.tree is None else DRAWING.tree(self)

    def to_json(self) -> str:
        """Return the tree as JSON, stable to the byte: what a store keeps so that a later call can be compared.

        ``nodes`` lists the nodes breadth first, the root first; ``children`` gives the places of a node's children in
        that list, by label. The root has ``own`` beside ``digest``.
        """
        order = [self]
        nodes: list[dict[str, object]] = []
        for tree in order:
            plain: dict[str, object] = {"name": tree.name, "kind": tree.kind, "digest": tree.digest, "how": tree.how}
            if tree.own != tree.digest:
                plain["own"] = tree.own
            if tree.children:
                plain["children"] = {label: len(order) + at for at, (label, _) in enumerate(tree.children)}
                order.extend(child for _, child in tree.children)
            nodes.append(plain)
        return _json({"nodes": nodes})

    def source_json(self) -> str:
        """Return the literal source texts as JSON, by the name of their node."""
        return _json(dict(self.source))


def _json(content: object) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _why(kind: str, how: str, *, again: bool) -> str:
    words = _AGAIN if again else _WHY.get((kind, how), "")
    return f"{how}: {words}" if words else how


Walk = Callable[[Sequence[FunctionType]], Sequence[Node]]


def _numbered(root: Node, walk: Walk | None) -> list[Node]:
    """Return the nodes that a tree shows, the root first, breadth first, in the order of labels."""
    functions: dict[int, FunctionType] = {}
    while True:
        graphs = dict(zip(functions, walk(list(functions.values())), strict=True)) if functions and walk else {}
        order, seen = [root], {id(root)}
        before = len(functions)
        for node in order:
            node.within = dict(_within(node, graphs)) if node.functions else {}
            for _, child in sorted(node.shown().items(), key=itemgetter(0)):
                if id(child) not in seen:
                    seen.add(id(child))
                    order.append(child)
            functions.update((id(function), function) for function in node.functions)
        if len(functions) == before:  # all that are in values, and in values that those reach
            return order


def _within(node: Node, graphs: Mapping[int, Node]) -> Iterator[tuple[str, Node]]:
    """Yield the graphs of the functions in a value by label."""
    names: Counter[str] = Counter()
    for function in node.functions:
        found = graphs.get(id(function))
        if found is not None:
            names[found.name] += 1
            yield f"holds {found.name}{f' {names[found.name]:09}' if names[found.name] > 1 else ''}", found


def tree_of(root: Node, walk: Walk | None = None) -> CodeTree:
    """Return the tree of a graph: each node with its children where it is met first, breadth first.

    Args:
        root: The root of the graph.
        walk: Returns the graphs of functions that are in values; without it they are not shown.
    """
    order = _numbered(root, walk)
    first: dict[int, tuple[int, str]] = {}
    for node in order:
        shown = node.shown()
        for label in sorted(shown):
            first.setdefault(id(shown[label]), (id(node), label))
    made: dict[int, CodeTree] = {}
    for node in reversed(order):
        children = []
        shown = node.shown()
        for label in sorted(shown):
            child = shown[label]
            if child is not root and first[id(child)] == (id(node), label):
                children.append((label, made[id(child)]))
            else:
                children.append((label, _shown(child, (), again=True)))
        made[id(node)] = _shown(node, tuple(children), again=False)
    sources = tuple((node.name, node.source) for node in order if node.source is not None)
    return replace(made[id(root)], digest=graph_digest(root), source=sources)


def _shown(node: Node, children: tuple[tuple[str, CodeTree], ...], *, again: bool) -> CodeTree:
    own = node_digest(node)
    why = _why(node.kind, node.how, again=node.again)
    return CodeTree(node.name, node.kind, own, node.how, children, own=own, why=why, again=again)
