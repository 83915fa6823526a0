"""Names: what a function reaches, rebinds and changes, read from its syntax tree.

A reached thing is a chain of names, such as ``("np", "linalg", "norm")``: a name that the function does not bind
itself, and the attributes taken of it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["MUTATORS", "Chain", "Import", "Names", "names_of_source"]

Chain = tuple[str, ...]
Import = tuple[int, str, str]
"""How a local name was imported: level, module, and the name taken from it (or nothing)."""

MUTATORS = frozenset(
    {
        "append",
        "appendleft",
        "extend",
        "extendleft",
        "insert",
        "remove",
        "pop",
        "popleft",
        "popitem",
        "clear",
        "update",
        "setdefault",
        "add",
        "discard",
        "sort",
        "reverse",
        "rotate",
        "subtract",
        "move_to_end",
        "intersection_update",
        "difference_update",
        "symmetric_difference_update",
        "__setitem__",
        "__delitem__",
    }
)
"""Methods by which a container visibly changes."""


@dataclass(slots=True)
class Names:
    """What one function does with names that it does not own.

    Attributes:
        reached: Chains that are read.
        rebound: Chains whose last name is bound anew, changed in place by an operator, or deleted.
        changed: Chains whose object is changed in place, through an item.
        called: Chains of which a method is called that changes a container in place.
        parameters: Names of its own that it changes in place; a default of theirs is then state.
        touched: Attribute names through which any object is changed in place (``self.seen.append``).
        imports: Names that the function imports, and from where.
    """

    reached: set[Chain] = field(default_factory=set)
    rebound: set[Chain] = field(default_factory=set)
    changed: set[Chain] = field(default_factory=set)
    called: set[Chain] = field(default_factory=set)
    parameters: set[str] = field(default_factory=set)
    touched: set[str] = field(default_factory=set)
    imports: dict[str, Import] = field(default_factory=dict)

    def imported(self, name: str, level: int, module: str, taken: str) -> None:
        """Note an import inside the function."""
        self.imports[name] = (level, module, taken)


def names_of_source(node: Any) -> Names:
    """Return what a function definition or lambda reaches, defaults, decorators and annotations excepted."""
    reader = _Reader()
    reader.function(node, frozenset(), outermost=True)
    return reader.names


class _Reader:
    """Reads one function. ``own`` is the names that the scopes so far bind."""

    def __init__(self) -> None:
        self.names = Names()

    def function(self, node: Any, own: frozenset[str], *, outermost: bool = False) -> None:
        body = node.body if isinstance(node.body, list) else [node.body]
        bound = _Bound(body)
        parameters = node.args
        every = [*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs, parameters.vararg, parameters.kwarg]
        inside = (own | bound.names | {a.arg for a in every if a is not None}) - bound.elsewhere
        self.names.imports.update(bound.imports)
        inside -= self.names.imports.keys()
        if not outermost:
            self._all(getattr(node, "decorator_list", []), own)
            self._all([*parameters.defaults, *(d for d in parameters.kw_defaults if d is not None)], own)
        self._all(body, inside)

    def _all(self, nodes: list[Any], own: frozenset[str]) -> None:
        for node in nodes:
            self._visit(node, own)

    def _visit(self, node: ast.AST, own: frozenset[str]) -> None:
        _READ[type(node)](self, node, own)

    def children(self, node: ast.AST, own: frozenset[str]) -> None:
        """Read what is below a node."""
        for value in node.__dict__.values():
            kind = type(value)
            if kind is list:
                for item in value:
                    if type(item) not in _LEAVES:
                        _READ[type(item)](self, item, own)
            elif kind not in _LEAVES:
                _READ[kind](self, value, own)

    def definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef, own: frozenset[str]) -> None:
        """Read a function that is defined inside."""
        self._store((node.name,), own)
        self.function(node, own)

    def comprehension(self, node: Any, own: frozenset[str]) -> None:
        """Read a comprehension, whose targets are its own."""
        targets = _Bound([generator.target for generator in node.generators])
        self.children(node, own | targets.names)

    def annotated(self, node: ast.AnnAssign, own: frozenset[str]) -> None:
        """Read an assignment without its annotation."""
        self._all([part for part in (node.target, node.value) if part is not None], own)

    def call(self, node: ast.Call, own: frozenset[str]) -> None:
        """Read a call, which may change what it is a method of."""
        if isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            self._changes(node.func.value, own, self.names.called)
        self.children(node, own)

    def augmented(self, node: ast.AugAssign, own: frozenset[str]) -> None:
        """Read an assignment that changes in place."""
        if isinstance(node.target, ast.Name) and node.target.id in own:
            self.names.parameters.add(node.target.id)
        self.children(node, own)

    def class_(self, node: ast.ClassDef, own: frozenset[str]) -> None:
        """Read a class that is defined inside."""
        self._store((node.name,), own)
        self._all([*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)], own)
        bound = _Bound(node.body)
        inside = (own | bound.names) - bound.elsewhere
        for child in node.body:  # methods do not see the names of the class body
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self._all([*child.decorator_list, *child.args.defaults], inside)
                self.function(child, own, outermost=True)
            else:
                self._visit(child, inside)

    def name(self, node: ast.Name, own: frozenset[str]) -> None:
        """Read a name that stands alone."""
        if type(node.ctx) is not ast.Load:
            self._store((node.id,), own)
        elif node.id not in own:
            self.names.reached.add((node.id,))

    def chain(self, node: ast.Attribute, own: frozenset[str]) -> None:
        """Read an attribute, of a name or of anything."""
        chain = _chain(node)
        if chain is None:
            self._visit(node.value, own)
        elif isinstance(node.ctx, ast.Load):
            if chain[0] not in own:
                self.names.reached.add(chain)
        else:
            self._store(chain, own)

    def _store(self, chain: Chain, own: frozenset[str]) -> None:
        if chain[0] not in own and not (len(chain) == 1 and chain[0] in self.names.imports):
            self.names.rebound.add(chain)

    def subscript(self, node: ast.Subscript, own: frozenset[str]) -> None:
        """Read an item, which may be changed."""
        if not isinstance(node.ctx, ast.Load):
            self._changes(node.value, own, self.names.changed)
        self.children(node, own)

    def _changes(self, target: ast.expr, own: frozenset[str], into: set[Chain]) -> None:
        while isinstance(target, ast.Subscript):  # TABLE[a][b] = c changes what TABLE holds
            target = target.value
        chain = _chain(target)
        if chain is not None and chain[0] not in own:
            into.add(chain)
        elif chain is not None:
            self.names.parameters.add(chain[0])
        if isinstance(target, ast.Attribute):
            self.names.touched.add(target.attr)


class _ByKind(dict[type, Callable[..., None]]):
    """What is done with a node, by its class; whatever is below other nodes is looked at."""

    def __init__(self, other: Callable[..., None], known: Mapping[type, Callable[..., None]]) -> None:
        super().__init__(known)
        self._other = other

    def __missing__(self, kind: type) -> Callable[..., None]:
        found = self[kind] = self._other if issubclass(kind, ast.AST) else _nothing
        return found


def _nothing(*_: Any) -> None:
    """Do nothing: what is below a node and is no node."""


_LEAVES = frozenset(
    {str, int, bool, type(None), ast.Constant, ast.Load, ast.Store, ast.Del, ast.Pass, ast.Break, ast.Continue}
    | {*ast.operator.__subclasses__(), *ast.cmpop.__subclasses__(), *ast.unaryop.__subclasses__()}
    | {*ast.boolop.__subclasses__()}
)
"""What names nothing."""

_READ = _ByKind(
    _Reader.children,
    {
        ast.FunctionDef: _Reader.definition,
        ast.AsyncFunctionDef: _Reader.definition,
        ast.Lambda: _Reader.function,
        ast.ClassDef: _Reader.class_,
        ast.ListComp: _Reader.comprehension,
        ast.SetComp: _Reader.comprehension,
        ast.GeneratorExp: _Reader.comprehension,
        ast.DictComp: _Reader.comprehension,
        ast.Name: _Reader.name,
        ast.Attribute: _Reader.chain,
        ast.Subscript: _Reader.subscript,
        ast.AnnAssign: _Reader.annotated,
        ast.Call: _Reader.call,
        ast.AugAssign: _Reader.augmented,
    },
)


def _chain(node: ast.AST) -> Chain | None:
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, *reversed(attributes)) if isinstance(node, ast.Name) else None


class _Bound:
    """The names that the statements of one scope bind, and those that they declare to live elsewhere."""

    def __init__(self, nodes: list[Any]) -> None:
        self.names: set[str] = set()
        self.elsewhere: set[str] = set()
        self.imports: dict[str, Import] = {}
        for node in nodes:
            _BIND[type(node)](self, node)
        self.names -= self.elsewhere

    def children(self, node: ast.AST) -> None:
        """Look at what is below a node."""
        for value in node.__dict__.values():
            kind = type(value)
            if kind is list:
                for item in value:
                    if type(item) not in _LEAVES:
                        _BIND[type(item)](self, item)
            elif kind not in _LEAVES:
                _BIND[kind](self, value)

    def definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        """Note the name of a function or class, whose inside is another scope."""
        self.names.add(node.name)

    def comprehension(self, node: ast.AST) -> None:
        """Note what a comprehension binds outside of itself."""
        self.names.update(walrus.target.id for walrus in ast.walk(node) if isinstance(walrus, ast.NamedExpr))

    def name(self, node: ast.Name) -> None:
        """Note a name that is stored or deleted."""
        if type(node.ctx) is not ast.Load:
            self.names.add(node.id)

    def declared(self, node: ast.Global | ast.Nonlocal) -> None:
        """Note names that live elsewhere."""
        self.elsewhere.update(node.names)

    def import_(self, node: ast.Import) -> None:
        """Note imported modules."""
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            self.imports[name] = (0, alias.name if alias.asname else name, "")

    def import_from(self, node: ast.ImportFrom) -> None:
        """Note what is imported from a module."""
        for alias in node.names:
            self.imports[alias.asname or alias.name] = (node.level, node.module or "", alias.name)

    def named(self, node: Any) -> None:
        """Note the name of a handler or pattern, if it has one."""
        name = node.rest if isinstance(node, ast.MatchMapping) else node.name
        if name:
            self.names.add(name)
        self.children(node)


_BIND = _ByKind(
    _Bound.children,
    {
        ast.FunctionDef: _Bound.definition,
        ast.AsyncFunctionDef: _Bound.definition,
        ast.ClassDef: _Bound.definition,
        ast.Lambda: _nothing,
        ast.ListComp: _Bound.comprehension,
        ast.SetComp: _Bound.comprehension,
        ast.GeneratorExp: _Bound.comprehension,
        ast.DictComp: _Bound.comprehension,
        ast.Name: _Bound.name,
        ast.Global: _Bound.declared,
        ast.Nonlocal: _Bound.declared,
        ast.Import: _Bound.import_,
        ast.ImportFrom: _Bound.import_from,
        ast.ExceptHandler: _Bound.named,
        ast.MatchAs: _Bound.named,
        ast.MatchStar: _Bound.named,
        ast.MatchMapping: _Bound.named,
    },
)
