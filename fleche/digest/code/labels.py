"""Labels of nodes read back: normalised source and classes as trees, changed in their names, and written again.

What ``docs/formats/code.md`` specifies is self-delimiting, so that a label can be read without the code behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from fleche.digest.code.frames import text, word

__all__ = [
    "Bytecode",
    "Tree",
    "TreeNode",
    "class_label_of",
    "frames_of",
    "nodes_of",
    "read_bytecode",
    "read_source",
    "write_source",
]

_LETTERS = frozenset(b"NTFE")
_SIZED = frozenset(b"ifsb")
_BODIES = frozenset({"FunctionDef", "AsyncFunctionDef", "Lambda", "ClassDef"})


class Unread(ValueError):
    """A label is not what the format says."""


@dataclass(slots=True)
class TreeNode:
    """One node of a syntax tree as it was read: fields in order, and the body of a function or class."""

    name: str
    fields: list[tuple[str, Tree]] = field(default_factory=list)
    body: Tree | None = None

    def get(self, name: str) -> Tree | None:
        """Return a field, or None."""
        return next((value for key, value in self.fields if key == name), None)


Tree = TreeNode | list[Any] | str | bytes
"""A node, a list, an identifier, or the bytes of anything else."""


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        found = self._data[self.at : self.at + count]
        if len(found) != count or count < 0:
            raise Unread("a label ends early")
        self.at += count
        return found

    def word(self) -> int:
        return int.from_bytes(self.take(8), "little")

    def text(self) -> bytes:
        return self.take(self.word())

    def done(self) -> bool:
        return self.at == len(self._data)

    def tree(self) -> Tree:
        start = self.at
        letter = self.take(1)
        if letter == b"n":
            node = TreeNode(_string(self.text()))
            for _ in range(self.word()):
                name = _string(self.text())
                node.fields.append((name, self.tree()))
            if node.name in _BODIES:
                node.body = self.tree()
            return node
        if letter == b"l":
            return [self.tree() for _ in range(self.word())]
        if letter == b"s":
            return _string(self.text())
        if letter == b"k":
            self.constant()
        else:
            self.at = start
            self.constant()
        return self._data[start : self.at]

    def constant(self) -> None:
        letter = self.take(1)[0]
        if letter in _LETTERS:
            return
        if letter in _SIZED:
            self.text()
        elif letter == ord("c"):
            self.constant()
            self.constant()
        elif letter in b"tz":
            for _ in range(self.word()):
                self.constant()
        else:
            raise Unread(f"{letter:#x} begins no constant")


def _string(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def read_source(data: bytes) -> TreeNode | None:
    """Return the tree of normalised source, or None where it cannot be read back to the byte."""
    try:
        reader = _Reader(data)
        tree = reader.tree()
        whole = reader.done() and isinstance(tree, TreeNode) and write_source(tree) == data
    except (ValueError, RecursionError):
        return None
    return tree if whole and isinstance(tree, TreeNode) else None


def write_source(tree: Tree) -> bytes:
    """Return the bytes of a tree."""
    parts: list[bytes] = []
    _write(tree, parts)
    return b"".join(parts)


def _write(tree: Tree, parts: list[bytes]) -> None:
    if isinstance(tree, TreeNode):
        parts.append(b"n" + text(tree.name) + word(len(tree.fields)))
        for name, value in tree.fields:
            parts.append(text(name))
            _write(value, parts)
        if tree.body is not None:
            _write(tree.body, parts)
    elif isinstance(tree, list):
        parts.append(b"l" + word(len(tree)))
        for item in tree:
            _write(item, parts)
    elif isinstance(tree, str):
        parts.append(b"s" + text(tree))
    else:
        parts.append(tree)


def frames_of(data: bytes) -> list[str] | None:
    """Return the texts that a label is made of, or None where it is made of something else."""
    reader, found = _Reader(data), []
    try:
        while not reader.done():
            found.append(_string(reader.text()))
    except ValueError:
        return None
    return found


def class_label_of(data: bytes, name: Callable[[str], str], module: Callable[[str, str], tuple[str, str]]) -> bytes:
    """Return the label of a class with its names changed.

    Args:
        data: The label.
        name: Given the name of the class, returns its new one.
        module: Given module and qualified name of a class in an annotation, returns the new ones.

    Raises:
        ValueError: It cannot be read.
    """
    reader = _Reader(data)
    parts = [text(name(_string(reader.text())))]
    count = reader.word()
    parts.append(word(count))
    for _ in range(count):
        parts.append(text(reader.text()))
        parts.append(text(_annotation(reader.text(), module)))
    return b"".join([*parts, data[reader.at :]])


def _annotation(data: bytes, module: Callable[[str, str], tuple[str, str]]) -> bytes:
    reader = _Reader(data)
    letter = reader.take(1)
    if letter == b"n":
        new = module(_string(reader.text()), _string(reader.text()))
        return b"n" + text(new[0]) + text(new[1])
    if letter not in (b"g", b"l"):
        return data
    head = b""
    if letter == b"g":
        head = reader.text()
        with suppress(ValueError):  # the name of a type, and no annotation
            head = _annotation(head, module)
        head = text(head)
    parts = [_annotation(reader.text(), module) for _ in range(reader.word())]
    return letter + head + word(len(parts)) + b"".join(map(text, parts))


def nodes_of(tree: Tree) -> Iterator[TreeNode]:
    """Yield every node of a tree."""
    todo: list[Tree] = [tree]
    while todo:
        item = todo.pop()
        if isinstance(item, TreeNode):
            yield item
            todo.extend(value for _, value in item.fields)
            if item.body is not None:
                todo.append(item.body)
        elif isinstance(item, list):
            todo.extend(item)


@dataclass(frozen=True, slots=True)
class Bytecode:
    """The label of a code object as it was read: what is before and behind its two kinds of names."""

    magic: bytes
    name: str
    counts: bytes
    names: tuple[str, ...]
    rest: bytes
    others: frozenset[str]

    def renamed(self, definition: tuple[str, str] | None, names: Mapping[str, str]) -> bytes:
        """Return the label with other names.

        Args:
            definition: The name of the function, and the one to write.
            names: Global names, and those to write.

        Raises:
            ValueError: A new name is in use there already.
        """
        taken = {*self.names, *self.others}
        if any(new in taken for new in names.values()):
            raise Unread("a name would be captured")
        name = definition[1] if definition is not None and self.name == definition[0] else self.name
        written = [names.get(each, each) for each in self.names]
        head = b"B" + text(self.magic) + text(name) + self.counts
        return head + word(len(written)) + b"".join(map(text, written)) + self.rest


def read_bytecode(data: bytes) -> Bytecode:
    """Return the label of a code object in parts.

    Raises:
        ValueError: It cannot be read.
    """
    reader = _Reader(data)
    if reader.take(1) != b"B":
        raise Unread("no code object")
    magic, name, counts = reader.text(), _string(reader.text()), reader.take(32)
    names = tuple(_string(reader.text()) for _ in range(reader.word()))
    rest = data[reader.at :]
    others = [_string(reader.text()) for _ in range(3) for _ in range(reader.word())]
    return Bytecode(magic, name, counts, names, rest, frozenset(others))
