"""Locks among the processes of one machine, one per key: what the kernel frees when a process dies.

Two kinds with one face. `RangeFlight`: one file, and a byte of it per key, locked by open file description (Linux; see
``fcntl(2)``, "Open file description locks"). `FileFlight`: a file per key, elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any, Protocol

from fleche.storage.forks import FORKS

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["FileFlight", "Flight", "RangeFlight", "open_flight"]

_FLOCK = struct.Struct("hhqqi4x")  # struct flock of 64-bit Linux: type, whence, start, length, pid
_RECORD = struct.Struct("<Q")
_SLOTS = 4096
_RANGES = sys.platform == "linux" and struct.calcsize("P") == 8


class Flight(Protocol):
    """One lock per key, each held by at most one process.

    Attributes:
        epoch: Another number whenever all locks held before were lost.
    """

    epoch: int

    def acquire(self, key: str) -> int | None:
        """Lock a key that this process does not hold; never blocks.

        Returns:
            A number greater than that of every earlier lock of this key, or None if another process holds it.

        Raises:
            OSError: The folder cannot be written.
        """

    def release(self, key: str) -> None:
        """Unlock a key."""

    def holds(self, key: str) -> bool:
        """Whether this process still holds the key, and its file is still the one that others look at."""

    def elsewhere(self, key: str) -> bool:
        """Whether another process holds the key."""

    def close(self) -> None:
        """Unlock everything."""


def open_flight(folder: Path) -> Flight:
    """Return the better kind that works in this folder, which is created if need be.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if _RANGES:
        flight = RangeFlight(folder / "flight")
        with contextlib.suppress(NotImplementedError):
            flight.elsewhere("0" * 16)
            return flight
    return FileFlight(folder)


