"""Draws the statuses of invocations from their table: ``python -m tools.statuses``; with ``--check``, only looks."""

from __future__ import annotations

import sys
from pathlib import Path

from fleche.runtime.invocation.status import RULES, InvocationStatus

PICTURE = Path(__file__).parent.parent / "docs" / "_static" / "statuses.svg"

S = InvocationStatus
WIDTH, HEIGHT, COLUMN, ROW = 168, 34, 206, 74

# Where each status stands: column and row. Everything else is read from the table.
PLACES = {
    S.SCHEDULED: (0, 0),
    S.REGISTERED: (0, 1),
    S.CONCURRENCY_CONTROLLED: (0, 2),
    S.RETRY: (0, 3),
    S.REROUTED: (0, 4),
    S.PENDING: (1.15, 1),
    S.PENDING_RECOVERY: (1.15, 5),
    S.RUNNING: (2.3, 1),
    S.PAUSED: (2.3, 2.3),
    S.RESUMED: (2.3, 3.3),
    S.KILLED: (1.15, 4),
    S.RUNNING_RECOVERY: (2.3, 5),
    S.SUCCESS: (3.5, 0),
    S.FAILED: (3.5, 1),
    S.CONCURRENCY_CONTROLLED_FINAL: (1.15, 0),
    S.DEAD_LETTER: (3.5, 5),
    S.CANCELLED: (3.5, 3),
}

STYLE = """
text { font: 12px ui-sans-serif, system-ui, sans-serif; fill: #1f2328; text-anchor: middle; dominant-baseline: central }
rect { fill: #ffffff; stroke: #8c959f; stroke-width: 1.2 }
.ready rect { fill: #ddf4ff; stroke: #54aeff } .owned rect { fill: #fff8c5; stroke: #d4a72c }
.final rect { fill: #dafbe1; stroke: #4ac26b; stroke-width: 2 }
path { fill: none; stroke: #8c959f; stroke-width: 1.1 } marker path { fill: #8c959f; stroke: none }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } rect { fill: #161b22; stroke: #6e7681 }
.ready rect { fill: #0c2d4d } .owned rect { fill: #3a2f05 }
.final rect { fill: #0f3d1e } path { stroke: #6e7681 } marker path { fill: #6e7681 } }
"""


def drawn() -> str:
    """Return the picture as SVG."""
    width = max(x for x, _ in PLACES.values()) * COLUMN + WIDTH + 20
    height = max(y for _, y in PLACES.values()) * ROW + HEIGHT + 52
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
            f'aria-label="Which status of an invocation may follow which">'
        ),
        f"<style>{STYLE}</style>",
        (
            '<defs><marker id="to" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0L8 4L0 8z"/></marker></defs>'
        ),
    ]
    for old in S:
        parts += [
            _arrow(old, new) for new in sorted(RULES.definitions[old].allowed_transitions) if new is not S.CANCELLED
        ]
    parts += [_box(status) for status in S]
    note = "Every status that is not final may also become cancelled."
    parts.append(f'<text x="{width / 2:g}" y="{height - 14:g}">{note}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _corner(status: InvocationStatus) -> tuple[float, float]:
    column, row = PLACES[status]
    return 10 + column * COLUMN, 10 + row * ROW


def _box(status: InvocationStatus) -> str:
    kind = "final" if status in RULES.final else "owned" if status in RULES.owned else ""
    kind = "ready" if status in RULES.available else kind
    x, y = _corner(status)
    name = status.value.replace("_", " ")
    return (
        f'<g class="{kind}"><rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        f'<text x="{x + WIDTH / 2:g}" y="{y + HEIGHT / 2:g}">{name}</text></g>'
    )


def _arrow(old: InvocationStatus, new: InvocationStatus) -> str:
    (x1, y1), (x2, y2) = _corner(old), _corner(new)
    if abs(x1 - x2) < 1:  # one above the other: along the side
        side = -1 if y2 < y1 else 1
        x = x1 + (WIDTH * 0.25 if side < 0 else WIDTH * 0.75)
        far = abs(y2 - y1) > ROW * 1.4
        if not far:
            start, end = (y1, y2 + HEIGHT) if side < 0 else (y1 + HEIGHT, y2)
            return f'<path d="M{x:g} {start:g}L{x:g} {end:g}" marker-end="url(#to)"/>'
        edge = x1 if side < 0 else x1 + WIDTH
        out = edge + side * 24
        return (
            f'<path d="M{edge:g} {y1 + HEIGHT / 2:g}C{out:g} {y1 + HEIGHT / 2:g} {out:g} {y2 + HEIGHT / 2:g} '
            f'{edge:g} {y2 + HEIGHT / 2:g}" marker-end="url(#to)"/>'
        )
    right = x2 > x1
    start, end = (x1 + WIDTH, x2) if right else (x1, x2 + WIDTH)
    shift = 5 if right else -5  # there and back are two lines
    a, b = y1 + HEIGHT / 2 - shift, y2 + HEIGHT / 2 - shift
    bend = (end - start) / 2
    return (
        f'<path d="M{start:g} {a:g}C{start + bend:g} {a:g} {end - bend:g} {b:g} {end:g} {b:g}" marker-end="url(#to)"/>'
    )


def main() -> int:
    """Write the picture, or say whether it is up to date."""
    if "--check" in sys.argv:
        return 0 if PICTURE.read_text(encoding="utf-8") == drawn() else 1
    PICTURE.write_text(drawn(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
