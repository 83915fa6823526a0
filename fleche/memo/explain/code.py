"""What differs between two code trees: which parts, how they are reached, and their source."""

from __future__ import annotations

import ast
import difflib
import json
import re
import textwrap
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fleche.digest import Digest
from fleche.digest.code import CodeTree
from fleche.digest.code.normal import FUNCTIONS, normalise
from fleche.memo.changes import Moved
from fleche.storage.base import CodeRecord

__all__ = ["Change", "CodeChange", "CodeGraph", "alike", "code_changes", "differences_of", "kept_graph"]

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
        how: How it counts: ``source``, ``bytecode``, ``by value``, … as in a `CodeTree`.
        chain: The names from the function to it, both included.
        text: What changed, in words.
        diff: A small unified diff of its source, where both sources are known and differ.
        follows: Whether it is there because what reaches it was edited.
    """

    name: str
    kind: str
    change: Change
    how: str
    chain: tuple[str, ...]
    text: str
    diff: str = ""
    follows: bool = False

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
    own: str  # the digest of its own content; empty where that is not known
    how: str
    children: dict[str, _Node] = field(default_factory=dict)

    @property
    def mark(self) -> tuple[str, str, str]:
        return self.kind, self.name, self.own


class CodeGraph:
    """A code tree with its sources, as a store keeps both.

    Args:
        tree: What `CodeTree.to_json` gave.
        source: What `CodeTree.source_json` gave.

    Raises:
        ValueError: The text is no such tree.
    """

    def __init__(self, tree: str, source: str) -> None:
        plain = json.loads(tree)["nodes"]
        nodes = [
            _Node(str(each["name"]), str(each["kind"]), str(each.get("own", each["digest"])), str(each["how"]))
            for each in plain
        ]
        for node, each in zip(nodes, plain, strict=True):
            node.children = {label: nodes[at] for label, at in each.get("children", {}).items()}
        self.root = nodes[0]
        self.digest = str(plain[0]["digest"])
        if "own" not in plain[0] and self.root.children:
            self.root.own = ""  # written by an earlier version
        self.sources: Mapping[str, str] = json.loads(source)
        self._whole: dict[tuple[str, str, str], _Node] = {}
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
        whole = self._whole.get(node.mark)
        if whole is None and (node.kind, node.name) == (self.root.kind, self.root.name):
            whole = self.root
        return {} if whole is None else whole.children


def kept_graph(source: object, digest: Digest) -> CodeGraph | None:
    """Return the tree behind a fingerprint, or None where it is not kept, or is none.

    Args:
        source: A cache.
        digest: The fingerprint.
    """
    read = getattr(source, "code_record", None)
    try:
        kept = None if read is None else read(digest)
        return None if kept is None else CodeGraph.of_record(kept)
    except Exception:  # of a store that cannot be read, or of a later version
        return None


def code_changes(old: CodeGraph, new: CodeGraph) -> tuple[CodeChange, ...]:
    """Return what differs between two code trees: what was edited first, then what came and went.

    Parts are told apart by the names through which they are reached.
    """
    return _Comparison(old, new).run()


class _Comparison:
    def __init__(self, old: CodeGraph, new: CodeGraph) -> None:
        self._old = old
        self._new = new
        self._moved = Moved(old.root.name, new.root.name)
        self._found: dict[tuple[str, str, str], CodeChange] = {}

    def run(self) -> tuple[CodeChange, ...]:
        old, new = self._old.root, self._new.root
        if self._old.digest == self._new.digest:
            return ()
        start: tuple[str, ...] = (_short(new.name),)
        todo = deque([(old, new, start, "")])
        seen = {(old.mark, new.mark)}
        while todo:
            before, after, chain, label = todo.popleft()
            changed = self._changed(before, after)
            if changed:
                follows = after.kind == "constant" and self._differs_below(before, after)
                self._note(replace(self._change(before, after, chain, label), follows=follows))
                if before.kind != after.kind or self._moved(before.name) != after.name:
                    continue
            one, other = self._old.children(before), self._new.children(after)
            for name in sorted(one.keys() | other.keys()):
                pair = one.get(name), other.get(name)
                if pair[0] is None or pair[1] is None:
                    self._edge(name, pair[0], pair[1], chain, follows=changed)
                elif (marks := (pair[0].mark, pair[1].mark)) not in seen or pair[0].children or pair[1].children:
                    seen.add(marks)
                    todo.append((pair[0], pair[1], (*chain, _short(pair[1].name)), name))
        if not self._found:  # of a tree of an earlier version, which does not tell whether the root changed
            self._note(self._change(old, new, start, ""))
        return tuple(sorted(self._found.values(), key=_weight))

    def _differs_below(self, old: _Node, new: _Node) -> bool:
        """Whether what a value holds, such as the functions in a table, accounts for its other digest."""
        todo, seen = [(old, new)], {(id(old), id(new))}
        while todo:
            before, after = todo.pop()
            one, other = self._old.children(before), self._new.children(after)
            if one.keys() != other.keys():
                return True
            for name, child in one.items():
                if name.startswith("class "):  # of which it is an object: that is no part of its value
                    continue
                if self._changed(child, other[name]):
                    return True
                if (mark := (id(child), id(other[name]))) not in seen:
                    seen.add(mark)
                    todo.append((child, other[name]))
        return False

    def _changed(self, old: _Node, new: _Node) -> bool:
        if old.kind != new.kind:
            return True
        if old.own and new.own:
            return old.own != new.own
        sources = self._old.sources.get(old.name), self._new.sources.get(new.name)
        return old.how != new.how or not _same_source(*sources)

    def _note(self, change: CodeChange) -> None:
        """Note a change, where it is reached first; what follows from another gives way to what does not."""
        mark = change.kind, change.name, change.change
        if mark not in self._found or (self._found[mark].follows and not change.follows):
            self._found[mark] = change

    def _edge(self, label: str, old: _Node | None, new: _Node | None, chain: tuple[str, ...], *, follows: bool) -> None:
        """Note what is reached anew, or no more."""
        node = new if old is None else old
        assert node is not None
        where = chain[-1]
        if label.startswith(("base ", "metaclass")):
            text = f"{_what(node)} is {'now' if old is None else 'no longer'} a base of {where}"
        elif label.startswith("brings "):
            text = (
                f"an argument {'holds' if old is None else 'no longer holds'} a {_what(node)}, whose methods are code"
            )
        else:
            text = f"{_what(node)} is {'now' if old is None else 'no longer'} part of {where}"
        self._note(
            CodeChange(
                name=node.name,
                kind=node.kind,
                change="added" if old is None else "removed",
                how=node.how,
                chain=(*chain, _short(node.name)),
                text=text,
                follows=follows,
            )
        )

    def _change(self, old: _Node, new: _Node, chain: tuple[str, ...], label: str) -> CodeChange:
        diff, said = "", _PADDED.sub("", label)
        if old.kind != new.kind or (self._moved(old.name) != new.name and new.kind not in ("constant", "opaque")):
            text = f"{said} is {_what(new)} now, and was {_what(old)}" if label else f"was {_what(old)}"
            if old.kind != new.kind:
                text += f" ({old.kind} -> {new.kind})"
        elif old.how != new.how and {old.how, new.how} == {"source", "bytecode"}:
            text = f"{_what(new)} counts by its {_HOW[new.how]} now, and counted by its {_HOW[old.how]}"
        else:
            text = _CHANGED.get(new.kind, "{} is another one").format(_what(new))
            diff = self._diff(old.name, new.name)
            if label.startswith("default ") and len(chain) > 1:
                text = f"the default of {label.removeprefix('default ')} in {chain[-2]} is another one"
            elif label.startswith("closure ") and len(chain) > 1 and new.kind != "function":
                text = f"{label.removeprefix('closure ')}, which {chain[-2]} encloses, is another one"
        return CodeChange(
            name=new.name, kind=new.kind, change="changed", how=new.how, chain=chain, text=text, diff=diff
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


def _short(name: str) -> str:
    return name.removeprefix("__main__.")


def _weight(change: CodeChange) -> tuple[int, int]:
    """What was edited itself tells more than what came or went with it; what is near more than what is far."""
    return (2 if change.follows else {"changed": 0, "removed": 1, "added": 1}[change.change]), len(change.chain)


def source_diff(old: str, new: str) -> str:
    r"""Return a small unified diff of two sources, without their indentation.

    >>> print(source_diff("def f(x):\n    return x\n", "def f(x):\n    return x + 1\n"))
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


