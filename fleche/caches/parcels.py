"""A record with everything that belongs to it, on its way from one store to another.

Bytes of a store that is not trusted never reach one that is: the safe loader builds them, and the target packs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from fleche.caches.pair import Unopened
from fleche.caches.results import Recorded
from fleche.call import DigestedCall, Outcome
from fleche.call.sketch import sketches_of
from fleche.clock import to_micros
from fleche.digest import Digest
from fleche.digest.walk import stored_digest
from fleche.errors import DamagedError, FlecheError, UntrustedError, ValueNotStored
from fleche.storage.base import CodeRecord, EnvelopeStorage, Hit, RecordStore
from fleche.storage.envelope import Envelope
from fleche.storage.pickling import Serializer

__all__ = ["Parcel", "Receipt", "deliver", "pick"]

_STREAM = Recorded.__module__.encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """What was filed of a parcel.

    Attributes:
        bytes: How many bytes of values.
        left_out: The digest of each argument that was not filed, and why.
    """

    bytes: int
    left_out: tuple[tuple[Digest, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Parcel:
    """A record with everything that belongs to it.

    Attributes:
        record: The record.
        origin: The store that it came from, whose loader alone opens its values.
        result: The bytes of the result, or None where there is none.
        arguments: Those of the arguments that are stored.
        stream: What a generator yielded, where the result is that.
        items: The bytes of each item of the stream, by digest and form.
        code: What stands behind the code fingerprint, where the store keeps it.
    """

    record: DigestedCall
    origin: RecordStore
    result: Any = None
    arguments: Mapping[Digest, Any] = field(default_factory=dict)
    stream: Recorded | None = None
    items: Mapping[tuple[Digest, str], Any] = field(default_factory=dict)
    code: CodeRecord | None = None


def pick(store: RecordStore, key: Digest) -> Parcel:
    """Return a record of a store with its values.

    Raises:
        KeyError: It is not there, or its result is gone.
        DamagedError: It, or its result, is damaged or misfiled.
        UntrustedError: What a generator yielded is not built by the safe loader.
        StoreError: The store cannot be read.
    """
    record = store.calls.load(key)
    if record.key != key:
        raise DamagedError(f"the record under {key} is that of {record.key}; verify() tells more", place=str(store))
    result, stream = None, None
    if record.result is not None:
        result = _result(store, record)
        stream = _stream(store, record.result, result)
    items = {} if stream is None else {place: _stored(store, *place) for place in _places(stream)}
    arguments = {}
    for name, digest in record.arguments.items():
        if name not in record.scalars:
            with suppress(KeyError, DamagedError):
                arguments[digest] = _stored(store, digest, None)
    for _, text in sketches_of(record):
        with suppress(KeyError, DamagedError):
            arguments[Digest(text)] = _stored(store, Digest(text), None)
    code = None if record.code is None else code_record(store, record.code)
    return Parcel(
        record=record, origin=store, result=result, arguments=arguments, stream=stream, items=items, code=code
    )


def code_record(store: RecordStore, digest: Digest) -> CodeRecord | None:
    """Return what stands behind a code fingerprint, where a store keeps it; see `RecordStore`."""
    read = getattr(store, "code_record", None)
    return None if read is None else read(digest)


def deliver(parcel: Parcel, store: RecordStore, *, overwrite: bool = False) -> Receipt | None:
    """File a parcel; None: the record is there already.

    Args:
        parcel: What to file.
        store: Where.
        overwrite: Whether a record that is there is replaced. A result never is by a failure.

    Raises:
        UntrustedError: The safe loader of the origin does not build the result.
        DamagedError: The result is damaged, or does not have the digest that the record names.
        SaveError: It cannot be stored.
        StoreError: The store cannot be written.
    """
    there = store.lookup(parcel.record.key)
    if there is not None and _stays(there, parcel.record, overwrite=overwrite):
        return None
    packed = _Packed(parcel, store)
    record = packed.record()
    if there is not None and overwrite:
        store.calls.evict(record.key)
    raised = store.trusted and not parcel.origin.trusted
    # A code tree is not checked against its fingerprint, so one that others can have written is not given on.
    store.record(record, packed.values, None, code=None if raised else parcel.code)
    return Receipt(bytes=sum(each.size for each in packed.values.values()), left_out=tuple(packed.left_out))


class _Packed:
    """The values of a parcel as the target keeps them."""

    def __init__(self, parcel: Parcel, target: RecordStore) -> None:
        self.values: dict[Digest, Envelope] = {}
        self.left_out: list[tuple[Digest, str]] = []
        self._parcel = parcel
        self._target = target
        self._origin = parcel.origin
        # A storage without envelopes builds what it is given, so it gets only what was packed here.
        self._same = isinstance(target.values, EnvelopeStorage) and _takes(target, self._origin)

    def record(self) -> DigestedCall:
        """Pack everything, and return the record, which names the forms that it now has."""
        parcel, record = self._parcel, self._parcel.record
        for digest, stored in parcel.arguments.items():
            try:
                self.values[digest] = self._pack(digest, stored)
            except FlecheError as refusal:
                self.left_out.append((digest, str(refusal)))
        if record.result is None:
            return record
        if parcel.stream is not None:
            return self._stream(parcel.stream)
        own = self._pack(record.result, parcel.result)
        self.values[record.result] = own
        return record.evolve(form=own.form)

    def _stream(self, stream: Recorded) -> DigestedCall:
        """Pack the items. Where one has another form now, so has what names them, and another digest with it."""
        forms = {}
        for (digest, form), stored in self._parcel.items.items():
            self.values[digest] = self._pack(digest, stored)
            forms[digest, form] = (digest, self.values[digest].form)
        renamed = Recorded(
            tuple(forms[item] for item in stream.items),
            None if stream.returned is None else forms[stream.returned],
        )
        result, _ = stored_digest(renamed, name="the result")
        own = self._target.pack(renamed).seal()
        self.values[result] = own
        return self._parcel.record.evolve(result=result, form=own.form)

    def _pack(self, digest: Digest, stored: Any) -> Envelope:
        if self._same and isinstance(stored, Envelope) and stored.serializer is not Serializer.PARTS:
            return stored
        value = self._origin.decode(digest, stored)
        if not self._origin.trusted and stored_digest(value, name="the value")[0] != digest:
            raise DamagedError(
                f"the value that {self._origin} files under {digest} has another digest; verify(values=True) says more",
                place=str(self._origin),
            )
        return self._target.pack(value).seal()


def _takes(target: RecordStore, origin: RecordStore) -> bool:
    """Whether a store may take the bytes of another as they are."""
    if origin.trusted or getattr(target, "keeps_bytes", False):
        return True
    if getattr(origin, "keeps_bytes", False):
        return False  # nobody looked at what it was given
    return not (target.trusted or getattr(target, "signs", False))  # whoever has the key builds what a store signs


def _stays(there: Hit, record: DigestedCall, *, overwrite: bool) -> bool:
    """Whether the record that is there stays."""
    if there.outcome is Outcome.RESULT and record.outcome is not Outcome.RESULT:
        return True
    if there.outcome is not Outcome.RESULT and record.outcome is Outcome.RESULT:
        return False
    if there.result is not None and there.envelope is None:
        return False
    if there.expires is not None and record.at is not None and to_micros(record.at) >= there.expires:
        return False
    return not overwrite


def _result(store: RecordStore, record: DigestedCall) -> Any:
    hit = store.lookup(record.key)
    if hit is not None and hit.damage is not None:
        raise hit.damage
    if hit is None or hit.envelope is None or hit.result != record.result:
        raise ValueNotStored(f"the result of call {record.key} is gone from {store}", digest=str(record.result))
    return hit.envelope


def _stored(store: RecordStore, digest: Digest, form: str | None) -> Any:
    if isinstance(store.values, EnvelopeStorage):
        return store.values.get_envelope(digest, form)
    if not store.values.contains(digest):
        raise ValueNotStored(f"value {digest} is not in {store}", digest=str(digest))
    return Unopened(digest)


def _stream(store: RecordStore, digest: Digest, stored: Any) -> Recorded | None:
    """Return what a generator yielded, where a result is that; a look at the bytes tells most that are not."""
    if isinstance(stored, Envelope) and not stored.mentions(_STREAM):
        return None
    try:
        value = store.decode(digest, stored)
    except UntrustedError:
        return None  # it is said where it is packed
    return value if isinstance(value, Recorded) else None


def _places(stream: Recorded) -> Iterator[tuple[Digest, str]]:
    yield from dict.fromkeys(stream.items)
    if stream.returned is not None:
        yield stream.returned
