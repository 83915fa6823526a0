"""`CachePool`: several caches read as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from fleche.caches.base import BaseCache, Filing
from fleche.caches.members import Members
from fleche.caches.readonly import ReadOnlyMixin
from fleche.call import Call, DigestedCall, Metadata, Outcome, PreparedCall
from fleche.digest import Digest
from fleche.errors import Rejected

__all__ = ["CachePool"]


class CachePool(ReadOnlyMixin, Members):
    """The calls of several caches, read in order as one; nothing is written to any of them.

    A prepared call cannot be committed: a cached function that misses runs, returns, and warns once that its result
    was not stored. Put a cache in front to keep new calls: ``CacheStack((own, pool))``.

    Args:
        caches: The caches; of a key that several hold, the first that has its result counts.

    Raises:
        ValueError: There is no cache.
        ConfigError: The caches have keys of different algorithms.
    """

    def __init__(self, caches: Sequence[BaseCache]) -> None:
        super().__init__(caches)

    @property
    def caches(self) -> tuple[BaseCache, ...]:
        """The members, in order."""
        return self.members

    def prepare(
        self, call: Call | DigestedCall, filing: Filing | None = None, *, values: Mapping[str, Any] | None = None
    ) -> PreparedCall:
        """Seal a call before its body runs; committing it raises `Rejected`."""
        prepared = super().prepare(call, filing, values=values)
        return PreparedCall(prepared.record, _Refused(self), prepared.abandon)

    def refuse(self, what: str) -> NoReturn:
        """Raise what says that nothing can be written here.

        Raises:
            Rejected: Always.
        """
        raise self._rejected(what)

    def _rejected(self, what: str) -> Rejected:
        return Rejected(f"{self} does not {what}: a pool is only read. Put a cache in front: CacheStack((own, pool))")

    def __repr__(self) -> str:
        return f"CachePool(({', '.join(map(repr, self.members))},))"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.members,)


class _Refused:
    def __init__(self, pool: CachePool) -> None:
        self._pool = pool

    def __call__(self, outcome: Outcome, value: Any, metadata: Metadata) -> Digest:  # noqa: ARG002
        return self._pool.refuse("file calls")
