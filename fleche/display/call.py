"""Calls as HTML: one as a card, several as a table with a column for each argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fleche.call import DigestedCall, Outcome
from fleche.call.lazy import HIDDEN, labels
from fleche.call.lineage import made_by, taken_by
from fleche.display import page
from fleche.display.summary import Summary
from fleche.display.text import ago, duration, size

__all__ = ["Row", "call_html", "calls_html", "calls_table"]

_CELL = 40  # characters of a value in a table
_COLUMNS = 6  # arguments that have a column of their own
_TONES = {Outcome.RESULT: "good", Outcome.ERROR: "bad", Outcome.PARTIAL: "warn"}
_NOTHING: Mapping[str, Summary] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A record, and what is known of its values.

    Attributes:
        key: Its lookup key.
        record: The record.
        result: Its result at a glance, or None.
    """

    key: str
    record: DigestedCall
    result: Summary | None = None


def call_html(row: Row, arguments: Mapping[str, Summary] = _NOTHING) -> str:
    """Return one record as a card: function, arguments, result, time and place.

    Args:
        row: The record with its result.
        arguments: Arguments at a glance, by name; others are told by type and digest.
    """
    record = row.record
    head = page.title(
        f"{page.note(record.module + '.')}<b>{page.plain(record.name)}</b>",
        page.chip(str(record.outcome), _TONES[record.outcome]),
        *(page.chip(f"{name}: {value}", "blue") for name, value in _entries(record, "tags")),
    )
    rows = [_argument(record, name, text, arguments.get(name)) for name, text in labels(record).items()]
    heads = ("argument", "value", "type", "digest")
    body = page.table(heads, rows, roomy=True) if rows else f"<div>{page.note('no arguments')}</div>"
    return page.box(head, body, page.facts([_ending(row), *_facts(row)]))


def _argument(record: DigestedCall, name: str, text: str, summary: Summary | None) -> list[str]:
    kind = page.note((record.kinds.get(name) or "").removeprefix("builtins."))
    if name in record.scalars:
        value = page.code(text, 60)
    elif summary is None or not (summary.text or summary.shape or summary.curve):
        value = page.note("not looked at" if summary is None or not summary.why else summary.why)
    else:
        value = _glance(summary, kind=False)
    return [f"<b>{page.plain(name, 60)}</b>", value, kind, page.digest(record.arguments[name])]


def _glance(summary: Summary, *, kind: bool = True) -> str:
    """Return a value at a glance: its picture, its text, its type and extent."""
    told = [page.code(summary.text, 120)] if summary.text and not summary.curve else []
    stated = [summary.kind if kind else "", summary.shape]
    stated += [size(summary.size)] if summary.size is not None and (summary.shape or not summary.text) else []
    stated += [f"{summary.low:.4g} … {summary.high:.4g}"] if summary.low is not None else []
    told.append(page.note(" · ".join(part for part in stated if part)))
    told += [page.note(f"({summary.why})")] if summary.why else []
    return _picture(summary) + " ".join(told)


def _small(summary: Summary) -> str:
    """Return a value at a glance, in a cell."""
    is_frame = summary.kind.startswith("pandas.")  # whose text is the names of its columns
    if summary.text and len(summary.text) <= _CELL and not is_frame:
        return page.code(summary.text)
    brief = " ".join(part for part in (_last(summary.kind), page.plain(summary.shape)) if part)
    return f'{_picture(summary, 48, 14)}<span title="{page.plain(summary.kind)}">{brief}</span>'


def _picture(summary: Summary, width: int = 120, height: int = 26) -> str:
    about = f"from {summary.low} to {summary.high}"
    if len(summary.curve) > 1:
        return page.line(summary.curve, about, width, height)
    return page.histogram(summary.columns, f"how often, {about}", width, height) if summary.columns else ""


def _last(kind: str) -> str:
    return page.plain(kind.rpartition(".")[2], 40)


def _ending(row: Row) -> tuple[str, str]:
    record = row.record
    if record.outcome is not Outcome.RESULT:
        told = dict(_entries(record, "error"))
        text = f"<b>{page.plain(told.get('type', ''))}</b> {page.plain(told.get('message', ''), 400)}"
        return str(record.outcome), text
    if row.result is None:
        return "result", page.note("none stored")
    return "result", f"{_glance(row.result)} {page.digest(record.result)}"


