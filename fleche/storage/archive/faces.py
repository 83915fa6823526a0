"""The values and the records of an archive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fleche.call.records import DigestedCall
from fleche.digest import Digest
from fleche.errors import UnknownDigestError
from fleche.storage.base import CallMixin, StorageBackend, ValueMixin
from fleche.storage.call_text import call_of, call_text
from fleche.storage.envelope import Envelope

if TYPE_CHECKING:
    from fleche.storage.archive.store import ArchiveStore

__all__ = ["ArchiveCalls", "ArchiveValues"]


class ArchiveValues(ValueMixin, StorageBackend):
    """The values of an archive, each an entry ``values/<digest>.<form>``; made by `ArchiveStore`."""

    def __init__(self, store: ArchiveStore) -> None:
        self.store = store

    def put(self, value: Any, key: Digest) -> Digest:
        """Keep a value's bytes under a key."""
        self.put_envelope(key, self.store.pack(value))
        return key

    def get(self, key: Digest) -> Any:
        """Return a value, built by the loader of the archive."""
        return self.store.decode(key, self.get_envelope(key))

    def put_envelope(self, key: Digest, envelope: Envelope) -> None:
        """Keep one form of a value beside the others; see `EnvelopeStorage.put_envelope`."""
        name = f"values/{key}.{envelope.form}"
        if not self.store.entries.has(name):
            self.store.entries.put(name, envelope.to_bytes())

    def get_envelope(self, key: Digest, form: str | None = None) -> Envelope:
        """Return a value's bytes in one form, or in any, verified; see `EnvelopeStorage.get_envelope`."""
        names = self.store.entries.names(f"values/{key}.") if form is None else [f"values/{key}.{form}"]
        data = self.store.entries.get(names[-1]) if names else None
        if data is None:
            raise UnknownDigestError(f"{self.store} holds no value {key}", digest=str(key))
        return Envelope.parse(data, place=f"{self.store.place}:{names[-1]}")

    def list(self) -> Iterable[Digest]:
        """Return every key."""
        names = self.store.entries.names("values/")
        return list(dict.fromkeys(Digest(name[7:].partition(".")[0]) for name in names))

    def _evict(self, key: Digest) -> None:
        for name in self.store.entries.names(f"values/{key}."):
            self.store.entries.remove(name)

    def _contains(self, key: Digest) -> bool:
        return bool(self.store.entries.names(f"values/{key}."))


class ArchiveCalls(CallMixin, StorageBackend):
    """The records of an archive, each an entry ``calls/<key>``; made by `ArchiveStore`."""

    def __init__(self, store: ArchiveStore) -> None:
        self.store = store

    def put(self, value: DigestedCall, key: Digest) -> Digest:
        """Keep a record under a key."""
        self.store.entries.put(f"calls/{key}", call_text(value))
        return key

    def get(self, key: Digest) -> DigestedCall:
        """Return a record, verified."""
        data = self.store.entries.get(f"calls/{key}")
        if data is None:
            raise UnknownDigestError(f"{self.store} holds no call {key}", digest=str(key))
        return call_of(data, key, f"{self.store.place}:calls/{key}")

    def list(self) -> Iterable[Digest]:
        """Return every key, in the order in which they were written."""
        return [Digest(name[6:]) for name in self.store.entries.names("calls/")]

    def _evict(self, key: Digest) -> None:
        self.store.entries.remove(f"calls/{key}")

    def _contains(self, key: Digest) -> bool:
        return self.store.entries.has(f"calls/{key}")
