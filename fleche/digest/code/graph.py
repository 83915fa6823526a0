"""The graph of what a function reaches, and its canonical encoding.

A graph is numbered from its root, breadth first, edges in the order of their labels; so its digest depends on what is
reached and how, not on where a walk happened to enter a cycle. ``docs/formats/code.md`` gives the encoding.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from fleche.digest.algorithm import FORMAT, chosen
from fleche.digest.code.frames import text, word
from fleche.digest.text import Digest

__all__ = ["Node", "graph_digest", "node_digest"]

_GRAPH = f"{FORMAT} code".encode() + b"\x00"
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
        value: The value, where it holds objects of classes that are walked, whose names are in its digest.
        again: Whether it can change without being bound anew, and is looked at again at each call.
        functions: The walked functions in a value, which its digest has already.
        within: Their graphs by label, where a tree was asked for.
    """

    kind: str
    name: str
    label: bytes
    how: str
    edges: dict[str, Node] = field(default_factory=dict)
    source: str | None = None
    value: Any = None
    again: bool = False
    functions: tuple[FunctionType, ...] = ()
    within: dict[str, Node] = field(default_factory=dict)

    def shown(self) -> dict[str, Node]:
        """Return what a tree shows below the node."""
        return {**self.edges, **self.within} if self.within else self.edges

    def content(self) -> bytes:
        """Return the encoding of the node alone."""
        return _label(self.kind) + text(self.label)


def graph_digest(root: Node) -> Digest:
    """Return the digest of everything that can be reached from a node."""
    order, number = [root], {id(root): 0}
    parts: list[bytes] = []
    add = parts.append
    for node in order:
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


def node_digest(node: Node) -> Digest:
    """Return the digest of what a node is, without what it reaches."""
    return Digest.from_bytes(chosen().hash(_NODE + node.content()))
