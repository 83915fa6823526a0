"""`PickleFileBackend`: a directory as two primitives, for storages that users put together themselves."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fleche.digest import Digest
from fleche.storage.base import StorageBackend
from fleche.storage.file.values import FileValues
from fleche.storage.packing import PLAIN, Packing

__all__ = ["PickleFileBackend"]


class PickleFileBackend(StorageBackend):
    """Whatever is put, pickled, in a directory.

    It reads as `FileValues` does: in full where only its owner can write, by the safe loader elsewhere. It may be used
    by many threads, processes and hosts, and pickled (its address is).

    Args:
        root: The directory; made when something is put.
        packing: How values are packed.

    >>> import tempfile
    >>> from fleche.storage.base import ValueMixin
    >>> class Values(ValueMixin, PickleFileBackend):
    ...     pass
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     values = Values(folder)
    ...     values.load(values.save([1, 2])[:8])
    [1, 2]
    """

    def __init__(self, root: Path | str, *, packing: Packing = PLAIN) -> None:
        self._files = FileValues(root, packing=packing)
        self._packing = packing

    @property
    def root(self) -> Path:
        """The directory."""
        return self._files.root

    def put(self, value: Any, key: Digest) -> Digest:
        """Write a value under a key; of several, the one that was put last is returned."""
        self._files.put_envelope(key, self._packing.pack(value))
        return key

    def get(self, key: Digest) -> Any:
        """Return a value, built anew."""
        return self._files.load(key)

    def list(self) -> Iterable[Digest]:
        """Return every key."""
        return self._files.list()

    def _evict(self, key: Digest) -> None:
        self._files.evict(key)

    def _contains(self, key: Digest) -> bool:
        return self._files.contains(key)
