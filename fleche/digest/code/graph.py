"""The graph of what a function reaches, and its canonical encoding.

A graph is numbered from its root, breadth first, edges in the order of their labels; so its digest depends on what is
reached and how, not on where a walk happened to enter a cycle. ``docs/formats/code.md`` gives the encoding.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

from fleche.digest.algorithm import FORMAT, chosen
from fleche.digest.code.frames import text, word
from fleche.digest.drawing import DRAWING
from fleche.digest.text import Digest

__all__ = ["CodeTree", "Node", "graph_digest", "tree_of"]

_GRAPH = f"{FORMAT} code".encode() + b"\x00"
_EMPTY = Digest()
_NODE = f"{FORMAT} code node".encode() + b"\x00"


@dataclass(eq=False, slots=True)
class Node:
    """One thing that a function reaches.

    Attributes:
        kind: ``function``, ``class``, ``constant``, ``state``, ``opaque``, ``module``, ``builtin``, ``unbound``, …
        name: For people: how it is called where it lives.
        label: What it is, without what it reaches.
        how: How ``label`` was found: ``source``, ``bytecode``, ``by value``, ``by binding``, ``by name``, ``by type``.
        edges: What it reaches, by label.
        source: Its literal source text, where that was used.
    """

    kind: str
    name: str
    label: bytes
    how: str
    edges: dict[str, Node] = field(default_factory=dict)
    source: str | None = None

    def content(self) -> bytes:
        """Return the encoding of the node alone."""
        return _label(self.kind) + text(self.label)


def _numbered(root: Node) -> list[Node]:
    order, seen = [root], {id(root)}
    for node in order:
        for label in sorted(node.edges):
            child = node.edges[label]
            if id(child) not in seen:
                seen.add(id(child))
                order.append(child)
    return order


def graph_digest(root: Node) -> Digest:
    """Return the digest of everything that can be reached from a node."""
    order, number = [root], {id(root): 0}
    parts: list[bytes] = []
    add = parts.append
    for node in order:  # numbered as `_numbered` does, which a fingerprint cannot afford to do apart
        edges = node.edges
        add(node.content())
        add(word(len(edges)))
        for label in sorted(edges):
            child = edges[label]
            at = number.setdefault(id(child), len(order))
            if at == len(order):
                order.append(child)
            add(_label(label))
            add(word(at))
    return Digest.from_bytes(chosen().hash(b"".join((_GRAPH, word(len(order)), *parts))))


_label = functools.lru_cache(maxsize=1 << 14)(text)  # the same few names are met all over a project


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
    """

    name: str
    kind: str
    digest: Digest
    how: str
    children: tuple[tuple[str, CodeTree], ...] = ()
    source: tuple[tuple[str, str], ...] = ()
    own: Digest = _EMPTY

    def __str__(self) -> str:
        lines, todo = [], [(0, "", self)]
        while todo:
            depth, label, tree = todo.pop()
            via = f"{label}: " if label else ""
            lines.append(f"{'  ' * depth}{via}{tree.kind} {tree.name} {tree.digest[:8]} ({tree.how})")
            todo.extend((depth + 1, name, child) for name, child in reversed(tree.children))
        return "\n".join(lines)

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
    import json

    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def tree_of(root: Node) -> CodeTree:
    """Return the tree of a graph: each node with its children where it is met first, breadth first."""
    order = _numbered(root)
    first: dict[int, tuple[int, str]] = {}
    for node in order:
        for label in sorted(node.edges):
            first.setdefault(id(node.edges[label]), (id(node), label))
    made: dict[int, CodeTree] = {}
    hash_ = chosen().hash
    for node in reversed(order):
        own = Digest.from_bytes(hash_(_NODE + node.content()))
        children = []
        for label in sorted(node.edges):
            child = node.edges[label]
            if child is not root and first[id(child)] == (id(node), label):
                children.append((label, made[id(child)]))
            else:
                again = Digest.from_bytes(hash_(_NODE + child.content()))
                children.append((label, CodeTree(child.name, child.kind, again, child.how, own=again)))
        made[id(node)] = CodeTree(node.name, node.kind, own, node.how, tuple(children), own=own)
    sources = tuple((node.name, node.source) for node in order if node.source is not None)
    whole = made[id(root)]
    return CodeTree(whole.name, whole.kind, graph_digest(root), whole.how, whole.children, sources, whole.own)
