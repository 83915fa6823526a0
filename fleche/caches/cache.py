"""`Cache`: a value storage and a call storage, used together."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fleche.caches.base import BaseCache, Filing
from fleche.caches.pair import PairStore
from fleche.caches.parcels import Parcel, Receipt, code_record, deliver, pick
from fleche.caches.results import code_brought
from fleche.caches.surrounded import surrounded
from fleche.call import ABSENT, Call, DigestedCall, LazyCall, Metadata, Outcome, PreparedCall, QueryCall
from fleche.call.lazy import SKETCHES
from fleche.call.lineage import made_inside
from fleche.call.metadata import merged
from fleche.clock import SYSTEM, Clock, from_micros
from fleche.digest import Digest
from fleche.digest.algorithm import chosen
from fleche.digest.trace import Trace
from fleche.digest.walk import examine, stored_digest, stored_trace
from fleche.errors import (
    AmbiguousDigestError,
    DamagedError,
    FlecheError,
    UnknownDigestError,
    UntrustedError,
    ValueNotStored,
)
from fleche.storage.acceptances import Acceptance, Accepting, Forgotten
from fleche.storage.base import (
    CallStorage,
    CodeRecord,
    EnvelopeStorage,
    Hit,
    Intent,
    KeyManagement,
    RecordStore,
    Tabular,
    ValueStorage,
    Variant,
)
from fleche.storage.checking import Finding
from fleche.storage.envelope import Envelope
from fleche.storage.leases import Leases
from fleche.storage.lineage import takers, users
from fleche.storage.overview import FunctionTotal, Surveyed

if TYPE_CHECKING:
    from fleche.display import Summary

__all__ = ["Cache"]

log = logging.getLogger("fleche")


class Cache(BaseCache):
    """Remembers calls in a value storage and a call storage.

    Where both are faces of one store, a hit is one statement and a miss one transaction; otherwise values are
    stored first and the record after them, so that a crash between leaves a value without a record, never a record
    without its value.

    Args:
        values: Where values live.
        calls: Where records live.
        clock: Tells the time of calls whose metadata does not.

    >>> from fleche.call import Call
    >>> from fleche.storage.memory import MemoryStore
    >>> store = MemoryStore()
    >>> cache = Cache(store.values, store.calls)
    >>> key = cache.save(Call(module="m", name="f", arguments={"x": 2}, result=4))
    >>> cache.load(key[:6]).result
    4
    """

    def __init__(self, values: ValueStorage, calls: CallStorage, *, clock: Clock = SYSTEM) -> None:
        self.values = values
        self.calls = calls
        store = getattr(values, "store", None)
        shared = store is not None and store is getattr(calls, "store", None)
        self._store: RecordStore = store if shared and isinstance(store, RecordStore) else PairStore(values, calls)
        # asked once, since asking a protocol takes long
        self._accepting = self._store if isinstance(self._store, Accepting) else None
        self._enveloped = values if isinstance(values, EnvelopeStorage) else None
        self._clock = clock
        self._direct = self._is_plain()
        if self._direct and type(self).lookup is Cache.lookup:  # the fastest path: no call between
            self.lookup = self._store.lookup  # type: ignore[method-assign]

    def lookup(self, key: Digest) -> Hit | None:
        """Return what is stored under the full key of a call, whatever its outcome, or None."""
        if self._direct:
            return self._store.lookup(key)
        with self._operation_context(key, intent=Intent.READ):
            return self._store.lookup(key)

    def open(self, hit: Hit) -> Any:
        """Return the value of a hit, fresh, in the record's own form."""
        if hit.damage is not None:
            raise hit.damage
        if hit.envelope is None or hit.result is None:
            raise ValueNotStored(f"value {hit.result} is gone from {self}", digest=str(hit.result))
        return self._store.decode(hit.result, hit.envelope)

    def refuses(self, value: Any) -> UntrustedError | None:
        """Return why the store will not build a value when it is read here, or None where it will."""
        refuses = getattr(self._store, "refuses", None)
        return None if refuses is None else refuses(value)

    @property
    def leases(self) -> Leases | None:
        """The leases of the store."""
        return self._store.leases

    def prepare(
        self, call: Call | DigestedCall, filing: Filing | None = None, *, values: Mapping[str, Any] | None = None
    ) -> PreparedCall:
        """Seal a call before its body runs."""
        if isinstance(call, Call):
            record = call.digested().evolve(result=None)
            values = {name: value for name, value in call.arguments.items() if not examine(value)[1]}
        else:
            record = call
        filing = filing or Filing()
        sealed, sketches = _sealed(self._store, record, values or {}, filing.store_arguments)
        if sketches:
            record = record.evolve(metadata=merged(record.metadata, {SKETCHES: sketches}))
        filer = _Filer(self._store, record, filing, sealed, self._clock)
        prepared = PreparedCall(record, filer.file, filer.drop)
        return prepared if self._direct else surrounded(prepared, self._operation_context)

    def find(self, template: QueryCall) -> Iterator[LazyCall]:
        """Return the calls that match a template, oldest first."""
        where = template.where
        for record in self.calls.query(template):
            call = LazyCall(record, self)
            if where is None or where.decide(record, call):
                yield call

    def columns(self, template: QueryCall) -> Mapping[str, list[Any]] | None:
        """Return the calls that match a template as columns, or None where they must be looked at one by one."""
        return self.calls.columns(template) if isinstance(self.calls, Tabular) else None

    def load(self, key: Digest | str) -> LazyCall:
        """Return a stored call by key or prefix."""
        with self._operation_context(key, intent=Intent.READ):
            record = self.calls.load(key)
        if record.outcome is not Outcome.RESULT:
            raise UnknownDigestError(
                f"call {record.key} ended as {record.outcome}: it has no result; query().failed() finds it"
            )
        return LazyCall(record, self)

    def find_key(self, key: Digest) -> Iterable[LazyCall]:
        """Return the call of a full key, whatever its outcome, or nothing."""
        try:
            yield LazyCall(self.calls.load(key), self)
        except KeyError:
            return

    def makers(self, digests: Sequence[Digest], but: Digest | None = None) -> Mapping[Digest, Digest]:
        """Return, for each of several results, the key of the call that was filed last; see `BaseCache.makers`."""
        return self.calls.makers(digests, but) or {}

    def takers(self, key: Digest, limit: int = 1 << 40) -> list[LazyCall]:
        """Return the calls that took the result of a call, or made it; see `BaseCache.takers`."""
        return [LazyCall(record, self) for record in takers(self.calls, key, limit)]

    def users(self, digest: Digest, limit: int = 1 << 40) -> list[LazyCall]:
        """Return the calls that have a value as an argument; see `BaseCache.users`."""
        return [LazyCall(record, self) for record in users(self.calls, digest, limit)]

    def load_value(self, key: Digest | str, form: str | None = None) -> Any:
        """Return a stored value by digest or prefix."""
        digest = self.values.expand(key)
        try:
            if self._enveloped is not None:
                return self._store.decode(digest, self._enveloped.get_envelope(digest, form))
            return self.values.load(digest)
        except DamagedError as damage:
            raise ValueNotStored(
                f"value {digest} cannot be read, which counts as gone: {damage}", digest=str(digest)
            ) from damage
        except ValueNotStored:
            raise
        except KeyError:
            raise ValueNotStored(f"value {digest} is not stored in {self}", digest=str(digest)) from None

    def code_record(self, digest: Digest) -> CodeRecord | None:
        """Return the code tree and the sources behind a fingerprint, or None where they are not kept here."""
        return code_record(self._store, digest)

    def keep(self, value: Any) -> tuple[Digest, str]:
        """Store a value by itself and return its digest and form."""
        key, _ = stored_digest(value, name="the item")
        envelope = self._store.pack(value)
        if self._enveloped is not None:
            self._enveloped.put_envelope(key, envelope)
        else:
            self.values.save(value, key)
        return key, envelope.form

    def evict(self, key: Digest | str) -> None:
        """Remove a record by key or prefix."""
        self._remove(key, "forgotten")

    def _remove(self, key: Digest | str, why: str) -> None:
        with self._operation_context(key, intent=Intent.WRITE):
            self.calls.forget(key, why)

    def forgotten(self, key: Digest) -> Forgotten | None:
        """Return what is left of a call that was removed from here, or None; see `BaseCache.forgotten`."""
        return self.calls.forgotten(key)

    def accept(self, acceptance: Acceptance) -> None:
        """Keep what somebody said of an edit; see `BaseCache.accept`."""
        if not isinstance(self._store, Accepting):
            super().accept(acceptance)
            return
        self._store.accept(acceptance)

    def acceptances(self, new: Digest | None = None) -> Sequence[Acceptance]:
        """Return what was accepted and not withdrawn; see `BaseCache.acceptances`."""
        return self._accepting.acceptances(new) if self._accepting is not None else ()

    def withdraw(self, old: Digest, new: Digest) -> bool:
        """Take back what was accepted; see `BaseCache.withdraw`."""
        return isinstance(self._store, Accepting) and self._store.withdraw(old, new)

    def pick(self, key: Digest) -> Parcel:
        """Return a record by its full key with its values; see `BaseCache.pick`."""
        with self._operation_context(key, intent=Intent.READ):
            return pick(self._store, key)

    def receive(self, parcel: Parcel, *, overwrite: bool = False) -> Receipt | None:
        """File a record of another cache with its values; see `BaseCache.receive`."""
        with self._operation_context(parcel.record.key, intent=Intent.WRITE):
            return deliver(parcel, self._store, overwrite=overwrite)

    def check(self, *, values: bool = False, repair: bool = False) -> Iterable[Finding]:
        """Yield what is wrong, as it is found; see `BaseCache.verify`."""
        from fleche.caches.verify import Inspection

        return Inspection(self._store, repair=repair).findings(values=values)

    @property
    def algorithm(self) -> str:
        """The hash of all keys."""
        return str(getattr(self._store, "algorithm", None) or chosen().name)

    def candidates(self, prefix: str) -> tuple[list[Digest], list[Digest]]:
        """Return the record keys and value digests that start with a prefix, two at most of each."""
        return _candidates(self.calls, prefix), _candidates(self.values, prefix)

    def shrink(self, key: Digest | str, /, *keys: Digest | str) -> Any:
        """Return the shortest prefixes that each name one key today."""
        return self.calls.shrink(key, *keys)

    def recent(self, count: int) -> list[LazyCall]:
        """Return the calls that started last, newest first."""
        return [LazyCall(record, self) for record in self.calls.recent(count)]

    def latest(self, template: QueryCall, count: int) -> list[LazyCall]:
        """Return the calls that a template matches which were filed last; see `BaseCache.latest`."""
        if template.where is not None or type(self).find is not Cache.find:
            return super().latest(template, count)
        return [LazyCall(record, self) for record in self.calls.latest(template, count)]

    def present(self, keys: Sequence[Digest]) -> set[Digest]:
        """Return which of several full keys have a record; see `BaseCache.present`."""
        looks = "lookup" in vars(self) or type(self).lookup is Cache.lookup
        return self.calls.present(keys) if looks else super().present(keys)

    def variants(self, module: str, name: str) -> Sequence[Variant]:
        """Return the versions and codes under which calls were filed; see `BaseCache.variants`."""
        finds = type(self).find is Cache.find
        return self.calls.variants(module, name) if finds else super().variants(module, name)

    def describe(self) -> Mapping[str, Any]:
        """Return what this cache is, where it is and what it holds."""
        describe = getattr(self._store, "describe", None)
        return describe() if describe is not None else {"kind": str(self)}

    def sketch(self) -> Mapping[str, Any]:
        """Return what `describe` does, as far as that is told at once however much the cache holds."""
        sketch = getattr(self._store, "sketch", None)
        return self.describe() if sketch is None else sketch()

    def totals(self, limit: int) -> Sequence[FunctionTotal]:
        """Return what is remembered of each function, among at most so many of the latest calls."""
        return self.calls.totals(limit) if isinstance(self.calls, Surveyed) else super().totals(limit)

    def glance(self, template: QueryCall, first: int, limit: int) -> tuple[list[LazyCall], int, bool] | None:
        """Return the first calls that match a template, how many there are up to a limit, and whether that is all."""
        if type(self).find is not Cache.find or not isinstance(self.calls, Surveyed):
            return None  # what finds in its own way counts in its own way
        found = self.calls.glance(template, first, limit)
        if found is None:
            return None
        return [LazyCall(record, self) for record in found.records], found.total, found.whole

    def glimpse(self, key: Digest, form: str | None, limit: int) -> Summary | None:
        """Return a stored value at a glance, reading at most so many bytes, or None where it is gone."""
        from fleche.caches.pictures import glimpse

        return glimpse(self.values, key, form, limit)

    def close(self) -> None:
        """Release every connection and file."""
        self._store.close()

    def __repr__(self) -> str:
        return (
            f"Cache({self.values!r}, {self.calls!r})"
            if isinstance(self._store, PairStore)
            else f"Cache({self._store!r})"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {"values": self.values, "calls": self.calls, "clock": self._clock}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["values"], state["calls"], clock=state["clock"])  # type: ignore[misc]


