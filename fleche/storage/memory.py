"""Values and calls in this process's memory: for tests and throw-away sessions, and the readable reference.

Values are kept as envelopes, so that what is loaded is the caller's own, exactly as from a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, NoReturn

from fleche.call.lineage import traced_anew
from fleche.call.records import DigestedCall, QueryCall
from fleche.clock import to_micros
from fleche.digest import Digest, digest
from fleche.errors import DamagedError, UnknownDigestError, UnreadableError
from fleche.spinlock import SpinLock
from fleche.storage.acceptances import TRACES, Acceptance, Forgotten, trace
from fleche.storage.base import (
    CallMixin,
    CodeRecord,
    Hit,
    Intent,
    StorageBackend,
    ValueMixin,
    check_key,
    in_order,
)
from fleche.storage.canonical import canonical
from fleche.storage.checking import Fault, Finding
from fleche.storage.destructuring import Parts
from fleche.storage.envelope import Envelope
from fleche.storage.leases import Lease, Leases
from fleche.storage.leases_process import ProcessLeases
from fleche.storage.loader import TRUSTED, Loader
from fleche.storage.memory_index import MemoryIndex
from fleche.storage.overview import FunctionTotal, Glance, totals_of
from fleche.storage.packing import PART, PLAIN, Packing

__all__ = ["CallMemory", "MemoryBackend", "MemoryStore", "ValueMemory"]


class MemoryBackend(StorageBackend):
    """A dict of whatever a face keeps: envelopes of values by form, or records.

    It may be used by many threads. It refuses to be pickled: a copy in another process would not be this memory.

    Args:
        storage: The dict to keep things in, by key. Its content is the backend's own affair.
    """

    def __init__(self, storage: MutableMapping[Digest, Any] | None = None) -> None:
        self.storage: MutableMapping[Digest, Any] = {} if storage is None else storage
        self._lock = SpinLock()

    def put(self, value: Any, key: Digest) -> Digest:
        """Keep a value's bytes under a key."""
        self.storage[key] = (Envelope.pack(value).seal(),)
        return key

    def get(self, key: Digest) -> Any:
        """Return a value, built anew."""
        return self._at(key)[-1].load(TRUSTED)

    def list(self) -> Iterable[Digest]:
        """Return every key."""
        with self._lock:
            return [*self.storage]

    def _evict(self, key: Digest) -> None:
        self.storage.pop(key, None)

    def _contains(self, key: Digest) -> bool:
        return key in self.storage

    def _at(self, key: Digest) -> Any:
        try:
            return self.storage[key]
        except KeyError:
            raise UnknownDigestError(f"{key} is not in this memory", digest=str(key)) from None

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a memory storage cannot be pickled into another process: what is computed there would not be here. "
            "Use a store in a directory, which all processes share."
        )


class ValueMemory(ValueMixin, MemoryBackend):
    """Values in memory, in every form that was saved.

    Args:
        storage: The dict to keep them in.
        remaining_depth: Of how many levels of containers large children are stored in parts; 0 stores values whole.
        store: The record store that this is a face of, if any; then its packing decides.

    >>> values = ValueMemory({})
    >>> values.load(values.save([1, 2]))
    [1, 2]
    """

    def __init__(
        self,
        storage: MutableMapping[Digest, Any] | None = None,
        remaining_depth: int = 1,
        *,
        store: MemoryStore | None = None,
    ) -> None:
        super().__init__(storage)
        self.remaining_depth = remaining_depth
        self.store = store
        self._own_packing = Packing(parts=PART, depth=remaining_depth)

    def save(self, value: Any, key: Digest | None = None) -> Digest:
        """Store a value under a key, or under its digest; see `ValueStorage.save`."""
        if key is None:
            key = digest(value)
            if isinstance(value, Digest):
                return key
        self.put_envelope(key, self.pack(value))
        return key

    def pack(self, value: Any) -> Envelope:
        """Return a value's bytes as they are kept here; see `RecordStore.pack`."""
        return self._packing.pack(value)

    def decode(self, digest: Digest, envelope: Envelope) -> Any:  # noqa: ARG002 - as stores have it
        """Return the value in an envelope; see `RecordStore.decode`."""
        return envelope.load(TRUSTED, part=Parts(self, self._packing, TRUSTED))

    @property
    def _packing(self) -> Packing:
        return self._own_packing if self.store is None else self.store.packing

    def get(self, key: Digest) -> Any:
        """Return a value, built anew."""
        return self.decode(key, self._at(key)[-1])

    def put_envelope(self, key: Digest, envelope: Envelope) -> None:
        """Keep one form of a value beside the others; see `EnvelopeStorage.put_envelope`."""
        check_key(key)
        for part, child in envelope.children:
            self.put_envelope(part, child)
        with self._operation_context(key, intent=Intent.WRITE), self._lock:
            kept = self.storage.get(key, ())
            if not kept or kept[-1].form != envelope.form:
                others = tuple([other for other in kept if other.form != envelope.form])
                self.storage[key] = (*others, envelope.seal().alone())

    def get_envelope(self, key: Digest, form: str | None = None) -> Envelope:
        """Return a value's bytes in one form, or in any; see `EnvelopeStorage.get_envelope`."""
        found = self.find(key, form)
        if found is None:
            shape = "" if form is None else f" in the form {form}"
            raise UnknownDigestError(f"{key} is not in this memory{shape}", digest=str(key))
        return found

    def find(self, key: Digest, form: str | None) -> Envelope | None:
        """Return a value's bytes in one form, or in any, or None where they are not here."""
        with self._operation_context(key, intent=Intent.READ):
            kept: tuple[Envelope, ...] = self.storage.get(key, ())
            for envelope in kept[::-1]:
                if form is None or envelope.form == form:
                    return envelope
            return None

    def peek(self, key: Digest, form: str | None, limit: int) -> tuple[int, Envelope | None]:
        """Return the size of a value, and its envelope where it is small; see `Peekable.peek`."""
        envelope = self.get_envelope(key, form)
        return envelope.size, envelope if envelope.size <= limit else None


