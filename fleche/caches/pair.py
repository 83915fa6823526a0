"""Two storages that know nothing of each other, seen as one record store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fleche.call import DigestedCall
from fleche.clock import to_micros
from fleche.digest import Digest
from fleche.errors import ValueNotStored
from fleche.storage.base import CallStorage, CodeRecord, EnvelopeStorage, Hit, ValueStorage
from fleche.storage.checking import Checkable, Finding
from fleche.storage.envelope import Envelope
from fleche.storage.leases import Lease, Leases
from fleche.storage.leases_process import ProcessLeases
from fleche.storage.loader import TRUSTED

__all__ = ["PairStore", "Unopened"]


@dataclass(frozen=True, slots=True)
class Unopened:
    """Stands for the envelope of a value storage that keeps none: the value is loaded by the storage itself."""

    digest: Digest


class PairStore:
    """The record store of a value storage and a call storage.

    Values are stored before the record that names them. A value storage that keeps no envelopes (a backend with only
    ``put`` and ``get``) keeps one form of each value: the first.

    Args:
        values: Where values live.
        calls: Where records live.
    """

    def __init__(self, values: ValueStorage, calls: CallStorage) -> None:
        self.values = values
        self.calls = calls
        self._envelopes = values if isinstance(values, EnvelopeStorage) else None
        leases = getattr(calls, "leases", None)
        self.leases: Leases = leases if leases is not None else ProcessLeases()

    @property
    def trusted(self) -> bool:
        """Whether the value storage builds what it holds in full; see `RecordStore.trusted`."""
        return bool(self._ability("trusted", default=True))

    def pack(self, value: Any) -> Envelope:
        """Return a value's bytes as the value storage keeps them."""
        pack: Callable[[Any], Envelope] = self._ability("pack", default=Envelope.pack)
        return pack(value)

    def _ability(self, name: str, *, default: Any) -> Any:
        """Return what the value storage says for itself, else what its store says, else a default."""
        for part in (self.values, getattr(self.values, "store", None)):
            found = getattr(part, name, None)
            if found is not None:
                return found
        return default

    def lookup(self, key: Digest) -> Hit | None:
        """Return the record's outcome and the envelope of its result, or None."""
        try:
            record = self.calls.load(key)
        except KeyError:
            return None
        return Hit(
            outcome=record.outcome,
            at=None if record.at is None else to_micros(record.at),
            expires=None if record.expires is None else to_micros(record.expires),
            result=record.result,
            form=record.form,
            envelope=self._envelope(record),
        )

    def _envelope(self, record: DigestedCall) -> Any:
        if record.result is None:
            return None
        if self._envelopes is None:
            return Unopened(record.result) if self.values.contains(record.result) else None
        try:
            return self._envelopes.get_envelope(record.result, record.form)
        except KeyError:
            return None

    def record(
        self,
        call: DigestedCall,
        values: Mapping[Digest, Envelope],
        lease: Lease | None = None,
        *,
        code: CodeRecord | None = None,  # noqa: ARG002 - call storages of their own keep no code trees
    ) -> None:
        """Store the values, then the record."""
        if lease is not None and lease.lost:
            return
        for digest, envelope in values.items():
            if self._envelopes is not None:
                self._envelopes.put_envelope(digest, envelope)
            elif not self.values.contains(digest):
                self.values.save(envelope.load(TRUSTED), digest)
        self.calls.save(call)

    def close(self) -> None:
        """Let go of connections and files."""
        for part in (self.values, self.calls):
            close = getattr(part, "close", None)
            if close is not None:
                close()

    def decode(self, digest: Digest, envelope: Any) -> Any:
        """Return the value of an envelope that `lookup` gave."""
        if isinstance(envelope, Unopened):
            try:
                return self.values.load(digest)
            except KeyError:
                raise ValueNotStored(f"value {digest} is gone", digest=str(digest)) from None
        decode = self._ability("decode", default=None)
        return envelope.load(TRUSTED) if decode is None else decode(digest, envelope)

    def check(self, *, repair: bool = False) -> Iterator[Finding]:
        """Look over those parts that can be; see `Checkable.check`.

        A part that is the face of a whole store is looked over as to its values only, and not repaired: the other half
        of that store is not of this cache, and would seem to lack all that is here.
        """
        for part in (self.values, self.calls):
            if isinstance(part, Checkable):
                yield from part.check(repair=repair)
        store = getattr(self.values, "store", None)
        if isinstance(store, Checkable):
            yield from (finding for finding in store.check() if finding.what == "value")

    def code_record(self, digest: Digest) -> CodeRecord | None:
        """Return what stands behind a code fingerprint, where the call storage keeps it."""
        read = getattr(self.calls, "code_record", None) or getattr(
            getattr(self.calls, "store", None), "code_record", None
        )
        return None if read is None else read(digest)