class RangeFlight:
    """Keys as bytes of one file: nothing is left behind, and two locks cost two system calls.

    The first 32 KiB of the file hold the last number given out, by key modulo 4096.

    Args:
        path: The file, which is created and never removed.
    """

    epoch: int

    def __init__(self, path: Path) -> None:
        self._path = path
        self.after_fork_in_child(first=True)
        FORKS.add(self)

    def acquire(self, key: str) -> int | None:
        """Lock a key; see `Flight.acquire`."""
        with self._lock:
            descriptor = self._current()
            if not self._set(descriptor, key, exclusive=True):
                return None
            self._held.add(key)
            return self._number(descriptor, key)

    def release(self, key: str) -> None:
        """Unlock a key."""
        with self._lock:
            if key in self._held:
                self._held.remove(key)
                self._set(self._descriptor, key, exclusive=False)

    def holds(self, key: str) -> bool:
        """Whether this process still holds the key."""
        with self._lock:
            return key in self._held and self._is_current()

    def elsewhere(self, key: str) -> bool:
        """Whether another process holds the key."""
        with self._lock:
            asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, _place(key), 1, 0)
            answer = self._control(self._current(), fcntl.F_OFD_GETLK, asked)
            return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)

    def close(self) -> None:
        """Unlock everything."""
        with self._lock:
            self._shut()

    def before_fork(self) -> None:
        """Let no file be half open: a child that inherits one without knowing keeps its locks alive."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._lock.release()

    def after_fork_in_child(self, *, first: bool = False) -> None:
        """Drop the parent's file: as long as this copy of it is open, the parent's locks outlive the parent."""
        self._lock = threading.Lock()
        if first:
            self._descriptor = -1
        self._held: set[str] = set()
        self.epoch = 0 if first else self.epoch + 1
        self._shut()

    def __del__(self) -> None:
        self._shut()

    def _shut(self) -> None:
        self._held.clear()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _current(self) -> int:
        if not self._is_current():
            # Somebody removed the file: locks on the old one no longer exclude anyone.
            self._shut()
            self.epoch += 1
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            stat = os.fstat(self._descriptor)
            self._identity = stat.st_dev, stat.st_ino
        return self._descriptor

    def _is_current(self) -> bool:
        if self._descriptor < 0:
            return False
        try:
            stat = os.stat(self._path)  # noqa: PTH116 - on the path of every miss
        except FileNotFoundError:
            return False
        return (stat.st_dev, stat.st_ino) == self._identity

    def _set(self, descriptor: int, key: str, *, exclusive: bool) -> bool:
        kind = fcntl.F_WRLCK if exclusive else fcntl.F_UNLCK
        try:
            self._control(descriptor, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, _place(key), 1, 0))
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, as the system likes
            return False
        return True

    def _control(self, descriptor: int, command: int, request: bytes) -> bytes:
        try:
            answer: bytes = fcntl.fcntl(descriptor, command, request)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise NotImplementedError(f"{self._path}: no locks of open file descriptions here") from error
            raise
        return answer

    def _number(self, descriptor: int, key: str) -> int:
        # The clock makes numbers grow; the file, where the clock is set back. Other keys of the slot only raise it.
        place = _place(key) % _SLOTS * _RECORD.size
        last = os.pread(descriptor, _RECORD.size, place).ljust(_RECORD.size, b"\0")
        before: int = _RECORD.unpack(last)[0]
        number = max(time.time_ns(), before + 1)
        with contextlib.suppress(OSError):  # a full disk
            os.pwrite(descriptor, _RECORD.pack(number), place)
        return number


class FileFlight:
    """Keys as files, each removed by its holder while it is still locked, so that none is left behind.

    Numbers are times, so they do not grow where the clock is set back.

    Args:
        folder: Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._held: dict[str, Any] = {}
        self.epoch = 0
        FORKS.add(self)

    def acquire(self, key: str) -> int | None:
        """Lock a key; see `Flight.acquire`."""
        with self._lock:
            lock = self._try(key)
            if lock is None:
                return None
            self._held[key] = lock
            return time.time_ns()

    def release(self, key: str) -> None:
        """Unlock a key."""
        with self._lock:
            lock = self._held.pop(key, None)
            if lock is not None:
                self._remove(key, lock)

    def holds(self, key: str) -> bool:
        """Whether this process still holds the key."""
        with self._lock:
            lock = self._held.get(key)
            return lock is not None and self._names(key, lock)

    def elsewhere(self, key: str) -> bool:
        """Whether another process holds the key."""
        with self._lock:
            if key in self._held or not self._path(key).exists():
                return False
            lock = self._try(key)
            if lock is None:
                return True
            self._remove(key, lock)
            return False

    def close(self) -> None:
        """Unlock everything."""
        with self._lock:
            for key in list(self._held):
                self._remove(key, self._held.pop(key))

    def before_fork(self) -> None:
        """Let no file be half open: a child that inherits one without knowing keeps its locks alive."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Drop the parent's files: as long as these copies are open, the parent's locks outlive the parent."""
        self._lock = threading.Lock()
        held, self._held = self._held, {}
        self.epoch += 1
        for lock in held.values():
            context = lock._context  # noqa: SLF001 - there is no public way to close without unlocking
            descriptor, context.lock_file_fd = context.lock_file_fd, None
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    os.close(descriptor)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.lock"

    def _try(self, key: str) -> Any | None:
        import filelock

        lock = filelock.FileLock(self._path(key), timeout=0, thread_local=False)
        while True:
            try:
                lock.acquire()
            except filelock.Timeout:
                return None
            if self._names(key, lock):
                return lock
            lock.release()  # the holder removed the file between our opening and our locking it

    def _names(self, key: str, lock: Any) -> bool:
        descriptor = lock._context.lock_file_fd  # noqa: SLF001
        try:
            return descriptor is not None and os.path.samestat(os.fstat(descriptor), self._path(key).stat())
        except FileNotFoundError:
            return False

    def _remove(self, key: str, lock: Any) -> None:
        if os.name != "nt":
            self._path(key).unlink(missing_ok=True)
            lock.release()
            return
        lock.release()
        with contextlib.suppress(OSError):  # Windows removes no open file; the next holder does it
            self._path(key).unlink(missing_ok=True)


def _place(key: str) -> int:
    return int(key[:16], 16) >> 2
