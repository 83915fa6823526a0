"""The reference and the schema say the same."""

from __future__ import annotations

from pathlib import Path

from fleche.config import schema
from fleche.config.document import filled

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"


def test_the_reference_is_made_of_the_schema() -> None:
    """``python -m fleche.config.document docs/reference/configuration.md`` makes it anew."""
    page = PAGE.read_text("utf-8")
    assert filled(page) == page
    for table in (*schema.CACHES.values(), *schema.VALUES.values(), *schema.CALLS.values()):
        assert f"`{table.name}`" in page
        for key in table.keys:
            assert f"`{key.name}`" in page or key.name in ("type", "template")
