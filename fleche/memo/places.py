"""Where a function was: the places that ``was`` names."""

from __future__ import annotations

from collections.abc import Iterable

from fleche.digest.code.identity import MAIN
from fleche.digest.code.renamed import Place

__all__ = ["is_anonymous", "places"]


def places(now: Place, was: Iterable[str]) -> list[Place]:
    """Return the places that names stand for, the likeliest first.

    Args:
        now: Where the function is.
        was: ``module.name``, ``module:name`` where the two would not be told apart, or a name alone: in this module.

    >>> places(Place("new.model", "Trainer.fit"), ["old.Trainer.fit"])[0]
    Place(module='old', name='Trainer.fit')
    >>> places(Place("new.model", "fit"), ["train"])
    [Place(module='new.model', name='train')]
    """
    found: dict[Place, None] = {}
    for name in was:
        for place in _read(now, name):
            if place != now:
                found.setdefault(place)
    return [*found]


def is_anonymous(place: Place) -> bool:
    """Whether the name of a place says so little that calls from there carry their code whatever ``code=`` says."""
    return place.module == MAIN or "<locals>" in place.name or place.simple == "<lambda>"


def _read(now: Place, name: str) -> list[Place]:
    module, colon, rest = name.partition(":")
    if colon:
        return [Place(module, rest)]
    parts = name.split(".")
    if len(parts) == 1:
        return [Place(now.module, f"{now.owner}.{name}" if now.owner else name)]
    depth = now.name.count(".") + 1
    cuts = sorted(range(1, len(parts)), key=lambda at: abs(len(parts) - at - depth))
    return [Place(".".join(parts[:at]), ".".join(parts[at:])) for at in cuts]
