"""`ReadOnlyCache`: hits are hits, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from fleche.caches.base import BaseCache, Filing
from fleche.caches.parcels import Parcel
from fleche.caches.wrapper import CacheWrapper
from fleche.call import Call, DigestedCall, Metadata, Outcome, PreparedCall
from fleche.digest import Digest
from fleche.digest.walk import stored_digest
from fleche.errors import Rejected
from fleche.storage.envelope import Envelope

if TYPE_CHECKING:
    from fleche.storage.acceptances import Acceptance
    from fleche.storage.checking import Finding

__all__ = ["ReadOnlyCache", "ReadOnlyMixin"]


class ReadOnlyMixin(BaseCache):
    """Takes nothing: whoever saves or evicts is refused, and a prepared call is computed and not filed.

    A cached function that misses thus runs and returns as ever, and is not warned of. Nothing is leased, since nobody
    would find what another computes.
    """

    def save(self, call: Call) -> NoReturn:
        """Refuse to store a call.

        Raises:
            Rejected: Always.
        """
        raise self._rejected(f"save call {call.name}")

    def prepare(
        self,
        call: Call | DigestedCall,
        filing: Filing | None = None,  # noqa: ARG002 - nothing is filed
        *,
        values: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> PreparedCall:
        """Seal a call; committing it writes nothing and returns its key."""
        record = call.digested().evolve(result=None) if isinstance(call, Call) else call
        return PreparedCall(record, _Unfiled(record.key), _nothing)

    def keep(self, value: Any) -> tuple[Digest, str]:
        """Return the digest and form that a value would have, and store nothing."""
        return stored_digest(value, name="the item")[0], Envelope.pack(value).form

    def evict(self, key: Digest | str) -> NoReturn:
        """Refuse to remove a record.

        Raises:
            Rejected: Always.
        """
        raise self._rejected(f"evict {key}")

    def accept(self, acceptance: Acceptance) -> NoReturn:
        """Refuse to keep what somebody said of an edit.

        Raises:
            Rejected: Always.
        """
        raise self._rejected(f"keep an acceptance of code {acceptance.old[:12]}")

    def withdraw(self, old: Digest, new: Digest) -> NoReturn:  # noqa: ARG002
        """Refuse to take anything back.

        Raises:
            Rejected: Always.
        """
        raise self._rejected(f"withdraw the acceptance of code {old[:12]}")

    def receive(self, parcel: Parcel, *, overwrite: bool = False) -> NoReturn:  # noqa: ARG002
        """Refuse to file a record of another cache.

        Raises:
            Rejected: Always.
        """
        raise self._rejected(f"file call {parcel.record.key[:12]}")

    def check(self, *, values: bool = False, repair: bool = False) -> Iterable[Finding]:
        """Yield what is wrong with the cache behind this view.

        Raises:
            Rejected: Something is to be repaired.
        """
        if repair:
            raise self._rejected("repair anything")
        return super().check(values=values)  # type: ignore[safe-super]

    @property
    def leases(self) -> None:
        """None: nothing is shared."""
        return

    @property
    def writable(self) -> bool:
        """No."""
        return False

    def refuses(self, value: Any) -> None:
        """Return None: nothing is stored, so nothing has to be read back."""

    def _rejected(self, what: str) -> Rejected:
        return Rejected(
            f"{self} does not {what}: it is read-only. Write to the cache behind it, or put a cache of your own in "
            f"front: CacheStack((own, this))"
        )


class ReadOnlyCache(ReadOnlyMixin, CacheWrapper):
    """A view of a cache that gives hits and takes nothing.

    Args:
        cache: The cache to look at.

    >>> from fleche.caches import Cache
    >>> from fleche.call import Call
    >>> from fleche.storage.memory import MemoryStore
    >>> store = MemoryStore()
    >>> cache = Cache(store.values, store.calls)
    >>> key = cache.save(Call(module="m", name="f", arguments={"x": 2}, result=4))
    >>> cache.readonly().load(key).result
    4
    >>> cache.readonly().evict(key)
    Traceback (most recent call last):
    fleche.errors.Rejected: ...
    """


class _Unfiled:
    def __init__(self, key: Digest) -> None:
        self._key = key

    def __call__(self, outcome: Outcome, value: Any, metadata: Metadata) -> Digest:  # noqa: ARG002
        return self._key


def _nothing() -> None:
    pass
