"""A cache as HTML: what it is, which functions it remembers, and its latest calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fleche.display import page
from fleche.display.call import Row, calls_table
from fleche.display.text import ago, duration, size

__all__ = ["FunctionRow", "cache_html"]

_MOST = 12  # functions that are shown
_NUMBERS = ("calls", "values", "bytes")
_TITLED = {*_NUMBERS, "path", "kind", "view", "members", "trusted", "reason"}


@dataclass(frozen=True, kw_only=True, slots=True)
class FunctionRow:
    """What a cache remembers of one function.

    Attributes:
        module: Where it was defined.
        name: Its qualified name.
        calls: How many calls there are, of every outcome.
        failed: How many of them did not return.
        seconds: How long their bodies took together.
        latest: When the last of them started.
    """

    module: str
    name: str
    calls: int
    failed: int = 0
    seconds: float = 0.0
    latest: datetime | None = None


def cache_html(
    description: Mapping[str, Any], functions: Sequence[FunctionRow], recent: Sequence[Row], *, over: int | None = None
) -> str:
    """Return a cache as a card.

    Args:
        description: What the cache is and holds: ``kind path calls values bytes trusted reason``, and others.
        functions: What it remembers, those that took the longest first.
        recent: Its latest calls.
        over: How many of the latest calls the functions are counted over, where it is not all of them.
    """
    place = description.get("path")
    head = page.title(
        "<b>cache</b>", page.chip(description.get("kind", "cache")), page.code(place, 100) if place else ""
    )
    trust = (
        [] if description.get("trusted", True) else [page.chip("others can write here", "warn", _reason(description))]
    )
    seconds = sum(function.seconds for function in functions)
    numbers = [_number(name, description[name]) for name in _NUMBERS if description.get(name) is not None]
    numbers += [f"<b>{page.plain(duration(seconds))}</b> {page.note('computed')}"] if seconds else []
    numbers += trust
    rest = [(name, page.plain(value)) for name, value in description.items() if name not in _TITLED and _is_told(value)]
    counted = f"among the latest {over:,} calls" if over else ""
    return page.box(
        head,
        f"<div>{' &nbsp; '.join(numbers)}</div>",
        _members(description.get("members")),
        page.head("functions", counted) + _functions(functions) if functions else "",
        page.head("latest calls") + calls_table(recent) if recent else f"<div>{page.note('no calls yet')}</div>",
        f"<details><summary>{page.note('about this store')}</summary>{page.facts(rest)}</details>" if rest else "",
    )


def _members(members: Any) -> str:
    """Return the caches that this one reads, in order."""
    if not isinstance(members, list | tuple) or not members:
        return ""
    rows = [
        [
            page.code(member.get("path") or member.get("kind") or "in memory", 80),
            page.plain(f"{member['calls']:,}") if type(member.get("calls")) is int else "",
            page.plain(size(member["bytes"])) if type(member.get("bytes")) is int else "",
        ]
        for member in members
        if isinstance(member, Mapping)
    ]
    return page.table(("member", "calls", "stored"), rows, (1, 2))


def _reason(description: Mapping[str, Any]) -> str:
    return f"{description.get('reason') or ''}: only plain values are loaded".removeprefix(": ")


def _is_told(value: Any) -> bool:
    return value is not None and not isinstance(value, Mapping | list | tuple)


def _number(name: str, value: Any) -> str:
    whole = type(value) is int
    told = size(value) if name == "bytes" and whole else f"{value:,}" if whole else str(value)
    return f"<b>{page.plain(told)}</b> {page.note('stored' if name == 'bytes' else name)}"


def _functions(functions: Sequence[FunctionRow]) -> str:
    longest = max(function.seconds for function in functions)
    now = datetime.now(UTC)
    failed = any(function.failed for function in functions)
    rows = [_function(function, longest, now, failed=failed) for function in functions[:_MOST]]
    more = len(functions) - _MOST
    note = f"<div>{page.note(f'and {more:,} more')}</div>" if more > 0 else ""
    heads = ["function", "calls", *(["failed"] if failed else []), "time in it", "each", "last"]
    return page.table(heads, rows, (1, 2, 4) if failed else (1, 3)) + note


def _function(function: FunctionRow, longest: float, now: datetime, *, failed: bool) -> list[str]:
    told = duration(function.seconds)
    return [
        f"{page.note(function.module + '.')}{page.plain(function.name, 80)}",
        f"{function.calls:,}",
        *([page.toned(f"{function.failed:,}", "bad") if function.failed else ""] if failed else []),
        page.bar([(function.seconds / longest if longest else 0.0, "blue")], told, 110) + page.plain(told),
        page.plain(duration(function.seconds / function.calls) if function.calls else ""),
        page.note(ago(function.latest, now)),
    ]
