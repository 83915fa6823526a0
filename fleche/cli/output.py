"""What the command line prints: tables for people, JSON with stable fields for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fleche.call import LazyCall, Outcome, kind_of
from fleche.call.lazy import HIDDEN, labels
from fleche.display import ago, arguments, duration, short, size, value_preview
from fleche.errors import DamagedError, FlecheError, ValueNotStored

__all__ = ["call", "calls", "data", "facts", "say", "table", "text", "value"]

_PREVIEW = 2000  # characters of a value
_LINE = 1_000_000  # columns of a pipe: nothing is cut there, since nobody can widen it
_HEADS = {"key": "cyan", "function": "bold", "arguments": "", "result": "dim", "when": "", "took": ""}
_ARGUMENTS = list(_HEADS).index("arguments")
_LEAST, _MOST = 12, 80  # columns of the arguments, which take what the others leave
_GAP = "  "


def say(message: str) -> None:
    """Print one line."""
    _console().print(message, markup=False, highlight=False, soft_wrap=True)


def text(message: str) -> None:
    """Print lines as they are: nothing is wrapped, and nothing that steers a terminal is let through."""
    for line in message.splitlines():
        print("".join(mark if mark.isprintable() or mark == "\t" else "�" for mark in line))  # noqa: T201 - for programs


def facts(facts: Mapping[str, Any], *, as_json: bool) -> None:
    """Print names and values."""
    if as_json:
        _json(facts)
        return
    if facts.get("path") == facts.get("place"):
        facts = {name: value for name, value in facts.items() if name != "path"}
    _print(_grid([row for name, value in facts.items() for row in _fact(name, value)]))


def _fact(name: str, value: Any) -> list[tuple[str, str]]:
    """Return the rows of one fact: of members one each, of a cache behind its own."""
    if name == "members":
        return [(f"member {number}", _member(each)) for number, each in enumerate(value, start=1)]
    return [(name, _member(value) if isinstance(value, Mapping) else _shown(name, value))]


def _member(facts: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{facts[name]:,} {name}" for name in ("calls", "values") if isinstance(facts.get(name), int))
    return f"{facts.get('path') or facts.get('kind') or 'memory'}{': ' if counts else ''}{counts}"


def data(fields: Mapping[str, Any]) -> None:
    """Print one JSON object, in one line."""
    _json(fields)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    made = Table(box=None, pad_edge=False, header_style="dim", padding=(0, len(_GAP), 0, 0))
    for name in head:
        made.add_column(name, overflow="fold")
    for row in rows:
        made.add_row(*map(Text, row))
    _print(made)


def calls(calls: Sequence[LazyCall], *, total: int, as_json: bool) -> None:
    """Print calls: as a table, or as one JSON object a line."""
    if as_json:
        for call in calls:
            _json(_fields(call))
        return
    if not calls:
        say("no calls")
        return
    console = _console()
    rows = [_row(call, datetime.now(UTC)) for call in calls]
    widths = [max(map(cell_len, cells)) for cells in zip(_HEADS, *rows, strict=True)]
    rest = sum(widths) - widths[_ARGUMENTS] + len(_GAP) * (len(_HEADS) - 1)
    room = max(_LEAST, min(_MOST, console.width - rest) if console.is_terminal else _LINE)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, len(_GAP), 0, 0))
    for name, style in _HEADS.items():
        table.add_column(name, style=style, no_wrap=True, justify="right" if name == "took" else "left")
    for row in rows:
        row[_ARGUMENTS] = _cut(row[_ARGUMENTS], room)
        table.add_row(*map(Text, row))
    _print(table)
    if total > len(calls):
        console.print(f"{len(calls)} of {total:,}; --limit 0 lists all", style="dim", highlight=False)


def _row(call: LazyCall, now: datetime) -> list[str]:
    ending = short(call.record.result) if call.outcome is Outcome.RESULT else str(call.outcome)
    told = arguments(call.record, _LINE)
    return [short(call.key), call.name, told, ending, ago(call.at, now), duration(call.walltime)]


def _cut(text: str, room: int) -> str:
    return text if cell_len(text) <= room else f"{set_cell_size(text, room - 1).rstrip()}…"


def call(call: LazyCall, *, values: bool, as_json: bool) -> None:
    """Print one call: its record and, if asked, its values."""
    if as_json:
        fields = _fields(call)
        if values and call.outcome is Outcome.RESULT:
            fields["preview"] = _loaded(lambda: call.result)
        _json(fields)
        return
    rows: list[tuple[str, str]] = [("call", str(call.key)), ("function", f"{call.module}.{call.name}")]
    rows += [(f"  {name}", _argument(call, name, load=values)) for name in call.arguments]
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
        if namespace != "runtime" and namespace not in HIDDEN:
            rows.append((namespace, "\n".join(f"{name}: {value}" for name, value in entries.items()).rstrip()))
    _print(_grid(rows))


def value(digest: str, value: Any, *, loaded: bool, as_json: bool) -> None:
    """Print one value."""
    kind = kind_of(value) if loaded else None
    if as_json:
        _json({"value": str(digest), "type": kind, "preview": value_preview(value, _PREVIEW) if loaded else None})
        return
    rows = [("value", str(digest))]
    rows += [("type", str(kind)), ("", value_preview(value, _PREVIEW))] if loaded else []
    _print(_grid(rows))


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
        "metadata": {name: entries for name, entries in record.metadata.items() if name not in HIDDEN},
    }


def _argument(call: LazyCall, name: str, *, load: bool) -> str:
    label = labels(call.record)[name]
    if not load:
        return label
    try:
        return value_preview(call.arguments[name], _PREVIEW)
    except ValueNotStored as error:
        damage = error.__cause__
        return f"{label} ({damage})" if isinstance(damage, DamagedError) else f"{label}, whose value is not stored"
    except FlecheError as error:
        return f"({error})"


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


def _print(table: Table) -> None:
    """Print a table: fitted to a terminal, or whole and without padding to anything else."""
    console = _console()
    if console.is_terminal:
        console.print(table, crop=False, overflow="ignore")
        return
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))  # noqa: T201 - for programs


def _console() -> Console:
    console = Console(soft_wrap=False)
    if not console.is_terminal:
        console.width = _LINE
    return console
