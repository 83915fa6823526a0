"""Leases among hosts that share a directory: an exclusive marker file per key, touched as long as its holder lives.

A marker is a `filelock` soft lease. It is taken over at once from a process of this host that is dead, and from anyone
else when it was not touched for the length of the lease, as seen by the clock of whoever looks: clocks of two hosts are
never compared.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleche.clock import SYSTEM, Clock
from fleche.errors import StoreError
from fleche.storage.forks import FORKS
from fleche.storage.leases_local import LocalLeases

__all__ = ["SoftFlight", "SoftLeases"]

_LOOK = 0.5  # seconds between two attempts to take over a marker that does not change
_WATCHED = 4096  # markers of others that are remembered at most
_TICK = 2.5  # seconds; no file system's times are coarser than the 2 s of FAT


@dataclass(slots=True)
class _Watch:
    """What is known of a marker of somebody else; the lock notes how long it has not been touched."""

    lock: Any
    looked: float = float("-inf")


class SoftFlight:
    """Locks of keys as marker files; a `Flight`.

    Numbers are the times at which the markers were made, by the file system's own clock.

    Args:
        folder: Where the markers are; made when first needed.
        duration: Seconds without a touch after which a marker may be taken over; the same for everyone.
    """

    def __init__(self, folder: Path, duration: float) -> None:
        self._folder = folder
        self._duration = duration
        self._lock = threading.RLock()
        self._held: dict[str, tuple[Any, int]] = {}
        self._watched: dict[str, _Watch] = {}
        self.epoch = 0
        FORKS.add(self)

    def acquire(self, key: str) -> int | None:
        """Lock a key; see `Flight.acquire`.

        Raises:
            StoreError: Another process holds the key with another duration.
        """
        with self._lock:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = self._try(key)
            if lock is None:
                return None
            number = self._path(key).stat().st_mtime_ns
            self._held[key] = lock, number
            return number

    def release(self, key: str) -> None:
        """Unlock a key."""
        with self._lock:
            lock, number = self._held.pop(key, (None, 0))
            if lock is not None:
                self._outlive(key, number)
                with contextlib.suppress(OSError):
                    lock.release()

    def holds(self, key: str) -> bool:
        """Whether this process still holds the key, as far as its last touch tells, and its marker is there."""
        with self._lock:
            lock, _ = self._held.get(key, (None, 0))
            if lock is None or lock.compromise is not None:
                return False
            return bool(lock.is_lock_held_by_us) and lock.owner is not None and lock.owner.token == lock.token

    def elsewhere(self, key: str) -> bool:
        """Whether another process holds the key: mostly by looking at the marker, now and then by trying to take it."""
        with self._lock:
            if key in self._held:
                return False
            if not self._path(key).exists():
                self._watched.pop(key, None)
                return False
            watch = self._watched.get(key)
            if watch is not None and time.monotonic() - watch.looked < _LOOK:
                return True
            lock = self._try(key)
            if lock is None:
                return True
            with contextlib.suppress(OSError):
                lock.release()
            return False

    def close(self) -> None:
        """Unlock everything."""
        with self._lock:
            for key in list(self._held):
                self.release(key)
            self._watched.clear()

    def before_fork(self) -> None:
        """Let no marker be half made."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Hold nothing: the markers are the parent's."""
        self._lock = threading.RLock()
        self._held = {}
        self._watched = {}
        self.epoch += 1

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.lease"

    def _try(self, key: str) -> Any | None:
        import filelock

        watch = self._watched.get(key)
        if watch is None:
            lock = filelock.SoftFileLease(
                self._path(key), lease_duration=self._duration, timeout=0, thread_local=False, mode=0o644
            )
            watch = _Watch(lock)
        try:
            watch.lock.acquire()
        except filelock.Timeout:
            watch.looked = time.monotonic()
            self._watched[key] = watch
            while len(self._watched) > _WATCHED:
                del self._watched[next(iter(self._watched))]
            return None
        except filelock.LeaseSettingsMismatch as error:
            raise StoreError(
                f"{self._path(key)} was made with another lease duration than the {self._duration} s of this process: "
                f"give the same lease_duration to everyone who uses the store.",
                path=str(self._path(key)),
            ) from error
        self._watched.pop(key, None)
        return watch.lock

    def _outlive(self, key: str, number: int) -> None:
        """Return when the file system's clock has ticked since the marker was made, so that the next one is younger."""
        path, until = self._path(key), time.monotonic() + _TICK
        with contextlib.suppress(OSError):
            while time.monotonic() < until:
                os.utime(path)
                if path.stat().st_mtime_ns > number:
                    return
                time.sleep(0.001)


class SoftLeases(LocalLeases):
    """Grants leases to processes of all hosts that share a directory.

    Args:
        folder: Where the markers are; made when first needed.
        duration: Seconds after which a lease is taken over from a host that fell silent; the same for everyone.
        clock: What tells when a lease was claimed, and waits.
    """

    def __init__(self, folder: Path | str, *, duration: float = 30.0, clock: Clock = SYSTEM) -> None:
        super().__init__(folder, clock=clock, flight=SoftFlight(Path(folder), duration))
