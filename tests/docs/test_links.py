"""Links between pages lead somewhere, wherever the pages are read: on a forge as well as in the built documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([\w-]+))?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    """Each names a file that is there and, after ``#``, one of its headings."""
    for path, heading in LINK.findall(re.sub(r"`[^`\n]*`", "", page.read_text("utf-8"))):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{path} is not there"
        if heading:
            assert heading in headings(target), f"{path} has no heading {heading}"


def test_every_question_is_two_clicks_away() -> None:
    """README leads to the list of questions, and that to every page of answers."""
    index = ROOT / "docs" / "how-to" / "index.md"
    assert "(docs/how-to/index.md)" in (ROOT / "README.md").read_text("utf-8")
    linked = {path for path, _ in LINK.findall(index.read_text("utf-8"))}
    assert linked == {page.name for page in index.parent.glob("*.md")} - {index.name}


def headings(page: Path) -> set[str]:
    """Return the anchors that forges and Sphinx make of a page's headings."""
    found = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in found}
