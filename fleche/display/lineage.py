"""Where results came from and went: as a tree of text, and as a graph on a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fleche.call import DigestedCall, Outcome
from fleche.call.lazy import labels
from fleche.display import page
from fleche.display.text import ago, arguments, duration, short

__all__ = ["Branch", "Graph", "Link", "lineage_html", "lineage_text"]

_LINE = 100  # characters of the arguments of a call, in a tree
_WIDE, _HIGH, _GAP, _ROW = 184, 50, 54, 12  # of a box, and between boxes, in pixels
_NAME, _TOLD = 22, 27  # characters that fit into a box
_FILL = 'fill="#808080" fill-opacity=".07"'
_STROKES = {
    "plain": 'stroke="currentColor" stroke-opacity=".38"',
    "focus": 'stroke="#4c8bf5" stroke-width="1.8"',
    "bad": 'stroke="#d9534f" stroke-width="1.4"',
    "gone": 'stroke="currentColor" stroke-opacity=".38" stroke-dasharray="4 3"',
}
_ENDINGS = {Outcome.ERROR: "failed", Outcome.PARTIAL: "partial"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Branch:
    """A call in a tree of calls, or a value at its root.

    Attributes:
        key: The key of the call; the digest of the value.
        record: The record, or None where it is not stored any more, or for a value.
        how: How it belongs to the one above: ``x`` (as this argument), ``made`` and so on.
        branches: Those below.
        again: Whether it stands elsewhere in the tree already, with what is below it.
        more: How many more there are below that are not shown; -1 if that is not known.
        value: Whether it is a value.
    """

    key: str
    record: DigestedCall | None
    how: str = ""
    branches: tuple[Branch, ...] = ()
    again: bool = False
    more: int = 0
    value: bool = False


def lineage_text(branch: Branch) -> str:
    """Return a tree as text, a call a line."""
    now = datetime.now(UTC)
    lines: list[str] = []
    todo: list[tuple[str, str, Branch]] = [("", "", branch)]
    while todo:
        lead, below, at = todo.pop()
        lines.append(f"{lead}{_told(at, now)}")
        if at.more:
            count = "more" if at.more < 0 else f"{at.more} more"
            lines.append(f"{below}{'├─' if at.branches else '└─'} … {count}; --depth shows them")
        for place, each in reversed(list(enumerate(at.branches, start=1))):
            last = place == len(at.branches)
            todo.append((f"{below}{'└─' if last else '├─'} ", f"{below}{'   ' if last else '│  '}", each))
    return "\n".join(lines)


def _told(branch: Branch, now: datetime) -> str:
    how = f"{branch.how}: " if branch.how else ""
    if branch.value:
        return f"{how}value {short(branch.key)}"
    record = branch.record
    if record is None:
        return f"{how}{short(branch.key)} (not stored any more)"
    ending = "" if record.outcome is Outcome.RESULT else f" [{_ENDINGS[record.outcome]}]"
    took, when = duration(_wall(record)), ago(record.at, now)
    aside = ", ".join(part for part in (took, when) if part)
    again = "  (see above)" if branch.again else ""
    called = f"{record.name}({arguments(record, _LINE)})"
    return f"{how}{short(branch.key)} {called}{ending}{f'  {aside}' if aside else ''}{again}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """That one call depends on another.

    Attributes:
        origin: The key of the call whose result was taken, or that was made.
        target: The key of the call that took or made it.
        made: Whether it was made inside, and did not come as an argument.
    """

    origin: str
    target: str
    made: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """Calls around one, and how they depend on each other.

    Attributes:
        focus: The key of the one.
        records: The records by key, or None where one is not stored any more.
        links: How they depend on each other, between these only.
        more: Whether there are more than these.
    """

    focus: str
    records: Mapping[str, DigestedCall | None]
    links: Sequence[Link] = ()
    more: bool = False


def lineage_html(graph: Graph) -> str:
    """Return a graph as a picture: what a call depends on at its left, what depends on it at its right."""
    columns = _columns(graph)
    places = {key: (column, row) for column, keys in enumerate(columns) for row, key in enumerate(keys)}
    tallest = max(map(len, columns))
    width = len(columns) * (_WIDE + _GAP) - _GAP + 4
    height = tallest * (_HIGH + _ROW) - _ROW + 4

    def corner(key: str) -> tuple[float, float]:
        column, row = places[key]
        middle = (tallest - len(columns[column])) * (_HIGH + _ROW) / 2
        return 2 + column * (_WIDE + _GAP), 2 + middle + row * (_HIGH + _ROW)

    lines = "".join(_line(corner(link.origin), corner(link.target), link) for link in graph.links)
    now = datetime.now(UTC)
    boxes = "".join(_box(corner(key), key, record, graph, now) for key, record in graph.records.items())
    told = f"lineage of call {short(graph.focus)}: {len(graph.records)} calls"
    picture = (
        f'<svg width="{width}" height="{height:.0f}" viewBox="0 0 {width} {height:.0f}" role="img" '
        f'aria-label="{page.plain(told)}" font-family="inherit" fill="currentColor">{lines}{boxes}</svg>'
    )
    legend = "from left to right: what came from what"
    legend += "; dashed lines: made inside" if any(link.made for link in graph.links) else ""
    legend += "; there is more: call.upstream() and call.downstream() list all" if graph.more else ""
    return page.box(f'<div class="fleche-wide">{picture}</div><div>{page.note(legend)}</div>')


def _columns(graph: Graph) -> list[list[str]]:
    """Return the keys in columns, each right of all that it depends on, so that lines cross little."""
    level = dict.fromkeys(graph.records, 0)
    for _ in range(len(level)):  # at most so often, should there be a cycle
        changed = False
        for link in graph.links:
            if level[link.target] <= level[link.origin] < len(level):
                level[link.target] = level[link.origin] + 1
                changed = True
        if not changed:
            break
    for key in sorted(level, key=level.__getitem__, reverse=True):  # as near as may be to what takes it
        right = [level[link.target] for link in graph.links if link.origin == key]
        if right:
            level[key] = max(level[key], min(right) - 1)
    used = sorted(set(level.values()))
    columns: list[list[str]] = [[key for key in graph.records if level[key] == each] for each in used]
    for _ in range(2):
        for ordered, forth in ((columns, True), (columns[::-1], False)):
            _sweep(ordered, graph.links, forth=forth)
    return columns


def _sweep(columns: Sequence[list[str]], links: Sequence[Link], *, forth: bool) -> None:
    """Order each column by where what it hangs on stands in those before."""
    at: dict[str, float] = {}
    near: dict[str, list[str]] = {}
    for link in links:
        one, other = (link.target, link.origin) if forth else (link.origin, link.target)
        near.setdefault(one, []).append(other)
    for keys in columns:
        before = {key: [at[other] for other in near.get(key, ()) if other in at] for key in keys}
        middle = {key: sum(found) / len(found) if found else 0.5 for key, found in before.items()}
        keys.sort(key=middle.__getitem__)
        at.update((key, (place + 0.5) / len(keys)) for place, key in enumerate(keys))


def _line(start: tuple[float, float], end: tuple[float, float], link: Link) -> str:
    left, top = start[0] + _WIDE, start[1] + _HIGH / 2
    right, bottom = end[0] - 5, end[1] + _HIGH / 2
    bend = max((right - left) / 2, 18)
    dash = ' stroke-dasharray="3 3"' if link.made else ""
    curve = (
        f"M{left:.0f} {top:.0f}C{left + bend:.0f} {top:.0f} {right - bend:.0f} {bottom:.0f} {right:.0f} {bottom:.0f}"
    )
    tip = f"M{right + 5:.0f} {bottom:.0f}l-6 -3v6z"
    return (
        f'<path d="{curve}" fill="none" stroke="currentColor" stroke-opacity=".45"{dash}></path>'
        f'<path d="{tip}" fill-opacity=".6"></path>'
    )


def _box(corner: tuple[float, float], key: str, record: DigestedCall | None, graph: Graph, now: datetime) -> str:
    x, y = corner
    failed = record is not None and record.outcome is not Outcome.RESULT
    mark = "gone" if record is None else "focus" if key == graph.focus else "bad" if failed else "plain"
    frame = f'<rect x="{x:.0f}" y="{y:.0f}" width="{_WIDE}" height="{_HIGH}" rx="5" {_FILL} {_STROKES[mark]}></rect>'
    if record is None:
        lines = [("not stored any more", True), (short(key), False)]
    else:
        told = _brief(record)
        ending = _ENDINGS.get(record.outcome, "")
        aside = " · ".join(part for part in (short(key), ending, duration(_wall(record)), ago(record.at, now)) if part)
        lines = [(_cut(record.name, _NAME), True), (_cut(told, _TOLD), False), (aside, False)]
    title = key if record is None else f"{record.module}.{record.name}({arguments(record, 400)})  {key}"
    texts = "".join(_text(x + 8, y + 16 + 14 * place, text, bold=bold) for place, (text, bold) in enumerate(lines))
    return f"<g><title>{page.plain(title, 600)}</title>{frame}{texts}</g>"


def _text(x: float, y: float, text: str, *, bold: bool) -> str:
    style = 'font-size="12.5" font-weight="600"' if bold else 'font-size="10.5" fill-opacity=".72"'
    return f'<text x="{x:.0f}" y="{y:.0f}" {style}>{page.plain(text)}</text>'


def _brief(record: DigestedCall) -> str:
    """Return the arguments, plain ones first: where the others come from is seen."""
    texts = labels(record)
    plain = [f"{name}={texts[name]}" for name in texts if name in record.scalars]
    return ", ".join(plain + [f"{name}=…" for name in texts if name not in record.scalars])


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _wall(record: DigestedCall) -> float | None:
    entries = record.metadata.get("runtime")
    wall: Any = entries.get("walltime") if isinstance(entries, Mapping) else None
    return float(wall) if type(wall) in (int, float) and 0 <= wall < 1e12 else None