class CallMemory(CallMixin, MemoryBackend):
    """Records in memory.

    Args:
        storage: The dict to keep them in.
        store: The record store that this is a face of, if any.
    """

    def __init__(self, storage: MutableMapping[Digest, Any] | None = None, *, store: MemoryStore | None = None) -> None:
        super().__init__(storage)
        self.store = store
        self._traces: dict[Digest, Forgotten] = {}
        self._index = MemoryIndex(self.storage)

    def put(self, value: DigestedCall, key: Digest) -> Digest:
        """Keep a record under a key."""
        return self.keep(canonical(value), key)

    def keep(self, record: DigestedCall, key: Digest) -> Digest:
        """Keep a record that is canonical under a key."""
        self._index.put(key, record)
        return key

    def _evict(self, key: Digest) -> None:
        self._index.remove(key)

    def makers(self, digests: Sequence[Digest], but: Digest | None = None) -> Mapping[Digest, Digest]:
        """Return the key of the call that was filed last, for each of several results; see `CallStorage.makers`."""
        return self._index.makers(digests, but)

    def takers(self, key: Digest, limit: int) -> Iterable[DigestedCall]:
        """Return records that have a key among their inputs; see `CallStorage.takers`."""
        return in_order(self._index.takers(key))[:limit]

    def users(self, digest: Digest, limit: int) -> Iterable[DigestedCall]:
        """Return records that have a value as an argument; see `CallStorage.users`."""
        return in_order(self._index.users(digest))[:limit]

    def get(self, key: Digest) -> DigestedCall:
        """Return a record, which nobody can change."""
        record: DigestedCall = self._at(key)
        return record

    def save(self, call: DigestedCall) -> Digest:
        """File a record under its lookup key; see `CallStorage.save`."""
        with self._lock:
            return super().save(call)

    def forget(self, key: Digest | str, why: str = "forgotten") -> None:
        """Remove a record, and leave a trace of it; see `CallStorage.forget`."""
        whole = self._normalize_key(key)
        with self._operation_context(whole, intent=Intent.WRITE), self._lock:
            if self.storage.pop(whole, None) is None:
                return
            self._traces.pop(whole, None)
            self._traces[whole] = trace(whole, why)
            while len(self._traces) > TRACES:
                del self._traces[next(iter(self._traces))]

    def forgotten(self, key: Digest) -> Forgotten | None:
        """Return the trace of a record that was removed, or None; see `CallStorage.forgotten`."""
        return self._traces.get(key)

    def totals(self, limit: int) -> Sequence[FunctionTotal]:
        """Return what is held of each function; see `Surveyed.totals`."""
        with self._lock:
            records = [*self.storage.values()][-limit:] if limit else []
        return totals_of(records)

    def glance(self, template: QueryCall, first: int, limit: int) -> Glance | None:
        """Return the first records that a template matches and count them; see `Surveyed.glance`."""
        if template.where is not None:
            return None
        records = [*self.query(template)]
        return Glance(records=records[:first], total=min(len(records), limit), whole=len(records) <= limit)

    def transform(self, func: Callable[[DigestedCall], DigestedCall] | None = None) -> None:
        """Replace every record, all in one step; see `CallStorage.transform`."""
        with self._lock:
            changed = CallMemory({})
            filed = {id(record): key for key, record in self.storage.items()}
            steps = (
                (filed[id(record)], record, record if func is None else func(record))
                for record in in_order([*self.storage.values()])
            )
            for _, _, record in traced_anew(steps):
                changed.save(record)
            self.storage.clear()
            self.storage.update(changed.storage)
            self._index.reset()


