"""Records as text and HTML."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from fleche import cached, display
from fleche.caches import Cache


class Balanced(HTMLParser):
    """Fails on a tag that is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check(html: str) -> str:
    """Return the visible text of well-formed HTML."""
    parser = Balanced()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return re.sub(r"<style>.*?</style>|<[^>]+>", " ", html)


def test_a_call_draws_itself(cache: Cache) -> None:
    """Function, arguments, result, time and place, escaped."""

    @cached(version=3)
    def f(x: str, data: list[int]) -> int:
        return 1

    f("<b>bold</b>", [1])
    text = check(f.calls.only()._repr_html_())
    for part in ("&lt;b&gt;bold", "list", "took", "version", f.key("<b>bold</b>", [1])):
        assert part in text


def test_a_failed_call_shows_why(cache: Cache) -> None:
    """Type and message."""

    @cached
    def f() -> None:
        raise ValueError("a < b")

    with pytest.raises(ValueError, match="a < b"):
        f()
    text = check(f.calls.failed().only()._repr_html_())
    assert "ValueError" in text
    assert "a &lt; b" in text


def test_a_query_draws_a_table_of_its_first_calls(cache: Cache) -> None:
    """With a column for each argument, and says how many there are."""

    @cached
    def f(x: int) -> int:
        return x

    assert "no calls" in check(f.calls._repr_html_())
    for x in range(53):
        f(x)
    for query in (f.calls, f.calls.filter(lambda call: True)):
        html = query._repr_html_()
        assert html.count("<tr>") == 21
        assert "showing the first 20 of 53" in check(html)
        assert ">x</th>" in html
    assert "showing" not in check(f.calls.take(3)._repr_html_())


def test_a_cache_draws_itself(cache: Cache) -> None:
    """What it holds, and its latest calls."""

    @cached
    def f(x: int) -> int:
        return x

    f(1)
    text = check(cache._repr_html_())
    assert "latest calls" in text
    assert "x=1" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 µs"), (0.05, "50 ms"), (2, "2 s"), (59.4, "59 s"), (3600, "1 h"), (86400 * 3, "3 d"), (1e9, "31.7 y")],
)
def test_durations(seconds: float, text: str) -> None:
    """In the unit that suits them."""
    assert display.duration(seconds) == text


def test_moments() -> None:
    """Relative to now."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert display.ago(now - timedelta(minutes=5), now) == "5 min ago"
    assert display.ago(now + timedelta(minutes=5), now) == "now"
    assert display.ago(None, now) == ""


def test_a_preview_survives_any_repr() -> None:
    """A repr that fails is named by its type."""

    class Bad:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    assert "Bad" in display.value_preview(Bad())
    assert display.value_preview("x" * 5000, 10).startswith("'xxxxxxxxx…")