class _Filer:
    """Files one prepared call."""

    __slots__ = ("_clock", "_filing", "_record", "_store", "_values")

    def __init__(
        self, store: RecordStore, record: DigestedCall, filing: Filing, values: dict[Digest, Envelope], clock: Clock
    ) -> None:
        self._store = store
        self._record = record
        self._filing = filing
        self._values = values
        self._clock = clock

    def file(self, outcome: Outcome, value: Any, metadata: Metadata) -> Digest:
        filing, record = self._filing, self._record
        if record.metadata:
            metadata = merged(record.metadata, metadata)
        result = form = None
        trace: Trace | None = None
        if value is not ABSENT:
            result, types, trace = stored_trace(value, name="the result")
            if types and (brought := code_brought(types)):
                metadata = merged(metadata, brought)
            envelope = self._store.pack(value)
            form = envelope.form
            self._values[result] = envelope
        made = tuple(filing.made)
        if made:
            metadata = merged(metadata, made_inside(made))
        at = self._started(metadata)
        record = record.evolve(
            result=result,
            form=form,
            outcome=outcome,
            metadata=metadata,
            at=at,
            expires=None if filing.expires is None else filing.expires(at),
            parent=filing.parent,
            inputs=(*filing.inputs, *made),
        )
        self._store.record(record, self._values, filing.lease, code=filing.code)
        if filing.told is not None:
            filing.told(record, value, trace)
        return record.key

    def drop(self) -> None:
        self._values.clear()

    def _started(self, metadata: Metadata) -> datetime:
        start = metadata.get("runtime", {}).get("timestart")
        return self._clock.now() if not isinstance(start, float) else from_micros(round(start * 1_000_000))


