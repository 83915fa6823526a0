"""Names: what a function reaches, rebinds and changes, read from its syntax tree or from its bytecode.

A reached thing is a chain of names, such as ``("np", "linalg", "norm")``: a name that the function does not bind
itself, and the attributes taken of it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, NamedTuple

from fleche.digest.code.bytecode import nested

__all__ = ["MUTATORS", "Chain", "Import", "Names", "names_of_code", "names_of_source", "stored_attributes"]

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


def names_of_code(code: CodeType) -> Names:
    """Return what a code object reaches, as far as its instructions show."""
    names = Names()
    _read_code(code, frozenset(code.co_freevars), names)
    return names


def _read_code(code: CodeType, free: frozenset[str], names: Names) -> None:
    steps = _steps(code)
    _read_imports(steps, names)
    outside = {"LOAD_DEREF", "LOAD_CLASSDEREF", "STORE_DEREF", "DELETE_DEREF", "LOAD_FROM_DICT_OR_DEREF"}
    for at, step in enumerate(steps):
        name = step.argval
        mine = step.opname in _GLOBAL or (step.opname in outside and name in free)
        if step.opname.startswith(("STORE_", "DELETE_")):
            if mine:
                names.rebound.add((name,))
            elif step.opname in ("STORE_ATTR", "DELETE_ATTR"):
                owner = _chain_before(steps, _start(steps, at), free, names)
                if owner:
                    names.rebound.add((*owner, name))
            elif step.opname in _KEYS:
                _changed(names.changed, _container_before(steps, _start(steps, at), free, names))
        elif mine or (step.opname in _FAST and name in names.imports):
            names.reached.add(_chain_after(steps, at))
        elif step.opname in _ATTRIBUTE and name in MUTATORS:
            _changed(names.called, _chain_before(steps, at, free, names))
            if at and steps[at - 1].opname in _ATTRIBUTE:
                names.touched.add(steps[at - 1].argval)
    for inner in nested(code):
        _read_code(inner, free & frozenset(inner.co_freevars), names)


def stored_attributes(code: CodeType) -> frozenset[str]:
    """Return the attributes that a code object assigns or deletes, of whatever object, in nested functions too."""
    found = {step.argval for step in _steps(code) if step.opname in ("STORE_ATTR", "DELETE_ATTR")}
    return frozenset(found).union(*map(stored_attributes, nested(code)))


_SILENT = frozenset({"CACHE", "RESUME", "NOP", "EXTENDED_ARG", "PRECALL", "PUSH_NULL", "COPY_FREE_VARS"})
_GLOBAL = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"})
_KEYS = {"STORE_SUBSCR": 1, "DELETE_SUBSCR": 1, "BINARY_SUBSCR": 1, "STORE_SLICE": 2, "BINARY_SLICE": 2}
_ATTRIBUTE = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_FAST = frozenset({"LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_DEREF"})
_LOADS = _GLOBAL | _FAST | {"LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"}


class _Step(NamedTuple):
    """One instruction: its name, what it is about, and what it adds to the stack."""

    opname: str
    argval: Any
    effect: int


def _steps(code: CodeType) -> list[_Step]:
    import dis

    steps = []
    for step in dis.get_instructions(code):
        if step.opname in _SILENT:
            continue
        if step.opname in _PAIRS:  # since 3.13 two in one
            for name, argument in zip(_PAIRS[step.opname], step.argval, strict=True):
                steps.append(_Step(name, argument, 1 if name == "LOAD_FAST" else -1))
        else:
            steps.append(_Step(step.opname, step.argval, dis.stack_effect(step.opcode, step.arg, jump=False)))
    return steps


_PAIRS = {
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
}


def _changed(into: set[Chain], chain: Chain | None) -> None:
    if chain:
        into.add(chain)


def _start(steps: list[_Step], at: int) -> int:
    """Return where the target of a store was last on top of the stack: an operator such as ``+=`` copies it first."""
    if at and steps[at - 1].opname == "SWAP":
        for index in range(at - 1, -1, -1):
            if steps[index].opname == "COPY" and steps[index - 1].opname != "COPY":
                return index
    return at


def _chain_after(steps: list[_Step], at: int) -> Chain:
    chain = [steps[at].argval]
    for step in steps[at + 1 :]:
        if step.opname not in _ATTRIBUTE:
            break
        chain.append(step.argval)
    return tuple(chain)


def _chain_before(steps: list[_Step], at: int, free: frozenset[str], names: Names) -> Chain | None:
    """Return the chain that ends just before an instruction, if it starts at a name from outside."""
    attributes: list[str] = []
    for index in range(at - 1, -1, -1):
        step = steps[index]
        if step.opname in _ATTRIBUTE:
            attributes.append(step.argval)
            continue
        if step.opname in _KEYS and not attributes:  # TABLE[a][b] = c changes what TABLE holds
            return _container_before(steps, index, free, names)
        outside = step.opname in _GLOBAL or step.argval in free or step.argval in names.imports
        if step.opname in _FAST and not outside:
            names.parameters.add(step.argval)
        return (step.argval, *reversed(attributes)) if step.opname in _LOADS and outside else None
    return None


def _container_before(steps: list[_Step], at: int, free: frozenset[str], names: Names) -> Chain | None:
    """Return the chain whose item an instruction takes or stores: what is below the key on the stack."""
    depth, keys = 0, _KEYS.get(steps[at].opname, 1)
    for index in range(at - 1, -1, -1):
        depth += steps[index].effect
        if depth == keys:
            return _chain_before(steps, index, free, names)
    return None


def _read_imports(steps: list[_Step], names: Names) -> None:
    module: Import | None = None
    taken = ""
    for at, step in enumerate(steps):
        if step.opname == "IMPORT_NAME":
            level = steps[at - 2].argval if at > 1 and isinstance(steps[at - 2].argval, int) else 0
            module, taken = (level, step.argval, ""), ""
        elif step.opname == "IMPORT_FROM":
            taken = step.argval
        elif module is not None and step.opname in ("STORE_FAST", "STORE_DEREF"):
            whole = taken or "." not in module[1] or step.argval != module[1].partition(".")[0]
            names.imported(step.argval, module[0], module[1] if whole else step.argval, taken)
        elif step.opname == "POP_TOP":
            module = None
