"""A plan of many calls as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleche.display import page

__all__ = ["plan_html"]

_TONES = {"hit": "good", "join": "blue", "miss": "warn", "uncached": "plain"}
_MOST = 30  # causes that are shown


def plan_html(
    function: str, counts: Mapping[str, int], summary: str, causes: Sequence[tuple[str, str, int]], basis: str
) -> str:
    """Return a plan as a card: a bar of what would happen, and a table of why.

    Args:
        function: The module and name of the function.
        counts: How many calls have each status.
        summary: Counts and estimate, in words.
        causes: Status, text and count of each cause.
        basis: What the estimate rests on.
    """
    module, _, name = function.rpartition(".")
    total = sum(counts.values())
    head = page.title(
        f"{page.note(module + '.') if module else ''}<b>{page.plain(name)}</b>",
        page.chip("plan", "blue"),
        page.note(f"{total:,} calls"),
    )
    shares = [(count / total, _TONES.get(status, "plain")) for status, count in counts.items() if count and total]
    line = f"<div>{page.bar(shares, summary, 220)}{page.plain(summary)}</div>"
    rows = [
        [f"{count:,}", page.chip(status, _TONES.get(status, "plain")), page.plain(text, 300)]
        for status, text, count in causes[:_MOST]
    ]
    table = page.table(("calls", "", "because"), rows, (0,), roomy=True) if rows else ""
    more = f"<div>{page.note(f'and {len(causes) - _MOST:,} more causes')}</div>" if len(causes) > _MOST else ""
    ending = f"<div>{page.note(f'estimated from {basis}')}</div>" if basis and counts.get("miss") else ""
    return page.box(head, line, table, more, ending)
