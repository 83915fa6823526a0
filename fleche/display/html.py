"""Records as HTML for notebooks: plain tables that follow the notebook's own colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

from fleche.call import DigestedCall, Outcome
from fleche.call.lazy import labels
from fleche.display.text import ago, arguments, duration, short, size

__all__ = ["cache_html", "call_html", "calls_html"]

_MOST = 50  # rows of a table
_WHOLE = 1000  # characters of a call's arguments; the page shows one line of them, and all under the pointer

_STYLE = (
    "<style>.fleche{font-size:13px;line-height:1.45}"
    ".fleche table{border-collapse:collapse;margin:.3em 0}"
    ".fleche table tr{background:none}"
    ".fleche th,.fleche td{text-align:left;padding:.15em .8em .15em 0;border:0;vertical-align:top;"
    "background:none;max-width:48em;overflow-wrap:anywhere}"
    ".fleche td.line{max-width:30em;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}"
    ".fleche th{font-weight:600;opacity:.65}.fleche td.n{text-align:right}"
    ".fleche code{font-size:12px;background:none;padding:0}.fleche .bad{color:#d9534f}"
    ".fleche .head{font-weight:600}.fleche .dim{opacity:.65}</style>"
)


def call_html(record: DigestedCall, *, key: str) -> str:
    """Return one record as a card: function, arguments, result, time and place."""
    rows = [(f"{name} =", _code(label)) for name, label in labels(record).items()]
    body = _facts(rows) if rows else '<div class="dim">no arguments</div>'
    head = f'<span class="head">{escape(record.module)}.{escape(record.name)}</span> {_code(short(key))}'
    return _box(head, body, _facts(_call_facts(record, key)))


def _call_facts(record: DigestedCall, key: str) -> list[tuple[str, str]]:
    facts = [("result", _code(short(record.result)) if record.result else '<span class="dim">none stored</span>')]
    if record.outcome is not Outcome.RESULT:
        told = record.metadata.get("error", {})
        facts = [
            (
                str(record.outcome),
                f'<span class="bad">{escape(str(told.get("type", "")))}</span> {escape(str(told.get("message", "")))}',
            )
        ]
    runtime = record.metadata.get("runtime", {})
    environment = record.metadata.get("environment", {})
    facts.append(("when", escape(_when(record.at))))
    if "walltime" in runtime:
        facts.append(("took", escape(duration(runtime["walltime"]))))
    if environment:
        user, host, python = (environment.get(name, "") for name in ("username", "hostname", "python_version"))
        place = f"{user}@{host}, Python {python}"
        facts.append(("where", escape(place)))
    for name in sorted(record.metadata.keys() - {"runtime", "environment", "error"}):
        entries = ", ".join(f"{key}={value!r}" for key, value in record.metadata[name].items())
        facts.append((name, escape(entries)))
    if record.version is not None:
        facts.append(("version", escape(repr(record.version))))
    if record.code is not None:
        facts.append(("code", _code(short(record.code))))
    facts.append(("key", _code(key)))
    return facts


def calls_html(calls: Iterable[tuple[str, DigestedCall]]) -> str:
    """Return records as a table, the first fifty of them."""
    rows: list[str] = []
    more = 0
    for key, record in calls:
        if len(rows) == _MOST:
            more += 1
            continue
        rows.append(_row(key, record))
    if not rows:
        return _box('<span class="dim">no calls</span>')
    header = "".join(f"<th>{name}</th>" for name in ("key", "function", "arguments", "result", "when", "took"))
    note = f'<div class="dim">and {more:,} more</div>' if more else ""
    return _box(f"<table><thead><tr>{header}</tr></thead><tbody>{''.join(rows)}</tbody></table>{note}")


def _row(key: str, record: DigestedCall) -> str:
    ended = record.outcome is Outcome.RESULT
    result = _code(short(record.result)) if ended else f'<span class="bad">{escape(str(record.outcome))}</span>'
    wall = record.metadata.get("runtime", {}).get("walltime")
    told = arguments(record, _WHOLE)
    cells = (
        f"<td>{_code(short(key))}</td>",
        f"<td>{escape(record.name)}</td>",
        f'<td class="line" title="{escape(told)}">{_code(told)}</td>',
        f"<td>{result}</td>",
        f"<td>{escape(ago(record.at, datetime.now(UTC)))}</td>",
        f"<td>{escape(duration(wall))}</td>",
    )
    return f"<tr>{''.join(cells)}</tr>"


def cache_html(description: Mapping[str, Any], recent: Iterable[tuple[str, DigestedCall]]) -> str:
    """Return a cache as a card: what it is, what it holds, and its latest calls."""
    facts = []
    for name, value in description.items():
        shown = (
            size(value)
            if name == "bytes"
            else f"{value:,}"
            if isinstance(value, int) and not isinstance(value, bool)
            else str(value)
        )
        facts.append((name, escape(shown)))
    return _box(
        '<span class="head">cache</span>', _facts(facts), '<span class="head">latest calls</span>', calls_html(recent)
    )


def _facts(rows: Iterable[tuple[str, str]]) -> str:
    return f"<table>{''.join(f'<tr><th>{escape(name)}</th><td>{value}</td></tr>' for name, value in rows)}</table>"


def _code(text: str) -> str:
    return f"<code>{escape(str(text))}</code>"


def _box(*parts: str) -> str:
    return f'<div class="fleche">{_STYLE}{"".join(f"<div>{part}</div>" for part in parts)}</div>'


def _when(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S} ({ago(moment, datetime.now(UTC))})"
