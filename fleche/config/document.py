"""The tables of ``docs/reference/configuration.md``, made of the schema: ``python -m fleche.config.document PAGE``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from fleche.config.schema import CACHES, CALLS, DEFAULT, VALUES, VARIABLES, Kind, Table

__all__ = ["filled", "sections"]

_PLACE = re.compile(r"(<!-- schema: (?P<name>\w+) -->\n\n).*?(<!-- end -->)", re.DOTALL)
_COMMON = frozenset({"type", "template"})


def filled(page: str) -> str:
    """Return a page with the tables between its marks made anew.

    Raises:
        KeyError: A mark names no section.
    """
    made = sections()
    return _PLACE.sub(lambda match: f"{match[1]}{made[match['name']]}\n{match[3]}", page)


def sections() -> Mapping[str, str]:
    """Return Markdown tables by the names of the marks."""
    return {
        "variables": _table(
            ("variable", "meaning", "default"), ((f"`{each.name}`", each.meaning, each.default) for each in VARIABLES)
        ),
        "default": _keys([DEFAULT]),
        "caches": _keys(CACHES.values(), but=_COMMON),
        "types": _table(("type", "cache"), ((_types(table), table.meaning) for table in CACHES.values())),
        "values": _keys(VALUES.values()),
        "calls": _keys(CALLS.values()),
    }


def _types(table: Table) -> str:
    return ", ".join(f"`{name}`" for name in (table.name, *table.aliases))


def _keys(tables: Iterable[Table], *, but: frozenset[str] = frozenset()) -> str:
    rows = []
    for table in tables:
        head = "`[default]`" if table is DEFAULT else _types(table)
        keys = [key for key in table.keys if key.name not in but]
        if table is not DEFAULT:
            keys = [key for key in keys if key.name != "type"]
        for key in keys:
            needed = "needed" if key.required else key.default
            choices = f": {', '.join(f'`{choice}`' for choice in key.choices)}" if key.choices else ""
            kind = "" if key.kind is Kind.TEXT and key.choices else f" ({key.kind})"
            rows.append((head, f"`{key.name}`", f"{key.meaning}{kind}{choices}", needed))
            head = ""
        if not keys:
            rows.append((head, "", table.meaning, ""))
    return _table(("table", "key", "meaning", "default"), rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *(list(row) for row in rows)]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(filled(path.read_text("utf-8")), encoding="utf-8")