def _facts(row: Row) -> list[tuple[str, str]]:
    record = row.record
    found = []
    if record.at is not None:
        now = datetime.now(UTC)
        stamp = f"{record.at.astimezone():%Y-%m-%d %H:%M:%S}"
        found.append(("when", f"{page.plain(stamp)} {page.note(ago(record.at, now))}"))
    runtime = dict(_entries(record, "runtime"))
    if _number(runtime.get("walltime")) is not None:
        cpu = _number(runtime.get("cputime"))
        busy = page.note(f"{duration(cpu)} of processor time") if cpu is not None else ""
        found.append(("took", f"{page.plain(duration(_number(runtime['walltime'])))} {busy}"))
    place = dict(_entries(record, "environment"))
    if place:
        found.append(("where", _place(place)))
    for space in sorted(set(record.metadata) - {"runtime", "environment", "error", "tags", *HIDDEN}):
        entries = ", ".join(f"{name}={value!r}" for name, value in _entries(record, space))
        found.append((space, page.plain(entries, 400)))
    found += [("version", page.code(repr(record.version)))] if record.version is not None else []
    found += [("code", page.digest(record.code))] if record.code is not None else []
    found += [("within", page.digest(record.parent))] if record.parent is not None else []
    for name, keys in (("inputs", taken_by(record)), ("made", made_by(record))):
        found += [(name, " ".join(map(page.digest, keys[:20])))] if keys else []
    found += [("expires", page.plain(f"{record.expires.astimezone():%Y-%m-%d %H:%M:%S}"))] if record.expires else []
    return [*found, ("key", page.digest(row.key, whole=True))]


def _place(place: Mapping[str, Any]) -> str:
    told = f"{place.get('username', '')}@{place.get('hostname', '')}"
    python = f"Python {place.get('python_version', '')}"
    packages = place.get("packages")
    if not isinstance(packages, Mapping) or not packages:
        return f"{page.plain(told)} {page.note(python)}"
    names = ", ".join(f"{name} {version}" for name, version in list(packages.items())[:200])
    summary = f"<summary>{page.plain(told)} {page.note(f'{python}, {len(packages)} packages')}</summary>"
    return f"<details>{summary}{page.code(names, 4000)}</details>"


def calls_html(rows: Sequence[Row], *, shown: str = "") -> str:
    """Return records as a table, under the name of their function where they have one.

    Args:
        rows: The records.
        shown: Which part of all these are, in words.
    """
    if not rows:
        return page.box(page.note("no calls"))
    record = rows[0].record
    one = {(row.record.module, row.record.name) for row in rows} == {(record.module, record.name)}
    name = f"{page.note(record.module + '.')}<b>{page.plain(record.name)}</b>" if one else ""
    return page.box(page.title(name, page.note(shown)) if one or shown else "", calls_table(rows, named=not one))


def calls_table(rows: Sequence[Row], *, named: bool = True) -> str:
    """Return records as rows: their arguments in columns where they are of one function, else as text.

    Args:
        rows: The records.
        named: Whether to name the function of each.
    """
    names = list(dict.fromkeys(name for row in rows for name in row.record.arguments))
    columns = names if not named and 0 < len(names) <= _COLUMNS else None
    longest = max((_wall(row) or 0.0 for row in rows), default=0.0)
    now = datetime.now(UTC)
    heads = ["key", *(["function"] if named else []), *(columns or ["arguments"]), "result", "when", "took"]
    numeric = [place for place, name in enumerate(columns or (), start=1) if _is_numeric(rows, name)]
    return page.table(heads, [_cells(row, columns, longest, now, named=named) for row in rows], numeric)


def _is_numeric(rows: Sequence[Row], name: str) -> bool:
    found = [row.record.scalars[name] for row in rows if name in row.record.scalars]
    return bool(found) and all(type(value) in (int, float) for value in found)


def _cells(row: Row, names: Sequence[str] | None, longest: float, now: datetime, *, named: bool) -> list[str]:
    record = row.record
    texts = labels(record)
    if names is None:
        told = [page.code(", ".join(f"{name}={text}" for name, text in texts.items()), 60)]
    else:
        told = [page.code(texts[name], _CELL) if name in texts else "" for name in names]
    function = [f'<span title="{page.plain(record.module)}">{page.plain(record.name, 60)}</span>'] if named else []
    wall = _wall(row)
    took = "" if wall is None else page.bar([(wall / longest if longest else 0.0, "blue")], duration(wall), 48)
    when = page.note(ago(record.at, now))
    return [page.digest(row.key), *function, *told, _brief(row), when, f"{took}{page.plain(duration(wall))}"]


def _brief(row: Row) -> str:
    outcome = row.record.outcome
    if outcome is not Outcome.RESULT:
        told = dict(_entries(row.record, "error"))
        return page.toned(told.get("type", outcome), _TONES[outcome], str(told.get("message", "")))
    summary = row.result
    if summary is None:
        return page.note("gone")
    if not (summary.text or summary.shape):
        kind = f"{_last(summary.kind)} " if summary.kind else ""
        return f"{kind}{page.note(size(summary.size))}" if kind or summary.size else page.digest(row.record.result)
    return _small(summary)


def _wall(row: Row) -> float | None:
    return _number(dict(_entries(row.record, "runtime")).get("walltime"))


def _number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and 0 <= value < 1e12 else None


def _entries(record: DigestedCall, space: str) -> list[tuple[str, Any]]:
    """Return the entries of a namespace: none where others wrote something else there."""
    entries = record.metadata.get(space)
    return list(entries.items()) if isinstance(entries, Mapping) else []
