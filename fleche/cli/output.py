"""What the command line prints: tables for people, JSON with stable fields for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleche.call import LazyCall, Outcome, kind_of
from fleche.display import ago, arguments, duration, short, size, value_preview
from fleche.errors import FlecheError

__all__ = ["call", "calls", "facts", "say", "value"]

_PREVIEW = 400  # characters of a value


def say(message: str) -> None:
    """Print one line."""
    _console().print(message, markup=False, highlight=False, soft_wrap=True)


def facts(facts: Mapping[str, Any], *, as_json: bool) -> None:
    """Print names and values."""
    if as_json:
        _json(facts)
        return
    _console().print(_grid([(name, _shown(name, value)) for name, value in facts.items()]))


def calls(calls: Sequence[LazyCall], *, total: int, as_json: bool) -> None:
    """Print calls: as a table, or as one JSON object a line."""
    if as_json:
        for call in calls:
            _json(_fields(call))
        return
    if not calls:
        say("no calls")
        return
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name, style in (
        ("key", "cyan"),
        ("function", "bold"),
        ("arguments", ""),
        ("result", "dim"),
        ("when", ""),
        ("took", ""),
    ):
        table.add_column(
            name,
            style=style,
            no_wrap=name != "arguments",
            justify="right" if name == "took" else "left",
            overflow="ellipsis" if name == "arguments" else "fold",
            max_width=60 if name == "arguments" else None,
        )
    now = datetime.now(UTC)
    for call in calls:
        ending = short(call.record.result) if call.outcome is Outcome.RESULT else str(call.outcome)
        table.add_row(
            short(call.key),
            Text(call.name),
            Text(arguments(call.record)),
            ending,
            ago(call.at, now),
            duration(call.walltime),
        )
    console = _console()
    console.print(table)
    if total > len(calls):
        console.print(f"{len(calls)} of {total:,}; --limit 0 lists all", style="dim", highlight=False)


def call(call: LazyCall, *, values: bool, as_json: bool) -> None:
    """Print one call: its record and, if asked, its values."""
    if as_json:
        fields = _fields(call)
        if values and call.outcome is Outcome.RESULT:
            fields["preview"] = _loaded(lambda: call.result)
        _json(fields)
        return
    rows: list[tuple[str, str]] = [("call", str(call.key)), ("function", f"{call.module}.{call.name}")]
    for name in call.arguments:
        shown = _loaded(lambda name=name: call.arguments[name]) if values else ""
        rows.append(
            (f"  {name}", shown or f"<{call.record.kinds.get(name) or 'value'}> {short(call.record.arguments[name])}")
        )
    rows.append(("outcome", str(call.outcome)))
    if call.record.result is not None:
        rows.append(("result", str(call.record.result)))
        if values and call.outcome is Outcome.RESULT:
            rows.append(("", _loaded(lambda: call.result)))
    rows += [("when", f"{call.at:%Y-%m-%d %H:%M:%S} UTC, {ago(call.at, datetime.now(UTC))}")] if call.at else []
    rows += [("took", duration(call.walltime))] if call.walltime is not None else []
    for name, value in (("version", call.version), ("code", call.code), ("parent", call.record.parent)):
        rows += [(name, str(value))] if value is not None else []
    for namespace, entries in sorted(call.metadata.items()):
        if namespace != "runtime":
            rows.append((namespace, "\n".join(f"{name}: {value}" for name, value in entries.items())))
    _console().print(_grid(rows))


def value(digest: str, value: Any, *, loaded: bool, as_json: bool) -> None:
    """Print one value."""
    kind = kind_of(value) if loaded else None
    if as_json:
        _json({"value": str(digest), "type": kind, "preview": value_preview(value, _PREVIEW) if loaded else None})
        return
    rows = [("value", str(digest))]
    rows += [("type", str(kind)), ("", value_preview(value, _PREVIEW))] if loaded else []
    _console().print(_grid(rows))


def _fields(call: LazyCall) -> dict[str, Any]:
    record = call.record
    return {
        "key": str(call.key),
        "module": record.module,
        "name": record.name,
        "version": record.version,
        "code": record.code,
        "outcome": str(record.outcome),
        "arguments": {
            name: {"digest": str(digest), "type": record.kinds.get(name), "value": _plain(record.scalars.get(name))}
            for name, digest in record.arguments.items()
        },
        "result": record.result,
        "at": None if record.at is None else record.at.isoformat(),
        "walltime": call.walltime,
        "parent": record.parent,
        "metadata": record.metadata,
    }


def _loaded(load: Any) -> str:
    try:
        return value_preview(load(), _PREVIEW)
    except FlecheError as error:
        return f"({error})"


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _shown(name: str, value: Any) -> str:
    if name == "bytes":
        return size(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _grid(rows: Sequence[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in rows:
        grid.add_row(Text(name), Text(text))
    return grid


def _json(fields: Mapping[str, Any]) -> None:
    print(json.dumps(fields, default=str, ensure_ascii=False))  # noqa: T201 - for programs: no wrapping, no colour


def _console() -> Console:
    return Console(soft_wrap=False)
