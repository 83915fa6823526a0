"""Lock mixins: one operation at a time on a key, put around it through the operation context."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fleche.digest import Digest
from fleche.storage.base import Intent, OperationContext
from fleche.storage.forks import FORKS

__all__ = ["GlobalLockMixin", "KeyLocks", "PerKeyLockMixin", "SerializingMixin"]


class KeyLocks:
    """One reentrant lock per key, made when first needed and dropped when nobody uses it.

    Pickled or copied it arrives without locks, and a forked child starts without those of its parent.
    """

    def __init__(self) -> None:
        self.after_fork_in_child()
        FORKS.add(self)

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Hold the lock of a key for the length of a ``with`` block; reentrant in one thread."""
        with self._guard:
            entry = self._entries.setdefault(key, _Entry())
            entry.users += 1
        try:
            with entry.lock:
                yield
        finally:
            with self._guard:
                entry.users -= 1
                if entry.users == 0 and self._entries.get(key) is entry:
                    del self._entries[key]

    def __len__(self) -> int:
        return len(self._entries)

    def __reduce__(self) -> tuple[type[KeyLocks], tuple[()]]:
        return type(self), ()

    def after_fork_in_child(self) -> None:
        """Start without the locks that other threads of the parent held."""
        self._guard = threading.Lock()
        self._entries: dict[str, _Entry] = {}


class _Entry:
    """A lock and how many hold it or wait for it."""

    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.users = 0


class PerKeyLockMixin(OperationContext):
    """One thread at a time writes a key; different keys do not wait for each other, and readers do not wait at all.

    Put it before a storage or a cache: ``class Shared(PerKeyLockMixin, ValueMemory)``. Reentrant in one thread.
    """

    @property
    def _key_locks(self) -> KeyLocks:
        """The locks; made when first needed, so that no constructor of a subclass must be called for it."""
        locks: KeyLocks | None = self.__dict__.get("_own_locks")
        return self.__dict__.setdefault("_own_locks", KeyLocks()) if locks is None else locks

    def _lock_name(self, key: Digest | str) -> str:
        return str(key).lower()

    @contextmanager
    def _operation_context(self, key: Digest | str, *, intent: Intent = Intent.WRITE) -> Iterator[None]:
        with super()._operation_context(key, intent=intent):
            if intent is Intent.READ:
                yield
                return
            with self._key_locks.hold(self._lock_name(key)):
                yield


class SerializingMixin(PerKeyLockMixin):
    """One thread at a time does anything, reading included: for a backend that no two threads may touch at once."""

    @contextmanager
    def _operation_context(self, key: Digest | str, *, intent: Intent = Intent.WRITE) -> Iterator[None]:
        with super()._operation_context(key, intent=intent), self._key_locks.hold(""):
            yield

    def _lock_name(self, key: Digest | str) -> str:  # noqa: ARG002 - one lock for all
        return ""


class GlobalLockMixin(PerKeyLockMixin):
    """One thread at a time writes anything: for a backend that cannot do two things at once."""

    def _lock_name(self, key: Digest | str) -> str:  # noqa: ARG002 - one lock for all
        return ""
