"""What people said of code and of calls, as files: ``accepted/<new>/<old>`` and ``forgotten/ab/<key>``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from fleche.clock import from_micros, to_micros
from fleche.digest import Digest
from fleche.errors import DamagedError, StoreError
from fleche.storage.acceptances import TRACES, Acceptance, Forgotten, trace
from fleche.storage.authenticity import Authenticity
from fleche.storage.call_text import seal, unseal
from fleche.storage.file.call_files import CallFiles
from fleche.storage.file.shards import is_key

__all__ = ["AcceptedFiles", "TraceFiles"]

_ACCEPTED, _FORGOTTEN = b"fleche-accepted", b"fleche-forgotten"
_PER_FOLDER = -(-TRACES // 256)


class AcceptedFiles:
    """Acceptances, each a file in a folder named for the new fingerprint, so that a miss lists one folder at most.

    Args:
        root: The folder of these folders.
        files: Writes files whole.
        authenticity: What is believed.
    """

    def __init__(self, root: Path, files: CallFiles, authenticity: Authenticity) -> None:
        self._root = root
        self._files = files
        self._authenticity = authenticity

    def accept(self, acceptance: Acceptance) -> None:
        """Keep an acceptance; see `Accepting.accept`."""
        path = self._root / acceptance.new / acceptance.old
        body = {"old": acceptance.old, "new": acceptance.new, "at": to_micros(acceptance.at), **acceptance.told()}
        try:
            self._files.write_file(path, seal(_ACCEPTED, body))
        except OSError as error:
            raise _unwritten(path, error) from error

    def acceptances(self, new: Digest | None = None) -> Sequence[Acceptance]:
        """Return the acceptances that can be believed; see `Accepting.acceptances`."""
        folders = [self._root / new] if new is not None else _inside(self._root)
        found = [each for folder in folders for path in _inside(folder) if (each := self._read(path)) is not None]
        return sorted(found, key=lambda each: (each.at, each.old))

    def withdraw(self, old: Digest, new: Digest) -> bool:
        """Remove an acceptance; see `Accepting.withdraw`."""
        path = self._root / new / old
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _unwritten(path, error) from error
        with suppress(OSError):  # another one is in it
            path.parent.rmdir()
        return True

    def _read(self, path: Path) -> Acceptance | None:
        if not is_key(path.name):
            return None
        try:
            body = unseal(_ACCEPTED, path.read_bytes(), str(path))
        except (OSError, DamagedError):
            return None
        if (body.get("old"), body.get("new")) != (path.name, path.parent.name):
            return None
        found = Acceptance.of(Digest(path.name), Digest(path.parent.name), body, body.get("at", 0))
        return found if found is not None and self._authenticity.of_acceptance(found) else None


class TraceFiles:
    """Traces of records that were removed, each a small file; of so many in each folder as make `TRACES` in all.

    Args:
        root: The folder of their folders.
        files: Writes files whole.
    """

    def __init__(self, root: Path, files: CallFiles) -> None:
        self._root = root
        self._files = files

    def leave(self, key: Digest, why: str) -> None:
        """Leave a trace of a record that was removed; one that cannot be left is no failure of the removal."""
        left = trace(key, why)
        path = self._root / key[:2] / key
        body = {"key": key, "at": to_micros(left.at), "who": left.who, "why": left.why}
        with suppress(OSError):
            self._files.write_file(path, seal(_FORGOTTEN, body))
            self._trim(path.parent)

    def of(self, key: Digest) -> Forgotten | None:
        """Return the trace of a record, or None."""
        path = self._root / key[:2] / key
        try:
            body = unseal(_FORGOTTEN, path.read_bytes(), str(path))
            return Forgotten(key=key, at=from_micros(body["at"]), who=str(body["who"]), why=str(body["why"]))
        except (OSError, DamagedError, KeyError, TypeError, ValueError):
            return None

    def _trim(self, folder: Path) -> None:
        there = [*_inside(folder)]
        if len(there) > _PER_FOLDER:
            for path in sorted(there, key=_written)[: len(there) - _PER_FOLDER]:
                path.unlink(missing_ok=True)


def _inside(folder: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError, NotADirectoryError):
        yield from folder.iterdir()


def _written(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_mtime_ns
    return 0


def _unwritten(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path} cannot be written: {error.strerror or error}", path=str(path))
