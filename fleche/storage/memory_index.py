"""What finds records in memory by their results, inputs and arguments, without looking at each."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence

from fleche.call.records import DigestedCall, Outcome
from fleche.digest import Digest
from fleche.spinlock import SpinLock

__all__ = ["MemoryIndex"]

Places = dict[Digest, dict[Digest, None]]


class MemoryIndex:
    """Keeps records in a dict, with an index that is made when it is first asked and never trusted over the dict.

    Args:
        storage: The records by key.
    """

    def __init__(self, storage: MutableMapping[Digest, DigestedCall]) -> None:
        self._storage = storage
        self._lock = SpinLock()
        self.reset()

    def reset(self) -> None:
        """Read everything again when something is asked next."""
        self._results: Places = {}
        self._inputs: Places = {}
        self._arguments: Places = {}
        self._known: set[Digest] = set()
        self._gone = 0
        self._filed: dict[Digest, None] = dict.fromkeys(list(self._storage))

    def put(self, key: Digest, record: DigestedCall) -> None:
        """Keep a record."""
        with self._lock:
            self._storage[key] = record
            self._known.discard(key)
            self._filed.pop(key, None)
            self._filed[key] = None

    def remove(self, key: Digest) -> None:
        """Remove a record, if it is there."""
        with self._lock:
            if self._storage.pop(key, None) is not None:
                self._filed.pop(key, None)
                self._known.discard(key)
                self._gone += 1

    def makers(self, digests: Sequence[Digest], but: Digest | None) -> dict[Digest, Digest]:
        """Return, for each of several values that a call returned, the key of the one that was filed last."""
        found = {}
        with self._lock:
            self._refresh()
            for digest in digests:
                for key in reversed(self._results.get(digest, {})):
                    record = self._storage.get(key)
                    if record is None or key == but or record.outcome is not Outcome.RESULT:
                        continue
                    if record.result == digest:
                        found[digest] = key
                        break
        return found

    def takers(self, key: Digest) -> Iterator[DigestedCall]:
        """Return the records that have a key among their inputs."""
        return (record for record in self._at(self._inputs, key) if key in record.inputs)

    def users(self, digest: Digest) -> Iterator[DigestedCall]:
        """Return the records that have a value as an argument."""
        return (record for record in self._at(self._arguments, digest) if digest in record.arguments.values())

    def _at(self, places: Places, wanted: Digest) -> list[DigestedCall]:
        with self._lock:
            self._refresh()
            found = [self._storage.get(key) for key in places.get(wanted, {})]
        return [record for record in found if record is not None]

    def _refresh(self) -> None:
        if self._gone > len(self._storage) or len(self._known) + len(self._filed) != len(self._storage):
            self.reset()  # too much that is gone, or somebody else changed the dict
        for key in self._filed:
            record = self._storage.get(key)
            if record is not None:
                self._take(key, record)
        self._known.update(self._filed)
        self._filed = {}

    def _take(self, key: Digest, record: DigestedCall) -> None:
        if record.result is not None:
            keys = self._results.setdefault(record.result, {})
            keys.pop(key, None)
            keys[key] = None
        for place in record.inputs:
            self._inputs.setdefault(place, {})[key] = None
        for place in record.arguments.values():
            self._arguments.setdefault(place, {})[key] = None