class MemoryStore:
    """Values and calls in memory as one record store: the reference for all others.

    It may be used by many threads, and refuses to be pickled.

    Args:
        packing: How values are packed.

    >>> store = MemoryStore()
    >>> store.values.load(store.values.save("kept"))
    'kept'
    """

    def __init__(self, *, packing: Packing = PLAIN) -> None:
        self.values = ValueMemory({}, store=self)
        self.calls = CallMemory({}, store=self)
        self.code: dict[Digest, CodeRecord] = {}
        self._accepted: dict[tuple[Digest, Digest], Acceptance] = {}
        self.leases: Leases = ProcessLeases()
        self._loader: Loader = TRUSTED
        self.packing = packing
        self._lock = SpinLock()

    @property
    def trusted(self) -> bool:
        """Yes: only this process writes here."""
        return self._loader is TRUSTED

    def pack(self, value: Any) -> Envelope:
        """Return a value's bytes."""
        return self.packing.pack(value)

    def lookup(self, key: Digest) -> Hit | None:
        """Return what is known of a call; see `RecordStore.lookup`."""
        call: DigestedCall | None = self.calls.storage.get(key)
        if call is None:
            return None
        return Hit(
            outcome=call.outcome,
            at=None if call.at is None else to_micros(call.at),
            expires=None if call.expires is None else to_micros(call.expires),
            result=call.result,
            form=call.form,
            envelope=self._envelope(call),
        )

    def record(
        self,
        call: DigestedCall,
        values: Mapping[Digest, Envelope],
        lease: Lease | None = None,
        *,
        code: CodeRecord | None = None,
    ) -> None:
        """File a call with its values; see `RecordStore.record`."""
        key = call.key
        own = None if call.result is None else values.get(call.result)
        call = canonical(call if own is None or own.form == call.form else call.evolve(form=own.form))
        with self._lock:
            old: DigestedCall | None = self.calls.storage.get(key)
            if old is not None and lease is not None and lease.lost:
                return
            if old is not None and not call.replaces(old):
                if old.result != call.result:
                    return
                if own is not None and old.outcome is call.outcome and self._envelope(old) is None:
                    old = None
            for name, envelope in values.items():
                self.values.put_envelope(name, envelope)
            if old is None or call.replaces(old):
                self.calls.keep(call, key)
                if code is not None:
                    self.code.setdefault(code.digest, code)

    def decode(self, digest: Digest, envelope: Envelope) -> Any:
        """Return the value in an envelope; see `RecordStore.decode`."""
        try:
            return envelope.load(self._loader, part=Parts(self.values, self.packing, self._loader))
        except UnreadableError:
            raise
        except DamagedError:
            self.values.evict(digest)
            raise

    def code_record(self, digest: Digest) -> CodeRecord | None:
        """Return what stands behind a code fingerprint, or None; see `RecordStore`."""
        return self.code.get(digest)

    def accept(self, acceptance: Acceptance) -> None:
        """Keep an acceptance; see `Accepting.accept`."""
        with self._lock:
            self._accepted.pop((acceptance.old, acceptance.new), None)
            self._accepted[acceptance.old, acceptance.new] = acceptance

    def acceptances(self, new: Digest | None = None) -> Sequence[Acceptance]:
        """Return the acceptances; see `Accepting.acceptances`."""
        if not self._accepted:
            return ()
        with self._lock:
            return [kept for kept in self._accepted.values() if new in (None, kept.new)]

    def withdraw(self, old: Digest, new: Digest) -> bool:
        """Remove an acceptance; see `Accepting.withdraw`."""
        with self._lock:
            return self._accepted.pop((old, new), None) is not None

    def check(self, *, repair: bool = False) -> Iterator[Finding]:
        """Look over what is kept; see `Checkable.check`."""
        for key in self.values.list():
            for envelope in self.values.storage.get(key, ()):
                try:
                    Envelope.parse(envelope.to_bytes(), place="memory")
                except DamagedError as error:
                    if repair:
                        self.values.evict(key)
                    yield Finding(
                        fault=Fault.DAMAGED,
                        what="value",
                        digest=str(key),
                        place="memory",
                        message=str(error),
                        mended="removed" if repair else "",
                    )
        for key in self.calls.list():
            call: DigestedCall | None = self.calls.storage.get(key)
            if call is not None and call.result is not None and self._envelope(call) is None:
                if repair:
                    self.calls.evict(key)
                yield Finding(
                    fault=Fault.MISSING,
                    what="call",
                    digest=str(key),
                    place="memory",
                    message=f"its result {call.result} is not stored",
                    mended="removed" if repair else "",
                )

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def describe(self) -> Mapping[str, Any]:
        """Return what the store is and holds, for people."""
        return {"path": None, "format": None, "calls": self.calls.count(), "values": len(self.values.storage)}

    def _envelope(self, call: DigestedCall) -> Envelope | None:
        return None if call.result is None else self.values.find(call.result, call.form)

    def __repr__(self) -> str:
        return "MemoryStore()"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a memory store cannot be pickled into another process: what is computed there would not be here. "
            "Use a store in a directory, which all processes share."
        )
