"""`RefreshingCache`: everything is computed anew, and saved."""

from __future__ import annotations

from typing import Any, NoReturn

from fleche.caches.wrapper import CacheWrapper
from fleche.digest import Digest
from fleche.errors import UnknownDigestError

__all__ = ["RefreshingCache"]


class RefreshingCache(CacheWrapper):
    """A view of a cache in which every call is a miss, so that it is computed anew; what it returns is saved.

    Calls are found by queries as ever, and values by their digest.

    Args:
        cache: The cache to save to.
    """

    def lookup(self, key: Digest) -> None:
        """Return None."""

    def load(self, key: Digest | str) -> NoReturn:
        """Find nothing.

        Raises:
            KeyError: Always.
        """
        raise UnknownDigestError(f"{self} computes every call anew, {key} too", digest=str(key))

    def __getitem__(self, prefix: str) -> Any:
        """Return the one call or value whose digest starts with a prefix, from the cache behind."""
        return self.cache[prefix]

    @property
    def leases(self) -> None:
        """None: nobody waits for what another computes, since each computes anew."""
        return
