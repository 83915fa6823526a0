"""What differs between two code trees: which functions, constants and classes, how they are reached, and their source."""

from __future__ import annotations

import ast
import difflib
import json
import re
import textwrap
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fleche.digest.code import CodeTree
from fleche.digest.code.normal import FUNCTIONS, normalise
from fleche.storage.base import CodeRecord

__all__ = ["Change", "CodeChange", "CodeGraph", "code_changes", "differences_of"]

_LINES = 24  # of a source diff
_CHAIN = 6  # names of a chain that are shown
_PADDED = re.compile(r"\b0+(?=\d)")  # labels are padded, to be sorted

Change = str
"""``changed``, ``added`` or ``removed``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeChange:
    """One part of the code that is another one now.

    Attributes:
        name: How it is called where it lives: ``utils.clean``.
        kind: ``function``, ``class``, ``constant``, ``environment``, …
        change: ``changed``, ``added`` (it is reached now, and was not) or ``removed``.
        how: How it counts: ``source``, ``bytecode``, ``by value``, ``by binding``, ``by name``, ``by version``, ``by type``.
        chain: The names from the function to it, both included.
        text: What changed, in words.
        diff: A small unified diff of its source, where both sources are known and differ.
        label: How its holder reaches it: ``global clean``, ``default factor``.
    """

    name: str
    kind: str
    change: Change
    how: str
    chain: tuple[str, ...]
    text: str
    diff: str = ""
    label: str = ""

    @property
    def path(self) -> str:
        """The way from the function to it: ``train.fit -> utils.clean``."""
        names = self.chain if len(self.chain) <= _CHAIN else (*self.chain[:3], "…", *self.chain[-2:])
        return " -> ".join(names)

    def __str__(self) -> str:
        return f"{self.text} ({self.path})" if len(self.chain) > 1 else self.text

    def json(self) -> dict[str, Any]:
        """Return the fields, as plain data."""
        return {
            "name": self.name,
            "kind": self.kind,
            "change": self.change,
            "how": self.how,
            "chain": list(self.chain),
            "text": self.text,
            "diff": self.diff,
        }


@dataclass(slots=True)
class _Node:
    name: str
    kind: str
    digest: str
    how: str
    children: dict[str, _Node] = field(default_factory=dict)

    @property
    def mark(self) -> tuple[str, str, str, str]:
        return self.kind, self.name, self.digest, self.how


class CodeGraph:
    """A code tree with its sources, as a store keeps both.

    Args:
        tree: What `CodeTree.to_json` gave.
        source: What `CodeTree.source_json` gave.

    Raises:
        ValueError: The text is no such tree.
    """

    def __init__(self, tree: str, source: str) -> None:
        nodes = [
            _Node(str(node["name"]), str(node["kind"]), str(node["digest"]), str(node["how"]))
            for node in json.loads(tree)["nodes"]
        ]
        for node, plain in zip(nodes, json.loads(tree)["nodes"], strict=True):
            node.children = {label: nodes[at] for label, at in plain.get("children", {}).items()}
        self.root = nodes[0]
        self.sources: Mapping[str, str] = json.loads(source)
        self._whole: dict[tuple[str, str, str, str], _Node] = {}
        for node in nodes:
            if node.children:
                self._whole.setdefault(node.mark, node)

    @classmethod
    def of_record(cls, record: CodeRecord) -> CodeGraph:
        """Return the tree that a store keeps.

        Raises:
            ValueError: It is none.
        """
        try:
            return cls(record.tree, record.source)
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"no code tree: {error!r}") from error

    @classmethod
    def of_tree(cls, tree: CodeTree) -> CodeGraph:
        """Return a tree of this process."""
        return cls(tree.to_json(), tree.source_json())

    def children(self, node: _Node) -> Mapping[str, _Node]:
        """Return what a node reaches; in the tree that is written only where the node is first met."""
        if node.children:
            return node.children
        if node.name == self.root.name and node.kind == self.root.kind:
            return self.root.children
        whole = self._whole.get(node.mark)
        return {} if whole is None else whole.children


def code_changes(old: CodeGraph, new: CodeGraph) -> tuple[CodeChange, ...]:
    """Return what differs between two code trees: what changed itself first, then what came and went.

    Parts are told apart by the names through which they are reached. Where nothing else differs, the function at the
    root is what changed.
    """
    return _Comparison(old, new).run()


class _Comparison:
    def __init__(self, old: CodeGraph, new: CodeGraph) -> None:
        self._old = old
        self._new = new
        self._found: list[CodeChange] = []
        self._told: set[tuple[str, str, str]] = set()

    def run(self) -> tuple[CodeChange, ...]:
        old, new = self._old.root, self._new.root
        if old.digest == new.digest:
            return ()
        todo = deque([(old, new, (_short(new.name),))])
        seen = {(id(old), id(new))}
        self._root(old, new)
        while todo:
            before, after, chain = todo.popleft()
            one, other = self._old.children(before), self._new.children(after)
            for label in sorted(one.keys() | other.keys()):
                pair = self._edge(label, one.get(label), other.get(label), chain)
                if pair is not None and (id(pair[0]), id(pair[1])) not in seen:
                    seen.add((id(pair[0]), id(pair[1])))
                    todo.append(pair)
        if not self._found:
            self._found.append(self._change(old, new, (_short(new.name),), ""))
        return tuple(sorted(self._found, key=_weight))

    def _root(self, old: _Node, new: _Node) -> None:
        """Tell whether the function at the root changed itself: its digest is that of everything that it reaches."""
        if (old.kind, old.how) != (new.kind, new.how) or not _same_source(
            self._old.sources.get(old.name), self._new.sources.get(new.name)
        ):
            self._found.append(self._change(old, new, (_short(new.name),), ""))

    def _edge(
        self, label: str, old: _Node | None, new: _Node | None, chain: tuple[str, ...]
    ) -> tuple[_Node, _Node, tuple[str, ...]] | None:
        """Note what differs at one edge, and return the pair to go on with."""
        if old is None or new is None:
            node = new if old is None else old
            assert node is not None
            change = "added" if old is None else "removed"
            verb = "is used now" if old is None else "is no longer used"
            if label.startswith(("base", "metaclass")):
                verb = "is a base now" if old is None else "is no longer a base"
            self._add(node, change, (*chain, _short(node.name)), f"{_what(node)} {verb}", label)
            return None
        path = (*chain, _short(new.name))
        if old is self._old.root or new is self._new.root:
            if old is not self._old.root or new is not self._new.root:
                self._add(new, "changed", path, f"{_named(label)} is {_what(new)} now, and was {_what(old)}", label)
            return None
        if old.mark == new.mark:
            return old, new, path
        if _is_root(old, self._old) and _is_root(new, self._new):
            return None  # met again: shown without what it reaches
        change = self._change(old, new, path, label)
        mark = change.kind, change.name, change.change
        if mark not in self._told:
            self._told.add(mark)
            self._found.append(change)
        return (old, new, path) if old.kind == new.kind else None

    def _change(self, old: _Node, new: _Node, chain: tuple[str, ...], label: str) -> CodeChange:
        diff = ""
        if old.kind != new.kind or (old.name != new.name and old.kind != "constant"):
            text = f"{_named(label)} is {_what(new)} now, and was {_what(old)}" if label else f"was {_what(old)}"
        elif old.how != new.how and {old.how, new.how} == {"source", "bytecode"}:
            text = f"{_what(new)} counts by its {_HOW[new.how]} now, and counted by its {_HOW[old.how]}"
        else:
            text = _CHANGED.get(new.kind, "{} is another one").format(_what(new))
            diff = self._diff(old.name, new.name)
            if label.startswith("default "):
                text = f"the default of {label.removeprefix('default ')} in {chain[-2]} is another one"
            elif label.startswith("closure "):
                text = f"the value of {label.removeprefix('closure ')} that {chain[-2]} encloses is another one"
        return CodeChange(
            name=new.name, kind=new.kind, change="changed", how=new.how, chain=chain, text=text, diff=diff, label=label
        )

    def _add(self, node: _Node, change: Change, chain: tuple[str, ...], text: str, label: str) -> None:
        mark = node.kind, node.name, change
        if mark not in self._told:
            self._told.add(mark)
            self._found.append(
                CodeChange(
                    name=node.name, kind=node.kind, change=change, how=node.how, chain=chain, text=text, label=label
                )
            )

    def _diff(self, old: str, new: str) -> str:
        before, after = self._old.sources.get(old), self._new.sources.get(new)
        return "" if before is None or after is None else source_diff(before, after)


_HOW = {"source": "source", "bytecode": "compiled code"}
_CHANGED = {
    "function": "{} was edited",
    "class": "{} was edited",
    "constant": "{} has another value",
    "environment": "{} has another version",
    "module": "{} is another module",
    "opaque": "{} is of another type",
}
_WORDS = {"environment": "package "}


def _what(node: _Node) -> str:
    return f"{_WORDS.get(node.kind, '')}{_short(node.name)}"


def _named(label: str) -> str:
    return _PADDED.sub("", label)


def _short(name: str) -> str:
    return name.removeprefix("__main__.")


def _is_root(node: _Node, graph: CodeGraph) -> bool:
    return (node.kind, node.name) == (graph.root.kind, graph.root.name) and not node.children


def _weight(change: CodeChange) -> tuple[int, int]:
    """What was edited itself tells more than what came or went with it; what is near more than what is far."""
    return {"changed": 0, "removed": 1, "added": 1}[change.change], len(change.chain)


def source_diff(old: str, new: str) -> str:
    """Return a small unified diff of two sources, without their indentation.

    >>> print(source_diff("def f(x):\\n    return x\\n", "def f(x):\\n    return x + 1\\n"))
    -    return x
    +    return x + 1
    """
    before, after = (textwrap.dedent(text).splitlines() for text in (old, new))
    lines = list(difflib.unified_diff(before, after, lineterm="", n=1))[2:]
    shown = [line for line in lines if not line.startswith("@@")] if len(lines) <= 6 else lines
    shown = [line for line in shown if line.startswith(("+", "-", "@"))] if len(lines) <= 6 else shown
    if len(shown) > _LINES:
        shown = [*shown[:_LINES], f"… {len(shown) - _LINES} more lines"]
    return "\n".join(line[:200] for line in shown)


def _same_source(old: str | None, new: str | None) -> bool:
    """Whether two sources of a function say the same, apart from decorators of this library and what does not count."""
    if old is None or new is None or old == new:
        return old == new
    one, other = _parsed(old), _parsed(new)
    if one is None or other is None:
        return False
    same: bool = normalise(one, decorators=[]) == normalise(other, decorators=[])
    return same


def _parsed(source: str) -> Any:
    text = textwrap.dedent(source)
    for attempt in (text, f"({text.strip()})"):
        try:
            tree = ast.parse(attempt)
        except SyntaxError:
            continue
        return next((node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)), None)
    return None


def differences_of(old: Any, new: Any) -> Iterator[str]:
    """Yield what differs between two functions or classes that are values, in words."""
    from fleche.digest.code.watch import value_tree

    found = code_changes(CodeGraph.of_tree(value_tree(old)), CodeGraph.of_tree(value_tree(new)))
    return map(str, found)