def _sealed(
    store: RecordStore, record: DigestedCall, values: Mapping[str, Any], limit: int | None
) -> tuple[dict[Digest, Envelope], dict[str, str]]:
    """Serialize the arguments that will be stored, so that what the body does to them changes nothing.

    Of an argument that is not stored, a sketch is; unless nothing of arguments is to be.

    Returns:
        The bytes by digest; and the digests of the sketches, by argument.
    """
    sealed: dict[Digest, Envelope] = {}
    sketches: dict[str, str] = {}
    for name, value in values.items():
        if name in record.scalars:
            continue
        envelope = _stored(store, value, limit)
        if envelope is not None:
            sealed[record.arguments[name]] = envelope.seal()
        elif limit is None or limit >= 0:
            made = _sketched(store, value)
            if made is not None:
                sketches[name], sealed[made[0]] = str(made[0]), made[1]
    return sealed, sketches


def _stored(store: RecordStore, value: Any, limit: int | None) -> Envelope | None:
    """Return the bytes of an argument, or None where it is not to be stored, or cannot be."""
    if limit is not None and _surely_above(value, limit):
        return None
    try:
        envelope = store.pack(value)
    except FlecheError:
        return None  # an argument that cannot be stored is known by its digest
    return envelope if limit is None or envelope.total <= limit else None


def _sketched(store: RecordStore, value: Any) -> tuple[Digest, Envelope] | None:
    """Return the digest and the bytes of the sketch of an argument; None where none can be made: it costs no call."""
    from fleche.call.sketch import sketch  # of large arguments only

    try:
        made = sketch(value)
        return stored_digest(made, name="the sketch")[0], store.pack(made).seal()
    except Exception as error:
        log.debug("no sketch of a %s: %s", type(value).__qualname__, error)
        return None


def _surely_above(value: Any, limit: int) -> bool:
    """Whether a value would exceed a limit, told without serializing it: a cheap look that may miss some."""
    size = getattr(value, "nbytes", None)
    if not isinstance(size, int):
        size = sys.getsizeof(value, 0) // 8
    return size > limit


def _candidates(keys: KeyManagement, prefix: str) -> list[Digest]:
    """Return the keys that start with a prefix, two at most."""
    try:
        whole = keys.expand(prefix)
    except AmbiguousDigestError as several:
        return [Digest(key) for key in several.candidates]
    except KeyError:
        return []
    return [whole] if keys.contains(whole) else []
