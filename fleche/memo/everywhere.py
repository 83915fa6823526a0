"""`Everywhere`: a cache in which a function's calls are found under its name and under those that it had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from heapq import merge
from typing import Any

from fleche.caches import BaseCache, CacheWrapper
from fleche.call import LazyCall, QueryCall
from fleche.digest import Digest
from fleche.digest.code.renamed import Place

__all__ = ["Everywhere"]


class Everywhere(CacheWrapper):
    """A cache whose queries look under several names at once.

    Args:
        cache: The cache.
        places: The names.
    """

    def __init__(self, cache: BaseCache, places: Sequence[Place]) -> None:
        super().__init__(cache)
        self._places = places

    def find(self, template: QueryCall) -> Iterable[LazyCall]:
        """Return the calls that match, oldest first."""
        found = [self.cache.find(replace(template, module=at.module, name=at.name)) for at in self._places]
        return merge(*found, key=_moment)

    def columns(self, template: QueryCall) -> Mapping[str, list[Any]] | None:  # noqa: ARG002 - several questions
        """Return None: the calls are looked at one by one."""
        return None

    def __repr__(self) -> str:
        return repr(self.cache)


def _moment(call: LazyCall) -> tuple[bool, float, Digest]:
    return (call.at is not None, call.at.timestamp() if call.at is not None else 0.0, call.key)
