"""``q``: where conditions on stored calls begin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Any

from fleche.call.conditions import Comparison, Condition, Operator, Path
from fleche.call.metadata import Environment, Git, Runtime

__all__ = ["Field", "Names", "Namespaces", "Question", "q"]

_ENTRIES: Mapping[str, Iterable[str]] = {
    **{kind.name: tuple(kind.keys) for kind in (Runtime, Environment, Git)},
    "error": ("type", "message"),
    "tags": (),
}
"""What completion offers below ``q.meta``; there may be more."""


class Field:
    """One value of a call, to be compared: ``q.arg.lr``, ``q.meta.runtime.walltime``, ``q.at``.

    Comparing it gives a `Condition`; see there for what is equal to what.
    """

    __slots__ = ("_path",)
    __hash__ = None  # type: ignore[assignment]  # == builds a condition
    __array_ufunc__ = None  # numpy leaves comparisons with its values to this class

    def __init__(self, path: Path) -> None:
        self._path = path

    def __eq__(self, value: object) -> Condition:  # type: ignore[override]
        return Comparison(self._path, Operator.EQ, value)

    def __ne__(self, value: object) -> Condition:  # type: ignore[override]
        return Comparison(self._path, Operator.NE, value)

    def __lt__(self, value: Any) -> Condition:
        return Comparison(self._path, Operator.LT, value)

    def __le__(self, value: Any) -> Condition:
        return Comparison(self._path, Operator.LE, value)

    def __gt__(self, value: Any) -> Condition:
        return Comparison(self._path, Operator.GT, value)

    def __ge__(self, value: Any) -> Condition:
        return Comparison(self._path, Operator.GE, value)

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    def between(self, low: Any, high: Any) -> Condition:
        """Whether it lies between two values, both included."""
        return Comparison(self._path, Operator.GE, low) & Comparison(self._path, Operator.LE, high)

    def isin(self, values: Iterable[Any]) -> Condition:
        """Whether it is equal to one of several values; of none, never."""
        found = [self == value for value in values]
        never: Condition = Comparison(self._path, Operator.EXISTS) & ~Comparison(self._path, Operator.EXISTS)
        return reduce(or_, found) if found else never

    def startswith(self, text: str) -> Condition:
        """Whether it is text that starts so."""
        return Comparison(self._path, Operator.STARTS, text)

    def contains(self, text: str) -> Condition:
        """Whether it is text that contains a text."""
        return Comparison(self._path, Operator.CONTAINS, text)

    def isnan(self) -> Condition:
        """Whether it is the float NaN, which nothing else matches."""
        return Comparison(self._path, Operator.ISNAN)

    def exists(self) -> Condition:
        """Whether the call has such a value at all."""
        return Comparison(self._path, Operator.EXISTS)

    def __bool__(self) -> bool:
        raise TypeError(f"{self!r} stands for a value of each call: compare it, or ask {self!r}.exists()")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{self!r} has no {name!r}: a condition compares whole arguments and entries, not what is inside of them; "
            f".filter(lambda call: ...) can look into values"
        )

    def __repr__(self) -> str:
        return repr(Comparison(self._path, Operator.EXISTS)).removesuffix(".exists()")


class Names:
    """Fields by name: ``q.arg.lr``, or ``q.arg["lr"]`` for names that are no identifiers."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __getattr__(self, name: str) -> Field:
        if name.startswith("__"):
            raise AttributeError(name)
        return Field((*self._path, name))

    def __getitem__(self, name: str) -> Field:
        return Field((*self._path, name))

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *_ENTRIES.get(self._path[-1], ())] if self._path[0] == "meta" else super().__dir__()


class Namespaces:
    """Metadata by namespace and entry: ``q.meta.runtime.walltime``, ``q.meta["tags"]["run"]``."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Names:
        if name.startswith("__"):
            raise AttributeError(name)
        return Names(("meta", name))

    def __getitem__(self, name: str) -> Names:
        return Names(("meta", name))

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *_ENTRIES]


class Question:
    """Where conditions on stored calls begin.

    >>> condition = (q.arg.lr < 0.1) & (q.meta.runtime.walltime > 60) & ~q.arg.name.startswith("test")
    >>> condition
    (((q.arg.lr < 0.1) & (q.meta.runtime.walltime > 60)) & ~q.arg.name.startswith('test'))
    """

    __slots__ = ()

    arg = Names(("arg",))
    """Arguments by name."""
    meta = Namespaces()
    """Metadata by namespace and entry."""
    result = Field(("result",))
    """What the call returned. Any comparison but ``==`` loads the results."""
    name = Field(("name",))
    """The function's qualified name."""
    module = Field(("module",))
    """Its module."""
    version = Field(("version",))
    """Its version."""
    code = Field(("code",))
    """The fingerprint of its code, as text."""
    key = Field(("key",))
    """The call's key, as text."""
    at = Field(("at",))
    """When the body started."""


q = Question()
"""Where conditions on stored calls begin."""
