"""The files of records: ``ab/<key>`` for results, ``ab/<key>.other`` for what else a call can end with.

The two names are why nothing has to be locked: however many hosts file at one time, an error never takes the place of
a result, because it is never written there.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fleche.call.records import DigestedCall, Outcome
from fleche.digest import Digest
from fleche.errors import DamagedError, StoreError, UnreadableError
from fleche.faults import reach
from fleche.storage.call_text import call_of, signed_call_of
from fleche.storage.file.shards import entries, is_key, shard_names
from fleche.storage.whole import make_folder, put_back, temporary_sibling, write_whole

__all__ = ["OTHER", "CallFiles", "Sight"]

OTHER = ".other"
"""How the name of a record ends whose outcome is not a result."""

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Sight:
    """What the file of a record looks like from outside.

    Attributes:
        identity: Size, inode, and times of content and entry: another one wherever the file is another.
        written: When it was written, in nanoseconds, by the clock of its file system.
    """

    identity: str
    written: int

    @classmethod
    def of(cls, name: str, found: os.stat_result) -> Sight:
        """Return the sight of a file."""
        mark = "-" if name.endswith(OTHER) else "+"
        return cls(f"{mark}{found.st_size}:{found.st_ino}:{found.st_mtime_ns}:{found.st_ctime_ns}", found.st_mtime_ns)


class CallFiles:
    """Reads and writes the files of records.

    Args:
        root: The folder of their folders.
        quarantine: Where what is damaged is moved to.
        restore: Called when the folders are not there; makes them, or raises.
        sync: Whether a record is on the disk, not only in the system's memory, when `write` returns.
    """

    def __init__(
        self, root: Path, quarantine: Path, restore: Callable[[], object] | None = None, *, sync: bool = False
    ) -> None:
        self.root = root
        self.quarantine = quarantine
        self._restore = restore
        self._sync = sync

    def paths(self, key: str) -> tuple[Path, Path]:
        """Return where the record of a call lies, or would: a result, and anything else."""
        folder = self.root / key[:2]
        return folder / key, folder / f"{key}{OTHER}"

    def read(self, key: str) -> DigestedCall | None:
        """Return the record of a call, the result where there are both; None where there is none.

        What is damaged is set aside, and what a later version wrote is passed over.

        Raises:
            StoreError: A file is there and cannot be read.
        """
        found = self.read_signed(key)
        return None if found is None else found[0]

    def read_signed(self, key: str) -> tuple[DigestedCall, bytes | None] | None:
        """Return the record of a call with its signature, which is not verified; see `read`."""
        for path in self.paths(key):
            found = self._read_one(path, key)
            if found is not None:
                return found
        return None

    def peek(self, key: str) -> DigestedCall | None:
        """Return the record of a call, or None; what is damaged stays where it is.

        Raises:
            StoreError: A file is there and cannot be read.
        """
        data = self.data(key)
        try:
            return None if data is None else call_of(data, key, str(self.paths(key)[0]))
        except DamagedError:
            return None

    def data(self, key: str) -> bytes | None:
        """Return the bytes of the file that `read` looks at first, or None.

        Raises:
            StoreError: It is there and cannot be read.
        """
        for path in self.paths(key):
            found = _content(path)
            if found is not None:
                return found[0]
        return None

    def _read_one(self, path: Path, key: str) -> tuple[DigestedCall, bytes | None] | None:
        found = _content(path)
        if found is None:
            return None
        try:
            return signed_call_of(found[0], key, str(path))
        except UnreadableError:
            return None
        except DamagedError:
            self.set_aside(path, found[1])
            return None

    def write(self, call: DigestedCall, data: bytes, old: DigestedCall | None = None) -> None:
        """Write a record, whole or not at all, in the place of one of the same kind.

        A result also takes away what else the call had ended with; nothing ever takes a result away here.

        Args:
            call: The record.
            data: Its text.
            old: What was there before, as far as it is known.

        Raises:
            StoreError: It cannot be written.
        """
        result, other = self.paths(call.key)
        own = result if call.outcome is Outcome.RESULT else other
        try:
            reach("call:before-write")
            self.write_file(own, data)
            reach("call:after-write")
            if own is result and old is not None and old.outcome is not Outcome.RESULT:
                other.unlink(missing_ok=True)
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(
                f"the record {own} cannot be written: {error.strerror or error}. Make room or give permission; "
                f"the call itself is not affected.",
                path=str(own),
            ) from error

    def write_file(self, path: Path, data: bytes) -> None:
        """Write one file, whole or not at all; its folder, and the store where it is gone, are made.

        Raises:
            OSError: It cannot be written.
        """
        try:
            write_whole(path, [data], sync=self._sync)
        except FileNotFoundError:
            if self._restore is not None:
                self._restore()
            path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_folder(path.parent)
            write_whole(path, [data], sync=self._sync)

    def remove(self, key: str) -> None:
        """Remove the record of a call, if there is one.

        Raises:
            StoreError: It cannot be removed.
        """
        for path in self.paths(key):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(f"{path} cannot be removed: {error.strerror or error}", path=str(path)) from error

    def take_away(self, path: Path, data: bytes) -> None:
        """Remove a file if it holds these bytes; one that has taken its place meanwhile stays."""
        taken = temporary_sibling(path)
        with suppress(OSError):
            path.rename(taken)
            if taken.read_bytes() != data:
                put_back(taken, path)
            else:
                taken.unlink()

    def exists(self, key: str) -> bool:
        """Whether there is a file for a call."""
        return any(path.exists() for path in self.paths(key))

    def sight(self, key: str) -> Sight | None:
        """Return what the file looks like that `read` looks at first; None where there is none.

        Raises:
            StoreError: It cannot be looked at.
        """
        for path in self.paths(key):
            try:
                return Sight.of(path.name, path.stat())
            except FileNotFoundError:
                continue
            except OSError as error:
                raise _unreadable(path, error) from error
        return None

    def stamp(self, shard: str) -> tuple[str, int] | None:
        """Return what a folder looks like from outside, and when it last changed; None where there is none."""
        try:
            found = (self.root / shard).stat()
        except FileNotFoundError:
            return None
        return f"{found.st_ino}:{found.st_mtime_ns}:{found.st_ctime_ns}", found.st_mtime_ns

    def shards(self) -> list[str]:
        """Return the names of the folders."""
        return shard_names(self.root)

    def sights(self, shard: str) -> dict[Digest, Sight]:
        """Return each key of a folder with what its file looks like, the result's where there are both."""
        found: dict[Digest, Sight] = {}
        for entry in sorted(entries(self.root / shard), key=_name, reverse=True):  # a result comes after its other
            key = entry.name.removesuffix(OTHER)
            if is_key(key):
                with suppress(FileNotFoundError):
                    found[Digest(key)] = Sight.of(entry.name, entry.stat())
        return found

    def keys(self, folder: Path) -> set[Digest]:
        """Return the keys of one folder."""
        names = {entry.name.removesuffix(OTHER) for entry in entries(folder)}
        return {Digest(name) for name in names if is_key(name)}

    def every(self) -> Iterator[Path]:
        """Yield every file of a record."""
        for shard in self.shards():
            for entry in sorted(entries(self.root / shard), key=_name):
                yield Path(entry.path)

    def set_aside(self, path: Path, identity: tuple[int, int] | None = None) -> None:
        """Move a file to the quarantine.

        Args:
            path: Which.
            identity: Device and inode of the file that was read; one that has taken its place meanwhile stays.
        """
        aside = self.quarantine / f"{path.name}.call.{secrets.token_hex(2)}"
        with suppress(OSError):
            self.quarantine.mkdir(mode=0o700, exist_ok=True)
        with suppress(OSError):
            path.rename(aside)
            found = aside.stat()
            if identity not in (None, (found.st_dev, found.st_ino)):
                put_back(aside, path)  # a whole one had taken its place


def _content(path: Path) -> tuple[bytes, tuple[int, int]] | None:
    for attempt in range(_ATTEMPTS):
        try:
            with path.open("rb", buffering=0) as file:
                found = os.fstat(file.fileno())
                return file.readall(), (found.st_dev, found.st_ino)
        except FileNotFoundError:
            return None
        except OSError as error:
            # A file that another host replaces while it is read is stale on NFS; the next opening finds the new one.
            if error.errno != errno.ESTALE or attempt == _ATTEMPTS - 1:
                raise _unreadable(path, error) from error
    return None


def _unreadable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{path} cannot be read: {error.strerror or error}. Look at its permissions and at those of its folder.",
        path=str(path),
    )


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name
