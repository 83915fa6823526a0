"""`CodeWatch`: the fingerprint of a function, kept current by a check that costs about a microsecond."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal

from fleche.digest.code.frames import text
from fleche.digest.code.graph import Node, graph_digest
from fleche.digest.code.identity import MAIN, always_fingerprinted, function_identity
from fleche.digest.code.pause import Paused
from fleche.digest.code.tree import CodeTree, tree_of
from fleche.digest.text import Digest

if TYPE_CHECKING:
    from fleche.digest.code.analysis import Analysis
    from fleche.digest.code.reach import Walker
    from fleche.digest.code.scope import Scope
    from fleche.digest.code.seen import Seen
    from fleche.digest.code.values import Open

__all__ = ["CodeWatch", "Mode", "fingerprint", "graph_of"]

Mode = Literal["deep", "own"]

_NONE: frozenset[type] = frozenset()


class _Watch:
    """The fingerprint of a function or class, and the check that it holds."""

    KEPT = 64  # for how many combinations of types in arguments a fingerprint is remembered

    def __init__(self, function: Any, mode: Mode, roots: tuple[str, ...], environment: tuple[str, ...]) -> None:
        self._function = function
        self._mode = mode
        self._roots = roots
        self._environment = environment
        self._last: Snapshot | None = None
        self._scope: Scope | None = None
        self._with: dict[frozenset[type], Snapshot] = {}

    def current(self, types: AbstractSet[type] = _NONE) -> Digest:
        """Return the fingerprint of the code as it stands now.

        Args:
            types: The types of the objects that a call brings: their methods are code that runs. Those that are walked
                count; whatever is defined elsewhere does not.
        """
        return self.taken(types).digest

    def tree(self, types: AbstractSet[type] = _NONE) -> CodeTree:
        """Return what the fingerprint is made of, as it stands now; its digest is that of `current`."""
        return tree_of(self.taken(types).root, self._graphs)

    def _graphs(self, functions: Sequence[FunctionType]) -> Sequence[Node]:
        return _PROCESS.graphs(functions, self._mode, self._new_scope())

    def taken(self, types: AbstractSet[type] = _NONE) -> Snapshot:
        """Return the fingerprint and what it rests on, as it stands now."""
        brought = self._walked(types) if types and self._mode == "deep" else _NONE
        last = self._with.get(brought) if brought else self._last
        return last if last is not None and last.holds() else self._take(brought)

    def _walked(self, types: AbstractSet[type]) -> frozenset[type]:
        if self._scope is None:
            self._scope = self._new_scope()
        covers = self._scope.covers
        return frozenset([cls for cls in types if covers(cls.__module__)])

    def _new_scope(self) -> Scope:
        from fleche.digest.code.scope import Scope

        return Scope.of(self._function, self._roots)

    def _take(self, brought: frozenset[type]) -> Snapshot:
        taken = _PROCESS.take(self._function, self._mode, self._new_scope(), self._environment, brought)
        if not brought:
            self._last = taken
            return taken
        if len(self._with) >= self.KEPT:
            self._with.clear()
        self._with[brought] = taken
        return taken


class CodeWatch(_Watch):
    """The fingerprint of a function: taken at the first call, checked cheaply at each later one.

    Nothing is read when it is made. Thread-safe: threads that meet a change at once may each take the new fingerprint,
    and take the same.

    Args:
        function: The function, unwrapped.
        mode: ``"deep"``: with everything that it reaches by name. ``"own"``: with its closure and defaults only.
        roots: Packages that are walked besides the function's own.
        environment: Distributions whose installed versions count, such as ``("numpy",)``; ``"python"`` is the
            interpreter's own.

    >>> import json
    >>> watch = CodeWatch(json.dumps)
    >>> watch.current() == CodeWatch(json.dumps).current()
    True
    """

    def __init__(
        self,
        function: Any,
        *,
        mode: Mode = "deep",
        roots: tuple[str, ...] = (),
        environment: tuple[str, ...] = (),
    ) -> None:
        if mode not in ("deep", "own"):
            raise ValueError(f"mode is {mode!r}; it is 'deep' or 'own'")
        super().__init__(function, mode, tuple(roots), tuple(environment))
        _PROCESS.claim(function, roots)

    def elsewhere(self, types: AbstractSet[type] = _NONE) -> Iterator[Node]:
        """Yield what the function reaches, as seen from places where it may have been: more, or less, is walked there.

        Args:
            types: As for `current`.
        """
        yield self.taken(types).root
        if self._mode != "deep":
            return
        from fleche.digest.code.scope import views

        own = self._scope or self._new_scope()
        for scope in views(self._function, self._roots):
            if (scope.packages, scope.directory) != (own.packages, own.directory):
                brought = frozenset([cls for cls in types if scope.covers(cls.__module__)])
                yield _PROCESS.take(self._function, self._mode, scope, self._environment, brought).root


class Snapshot:
    """One fingerprint, and what must still be so for it to hold."""

    __slots__ = ("cut", "digest", "holds", "root")

    def __init__(self, root: Node, seen: Seen, *, cut: bool) -> None:
        from fleche.digest.code.check import Check

        self.root, self.digest, self.cut = root, graph_digest(root), cut
        self.holds = Check(seen, _PROCESS.digest_of).holds


class _Process:
    """What one process knows of code; made once, filled at the first fingerprint."""

    KEPT = 4096  # how many functions and classes are remembered as values
    DEPTH = 8  # fingerprints inside values inside fingerprints; deeper ones are taken without what they reach

    def __init__(self) -> None:
        self._analysis: Analysis | None = None
        self._open: Open | None = None
        self._kept: dict[tuple[int, str], tuple[Any, _Watch]] = {}
        self._claimed: set[str] = set()
        self._collection = Paused()

    def _parts(self) -> tuple[Analysis, Open]:
        if self._analysis is None or self._open is None:
            from fleche.digest.code.analysis import Analysis
            from fleche.digest.code.sources import Sources
            from fleche.digest.code.values import Open

            self._open = Open()
            self._analysis = Analysis(Sources())
        return self._analysis, self._open

    def take(
        self, root: Any, mode: Mode, scope: Any, environment: Iterable[str], brought: Iterable[type] = ()
    ) -> Snapshot:
        open_values = self._parts()[1]
        base = len(open_values.ids)
        walker = self._walker(mode, scope)
        with self._collection:
            node = walker.walk(root, brought)
        for name in environment:
            version = _version(name)
            node.edges[f"environment {name}"] = Node("environment", name, text(version or ""), "by version")
        return Snapshot(node, walker.seen, cut=open_values.lowest < base)

    def _walker(self, mode: Mode, scope: Any) -> Walker:
        from fleche.digest.code.reach import Walker

        analysis, open_values = self._parts()
        return Walker(scope, mode == "deep" and len(open_values.ids) < self.DEPTH, analysis, open_values)

    def graphs(self, functions: Sequence[FunctionType], mode: Mode, scope: Any) -> Sequence[Node]:
        """Return the graphs of several functions, which share what they reach."""
        return self._walker(mode, scope).graphs(functions)

    def digest_of(self, value: Any) -> Digest | None:
        from fleche.digest.code.values import Cut

        try:
            return self._parts()[1].digest(value)
        except Cut:
            return None
        except Exception:  # what has no digest counts by its type
            return None

    def claim(self, function: Any, roots: Iterable[str]) -> None:
        """Note that a package uses fleche: its functions count by their code, as values too, wherever it lies."""
        self._claimed.add(function_identity(function)[0].partition(".")[0])
        self._claimed.update(roots)

    def fingerprint(self, value: Any, mode: Mode) -> Digest:
        from fleche.digest.code.scope import installed

        module, name = function_identity(value)
        top = module.partition(".")[0]
        if top != MAIN and top not in self._claimed and installed(top):
            if not always_fingerprinted(value):
                return graph_digest(Node("function", name, text(module) + text(name), "by name"))
            mode = "own"
        return self._watched(value, mode)

    def graph(self, value: Any) -> Node | None:
        from fleche.digest.code.scope import installed

        top = function_identity(value)[0].partition(".")[0]
        if top != MAIN and top not in self._claimed and installed(top):
            return self._snapshot(value, "own").root if always_fingerprinted(value) else None
        return self._snapshot(value, "deep").root

    def _watched(self, value: Any, mode: Mode) -> Digest:
        return self._snapshot(value, mode).digest

    def _snapshot(self, value: Any, mode: Mode) -> Snapshot:
        key = (id(value), mode)
        known = self._kept.get(key)
        if known is not None and known[0]() is value:
            return known[1].taken()
        watch = _Watch(value, mode, (), ())
        taken = watch.taken()
        if not taken.cut and isinstance(value, (FunctionType, type)):
            if len(self._kept) > self.KEPT:
                self._kept.clear()
            self._kept[key] = (weakref.ref(value), watch)
        return taken


_PROCESS = _Process()


def _version(name: str) -> str | None:
    if name == "python":
        import platform

        return platform.python_version()
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def graph_of(obj: Any) -> Node | None:
    """Return what a function or class as a value reaches, or None where it is known by its name."""
    return _PROCESS.graph(_bare(obj))


def fingerprint(obj: Any, mode: Mode = "deep") -> Digest:
    """Return the fingerprint of a function, method, partial, class or builtin as a value.

    A method's or partial's own part is its function's: receiver and arguments are values of their own.

    Args:
        obj: What to fingerprint.
        mode: As for `CodeWatch`.
    """
    return _PROCESS.fingerprint(_bare(obj), mode)


def _bare(obj: Any) -> Any:
    import functools
    import types

    while True:
        if isinstance(obj, (types.MethodType, staticmethod, classmethod)):
            obj = obj.__func__
        elif isinstance(obj, functools.partial):
            obj = obj.func
        else:
            return obj
