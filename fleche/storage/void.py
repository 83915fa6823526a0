"""Storages that hold nothing: for switching caching off where a storage is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fleche.call.records import DigestedCall
from fleche.digest import Digest
from fleche.errors import UnknownDigestError
from fleche.storage.base import CallMixin, CodeRecord, Hit, StorageBackend, ValueMixin
from fleche.storage.checking import Finding
from fleche.storage.envelope import Envelope
from fleche.storage.leases import Lease, Leases
from fleche.storage.leases_process import ProcessLeases
from fleche.storage.loader import TRUSTED

__all__ = ["CallVoid", "ValueVoid", "VoidBackend", "VoidStore"]


class VoidBackend(StorageBackend):
    """Takes everything, and holds nothing."""

    def put(self, value: Any, key: Digest) -> Digest:  # noqa: ARG002 - nothing is kept
        """Return the key."""
        return key

    def get(self, key: Digest) -> Any:
        """Raise ``KeyError``."""
        raise UnknownDigestError(f"{key} is not here: a void storage holds nothing", digest=str(key))

    def list(self) -> Iterable[Digest]:
        """Return no key."""
        return []

    def _evict(self, key: Digest) -> None:
        pass

    def _contains(self, key: Digest) -> bool:  # noqa: ARG002 - nothing is kept
        return False


class ValueVoid(ValueMixin, VoidBackend):
    """No values.

    Args:
        store: The record store that this is a face of, if any.
    """

    def __init__(self, *, store: VoidStore | None = None) -> None:
        self.store = store


class CallVoid(CallMixin, VoidBackend):
    """No records.

    Args:
        store: The record store that this is a face of, if any.
    """

    def __init__(self, *, store: VoidStore | None = None) -> None:
        self.store = store


class VoidStore:
    """A record store that holds nothing: every lookup misses."""

    def __init__(self) -> None:
        self.values = ValueVoid(store=self)
        self.calls = CallVoid(store=self)
        self.leases: Leases = ProcessLeases()

    @property
    def trusted(self) -> bool:
        """Yes: only this process writes here."""
        return True

    def pack(self, value: Any) -> Envelope:
        """Return a value's bytes."""
        return Envelope.pack(value)

    def lookup(self, key: Digest) -> Hit | None:  # noqa: ARG002 - nothing is kept
        """Return None."""
        return None

    def record(
        self,
        call: DigestedCall,
        values: Mapping[Digest, Envelope],
        lease: Lease | None = None,
        *,
        code: CodeRecord | None = None,
    ) -> None:
        """Do nothing."""

    def decode(self, digest: Digest, envelope: Envelope) -> Any:  # noqa: ARG002 - any envelope will do
        """Return the value in an envelope."""
        return envelope.load(TRUSTED)

    def check(self, *, repair: bool = False) -> Iterable[Finding]:  # noqa: ARG002 - there is nothing to mend
        """Find nothing."""
        return ()

    def close(self) -> None:
        """Do nothing."""

    def describe(self) -> Mapping[str, Any]:
        """Return what the store is and holds, for people."""
        return {"path": None, "format": None, "calls": 0, "values": 0, "bytes": 0}

    def __repr__(self) -> str:
        return "VoidStore()"

    def __reduce__(self) -> tuple[type[VoidStore], tuple[()]]:
        return VoidStore, ()
