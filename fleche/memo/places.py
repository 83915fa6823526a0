"""Where a function was: the places that ``was`` names, and the calls that are stored under them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from heapq import merge
from typing import TYPE_CHECKING, Any

from fleche.digest.code.identity import MAIN
from fleche.digest.code.renamed import Place

if TYPE_CHECKING:
    from fleche.caches import BaseCache
    from fleche.caches.reports import TransferReport
    from fleche.call import LazyCall, QueryCall
    from fleche.digest import Digest

__all__ = ["Everywhere", "is_anonymous", "places"]


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


class Everywhere:
    """The calls of a function in a cache, under its name and under those that it had: what a query looks through.

    Args:
        cache: The cache.
        places: The places.
    """

    def __init__(self, cache: BaseCache, places: Sequence[Place]) -> None:
        self._cache = cache
        self._places = places

    def find(self, template: QueryCall) -> Iterable[LazyCall]:
        """Return the calls that match, oldest first."""
        found = [self._cache.find(replace(template, module=at.module, name=at.name)) for at in self._places]
        return merge(*found, key=_moment)

    def columns(self, template: QueryCall) -> Mapping[str, list[Any]] | None:  # noqa: ARG002 - several questions
        """Return None: the calls are looked at one by one."""
        return None

    def evict(self, key: Digest | str) -> None:
        """Remove a record."""
        self._cache.evict(key)

    def glance(
        self,
        template: QueryCall,  # noqa: ARG002 - several questions
        first: int,  # noqa: ARG002
        limit: int,  # noqa: ARG002
    ) -> tuple[list[LazyCall], int, bool] | None:
        """Return None: the calls are looked at one by one."""
        return None

    def draw_calls(self, calls: Sequence[LazyCall], shown: str = "") -> str:
        """Return several calls as an HTML table."""
        return self._cache.draw_calls(calls, shown)

    def transfer_keys(
        self, keys: Sequence[Digest], other: BaseCache, *, pop: bool = False, overwrite: bool = False
    ) -> TransferReport:
        """File calls in another cache."""
        return self._cache.transfer_keys(keys, other, pop=pop, overwrite=overwrite)


def _moment(call: LazyCall) -> tuple[bool, float, Digest]:
    return (call.at is not None, call.at.timestamp() if call.at is not None else 0.0, call.key)
