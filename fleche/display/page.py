"""The pieces that every picture is made of: escaped text, tables, bars, and one style for light and dark pages.

Colours are those of the page, or halfway between light and dark; classes begin with ``fleche``; nothing is fetched, and
nothing runs. Where a notebook drops the style, because it does not trust the page, tables and text remain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from html import escape

__all__ = [
    "bar",
    "box",
    "chip",
    "code",
    "coloured",
    "digest",
    "drawn",
    "facts",
    "head",
    "histogram",
    "line",
    "note",
    "plain",
    "table",
    "title",
]

_BLUE, _GREEN, _RED, _AMBER = "#4c8bf5", "#2f9e5b", "#d9534f", "#c98a1b"
_TONES = {"good": _GREEN, "bad": _RED, "warn": _AMBER, "plain": "#8a8f98", "blue": _BLUE}
_SHORT = 8  # characters of a digest that are shown

# Doubled, so that it outweighs the rules that notebooks have for all tables.
_STYLE = (
    "<style>"
    ".fleche.fleche{font-size:13px;line-height:1.5;max-width:100%;overflow-x:auto;padding:2px 0}"
    ".fleche.fleche .fleche-title{margin:0 0 .35em;white-space:nowrap}"
    ".fleche.fleche .fleche-title b{font-size:15px;font-weight:600}"
    ".fleche.fleche .fleche-head{margin:.8em 0 .15em;font-weight:600}"
    ".fleche.fleche .fleche-dim{opacity:.62;font-weight:400}"
    ".fleche.fleche .fleche-wide{overflow-x:auto;max-width:100%}"
    ".fleche.fleche table{border-collapse:collapse;border:0;margin:0;table-layout:auto;width:auto;font-size:13px;"
    "color:inherit;background:none}"
    ".fleche.fleche tr,.fleche.fleche tr:nth-child(n),.fleche.fleche tr:hover{background:none}"
    ".fleche.fleche thead{border:0;background:none}"
    ".fleche.fleche th,.fleche.fleche td{text-align:left;vertical-align:top;padding:.2em 1.1em .2em 0;border:0;"
    "background:none;color:inherit;max-width:32em;font-variant-numeric:tabular-nums}"
    ".fleche.fleche th{font-weight:500;opacity:.62;white-space:nowrap}"
    ".fleche.fleche .fleche-rows td,.fleche.fleche .fleche-rows th{white-space:nowrap;overflow:hidden;"
    "text-overflow:ellipsis;max-width:22em}"
    ".fleche.fleche .fleche-rows tbody tr{border-top:1px solid rgba(128,128,128,.22)}"
    ".fleche.fleche .fleche-card td{max-width:48em}"
    ".fleche.fleche .fleche-facts{margin-top:.5em}"
    ".fleche.fleche .fleche-facts td{max-width:52em;overflow-wrap:anywhere;white-space:normal}"
    ".fleche.fleche .fleche-n{text-align:right}"
    ".fleche.fleche code{font-size:12px;background:none;color:inherit;padding:0;border:0;"
    "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}"
    ".fleche.fleche .fleche-digest{user-select:all;opacity:.75}"
    ".fleche.fleche .fleche-chip{display:inline-block;border-radius:.7em;padding:0 .6em;margin:0 .4em 0 0;"
    "font-size:11.5px;line-height:1.5;vertical-align:baseline}"
    ".fleche.fleche svg{vertical-align:middle;margin:0 .4em 0 0;overflow:visible}"
    ".fleche.fleche summary{cursor:pointer}"
    ".fleche.fleche .fleche-tree{margin-left:.55em;padding-left:1em;border-left:1px solid rgba(128,128,128,.28)}"
    ".fleche.fleche .fleche-leaf{padding-left:1.05em}"
    ".fleche.fleche .fleche-node{white-space:nowrap}"
    ".fleche.fleche .fleche-source{margin:.2em 0 .3em 1.05em;padding:.35em .7em;font-size:12px;line-height:1.45;"
    "border:0;border-radius:4px;background:rgba(128,128,128,.1);color:inherit;overflow-x:auto;white-space:pre;"
    "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}"
    "</style>"
)

_UNPRINTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: object, limit: int = 200) -> str:
    """Return text escaped for a page, cut to a number of characters, without what steers a terminal or a page.

    >>> plain("<b>1 & 2</b>")
    '&lt;b&gt;1 &amp; 2&lt;/b&gt;'
    """
    told = str(text)
    told = told if len(told) <= limit else f"{told[: limit - 1]}…"
    return escape(_UNPRINTED.sub("�", told))


def code(text: object, limit: int = 200) -> str:
    """Return text in the type of code; what is longer is whole under the pointer, up to a point."""
    told = str(text)
    under = f' title="{plain(told, 2000)}"' if len(told) > min(limit, 40) else ""
    return f"<code{under}>{plain(told, limit)}</code>"


def digest(text: str | None, *, whole: bool = False) -> str:
    """Return a digest: its first characters, and the whole under the pointer; or all of it. One click selects it."""
    if text is None:
        return ""
    shown = text if whole else text[:_SHORT]
    return f'<code class="fleche-digest" title="{plain(text)}">{plain(shown)}</code>'


def note(text: object) -> str:
    """Return text that steps back."""
    return f'<span class="fleche-dim">{plain(text)}</span>'


def chip(text: object, tone: str = "plain", about: str = "") -> str:
    """Return a label: ``good bad warn plain blue``; ``about`` is told under the pointer."""
    told = f' title="{plain(about)}"' if about else ""
    style = f"color:{_TONES[tone]};background:{_TONES[tone]}22"
    return f'<span class="fleche-chip" style="{style}"{told}>{plain(text, 80)}</span>'


def toned(text: object, tone: str, about: str = "") -> str:
    """Return text in the colour of a tone; ``about`` is told under the pointer."""
    told = f' title="{plain(about)}"' if about else ""
    return f'<span style="color:{_TONES[tone]}"{told}>{plain(text, 80)}</span>'


def coloured(html: str, tone: str) -> str:
    """Return HTML in the colour of a tone."""
    return f'<span style="color:{_TONES[tone]}">{html}</span>'


def title(*parts: str) -> str:
    """Return the first line of a picture."""
    return f'<div class="fleche-title">{" ".join(part for part in parts if part)}</div>'


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Return names and what they stand for, as HTML."""
    told = "".join(f"<tr><th>{plain(name)}</th><td>{value}</td></tr>" for name, value in rows)
    return f'<div class="fleche-wide"><table class="fleche-facts"><tbody>{told}</tbody></table></div>' if told else ""


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = (), *, roomy: bool = False
) -> str:
    """Return rows of HTML under heads of text; it scrolls where the page is narrow.

    Args:
        heads: The names of the columns.
        rows: The cells.
        numbers: The columns that are set to the right.
        roomy: Whether cells may be long.
    """
    right = set(numbers)
    cell = [' class="fleche-n"' if place in right else "" for place in range(len(heads))]
    head = "".join(f"<th{mark}>{plain(name, 60)}</th>" for mark, name in zip(cell, heads, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{mark}>{value}</td>' for mark, value in zip(cell, row, strict=True))}</tr>" for row in rows
    )
    kind = "fleche-rows fleche-card" if roomy else "fleche-rows"
    whole = f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="fleche-wide">{whole}</div>'


def bar(shares: Sequence[tuple[float, str]], about: str, width: int = 72) -> str:
    """Return a bar of shares of a whole, each with its tone, side by side."""
    parts, start = [], 0.0
    for share, tone in shares:
        long = max(0.0, min(1.0, share)) * width
        if share > 0:
            long = max(long, 1.0)
        parts.append(
            f'<rect x="{start:.1f}" y="1" width="{long:.1f}" height="8" rx="1.5" fill="{_TONES[tone]}"></rect>'
        )
        start += long
    back = f'<rect x="0" y="1" width="{width}" height="8" rx="1.5" fill="#808080" fill-opacity=".16"></rect>'
    return _svg(width, 10, back + "".join(parts), about)


def line(numbers: Sequence[float], about: str, width: int = 120, height: int = 26) -> str:
    """Return numbers as a small curve."""
    low, high = min(numbers), max(numbers)
    span, step = (high - low) or 1.0, width / max(len(numbers) - 1, 1)
    points = " ".join(
        f"{place * step:.1f},{height - 2 - (value - low) / span * (height - 4):.1f}"
        for place, value in enumerate(numbers)
    )
    curve = f'<polyline points="{points}" fill="none" stroke="{_BLUE}" stroke-width="1.4"></polyline>'
    return _svg(width, height, curve, about)


def histogram(counts: Sequence[float], about: str, width: int = 120, height: int = 26) -> str:
    """Return counts as small columns."""
    most, step = max(counts) or 1.0, width / len(counts)
    columns = "".join(
        f'<rect x="{place * step:.1f}" y="{height - count / most * (height - 2):.1f}" width="{max(step - 1, 1):.1f}" '
        f'height="{count / most * (height - 2):.1f}" fill="{_BLUE}"></rect>'
        for place, count in enumerate(counts)
    )
    return _svg(width, height, columns, about)


def _svg(width: int, height: int, content: str, about: str) -> str:
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{plain(about)}"><title>{plain(about)}</title>{content}</svg>'
    )


def head(text: str, aside: str = "") -> str:
    """Return the heading of a part."""
    return f'<div class="fleche-head">{plain(text)} {note(aside) if aside else ""}</div>'


def box(*parts: str) -> str:
    """Return a whole picture."""
    return f'<div class="fleche">{_STYLE}{"".join(parts)}</div>'


def drawn(draw: Callable[[], str], otherwise: str) -> str:
    """Return a picture; where drawing it fails, what failed and a text: a picture never raises.

    Args:
        draw: What draws it.
        otherwise: What is told of the thing if that fails.
    """
    try:
        return draw()
    except Exception as error:
        told = f"{type(error).__qualname__}: {_told(error)}"
        return box(title(code(otherwise)), f"<div>{chip('no picture', 'warn')}{note(told)}</div>")


def _told(error: Exception) -> str:
    try:
        return str(error)[:200]
    except Exception:
        return ""
