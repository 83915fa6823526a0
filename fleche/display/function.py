"""A cached function as HTML."""

from __future__ import annotations

from dataclasses import dataclass

from fleche.display import page

__all__ = ["FunctionCard", "function_html"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FunctionCard:
    """What is shown of a cached function.

    Attributes:
        module: Where it was defined.
        name: Its qualified name.
        signature: How it is called.
        about: The first line of its documentation.
        hits: Calls answered from the cache, in this process.
        misses: Calls whose body ran and was to be stored, in this process.
        uncached: Calls whose body ran outside the cache, in this process.
        stored: How many calls are stored, in words.
        code: The fingerprint of its code, or None.
        cache: The cache that it uses, or why there is none.
    """

    module: str
    name: str
    signature: str = ""
    about: str = ""
    hits: int = 0
    misses: int = 0
    uncached: int = 0
    stored: str = ""
    code: str | None = None
    cache: str = ""


def function_html(card: FunctionCard) -> str:
    """Return a cached function as a card."""
    head = page.title(
        f"{page.note(card.module + '.')}<b>{page.plain(card.name)}</b><code>{page.plain(card.signature, 300)}</code>",
        page.chip("cached", "blue"),
    )
    asked = card.hits + card.misses + card.uncached
    rows = [("stored", page.plain(card.stored))] if card.stored else []
    if asked:
        shares = [(card.hits / asked, "good"), (card.misses / asked, "warn"), (card.uncached / asked, "plain")]
        told = f"{_count(card.hits, 'hit', 'hits')}, {_count(card.misses, 'miss', 'misses')}"
        told += f", {card.uncached:,} outside the cache" if card.uncached else ""
        rows.append(("this session", page.bar(shares, told, 110) + page.plain(told)))
    rows += [("code", page.digest(card.code))] if card.code else [("code", page.note("not in the key"))]
    rows += [("cache", page.code(card.cache, 120))] if card.cache else []
    return page.box(head, f"<div>{page.note(card.about)}</div>" if card.about else "", page.facts(rows))


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
