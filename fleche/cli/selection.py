"""Which calls a command is about."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import reduce
from operator import and_
from typing import Annotated, Any

import typer

from fleche.caches import BaseCache
from fleche.call import LazyCall, Outcome, QueryCall
from fleche.call.conditions import Condition
from fleche.query import parse, q

__all__ = [
    "All",
    "Arguments",
    "Failed",
    "Function",
    "Selection",
    "Since",
    "Tags",
    "Where",
    "parse_age",
    "parse_pair",
    "selected",
]

Function = Annotated[str | None, typer.Argument(help="Only this function: its name, module.name, or a pattern with *.")]
Arguments = Annotated[
    list[str] | None, typer.Option("--arg", "-a", metavar="NAME=VALUE", help="Only calls with this argument.")
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        "-w",
        metavar="CONDITION",
        help="Only calls that meet it: 'arg.lr < 0.1 and meta.runtime.walltime > 60'.",
    ),
]
Tags = Annotated[list[str] | None, typer.Option("--tag", "-t", metavar="NAME=VALUE", help="Only calls with this tag.")]
Since = Annotated[str | None, typer.Option(metavar="AGE", help="Only calls since then: 90s, 30min, 12h, 7d.")]
Failed = Annotated[bool, typer.Option("--failed", help="Calls that raised, instead of those that returned.")]
All = Annotated[bool, typer.Option("--all", help="Calls of every outcome.")]

_UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which calls to find.

    Attributes:
        function: A name, ``module.name``, or a pattern of one with ``*``; None is any.
        arguments: Values by name.
        tags: Values by name.
        where: A condition beyond these, or None.
        since: Only calls that started then or later.
        outcomes: Only these.
    """

    function: str | None
    arguments: Mapping[str, Any]
    tags: Mapping[str, Any]
    where: Condition | None
    since: datetime | None
    outcomes: frozenset[Outcome]

    def find(self, cache: BaseCache) -> Iterator[LazyCall]:
        """Return the calls, each once."""
        for template in self._templates():
            for call in cache.find(template):
                if self._fits(call):
                    yield call

    def _condition(self) -> Condition | None:
        if self.since is None:
            return self.where
        recent = q.at >= self.since
        return recent if self.where is None else recent & self.where

    def _templates(self) -> Iterable[QueryCall]:
        metadata = {"tags": dict(self.tags)} if self.tags else {}
        base = QueryCall(arguments=self.arguments, metadata=metadata, outcomes=self.outcomes, where=self._condition())
        name = self.function
        if name is None or "*" in name:
            return [base]
        cuts = [match.start() for match in re.finditer(r"\.", name)]
        qualified = [replace(base, module=name[:at], name=name[at + 1 :]) for at in cuts]
        return [replace(base, name=name), *qualified]

    def _fits(self, call: LazyCall) -> bool:
        pattern = self.function or ""
        names = (call.name, f"{call.module}.{call.name}")
        return "*" not in pattern or any(fnmatchcase(name, pattern) for name in names)


def selected(
    function: str | None,
    arguments: list[str] | None,
    tags: list[str] | None,
    where: list[str] | None,
    since: str | None,
    outcomes: frozenset[Outcome],
) -> Selection:
    """Return what the options of a command select.

    Raises:
        ValueError: One of them cannot be read.
    """
    return Selection(
        function=function,
        arguments=dict(parse_pair(pair) for pair in arguments or ()),
        tags=dict(parse_pair(pair) for pair in tags or ()),
        since=None if since is None else parse_age(since),
        where=None if not where else reduce(and_, map(parse, where)),
        outcomes=outcomes,
    )


def parse_pair(text: str) -> tuple[str, Any]:
    """Return name and value of ``name=value``; the value is a Python literal, or else text.

    >>> parse_pair("lr=0.1"), parse_pair("name=abc"), parse_pair("name='1'")
    (('lr', 0.1), ('name', 'abc'), ('name', '1'))

    Raises:
        ValueError: There is no ``=``.
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"{text!r}: write NAME=VALUE")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def parse_age(text: str) -> datetime:
    """Return the moment that was so long ago: ``90s``, ``30min``, ``12h``, ``7d``, ``2w``.

    Raises:
        ValueError: It is not an age.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text.strip().lower())
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"{text!r} is not an age: write 90s, 30min, 12h, 7d or 2w")
    return datetime.now(UTC) - timedelta(seconds=float(match[1]) * _UNITS[match[2]])
