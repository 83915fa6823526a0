"""The walk over code: from a function or class to everything that it reaches by name, with the rules of what counts."""

from __future__ import annotations

import builtins
import functools
import gc
import importlib
import importlib.util
import sys
import types
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import FunctionType, ModuleType
from typing import Any

from fleche.digest.code.analysis import Analysis, Part, is_ours
from fleche.digest.code.classes import attributes, class_label
from fleche.digest.code.frames import MISSING, text
from fleche.digest.code.graph import Node
from fleche.digest.code.identity import MAIN, function_identity, home
from fleche.digest.code.names import Chain, Names
from fleche.digest.code.objects import imported, lazy_attribute, methods_of, place_of, shown_name, wrapped_by
from fleche.digest.code.opcodes import names_of_code, stored_attributes
from fleche.digest.code.scope import Scope
from fleche.digest.code.seen import Seen, contents
from fleche.digest.code.sources import Looked
from fleche.digest.code.values import (
    Cut,
    Open,
    code_in,
    holds_code,
    is_container,
    is_immutable,
    is_opaque,
    is_plain,
    is_small,
    views,
)
from fleche.digest.names import is_dynamic
from fleche.digest.text import Digest

__all__ = ["Walker"]

_MAINS = (MAIN, "__mp_main__")  # whose namespace is everything that a notebook ever bound
TRIES = 3  # how often a value that changes while it is digested is tried again
_BY_NAME = frozenset(
    {
        "__file__",
        "__path__",
        "__spec__",
        "__loader__",
        "__builtins__",
        "__cached__",
        "__doc__",
        "__package__",
    }
)
_ORDER = type(functools.cmp_to_key(max))  # which shows its function to nobody but the collector
_AT_CREATION = frozenset({"__init_subclass__", "__set_name__"})
_WRAPPED = frozenset({"__wrapped__", *functools.WRAPPER_ASSIGNMENTS, "__type_params__"})
_FUNCTION_TYPES = (types.BuiltinFunctionType, types.MethodWrapperType, types.WrapperDescriptorType)
_DESCRIPTOR_TYPES = (types.MethodDescriptorType, types.ClassMethodDescriptorType, types.GetSetDescriptorType)


_Classes = tuple[tuple[str, type], ...]
_Functions = tuple[FunctionType, ...]
_Looked = tuple[Any, Digest | None, str, _Classes, _Functions]
"""A value, its digest (None: it has none), how that was found, and the walked classes and functions in it."""


class _Several(tuple[FunctionType, ...]):
    """Functions that are walked as one root."""

    __slots__ = ()


