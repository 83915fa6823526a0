"""Calls in one file: written from a cache, and read into one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fleche.caches.base import BaseCache
from fleche.caches.cache import Cache
from fleche.caches.parcels import Parcel, Receipt
from fleche.caches.reports import TransferReport
from fleche.digest import Digest
from fleche.storage.archive import ArchiveStore
from fleche.storage.envelope import Envelope
from fleche.storage.signing import Keyring
from fleche.storage.void import VoidStore

__all__ = ["ArchiveCache", "export_calls", "import_calls"]


class ArchiveCache(Cache):
    """The calls of an archive. What comes from a store that nobody else can write to is signed, where there are keys.

    Args:
        store: The archive.
    """

    def __init__(self, store: ArchiveStore) -> None:
        super().__init__(store.values, store.calls)
        self._keys = store.packing.keys

    def receive(self, parcel: Parcel, *, overwrite: bool = False) -> Receipt | None:
        """File a record of another cache with its values; see `BaseCache.receive`."""
        if self._keys and parcel.origin.trusted:
            parcel = replace(
                parcel,
                result=None if parcel.record.result is None else self._signed(parcel.record.result, parcel.result),
                arguments={digest: self._signed(digest, each) for digest, each in parcel.arguments.items()},
                items={place: self._signed(place[0], each) for place, each in parcel.items.items()},
            )
        return super().receive(parcel, overwrite=overwrite)

    def _signed(self, digest: Digest, stored: Any) -> Any:
        return stored.signed(self._keys, digest) if isinstance(stored, Envelope) and self._keys else stored


def export_calls(
    source: BaseCache, path: Path | str, keys: Iterable[Digest], *, sign: Keyring | None = None
) -> TransferReport:
    """Write calls with their values to an archive; one that is there is added to.

    One that was interrupted goes on when it is run again.

    Args:
        source: Where the calls are.
        path: The archive.
        keys: Which calls.
        sign: What signs values, where the source is a store that nobody else can write to.

    Raises:
        FormatError: There is a file that is no archive, or of another format or algorithm.
        StoreError: It cannot be written.
    """
    with ArchiveCache(ArchiveStore(path, keys=sign)) as archive:
        return source.transfer_keys(list(keys), archive)


def import_calls(
    path: Path | str,
    target: BaseCache | None,
    *,
    trust: bool = False,
    keys: Keyring | None = None,
    dry_run: bool = False,
    overwrite: bool = False,
) -> TransferReport:
    """File the calls of an archive in a cache. Twice is as once; one that was interrupted goes on when it is run again.

    Nothing in the archive is executed: values are built by the safe loader, or in full where one of the keys signed
    them. A call whose result is refused is not filed, and reported; an argument that is refused is left out.

    Args:
        path: The archive.
        target: Where the calls go; None is nowhere, for a dry run.
        trust: Whether whoever wrote the archive may run code in this process.
        keys: What is known to be ours.
        dry_run: File nothing, and say what would be.
        overwrite: Whether calls that are there are replaced.

    Raises:
        FormatError: The file is no archive, or of another format or algorithm.
        StoreError: It cannot be read.
    """
    store = ArchiveStore(path, create=False, trust=trust, keys=keys)
    with ArchiveCache(store) as archive:
        found: Sequence[Digest] = list(store.calls.list())
        if not dry_run and target is not None:
            return archive.transfer_keys(found, target, overwrite=overwrite)
        nowhere = VoidStore()
        missing = [key for key in found if overwrite or target is None or target.lookup(key) is None]
        report = archive.transfer_keys(missing, Cache(nowhere.values, nowhere.calls))
        return replace(report, there=len(found) - len(missing))
