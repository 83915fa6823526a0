"""An archive as a record store."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fleche.call.records import DigestedCall
from fleche.clock import to_micros
from fleche.digest import Digest
from fleche.errors import DamagedError
from fleche.storage.archive.entries import Entries
from fleche.storage.archive.faces import ArchiveCalls, ArchiveValues
from fleche.storage.base import CodeRecord, Hit
from fleche.storage.call_text import seal, unseal
from fleche.storage.canonical import canonical
from fleche.storage.envelope import Envelope
from fleche.storage.leases import Lease, Leases
from fleche.storage.leases_process import ProcessLeases
from fleche.storage.loader import TRUSTED, Loader
from fleche.storage.packing import Packing
from fleche.storage.safe_loader import SAFE
from fleche.storage.signing import Keyring

__all__ = ["ArchiveStore"]

_CODE = b"fleche-code"


class ArchiveStore:
    """Records and values in one file, to be carried elsewhere; see ``docs/formats/archive.md``.

    Bytes are taken from any store as they are, and never given on as they are: who reads the archive builds its values
    by the safe loader, or in full where one of the keys signed them. What is written is on the disk after `close`.

    Args:
        path: The file.
        create: Whether it may be made and written to; else it is only read.
        trust: Whether whoever wrote it may run code in this process: any type is built.
        keys: What is known to be ours: values that one of them signed are built in full.

    Raises:
        FormatError: The file is no archive, or of another format or algorithm.
        StoreError: It cannot be opened.
    """

    keeps_bytes = True
    """Values are kept as they come, whoever is trusted: the reader decides."""

    def __init__(
        self, path: Path | str, *, create: bool = True, trust: bool = False, keys: Keyring | None = None
    ) -> None:
        self.place = str(Path(path).absolute())
        self.entries = Entries(Path(path).absolute(), create=create)
        self.packing = Packing(keys=keys)
        self._loader: Loader = TRUSTED if trust else SAFE
        self.values = ArchiveValues(self)
        self.calls = ArchiveCalls(self)
        self.leases: Leases = ProcessLeases()

    @property
    def trusted(self) -> bool:
        """Whether any type may be built; see `RecordStore.trusted`."""
        return self._loader is TRUSTED

    def pack(self, value: Any) -> Envelope:
        """Return a value's bytes."""
        return self.packing.pack(value)

    def lookup(self, key: Digest) -> Hit | None:
        """Return what is known of a call; see `RecordStore.lookup`."""
        try:
            call = self.calls.get(key)
        except KeyError:
            return None
        envelope, damage = None, None
        if call.result is not None:
            try:
                with suppress(KeyError):
                    envelope = self.values.get_envelope(call.result, call.form)
            except DamagedError as error:
                damage = error
        return Hit(
            outcome=call.outcome,
            at=None if call.at is None else to_micros(call.at),
            expires=None if call.expires is None else to_micros(call.expires),
            result=call.result,
            form=call.form,
            envelope=envelope,
            damage=damage,
        )

    def record(
        self,
        call: DigestedCall,
        values: Mapping[Digest, Envelope],
        lease: Lease | None = None,  # noqa: ARG002 - nobody computes into an archive
        *,
        code: CodeRecord | None = None,
    ) -> None:
        """Write a call with its values; what is there is replaced if `DigestedCall.replaces` says so."""
        own = None if call.result is None else values.get(call.result)
        call = canonical(call if own is None else call.evolve(form=own.form))
        for digest, envelope in values.items():
            self.values.put_envelope(digest, envelope)
        if code is not None and not self.entries.has(f"code/{code.digest}"):
            body = {"digest": code.digest, "kind": code.kind, "tree": code.tree, "source": code.source}
            self.entries.put(f"code/{code.digest}", seal(_CODE, body))
        there = None
        with suppress(KeyError, DamagedError):
            there = self.calls.get(call.key)
        if there is None or call.replaces(there):
            self.calls.put(call, call.key)
        self.entries.settle()

    def decode(self, digest: Digest, envelope: Envelope) -> Any:
        """Return the value in an envelope, by the loader of the archive; in full where one of the keys signed it."""
        return self.packing.load(envelope, digest, self._loader)

    def code_record(self, digest: Digest) -> CodeRecord | None:
        """Return what stands behind a code fingerprint, or None."""
        data = self.entries.get(f"code/{digest}")
        if data is None:
            return None
        body = unseal(_CODE, data, f"{self.place}:code/{digest}")
        return CodeRecord(digest=Digest(body["digest"]), kind=body["kind"], tree=body["tree"], source=body["source"])

    def describe(self) -> Mapping[str, Any]:
        """Return what the archive holds, for people."""
        return {
            "path": self.place,
            "format": "1.0",
            "layout": "archive",
            "calls": self.calls.count(),
            "values": len(list(self.values.list())),
            "bytes": self.entries.size(),
            "trusted": self.trusted,
        }

    def close(self) -> None:
        """Have everything on the disk, and close the file."""
        self.entries.close()

    def __repr__(self) -> str:
        return f"ArchiveStore({self.place!r})"