class Walker:
    """One walk: builds the graph of what a root reaches.

    Args:
        scope: Which modules are walked.
        deep: Whether names in globals are followed; otherwise only closures and defaults are.
        analysis: What is known of code objects.
        open_values: The values that this thread is digesting.
    """

    def __init__(self, scope: Scope, deep: bool, analysis: Analysis, open_values: Open) -> None:
        self._scope, self._deep, self._analysis, self._open = scope, deep, analysis, open_values
        self._state: set[tuple[int, str]] = set()  # names that are rebound, by namespace
        self._changed: set[int] = set()  # objects and cells that are changed in place
        self._touched: set[str] = set()  # attributes through which methods change things
        self._at_creation: set[int] = set()  # functions that run when a class is made
        self._kept: list[Any] = []  # keeps the objects behind the identities above alive
        self._looked: Looked = {}
        self._digests: dict[int, _Looked] = {}
        self.seen = Seen()
        self._nodes: dict[int, Node] = {}
        self._todo: deque[Callable[[], None]] = deque()

    def walk(self, root: Any, brought: Iterable[type] = ()) -> Node:
        """Return the graph of a root. Code that is found to change a name makes a second pass, which knows it.

        Args:
            root: A function or class.
            brought: Classes of the objects that a call brings. Those that are known by more than their name are part
                of the digests of these objects already.
        """
        while True:
            before = len(self._state), len(self._changed), len(self._touched)
            self.seen, self._nodes, self._digests = Seen(), {}, {}
            node = self._root(root)
            for cls in brought:
                if not is_dynamic(cls):
                    node.edges[f"brings {'.'.join(function_identity(cls))}"] = self._class(cls)
            while self._todo:
                self._todo.popleft()()
            if before == (len(self._state), len(self._changed), len(self._touched)):
                self._looked.clear()  # syntax trees are large
                return node

    def graphs(self, functions: Sequence[FunctionType]) -> list[Node]:
        """Return the graphs of several functions, in one walk: what they share is one node."""
        return list(self.walk(_Several(functions)).edges.values())

    def _root(self, root: Any) -> Node:
        if isinstance(root, _Several):
            return Node(
                "", "", b"", "", {f"{at:09}": self._function(each, walked=True) for at, each in enumerate(root)}
            )
        if isinstance(root, FunctionType):
            return self._function(root, walked=True)
        if isinstance(root, type):
            return self._class(root, walked=True)
        return self._value(root)

    # Functions

    def _function(self, function: FunctionType, *, walked: bool | None = None) -> Node:
        known = self._nodes.get(id(function))
        if known is not None:
            return known
        if walked is None:
            walked = self._scope.covers(home(function))
        closed = function.__closure__
        name = shown_name(function)
        if not walked and not closed:
            return self._named("function", (home(function), function.__code__.co_qualname), name)
        self._kept.append(function)
        seen = (function, function.__code__, function.__defaults__, function.__kwdefaults__)
        self.seen.functions[id(function)] = seen
        if walked:
            part = self._analysis.of(function, self._looked)
            label, how, source = part.label, part.how, part.source
        else:  # a wrapper of another package: what it wraps counts, its own code by name
            part = Part(b"", "by name", names_of_code(function.__code__), None)
            label, how, source = text(home(function)) + text(function.__code__.co_qualname), "by name", None
        node = self._nodes[id(function)] = Node("function", name, label, how, source=source)
        self._todo.append(lambda: self._expand_function(node, function, part.names, follow=walked and self._deep))
        return node

    def _expand_function(self, node: Node, function: FunctionType, names: Names, *, follow: bool) -> None:
        self._note_state(function, names)
        code = function.__code__
        parameters = code.co_varnames[: code.co_argcount]
        defaults = function.__defaults__ or ()
        for name, value in zip(parameters[len(parameters) - len(defaults) :], defaults, strict=True):
            node.edges[f"default {name}"] = self._default(name, value, names)
        for name in list(function.__kwdefaults__ or ()):
            value = self.seen.name(function.__kwdefaults__, name)
            node.edges[f"default {name}"] = self._default(name, value, names)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            node.edges[f"closure {name}"] = self._cell(name, cell, whole=(name,) in names.reached)
        for chain in names.reached:
            if chain[0] in code.co_freevars:
                if len(chain) > 1 and follow:
                    self._attribute_of_cell(node, function, chain)
            elif follow:
                node.edges[f"global {'.'.join(chain)}"] = self._reached(function, names, chain)
        if follow:
            for name in names.imports.keys() - {chain[0] for chain in names.reached}:
                node.edges[f"global {name}"] = self._unused(function, names, name)

    def _unused(self, function: FunctionType, names: Names, name: str) -> Node:
        """Return the node of what is imported, and then not used by its name."""
        level, module, taken = names.imports[name]
        if not level and not taken and module in sys.modules:
            return self._module_name(sys.modules[module])
        return self._reached(function, names, (name,))

    def _default(self, name: str, value: Any, names: Names) -> Node:
        if name in names.parameters and not is_immutable(value):
            return _state(name)
        return self._value(value, name)

    def _cell(self, name: str, cell: Any, *, whole: bool) -> Node:
        value = self.seen.cell(cell)
        if id(cell) in self._changed:
            del self.seen.cells[id(cell)]
            return _state(name)  # what it holds changes from call to call
        if isinstance(value, ModuleType) and not whole:
            return self._module_name(value)  # what is taken of it has edges of its own
        return self._value(value, name)

    def _attribute_of_cell(self, node: Node, function: FunctionType, chain: Chain) -> None:
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        value = self.seen.cell(cells[chain[0]])
        if isinstance(value, (ModuleType, FunctionType)):
            node.edges[f"closure {'.'.join(chain)}"] = self._attribute(value, chain, 1)

    # Names

    def _reached(self, function: FunctionType, names: Names, chain: Chain) -> Node:
        if chain[0] in names.imports:
            return self._imported(function, names.imports[chain[0]], chain)
        space = function.__globals__
        if chain[0] in _BY_NAME:
            return self._named("module", (chain[0],), chain[0])
        if chain == ("__name__",):
            module = MAIN if home(function) == "__mp_main__" else home(function)
            return Node("constant", "__name__", text(module), "by value")
        value = self._read(space, chain[0])
        if value is MISSING:
            found = getattr(builtins, chain[0], MISSING)
            kind = "unbound" if found is MISSING else "builtin"
            return self._named(kind, (chain[0],), chain[0])
        if isinstance(value, Node):
            return value
        return self._attribute(value, chain, 1)

    def _read(self, space: dict[str, Any], name: str) -> Any:
        if (id(space), name) in self._state:
            return _state(name)
        return self.seen.name(space, name)

    def _attribute(self, value: Any, chain: Chain, at: int) -> Node:
        """Follow the rest of a chain as long as it leads through modules."""
        while isinstance(value, ModuleType) and at < len(chain):
            if not self._scope.covers(value.__name__):
                return self._named("module", (value.__name__, *chain[at:]), ".".join(chain))
            found = self._read(vars(value), chain[at])
            if isinstance(found, Node):
                return found
            if found is MISSING:
                found = lazy_attribute(value, chain[at])
            if found is MISSING:
                return self._named("unbound", (value.__name__, *chain[at:]), ".".join(chain))
            value, at = found, at + 1
        name = ".".join(chain[:at])
        if isinstance(value, FunctionType) and at < len(chain) and chain[at] in vars(value):
            found = self._read(vars(value), chain[at])
            name = ".".join(chain[: at + 1])
            extra = found if isinstance(found, Node) else self._value(found, name)
            return Node("attribute", name, b"", "by name", {"function": self._value(value, name), "value": extra})
        return self._value(value, name)

    def _imported(self, function: FunctionType, origin: tuple[int, str, str], chain: Chain) -> Node:
        level, module, taken = origin
        space = function.__globals__
        module_name = home(function)
        package = space.get("__package__") or (module_name if "__path__" in space else module_name.rpartition(".")[0])
        try:
            module = importlib.util.resolve_name("." * level + module, package) if level else module
        except (ImportError, ValueError):
            return self._named("unbound", (module, taken), ".".join(chain))
        rest = ((taken,) if taken else ()) + chain[1:]
        if not self._scope.covers(module):
            return self._named("module", (module, *rest), ".".join(chain))
        loaded = imported(module)
        if loaded is None:
            return self._named("unbound", (module, *rest), ".".join(chain))
        if taken and taken not in vars(loaded):
            imported(f"{module}.{taken}")
        return self._attribute(loaded, (module, *rest), 1)

    # State

    def _note_state(self, function: FunctionType, names: Names) -> None:
        if function.__code__.co_name in _AT_CREATION or id(function) in self._at_creation:
            return  # it runs once for each class, before anything is called
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        space = function.__globals__
        for chain in names.rebound:
            if len(chain) == 1:
                if chain[0] in cells:
                    self._changed.add(id(cells[chain[0]]))
                else:
                    self._state.add((id(space), chain[0]))
                continue
            owner = self._quiet(cells, space, chain[:-1])
            if isinstance(owner, (ModuleType, FunctionType)):
                self._state.add((id(vars(owner)), chain[-1]))
            elif isinstance(owner, type):
                self._state.add((id(owner), chain[-1]))
            else:
                self._mark(owner)
        for chain in names.changed:
            self._mark(self._quiet(cells, space, chain))
        for chain in names.called:
            found = self._quiet(cells, space, chain)
            if is_container(found):
                self._mark(found)
        if self._scope.covers(home(function)):
            self._touched |= names.touched

    def _mark(self, value: Any) -> None:
        if value is MISSING or is_immutable(value) or isinstance(value, (type, FunctionType)):
            return
        self._changed.add(id(value))
        self._kept.append(value)

    def _quiet(self, cells: dict[str, Any], space: dict[str, Any], chain: Chain) -> Any:
        """Return the object of a chain without running any code of its owner, or MISSING."""
        value = contents(cells[chain[0]]) if chain[0] in cells else space.get(chain[0], MISSING)
        for name in chain[1:]:
            try:
                attributes_ = vars(value)
            except TypeError:
                return MISSING
            value = attributes_.get(name, MISSING)
        return value

    # Values

    def _value(self, value: Any, name: str = "") -> Node:
        if value is MISSING:
            return self._named("unbound", (), name)
        if id(value) in self._changed:
            return self._with_class(_state(name), value)
        known = self._nodes.get(id(value))
        if known is not None:
            return known
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, ModuleType):
            return self._module(value)
        if is_immutable(value) and not isinstance(value, (tuple, *_FUNCTION_TYPES)):
            return self._digested(value, name, mutable=False)
        parts = self._code_parts(value)
        if parts is not None:
            return self._composite(value, name, parts)
        if isinstance(value, _FUNCTION_TYPES + _DESCRIPTOR_TYPES):
            return self._builtin(value, name)
        if holds_code(value):
            return self._table(value, name)
        return self._digested(value, name, mutable=not is_immutable(value))

    def _module_name(self, module: ModuleType) -> Node:
        return self._named("module", (module.__name__,), module.__name__)

    def _module(self, module: ModuleType) -> Node:
        """Return the node of a module that is used as a value: whatever is in it may be reached."""
        node = self._module_name(module)
        if self._deep and module.__name__ not in _MAINS and self._scope.covers(module.__name__):
            self._nodes[id(module)] = node
            self._kept.append(module)
            self._todo.append(lambda: self._expand_module(node, vars(module)))
        return node

    def _expand_module(self, node: Node, space: dict[str, Any]) -> None:
        self.seen.sizes[id(space)] = (space, len(space))
        for name in list(space):
            if not (name.startswith("__") and name.endswith("__")):
                found = self._read(space, name)
                node.edges[f"attribute {name}"] = found if isinstance(found, Node) else self._value(found, name)

    def _code_parts(self, value: Any) -> dict[str, Any] | None:
        """Return the parts of a value that is made of functions."""
        if isinstance(value, types.MethodType):
            return {"function": value.__func__, "self": value.__self__}
        if isinstance(value, (staticmethod, classmethod)):
            return {"function": value.__func__}
        if isinstance(value, property):
            return {"get": value.fget, "set": value.fset, "delete": value.fdel}
        if isinstance(value, functools.cached_property):
            return {"get": value.func}
        if isinstance(value, (functools.partial, functools.partialmethod)):
            return {"function": value.func, "args": tuple(value.args), "keywords": dict(value.keywords)}
        if isinstance(value, _ORDER):
            return {"function": next((each for each in gc.get_referents(value) if each is not _ORDER), None)}
        wrapped = wrapped_by(value)
        return None if wrapped is None else {"function": wrapped}

    def _composite(self, value: Any, name: str, parts: dict[str, Any]) -> Node:
        if is_ours(value) and "function" in parts:  # a cached function counts as what it wraps
            return self._value(parts["function"], name)
        kind = type(value)
        parts = parts | self._of_wrapper(value)
        node = Node("wrapper", name or kind.__qualname__, text(kind.__module__) + text(kind.__qualname__), "by type")
        self._nodes[id(value)] = node
        self._kept.append(value)
        self._todo.append(lambda: self._fill(node, parts))
        return node

    def _fill(self, node: Node, parts: dict[str, Any]) -> None:
        for label, part in parts.items():
            node.edges[label] = self._value(part, f"{node.name} {label}")

    def _of_wrapper(self, value: Any) -> dict[str, Any]:
        """Return what a wrapper of a walked class has besides what it wraps: its class, and what it holds."""
        kind = type(value)
        if not self._deep or not self._scope.covers(kind.__module__):
            return {}
        return {"class": kind, **self._held(value)}

    def _held(self, value: Any) -> dict[str, Any]:
        """Return what an object of a walked class holds, by the label of its edge; what its methods assign is state."""
        space = getattr(value, "__dict__", None)
        if type(space) is not dict:
            return {}
        rebound = frozenset[str]().union(*map(stored_attributes, methods_of(type(value))))
        self.seen.sizes[id(space)] = (space, len(space))
        found = {}
        for name, held in list(space.items()):
            if name in _WRAPPED or name in rebound or (name in self._touched and is_container(held)):
                continue
            found[f"attribute {name}"] = self.seen.name(space, name)
        return found

    def _builtin(self, value: Any, name: str) -> Node:
        owner = getattr(value, "__self__", None)
        if owner is None or isinstance(owner, (ModuleType, type)):
            module = str(getattr(value, "__module__", None) or getattr(owner, "__module__", "") or "")
            return self._named("builtin", (module, str(getattr(value, "__qualname__", name))), name)
        label = text(str(value.__qualname__))
        node = self._nodes[id(value)] = Node("wrapper", name, label, "by name")
        self._kept.append(value)
        self._todo.append(lambda: self._fill(node, {"self": owner}))
        return node

    def _table(self, value: Any, name: str) -> Node:
        node = self._nodes[id(value)] = Node("table", name, text(type(value).__qualname__), "by value")
        self._kept.append(value)
        self._todo.append(lambda: self._expand_table(node, value))
        return node

    def _expand_table(self, node: Node, value: Any) -> None:
        if isinstance(value, dict):
            self.seen.sizes[id(value)] = (value, len(value))
            for key in list(value):
                label = self._digested(key, "", mutable=False)
                node.edges[f"key {label.kind} {label.label.hex()}"] = self._value(self.seen.name(value, key), str(key))
            return
        if isinstance(value, list):
            self.seen.items.append((value, tuple(value)))
        for at, item in enumerate(tuple(value)):
            node.edges[f"item {at:09}"] = self._value(item, str(at))

    def _digested(self, value: Any, name: str, *, mutable: bool) -> Node:
        known = self._digests.get(id(value))
        if known is None or known[0] is not value:
            try:
                known = self._digests[id(value)] = self._look_at(value, mutable=mutable)
            except Cut as cut:
                return Node("cycle", name, cut.encoding, "by distance")
        _, found, how, classes, functions = known
        if found is None:
            return self._opaque(value, name)
        edges = {label: self._class(cls) for label, cls in classes}
        again = mutable and how == "by value"
        kept = value if edges else None
        return Node("constant", name, found.raw, how, edges, again=again, functions=functions, value=kept)

    def _look_at(self, value: Any, *, mutable: bool) -> _Looked:
        """Return the digest of a value, how it was found, and the walked classes in it; once in each walk.

        Raises:
            Cut: The value is being digested.
        """
        if is_opaque(value):
            return value, None, "", (), ()
        small = mutable and is_small(value)
        try:
            found = self._taken(value)
        except Cut:
            raise
        except Exception:  # a value that has no digest, for whatever reason, never refuses the call
            return value, None, "", (), ()
        if small:
            self._watch_value(value, found)
        how = "by value" if small or not mutable else "by binding"
        return value, found, how, *self._code_in(value, everywhere=True)

    def _taken(self, value: Any) -> Digest:
        for _ in range(TRIES):
            try:
                return self._open.digest(value)
            except RecursionError:
                raise
            except RuntimeError:  # another thread changes it meanwhile
                continue
        return self._open.digest(value)

    def _watch_value(self, value: Any, found: Digest) -> None:
        plain = views(value)
        if plain is None:
            self.seen.values[id(value)] = (value, found)
        else:
            self.seen.items.extend(plain)

    def _opaque(self, value: Any, name: str) -> Node:
        kind = type(value)
        if kind in (list, tuple, dict):  # only that part of it counts by type which has no digest
            return self._table(value, name)
        label = text(kind.__module__) + text(kind.__qualname__)
        edges = {label: self._class(cls) for label, cls in self._code_in(value, everywhere=False)[0]}
        node = Node("opaque", name, label, "by type", edges)
        # Over a classmethod or staticmethod, which has no digest, a single dispatch has none, though it is code.
        looked = self._scope.covers(kind.__module__) or isinstance(value, functools.singledispatchmethod)
        if self._deep and looked and not is_opaque(value):
            self._nodes[id(value)] = node
            self._kept.append(value)
            self._todo.append(lambda: self._fill(node, self._held(value)))
        return node

    def _code_in(self, value: Any, *, everywhere: bool) -> tuple[_Classes, _Functions]:
        """Return the walked classes of the objects in a value, by the label of their edge, and the walked functions.

        The methods of the classes are code. Functions are part of the value's digest, and are shown only.
        """
        if not self._deep or is_plain(value):
            return (), ()
        classes, functions = code_in(value, self._scope.covers, everywhere=everywhere)
        functions.sort(key=place_of)  # a set has no order
        return tuple((f"class {qualname}", cls) for qualname, cls in classes.items()), tuple(functions)

    def _with_class(self, node: Node, value: Any) -> Node:
        """Add the class of an object whose content does not count: its methods do."""
        cls = type(value)
        if self._deep and self._scope.covers(cls.__module__):
            node.edges["class"] = self._class(cls)
        return node

    # Classes

    def _class(self, cls: type, *, walked: bool | None = None) -> Node:
        known = self._nodes.get(id(cls))
        if known is not None:
            return known
        module, qualname = function_identity(cls)
        name = f"{module}.{qualname}"
        if walked is None:
            walked = "<locals>" in qualname or self._scope.covers(cls.__module__)
        if not walked or not self._deep:
            return self._named("class", (module, qualname), name)
        node = self._nodes[id(cls)] = Node("class", name, class_label(cls), "by value")
        self._kept.append(cls)
        self._todo.append(lambda: self._expand_class(node, cls))
        return node

    def _expand_class(self, node: Node, cls: type) -> None:
        space = cls.__dict__
        self.seen.sizes[id(cls)] = (space, len(space))
        if issubclass(cls, type):
            made = (cls.__dict__.get(name) for name in ("__new__", "__init__", "__prepare__"))
            self._at_creation.update(id(getattr(each, "__func__", each)) for each in made)
        if type(cls) is not type:
            node.edges["metaclass"] = self._value(type(cls))
        for at, base in enumerate(cls.__bases__):
            node.edges[f"base {at:09}"] = self._value(base)
        for name, found in attributes(cls):
            value = self._class_value(cls, name, found)
            node.edges[f"attribute {name}"] = value

    def _class_value(self, cls: type, name: str, found: Any) -> Node:
        shown = f"{cls.__qualname__}.{name.removeprefix('field ').removeprefix('member ')}"
        if (id(cls), name) in self._state or (name in self._touched and is_container(found)):
            return _state(shown)
        if name in cls.__dict__:
            found = self.seen.name(cls.__dict__, name)
        return self._value(found, shown)

    def _named(self, kind: str, label: tuple[str, ...], name: str) -> Node:
        return Node(kind, name or kind, _joined(label), "by name")


@functools.lru_cache(maxsize=1 << 12)
def _joined(label: tuple[str, ...]) -> bytes:
    return b"".join(map(text, label))


def _state(name: str) -> Node:
    return Node("state", name, b"", "by name")
