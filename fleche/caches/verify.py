"""What is wrong with a cache: what its stores find themselves, and what only both of them together show."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from fleche.caches.reports import CheckReport
from fleche.call import DigestedCall
from fleche.digest import Digest
from fleche.digest import digest as plain_digest
from fleche.digest.walk import stored_digest
from fleche.errors import DamagedError, Indigestible, UnreadableError, UntrustedError
from fleche.storage.base import EnvelopeStorage, RecordStore
from fleche.storage.checking import Checkable, Fault, Finding

__all__ = ["Inspection", "checked"]


def checked(findings: Iterable[Finding]) -> CheckReport:
    """Return what is found, as a report."""
    began = time.perf_counter()
    found = tuple(findings)
    return CheckReport(seconds=time.perf_counter() - began, findings=found)


class Inspection:
    """Looks over one store with its records and values.

    Args:
        store: The store.
        repair: Whether to mend what can be.
    """

    def __init__(self, store: RecordStore, *, repair: bool) -> None:
        self._store = store
        self._repair = repair
        self._seen: set[tuple[str, str]] = set()

    def findings(self, *, values: bool) -> Iterator[Finding]:
        """Yield what is wrong, as it is found."""
        if isinstance(self._store, Checkable):
            for finding in self._store.check(repair=self._repair):
                self._seen.add((finding.what, finding.digest))
                yield finding
                if finding.fault is Fault.INDEX and not finding.mended:
                    return  # without an index nothing more can be read
        if values:
            yield from self._values()
        for key in list(self._store.calls.list()):
            if ("call", key) not in self._seen:
                yield from self._call(key)

    def _call(self, key: Digest) -> Iterator[Finding]:
        calls = self._store.calls
        try:
            record = calls.load(key)
        except KeyError:  # evicted by someone else meanwhile
            return
        except (DamagedError, UntrustedError) as error:
            yield self._finding(Fault.DAMAGED, "call", key, str(error), "removed", lambda: calls.evict(key))
            return
        if record.key != key:
            # Under its other key it could be a wrong hit: what else is lost of it, nothing tells.
            message = f"its fields are those of call {record.key}"
            yield self._finding(Fault.MISFILED, "call", key, message, "removed", lambda: calls.evict(key))
            return
        if record.result is not None and not self._holds(record):
            message = f"its result {record.result} is not stored"
            yield self._finding(Fault.MISSING, "call", key, message, "removed", lambda: self._forget(key, record))

    def _forget(self, key: Digest, record: DigestedCall) -> None:
        """Remove a record, unless someone computed it anew since it was looked at."""
        with suppress(KeyError):
            if self._store.calls.load(key) == record and not self._holds(record):
                self._store.calls.evict(key)

    def _holds(self, record: DigestedCall) -> bool:
        return record.result is not None and self._store.values.contains(record.result)

    def _values(self) -> Iterator[Finding]:
        for digest in list(self._store.values.list()):
            if ("value", digest) in self._seen:
                continue
            finding = self._value(digest)
            if finding is not None:
                yield finding

    def _value(self, digest: Digest) -> Finding | None:
        values = self._store.values
        try:
            if isinstance(values, EnvelopeStorage):
                value = self._store.decode(digest, values.get_envelope(digest))
            else:
                value = values.load(digest)
            found, _ = stored_digest(value, name="the value")
            if digest in (found, plain_digest(value)):
                return None
        except Indigestible:
            return None  # it was stored under a digest that nothing here can compare
        except KeyError:
            return None
        except (UnreadableError, UntrustedError) as error:
            return self._finding(Fault.UNREADABLE, "value", digest, str(error), "", None)
        except DamagedError as error:
            return self._finding(Fault.DAMAGED, "value", digest, str(error), "set aside", None)
        message = f"its content has the digest {found}"
        return self._finding(Fault.MISFILED, "value", digest, message, "removed", lambda: values.evict(digest))

    def _finding(
        self, fault: Fault, what: str, digest: Digest, message: str, mended: str, mend: Callable[[], None] | None
    ) -> Finding:
        if self._repair and mend is not None:
            mend()
        done = mended if self._repair and mend is not None else ""
        return Finding(fault=fault, what=what, digest=str(digest), place=str(self._store), message=message, mended=done)
