"""How often a function was answered from its cache, in this process."""

from __future__ import annotations

__all__ = ["Statistics"]


class Statistics:
    """Counts of one cached function since the process started. Approximate when many threads call at once.

    Attributes:
        hits: Calls that were answered from the cache.
        misses: Calls whose body ran, and was to be stored.
        uncached: Calls whose body ran outside the cache.
    """

    __slots__ = ("hits", "misses", "uncached")

    def __init__(self) -> None:
        self.hits = self.misses = self.uncached = 0