def _same_source(old: str | None, new: str | None, *, named: bool = True) -> bool:
    """Whether two sources of a function say the same, apart from decorators of this library and what does not count.

    Where that is not sure they do not.

    Args:
        old: The one source.
        new: The other.
        named: Whether the function's name counts.
    """
    if old is None or new is None or (old == new and named):
        return old == new and old is not None
    one, other = _parsed(old), _parsed(new)
    if one is None or other is None:
        return False
    if not named and hasattr(one, "name") and hasattr(other, "name"):
        if _holds_private(one):
            return False  # names that carry the name of a class, which a source does not tell
        one.name = other.name
    return normalise(one, decorators=_kept(one)) == normalise(other, decorators=_kept(other))


def _kept(node: Any) -> list[ast.expr]:
    """Return the decorators of a function that are not, by their name, of this library."""
    found = []
    for decorator in getattr(node, "decorator_list", []):
        place = decorator.func if isinstance(decorator, ast.Call) else decorator
        text = ast.unparse(place)
        if text.rpartition(".")[2] not in ("cached", "fleche"):
            found.append(decorator)
    return found


def _holds_private(node: Any) -> bool:
    names = (
        getattr(each, field, "") for each in ast.walk(node) for field in ("id", "attr", "arg") if hasattr(each, field)
    )
    return any(isinstance(n, str) and n.startswith("__") and not n.endswith("__") for n in names)


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
    from fleche.digest.code.tree import tree_of
    from fleche.digest.code.watch import graph_of

    before, after = graph_of(old), graph_of(new)
    if before is None or after is None:  # known by their names
        return iter(())
    return map(str, code_changes(CodeGraph.of_tree(tree_of(before)), CodeGraph.of_tree(tree_of(after))))


def alike(old: CodeGraph, new: CodeGraph) -> bool:
    """Whether two functions have the same code, whatever they and what they reach are called.

    So it is if a function was renamed or moved.
    """
    if old.digest == new.digest:
        return True
    if not _same_source(old.sources.get(old.root.name), new.sources.get(new.root.name), named=False):
        return False
    todo, seen = [(old.root, new.root)], {(id(old.root), id(new.root))}
    while todo:
        before, after = todo.pop()
        one, other = old.children(before), new.children(after)
        if one.keys() != other.keys():
            return False
        for label, child in one.items():
            pair = child, other[label]
            roots = pair[0].mark == old.root.mark, pair[1].mark == new.root.mark
            if roots == (True, True):
                continue
            if (pair[0].kind, pair[0].own) != (pair[1].kind, pair[1].own):
                return False
            if (id(pair[0]), id(pair[1])) not in seen:
                seen.add((id(pair[0]), id(pair[1])))
                todo.append(pair)
    return True
