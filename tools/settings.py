"""Writes the tables of settings into the reference: ``python -m tools.settings``; with ``--check``, only looks."""

from __future__ import annotations

import inspect
import re
import sys
from enum import Enum
from pathlib import Path
from typing import Any

from fleche.runtime import conf

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "tasks.md"
TABLE = re.compile(r"(<!-- settings: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def written(page: str) -> str:
    """Return the page with its tables as the settings are."""
    return TABLE.sub(lambda match: match[1] + table(getattr(conf, match[2])) + match[3], page)


def table(kind: type[conf.ConfigBase]) -> str:
    """Return the table of the fields that a class declares, with its own words for each."""
    meanings = described(kind)
    rows = [
        f"| `{name}` | {meanings[name]} | {shown(field.default_value)} |"
        for name, field in conf.get_config_fields(kind).items()
    ]
    return "\n".join(["", "| setting | meaning | default |", "|---|---|---|", *rows, "", ""])


def described(kind: type) -> dict[str, str]:
    """Return what the docstring of a class says of each attribute."""
    body = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", body, re.MULTILINE)
    return {name: " ".join(text.split()).replace("``", "`") for name, text in found}


def shown(value: Any) -> str:
    """Return a default as the page shows it."""
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if isinstance(value, tuple):
        return ", ".join(f"`{getattr(item, '__name__', item)}`" for item in value)
    return f"`{value}`" if value != "" else ""


def main() -> int:
    """Write the tables, or say whether they are up to date."""
    page = PAGE.read_text(encoding="utf-8")
    if "--check" in sys.argv:
        return int(written(page) != page)
    PAGE.write_text(written(page), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
