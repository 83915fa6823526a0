"""Why a call is a hit or a miss, as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fleche.display import page

__all__ = ["Place", "WhyCard", "why_html"]

_MOST = 40  # places that are shown


@dataclass(frozen=True, slots=True)
class Place:
    """One place that differs.

    Attributes:
        path: Where.
        text: What.
        chain: The way to it.
        diff: A small source diff.
    """

    path: str
    text: str
    chain: str = ""
    diff: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class WhyCard:
    """What is shown of a hit or a miss.

    Attributes:
        module: Where the function was defined.
        name: Its name.
        hit: Whether it is a hit.
        key: The key of the call, or None.
        causes: The kind and the text of each cause.
        nearest: The key of the nearest call, or None.
        own: Whether that is the record of the call itself.
        call: How that call was made.
        when: When, in words.
        places: What differs in the arguments and the environment.
        code: What differs in the code.
    """

    module: str
    name: str
    hit: bool
    key: str | None
    causes: Sequence[tuple[str, str]]
    nearest: str | None = None
    own: bool = False
    call: str = ""
    when: str = ""
    places: Sequence[Place] = field(default_factory=tuple)
    code: Sequence[Place] = field(default_factory=tuple)


def why_html(card: WhyCard) -> str:
    """Return why a call is a hit or a miss as a card."""
    head = page.title(
        f"{page.note(card.module + '.') if card.module else ''}<b>{page.plain(card.name)}</b>",
        page.chip("hit", "good") if card.hit else page.chip("miss", "warn"),
        page.digest(card.key),
    )
    parts = [head]
    parts += [f"<div>{page.chip(kind, 'blue')}{page.plain(text, 400)}</div>" for kind, text in card.causes[:_MOST]]
    if card.nearest is not None:
        name = "its record" if card.own else "nearest"
        parts.append(
            page.facts([(name, f"{page.digest(card.nearest)} {page.code(card.call, 120)} {page.note(card.when)}")])
        )
    if card.places:
        rows = [[page.code(each.path, 80), page.code(each.text, 300)] for each in card.places[:_MOST]]
        parts += [page.head("arguments"), page.table(("place", "difference"), rows, roomy=True)]
    if card.code:
        parts += [page.head("code"), *map(_code, card.code[:_MOST])]
    return page.box(*parts)


def _code(place: Place) -> str:
    way = f"<div>{page.note(place.chain)}</div>" if place.chain else ""
    lines = "".join(f"<div>{_line(line)}</div>" for line in place.diff.splitlines())
    diff = f'<div class="fleche-tree">{lines}</div>' if lines else ""
    return f"<div><b>{page.plain(place.text, 300)}</b></div>{way}{diff}"


def _line(line: str) -> str:
    tone = {"+": "good", "-": "bad"}.get(line[:1])
    text = page.code(line.replace(" ", "\u00a0"), 200)
    return text if tone is None else page.coloured(text, tone)
