"""A store of files looked over: everything is read, and what is wrong is said, and mended where it can be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fleche.call.sketch import sketches_of
from fleche.digest import Digest
from fleche.errors import DamagedError, SaveError, StoreError, UnreadableError
from fleche.storage.call_text import call_of
from fleche.storage.checking import Fault, Finding
from fleche.storage.directory import StoreDirectory
from fleche.storage.file.call_files import OTHER, CallFiles
from fleche.storage.file.index import HostIndex
from fleche.storage.file.shards import entries, is_key, shard_names
from fleche.storage.file.transform import Moves
from fleche.storage.file.values import FileValues
from fleche.storage.whole import TEMPORARY, temporary_sibling

__all__ = ["Check"]

_OLD = 24 * 3600.0  # seconds after which a file in the making has no writer any more


class Check:
    """One look over a store.

    Args:
        directory: The store's directory.
        files: Its records.
        values: Its values.
        index: This host's index.
        repair: Whether to mend what can be.
    """

    def __init__(
        self, directory: StoreDirectory, files: CallFiles, values: FileValues, index: HostIndex, *, repair: bool
    ) -> None:
        self._directory = directory
        self._files = files
        self._values = values
        self._index = index
        self._repair = repair
        self._results: dict[Digest, list[tuple[str | None, str]]] = {}  # forms, and which call named them
        self._arguments: set[Digest] = set()
        self._parts: dict[tuple[Digest, str], Digest] = {}  # and one value that names each
        self._unnamed: list[Path] = []

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong, as it is found.

        Raises:
            StoreError: The store cannot be read, or not be written where it is to be repaired.
        """
        try:
            yield from self._moves()
            yield from self._calls()
            yield from self._stored()
            yield from self._missing()
            yield from self._left()
            yield from self._indexed()
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            place = error.filename or self._directory.root
            raise StoreError(f"{place} cannot be checked: {error.strerror or error}", path=str(place)) from error

    def _moves(self) -> Iterator[Finding]:
        moves = Moves(self._files)
        if not moves.pending:
            return
        mended = ""
        if self._repair:
            with moves.alone():
                moves.finish()
            mended = "it was finished"
        yield Finding(
            fault=Fault.MISFILED,
            what="store",
            place=str(self._directory.calls),
            message="a transformation of all records was interrupted",
            mended=mended,
        )

    def _calls(self) -> Iterator[Finding]:
        for path in self._files.every():
            key = path.name.removesuffix(OTHER)
            before = _identity(path)
            fault = self._fault_of_call(path, key)
            if fault is None:
                continue
            kind, message = fault
            mended = ""
            if self._repair and kind is not Fault.UNREADABLE:
                self._files.set_aside(path, before)
                mended = "moved to the quarantine"
            yield Finding(fault=kind, what="call", digest=key, place=str(path), message=message, mended=mended)

    def _fault_of_call(self, path: Path, key: str) -> tuple[Fault, str] | None:
        if not is_key(key) or path.parent.name != key[:2]:
            return Fault.MISFILED, "its name is not that of a record in this folder"
        try:
            record = call_of(path.read_bytes(), key, str(path))
        except FileNotFoundError:
            return None
        except UnreadableError as error:
            return Fault.UNREADABLE, str(error)
        except DamagedError as error:
            return Fault.DAMAGED, str(error)
        if record.key != key:
            return Fault.MISFILED, f"its content has the key {record.key}"
        if record.result is not None:
            self._results.setdefault(record.result, []).append((record.form, f"{record.module}.{record.name} ({key})"))
        self._arguments.update(record.arguments.values())
        self._arguments.update(Digest(text) for _, text in sketches_of(record))
        return None

    def _stored(self) -> Iterator[Finding]:
        """Yield what is wrong with files of values. One that no record names may have been saved for itself."""
        for shard in shard_names(self._values.root):
            for entry in sorted(entries(self._values.root / shard), key=lambda entry: entry.name):
                yield from self._value(Path(entry.path))
        parts = {part for part, _ in self._parts}
        for path in self._unnamed:
            name = path.name.partition(".")[0]
            if name not in parts:
                yield Finding(
                    fault=Fault.ORPHAN,
                    what="value",
                    digest=name,
                    place=str(path),
                    message="no record names it; it may have been saved for itself",
                )

    def _value(self, path: Path) -> Iterator[Finding]:
        name, _, form = path.name.partition(".")
        if not is_key(name) or path.parent.name != name[:2]:
            yield self._aside(path, Fault.MISFILED, name, "its name is not that of a value in this folder")
            return
        key, before = Digest(name), _identity(path)
        try:
            found = self._values.files.checked(key, form)
        except FileNotFoundError:
            return
        except UnreadableError as error:
            yield Finding(
                fault=Fault.UNREADABLE, what="value", digest=name, place=str(path), message=str(error), mended=""
            )
            return
        except DamagedError as error:
            yield self._aside(path, Fault.DAMAGED, name, str(error), before)
            return
        if found.form != form:
            yield self._aside(path, Fault.MISFILED, name, f"its content has the form {found.form}", before)
            return
        self._parts.update(dict.fromkeys(found.references(), key))
        if key not in self._results and key not in self._arguments:
            self._unnamed.append(path)

    def _aside(
        self, path: Path, fault: Fault, name: str, message: str, identity: tuple[int, int] | None = None
    ) -> Finding:
        mended = ""
        if self._repair:
            self._files.set_aside(path, identity)
            mended = "moved to the quarantine"
        return Finding(fault=fault, what="value", digest=name, place=str(path), message=message, mended=mended)

    def _missing(self) -> Iterator[Finding]:
        for digest, calls in self._results.items():
            for form, call in calls:
                # Who files a record without its value says so by naming no form.
                if form is not None and not self._values.files.path_of(digest, form).exists():
                    yield Finding(
                        fault=Fault.MISSING,
                        what="value",
                        digest=digest,
                        place=str(self._values.files.path_of(digest, form)),
                        message=f"the result of {call} is not there",
                    )

        for (digest, form), whole in self._parts.items():
            path = self._values.files.path_of(digest, form)
            if not path.exists():
                yield Finding(
                    fault=Fault.MISSING,
                    what="value",
                    digest=digest,
                    place=str(path),
                    message=f"it is a part of {whole}, and is not there; that counts as a miss",
                )

    def _left(self) -> Iterator[Finding]:
        """Yield files in the making whose writer must be dead."""
        left = [path for path in self._directory.root.rglob(f"*{TEMPORARY}") if path.is_file()]
        if not left:
            return
        now = self._now()
        for path in left:
            with suppress(FileNotFoundError):
                if now - path.stat().st_mtime < _OLD:
                    continue
                if self._repair:
                    path.unlink()
                yield Finding(
                    fault=Fault.ORPHAN,
                    what="store",
                    place=str(path),
                    message="a writer that died left it half written",
                    mended="removed" if self._repair else "",
                )

    def _now(self) -> float:
        """Return the time by the clock of the store's file system, or this host's where it cannot be written to."""
        probe = temporary_sibling(self._directory.root / "clock")
        try:
            probe.touch()
            try:
                return probe.stat().st_mtime
            finally:
                probe.unlink()
        except OSError:
            return time.time()

    def _indexed(self) -> Iterator[Finding]:
        found = self._index.disagreements()
        if not found:
            return
        if self._repair:
            with suppress(StoreError, SaveError):
                self._index.rebuild()
        for key in found:
            yield Finding(
                fault=Fault.INDEX,
                what="call",
                digest=key,
                message="the index of this host holds another record than the file",
                mended="the index of this host is made anew" if self._repair else "",
            )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
