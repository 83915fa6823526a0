"""Many records replaced at once: written down first, then done, so that an interruption loses nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

import xxhash

from fleche.call.records import DigestedCall
from fleche.digest import Digest
from fleche.errors import DamagedError, StoreError, UnreadableError
from fleche.faults import reach
from fleche.storage.call_text import call_of, call_text, seal, unseal
from fleche.storage.file.call_files import CallFiles
from fleche.storage.whole import make_folder

__all__ = ["Moves"]

_TOKEN = b"fleche-moves"


class Moves:
    """The file ``moves`` of a folder of records: which files go, and what is written.

    Args:
        files: The records.
    """

    def __init__(self, files: CallFiles) -> None:
        self._files = files
        self._path = files.root / "moves"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other process plan or finish for the length of a ``with`` block.

        Raises:
            StoreError: The folder cannot be written.
        """
        from filelock import FileLock

        try:
            self._files.root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_folder(self._files.root)
            lock = FileLock(self._files.root / "moves.lock")
            lock.acquire()
        except OSError as error:
            raise StoreError(
                f"{self._files.root} cannot be written: {error.strerror or error}", path=str(self._files.root)
            ) from error
        try:
            yield
        finally:
            lock.release()

    @property
    def pending(self) -> bool:
        """Whether there is a plan that was not carried out to its end."""
        return self._path.exists()

    def plan(self, old: Iterable[Digest], new: Mapping[Digest, tuple[DigestedCall, bytes | None]]) -> None:
        """Write down that these records are to be replaced by those; nothing else is done yet.

        Args:
            old: Their keys.
            new: Records with their signatures, by key.

        Raises:
            SaveError: A record cannot be stored.
            StoreError: The plan cannot be written.
        """
        sums = {key: _sum(data) for key in old if (data := self._files.data(key)) is not None}
        texts = {key: call_text(*signed).decode() for key, signed in new.items()}
        try:
            self._files.write_file(self._path, seal(_TOKEN, {"old": sums, "new": texts}))
        except OSError as error:
            raise StoreError(
                f"{self._path} cannot be written: {error.strerror or error}", path=str(self._path)
            ) from error

    def finish(self) -> None:
        """Carry out what is written down, if there is anything; may be interrupted and called again.

        Raises:
            StoreError: Something cannot be written.
        """
        try:
            plan = unseal(_TOKEN, self._path.read_bytes(), str(self._path))
        except FileNotFoundError:
            return
        except UnreadableError as error:
            raise StoreError(str(error), path=str(self._path)) from error
        except DamagedError:  # of a disk that lost its last moments: nothing was done yet
            self._files.set_aside(self._path)
            return
        for key, text in plan["new"].items():
            reach("moves:before-write")
            self._write(key, text.encode(), plan["old"].get(key))
        for key, checksum in plan["old"].items():
            if key not in plan["new"]:
                self._remove(key, checksum, but=None)
        with suppress(FileNotFoundError):
            self._path.unlink()

    def _write(self, key: str, text: bytes, old: str | None) -> None:
        record = call_of(text, key, str(self._path))
        there = self._files.data(key)
        if there is not None and _sum(there) != old:
            filed = self._files.read(key)
            if filed is not None and not record.replaces(filed):
                return
        if there != text:
            self._files.write(record, text)
        for checksum in {old, None if there is None else _sum(there)} - {None}:
            self._remove(key, checksum, but=text)

    def _remove(self, key: str, checksum: str | None, *, but: bytes | None) -> None:
        """Remove the files of a key that hold what is replaced."""
        for path in self._files.paths(key):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue
            if data != but and _sum(data) == checksum:
                self._files.take_away(path, data)


def _sum(data: bytes) -> str:
    return xxhash.xxh3_128_hexdigest(data)
