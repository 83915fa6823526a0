"""What the fingerprint of a function would be if the function had another name, or were in another module.

The graph of what the function reaches is written again with the names changed: that of the function itself where it is
defined and where reached code calls it, that of the class around it, and those of modules. A name is changed only where
the change is one-to-one and captures nothing; otherwise there is no such fingerprint, and nothing is found under it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fleche.digest.code.frames import text
from fleche.digest.code.graph import Node
from fleche.digest.code.identity import MAIN
from fleche.digest.code.labels import (
    Tree,
    TreeNode,
    class_label_of,
    frames_of,
    nodes_of,
    read_bytecode,
    read_source,
    write_source,
)

__all__ = ["Place", "Renaming", "renamed", "renamings"]

_BINDING = frozenset({"targets", "target", "optional_vars"})
_NAMED = frozenset({"global", "closure"})
_PLACED = frozenset({"wrapper", "opaque", "function", "class"})  # whose label by name is a module and a name


@dataclass(frozen=True, slots=True)
class Place:
    """Where a function is defined, and under which qualified name.

    Attributes:
        module: The module.
        name: The qualified name.
    """

    module: str
    name: str

    @property
    def simple(self) -> str:
        """The name in its definition."""
        return self.name.rpartition(".")[2]

    @property
    def owner(self) -> str:
        """The qualified name of what is around it, or empty text."""
        return self.name.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Renaming:
    """Where a function is, where it was, and what the modules around it were called.

    Attributes:
        new: Where it is.
        old: Where it was.
        modules: The module or package, and what it was called; None where no module counts as renamed.
    """

    new: Place
    old: Place
    modules: tuple[str, str] | None

    def module(self, name: str) -> str:
        """Return what a module was called."""
        if self.modules is None:
            return name
        new, old = self.modules
        if name == new or name.startswith(f"{new}."):
            return old + name[len(new) :]
        return name

    @property
    def owners(self) -> tuple[str, str] | None:
        """The class around the function, and what it was called, where that differs and each is one class."""
        new, old = self.new.owner, self.old.owner
        differ = new != old and new and old and "<" not in new + old and new.count(".") == old.count(".")
        return (new, old) if differ else None

    def object(self, module: str, name: str) -> tuple[str, str]:
        """Return the module and the qualified name that a class or function had."""
        if module == self.new.module:
            if name == self.new.name:
                return self.module(module), self.old.name
            if self.owners is not None:
                new, old = self.owners
                if name == new or name.startswith(f"{new}."):
                    return self.module(module), old + name[len(new) :]
        return self.module(module), name


def renamings(new: Place, old: Place) -> Iterator[Renaming]:
    """Yield what may have been renamed when a function came from one place to another: the likeliest first."""
    yield Renaming(new, old, None)
    if new.module == old.module:
        return
    yield Renaming(new, old, (new.module, old.module))
    ours, theirs = new.module.split("."), old.module.split(".")
    while len(ours) > 1 and len(theirs) > 1 and ours[-1] == theirs[-1]:
        ours.pop()
        theirs.pop()
        yield Renaming(new, old, (".".join(ours), ".".join(theirs)))


def renamed(root: Node, renaming: Renaming, *, deep: bool) -> Node | None:
    """Return the graph as it would be if everything had its old name; None where that cannot be told.

    Args:
        root: The graph of the function as it is.
        renaming: What is called otherwise.
        deep: Whether global names were followed; if not, what a name in the code leads to is not known.
    """
    try:
        return _Writer(root, renaming, deep=deep).write()
    except (ValueError, RecursionError):
        return None


class _Writer:
    """Writes one graph again."""

    def __init__(self, root: Node, renaming: Renaming, *, deep: bool) -> None:
        self._root = root
        self._deep = deep
        self._renaming = renaming
        self._order = _reached(root)
        self._modules: dict[str, str] = {}  # by what they were called: no two may be one
        place = renaming.new
        self._function = f"{place.module}.{place.name}"
        self._class = None if renaming.owners is None else f"{place.module}.{renaming.owners[0]}"
        self._names: dict[int, tuple[str, str]] = {}  # nodes of other simple names: the name, and what it was
        for node in self._order:
            names = self._simple_names(node)
            if names is not None and names[0] != names[1]:
                self._names[id(node)] = names

    def _simple_names(self, node: Node) -> tuple[str, str] | None:
        if node.kind == "function" and node.name == self._function:
            return self._renaming.new.simple, self._renaming.old.simple
        owners = self._renaming.owners
        if owners is not None and node.kind == "class" and node.name == self._class:
            return owners[0].rpartition(".")[2], owners[1].rpartition(".")[2]
        return None

    def write(self) -> Node:
        """Return the new root."""
        made = {id(node): Node(node.kind, node.name, self._label(node), node.how) for node in self._order}
        for node in self._order:
            edges = made[id(node)].edges
            for label, child in node.edges.items():
                new = self._edge(node, label, child)
                if new is None:
                    continue
                if new in edges:
                    raise ValueError(f"two edges would be called {new}")
                edges[new] = made[id(child)]
        return made[id(self._root)]

    # Labels

    def _label(self, node: Node) -> bytes:
        label = node.label
        if node.kind == "function" and node.how == "source":
            return self._source(node)
        if node.kind == "function" and node.how == "bytecode":
            return self._bytecode(node)
        if node.kind == "class" and node.how == "by value":
            return class_label_of(label, lambda name: self._names.get(id(node), (name, name))[1], self._object)
        if node.value is not None:
            return self._digest(node.value)
        frames = frames_of(label)
        if not frames:
            return label
        if node.kind in _PLACED and len(frames) == 2:
            return b"".join(map(text, self._object(*frames)))
        if node.kind == "module" or (node.kind == "unbound" and len(frames) > 1):
            return b"".join(map(text, (self._module(frames[0]), *frames[1:])))
        return label

    def _digest(self, value: object) -> bytes:
        from fleche.digest.moved import moved_digest  # which fingerprints classes: each needs the other

        try:
            return moved_digest(value, self._object).raw
        except TypeError as error:
            raise ValueError("a value that has no digest now") from error

    def _module(self, name: str) -> str:
        old = self._renaming.module(name)
        if self._modules.setdefault(old, name) != name:
            raise ValueError(f"two modules would be called {old}")
        return old

    def _object(self, module: str, name: str) -> tuple[str, str]:
        self._module(module)
        return self._renaming.object(module, name)

    def _source(self, node: Node) -> bytes:
        if node.label[:1] != b"S":
            raise ValueError("no source")
        renames = dict(self._renames(node))
        definition, private = self._definition(node), self._private(node)
        if not (renames or definition or private or self._renaming.modules):
            return node.label
        tree = read_source(node.label[1:])
        if tree is None:
            raise ValueError("source that cannot be read back")
        if private:
            _mangle(tree, *private)
        for chain, old in renames.items():
            _rename(tree, chain.split("."), old)
        if definition and tree.get("name") == definition[0]:
            if not self._deep and not set(definition).isdisjoint(_mentioned(tree)):
                raise ValueError("a name that may be the function's own, or another's")
            _set(tree, "name", definition[1])
        self._imports(tree)
        return b"S" + write_source(tree)

    def _bytecode(self, node: Node) -> bytes:
        renames = {chain: old for chain, old in self._renames(node) if "." not in chain}
        definition = self._definition(node)
        if not renames and not definition:
            return node.label
        if not self._deep:
            raise ValueError("names in bytecode that lead nobody knows where")
        return read_bytecode(node.label).renamed(definition, renames)

    def _definition(self, node: Node) -> tuple[str, str] | None:
        return self._names.get(id(node))

    def _private(self, node: Node) -> tuple[str, str] | None:
        """Return how private names begin in the methods of the class around the function, and how they began."""
        owners = self._renaming.owners
        if owners is None or not (node.name == self._class or node.name.startswith(f"{self._class}.")):
            return None
        new, old = (name.rpartition(".")[2].lstrip("_") for name in owners)
        return (f"_{new}__", f"_{old}__") if new != old else None

    def _renames(self, node: Node) -> Iterator[tuple[str, str]]:
        """Yield each chain of names in a function that leads to what is called otherwise, and what its end was."""
        for label, child in node.edges.items():
            kind, _, chain = label.partition(" ")
            names = self._names.get(id(child))
            if kind in _NAMED and names is not None and chain.rpartition(".")[2] == names[0]:
                yield chain, names[1]

    def _imports(self, tree: TreeNode) -> None:
        """Change the modules that the code imports from."""
        if self._renaming.modules is None:
            return
        for node in nodes_of(tree):
            module = node.get("module")
            if node.name == "ImportFrom" and isinstance(module, str) and node.get("level") in (None, _ZERO):
                _set(node, "module", self._module(module))
            elif node.name == "alias":
                whole = node.get("name")
                if isinstance(whole, str) and self._renaming.module(whole) != whole:
                    if node.get("asname") is None:  # what it binds is used under its name
                        raise ValueError("an import that binds the name of a module that was renamed")
                    _set(node, "name", self._module(whole))

    # Edges

    def _edge(self, node: Node, label: str, child: Node) -> str | None:
        kind, space, rest = label.partition(" ")
        if kind in _NAMED and id(child) in self._names:
            head, dot, last = rest.rpartition(".")
            new, old = self._names[id(child)]
            return f"{kind} {head}{dot}{old}" if last == new else label
        if kind in ("class", "brings") and space:
            return self._of_class(kind, rest)
        private = self._private(node)
        if kind == "attribute" and private and rest.startswith(private[0]):
            return f"attribute {private[1]}{rest[len(private[0]) :]}"
        if kind == "attribute" and id(child) in self._names and rest == self._names[id(child)][0]:
            return f"attribute {self._names[id(child)][1]}"
        return label

    def _of_class(self, kind: str, whole: str) -> str | None:
        renaming = self._renaming
        if renaming.owners is not None:
            old = f"{renaming.new.module}.{renaming.owners[1]}"
            if whole == self._class or whole.startswith(f"{self._class}."):
                whole = old + whole[len(str(self._class)) :]
        whole = renaming.module(whole)
        if kind == "brings" and renaming.old.module == MAIN and whole.startswith(f"{MAIN}."):
            return None  # classes of main are known by their code where they are met
        return f"{kind} {whole}"


_ZERO = b"i" + text("0")


def _reached(root: Node) -> list[Node]:
    order, seen = [root], {id(root)}
    for node in order:
        for child in node.edges.values():
            if id(child) not in seen:
                seen.add(id(child))
                order.append(child)
    return order


def _set(node: TreeNode, name: str, value: Tree) -> None:
    node.fields = [(key, value if key == name else old) for key, old in node.fields]


def _mangle(tree: TreeNode, new: str, old: str) -> None:
    """Change how private names begin, everywhere in a tree."""
    if any(name.startswith(old) for name in _identifiers(tree)):
        raise ValueError(f"there are names that begin with {old} already")
    for node in nodes_of(tree):
        node.fields = [(key, _swapped(value, new, old)) for key, value in node.fields]


def _swapped(value: Tree, new: str, old: str) -> Tree:
    if isinstance(value, str):
        return old + value[len(new) :] if value.startswith(new) else value
    if isinstance(value, list):
        return [_swapped(item, new, old) if isinstance(item, str) else item for item in value]
    return value


def _rename(tree: TreeNode, chain: list[str], old: str) -> None:
    """Change the last of a chain of names wherever the chain is read.

    Raises:
        ValueError: It is bound there too, or the old name is in use there already: then it would be another program.
    """
    if len(chain) > 1:
        for node in nodes_of(tree):
            if node.name == "Attribute" and _chain(node) == chain:
                _set(node, "attr", old)
        return
    if chain[0] in _bound(tree) or old in _bound(tree) | set(_names(tree)):
        raise ValueError(f"{old} would be bound, or captured")
    for node in nodes_of(tree):
        if node.name == "Name" and node.get("id") == chain[0]:
            _set(node, "id", old)


def _chain(node: Tree | None) -> list[str] | None:
    names: list[str] = []
    while isinstance(node, TreeNode) and node.name == "Attribute":
        attr = node.get("attr")
        if not isinstance(attr, str):
            return None
        names.append(attr)
        node = node.get("value")
    head = node.get("id") if isinstance(node, TreeNode) and node.name == "Name" else None
    return [head, *reversed(names)] if isinstance(head, str) else None


def _names(tree: Tree) -> Iterator[str]:
    for node in nodes_of(tree):
        name = node.get("id")
        if node.name == "Name" and isinstance(name, str):
            yield name


def _mentioned(tree: Tree) -> Iterator[str]:
    """Yield every name and attribute that is read or bound."""
    for node in nodes_of(tree):
        for key, value in node.fields:
            if key in ("id", "attr") and isinstance(value, str):
                yield value


def _bound(tree: TreeNode) -> set[str]:
    """Return every name that something in a function binds, the function's own apart."""
    found: set[str] = set()
    for node in nodes_of(tree):
        for key, value in node.fields:
            if key in _BINDING:
                found.update(_names(value) if isinstance(value, TreeNode) else _of_list(value))
            elif isinstance(value, str) and node is not tree and _binds(node.name, key):
                found.add(value.partition(".")[0])
            elif key == "names" and isinstance(value, list):  # of global, nonlocal
                found.update(item for item in value if isinstance(item, str))
    return found


def _of_list(value: Tree) -> Iterator[str]:
    for item in value if isinstance(value, list) else ():
        yield from _names(item)


def _binds(kind: str, key: str) -> bool:
    if kind == "keyword":
        return False
    return key in ("arg", "name", "asname", "rest")


def _identifiers(tree: Tree) -> Iterable[str]:
    for node in nodes_of(tree):
        for _, value in node.fields:
            if isinstance(value, str):
                yield value
            elif isinstance(value, list):
                yield from (item for item in value if isinstance(item, str))
