"""`diff`: what differs between two stored calls, or between two values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fleche.call import LazyCall, Outcome, Version
from fleche.display import arguments, short
from fleche.errors import FlecheError
from fleche.memo.explain.code import CodeChange, code_changes, kept_graph
from fleche.memo.explain.differences import Differences
from fleche.memo.explain.records import Told, argument_differences
from fleche.memo.explain.texts import printable
from fleche.memo.explain.values import difference

__all__ = ["Diff", "diff"]

_ARGUMENTS = 100  # characters of the arguments of a call


@dataclass(frozen=True, kw_only=True, repr=False)
class Diff:
    """What differs between two stored calls. Printing it says so.

    Attributes:
        old: The one call.
        new: The other.
        function: Both functions, where they are two.
        version: Both versions, where they differ.
        arguments: What differs between the arguments, by name; only those that differ.
        code: What differs between the code of both.
        note: Why the code was not compared, where that is so.
        outcome: Both outcomes, where they differ.
        result: What differs between the results; None where they are equal, or not both are there.
    """

    old: LazyCall
    new: LazyCall
    function: tuple[str, str] | None = None
    version: tuple[Version, Version] | None = None
    arguments: Mapping[str, Differences] = field(default_factory=dict)
    code: tuple[CodeChange, ...] = ()
    note: str = ""
    outcome: tuple[str, str] | None = None
    result: Differences | None = None

    def __bool__(self) -> bool:
        return bool(
            self.function or self.version or self.arguments or self.code or self.note or self.outcome or self.result
        )

    def __str__(self) -> str:
        lines = [f"- {_named(self.old)}", f"+ {_named(self.new)}"]
        for name, pair in (("function", self.function), ("version", self.version), ("outcome", self.outcome)):
            lines += [f"  {name}: {pair[0]} -> {pair[1]}"] if pair is not None else []
        for found in self.arguments.values():
            lines += [f"  {line}" for line in str(found).splitlines()]
        for change in self.code:
            lines.append(f"  {change}")
            lines += [f"    {line}" for line in change.diff.splitlines()]
        lines += [f"  {self.note}"] if self.note else []
        lines += [f"  {line}" for line in str(self.result or "").splitlines()]
        return "\n".join(map(printable, lines if self else [*lines, "  nothing differs"]))

    def __repr__(self) -> str:
        return str(self)

    def json(self) -> dict[str, Any]:
        """Return everything, as plain data."""
        return {
            "old": str(self.old.key),
            "new": str(self.new.key),
            "function": None if self.function is None else list(self.function),
            "version": None if self.version is None else list(self.version),
            "arguments": {name: found.json() for name, found in self.arguments.items()},
            "code": [change.json() for change in self.code],
            "note": self.note,
            "outcome": None if self.outcome is None else list(self.outcome),
            "result": None if self.result is None else self.result.json(),
        }


def diff(old: LazyCall, new: LazyCall) -> Diff:
    """Return what differs between two stored calls: function, version, arguments, code, outcome and result.

    Values are loaded where they are stored; of arguments that were too large, sketches tell what they can.

    Args:
        old: The one call.
        new: The other.

    >>> import fleche
    >>> @fleche.cached(cache="memory")
    ... def area(width, height):
    ...     return width * height
    >>> area(2, 3), area(2, 4)
    (6, 8)
    >>> first, second = area.calls
    >>> print(str(diff(first, second)).partition("height=4)")[2])
    <BLANKLINE>
      height: 3 -> 4
      result: 6 -> 8
    """
    names = [f"{call.module}.{call.name}" for call in (old, new)]
    changes, note = _code(old, new)
    outcomes = str(old.outcome), str(new.outcome)
    return Diff(
        old=old,
        new=new,
        function=None if names[0] == names[1] else (names[0], names[1]),
        version=None if repr(old.version) == repr(new.version) else (old.version, new.version),
        arguments=argument_differences(Told.of(old), Told.of(new)),
        code=tuple(change for change in changes if not change.follows),
        note=note,
        outcome=None if outcomes[0] == outcomes[1] else outcomes,
        result=_results(old, new),
    )


def _code(old: LazyCall, new: LazyCall) -> tuple[tuple[CodeChange, ...], str]:
    if old.code == new.code:
        return (), ""
    if old.code is None or new.code is None:
        return (), "code is part of the key of one of them only"
    graphs = kept_graph(old.source, old.code), kept_graph(new.source, new.code)
    if graphs[0] is None or graphs[1] is None:
        return (), "the code differs, and was not kept of both"
    return code_changes(graphs[0], graphs[1]), ""


def _results(old: LazyCall, new: LazyCall) -> Differences | None:
    if old.record.result == new.record.result or {old.outcome, new.outcome} != {Outcome.RESULT}:
        return None
    try:
        return difference(old.result, new.result, name="result")
    except (FlecheError, OSError):
        return difference(old.record.result, new.record.result, name="result")


def _named(call: LazyCall) -> str:
    return f"call {short(call.key)} {call.name}({arguments(call.record, _ARGUMENTS)})"
