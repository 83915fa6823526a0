"""Large values as files of one directory: ``ab/<digest>.<form>``, written whole, never changed, mode 0444."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from fleche.digest import Digest
from fleche.errors import DamagedError, SaveError, UnreadableError
from fleche.faults import reach
from fleche.storage.envelope import Envelope
from fleche.storage.whole import make_folder, put_back

__all__ = ["ValueFiles"]

_CLOCK_SLACK = 2.0  # seconds between the clocks of files and of the system


class ValueFiles:
    """The large values of a store, and its quarantine.

    Large buffers are mapped without being read. They are verified first unless the file is, by size, inode and
    modification time, the one that was written or was verified by this process; and in any case if it was written
    before the machine was last started without being synced.

    Args:
        root: The directory of the values.
        quarantine: Where what is damaged is moved to.
        sync: Whether a value is on the disk, not only in the system's memory, when `write` returns.
        verify: Whether to verify at every read.
        mapped: Whether to map files instead of reading them.
    """

    def __init__(
        self, root: Path, quarantine: Path, *, sync: bool = False, verify: bool = False, mapped: bool = os.name != "nt"
    ) -> None:
        self.root = root
        self.quarantine = quarantine
        self._sync = sync
        self._verify = verify
        self._mapped = mapped
        self._verified: set[str] = set()
        self._started = _system_start()

    def path_of(self, digest: Digest, form: str) -> Path:
        """Return where a value lies, or would."""
        return self.root / digest[:2] / f"{digest}.{form}"

    def write(self, digest: Digest, envelope: Envelope) -> Path:
        """Write a value, whole or not at all; one that is there already is replaced by the same bytes.

        Raises:
            SaveError: It cannot be written; nothing is left behind.
        """
        path = self.path_of(digest, envelope.form)
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_folder(path.parent)
            reach("file:before-write")
            envelope.write_to(path, sync=self._sync)
            reach("file:after-rename")
        except OSError as error:
            raise SaveError(
                f"a value of {envelope.size} bytes cannot be written to {path}: {error.strerror or error}. "
                f"Make room or give permission; the call itself is not affected.",
                path=str(path),
            ) from error
        return path

    def stat(self, digest: Digest, form: str) -> str | None:
        """Return what identifies the file of a value, to be compared when it is read; None: there is no file."""
        try:
            found = self.path_of(digest, form).stat()
        except OSError:
            return None
        return _identity(found, synced=self._sync)

    def read(self, digest: Digest, form: str, written: str | None) -> Envelope:
        """Return a value's bytes, mapped; verified where there is doubt.

        Args:
            digest: Which value.
            form: In which form.
            written: What `stat` returned when it was written.

        Raises:
            FileNotFoundError: There is no such file.
            OSError: It cannot be read.
            DamagedError: It is not what was written.
        """
        path = self.path_of(digest, form)
        found = path.stat()
        seen = f"{digest}.{form}:{_identity(found, synced=True)}"
        doubted = self._verify or (seen not in self._verified and not self._is_as_written(found, written))
        envelope = Envelope.open(path, mapped=self._mapped, verify_buffers=doubted)
        if doubted:
            self._verified.add(seen)
        return envelope

    def peek(self, digest: Digest, form: str, limit: int) -> Envelope | None:
        """Return a value's bytes, mapped and unverified, where the stream and what is compressed are within a limit.

        Raises:
            FileNotFoundError: There is no such file.
            OSError: It cannot be read.
            DamagedError: Its header or stream is not what was written.
        """
        path = self.path_of(digest, form)
        return Envelope.peek(path, mapped=self._mapped, limit=limit)

    def check(self, digest: Digest, form: str) -> None:
        """Verify a value's file wholly.

        Raises:
            FileNotFoundError: There is no such file.
            OSError: It cannot be read.
            DamagedError: It is not what was written.
        """
        self.checked(digest, form)

    def checked(self, digest: Digest, form: str) -> Envelope:
        """Verify a value's file wholly, and return it; see `check`."""
        return Envelope.open(self.path_of(digest, form), mapped=False, verify_buffers=True)

    def _is_as_written(self, found: os.stat_result, written: str | None) -> bool:
        if written is None:
            return False
        synced = written.endswith(_SYNCED)
        if not synced and found.st_mtime < self._started + _CLOCK_SLACK:
            return False
        return written == _identity(found, synced=synced)

    def remove(self, digest: Digest, form: str) -> None:
        """Remove a value's file, if it is there. Whoever has it mapped keeps it."""
        with suppress(OSError):
            self.path_of(digest, form).unlink()

    def set_aside(self, digest: Digest, form: str) -> None:
        """Move a value's file to the quarantine, if it is there and damaged; one that is whole stays.

        Another process may have replaced a damaged file by a whole one since it was read.
        """
        path, aside = self.path_of(digest, form), self._aside(digest, form)
        self._make_quarantine()
        with suppress(OSError):
            path.rename(aside)
            if self._is_whole(aside):
                put_back(aside, path)

    def _is_whole(self, path: Path) -> bool:
        try:
            Envelope.open(path, mapped=False, verify_buffers=True)
        except UnreadableError:
            return True
        except (DamagedError, OSError):
            return False
        return True

    def keep_aside(self, digest: Digest, form: str, data: bytes) -> None:
        """Write bytes that were found damaged in a row to the quarantine, if there is room."""
        self._make_quarantine()
        with suppress(OSError):
            self._aside(digest, form).write_bytes(data)

    def _aside(self, digest: Digest, form: str) -> Path:
        return self.quarantine / f"{digest}.{form}.{secrets.token_hex(2)}"

    def _make_quarantine(self) -> None:
        with suppress(OSError):
            self.quarantine.mkdir(mode=0o700, exist_ok=True)


_SYNCED = ":synced"


def _identity(found: os.stat_result, *, synced: bool) -> str:
    return f"{found.st_size}:{found.st_ino}:{found.st_mtime_ns}{_SYNCED if synced else ''}"


def _system_start() -> float:
    """Return when this machine was started, in seconds since 1970, or far in the future where that is unknown."""
    clock = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_UPTIME_RAW", None))
    return float("inf") if clock is None else time.time() - time.clock_gettime(clock)
