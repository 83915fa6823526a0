"""The storage contract: what every backend provides, and what is built once on top of that.

OperationContext            what surrounds every operation on a key
└── KeyManagement           list, evict, contains, expand, shrink
    ├── StorageBackend      put and get: where things lie
    ├── ValueStorage        save and load of values
    │   └── ValueMixin      the same by put and get: a concrete class is the mixin and a backend
    └── CallStorage         save, load, query and transform of records
        └── CallMixin       the same by put and get
RecordStore                 both in one place: one statement finds a call, one transaction files it
Tabular                     a call storage that gives many records at once, as columns
EnvelopeStorage             a value storage that keeps several forms of one value
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from enum import StrEnum
from heapq import nsmallest
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, overload, runtime_checkable

from fleche.call.lineage import traced_anew
from fleche.call.records import DigestedCall, Outcome, QueryCall, Version
from fleche.digest import Digest, digest
from fleche.digest.algorithm import chosen
from fleche.errors import AmbiguousDigestError, DamagedError, SaveError, UnknownDigestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleche.storage.acceptances import Forgotten
    from fleche.storage.envelope import Envelope
    from fleche.storage.leases import Lease, Leases

__all__ = [
    "SHORTEST_PREFIX",
    "AmbiguousDigestError",
    "CallMixin",
    "CallStorage",
    "CodeRecord",
    "EnvelopeStorage",
    "Hit",
    "Intent",
    "KeyManagement",
    "OperationContext",
    "RecordStore",
    "SaveError",
    "StorageBackend",
    "Tabular",
    "ValueMixin",
    "ValueStorage",
    "Variant",
    "check_key",
    "in_order",
]

Variant = tuple[Version, Digest | None]
"""A version of a function, and the fingerprint of its code."""

SHORTEST_PREFIX = 4
"""Characters of the shortest text that may stand for a whole digest."""


_NOTHING = nullcontext()


class Intent(StrEnum):
    """What an operation is about to do, so that a lock can be shared or exclusive."""

    READ = "read"
    WRITE = "write"


class OperationContext(ABC):  # noqa: B024 - each method has a default that does nothing
    """What surrounds every operation on a key. Mixins put a resource around it and chain with ``super()``."""

    def _operation_context(
        self,
        key: Digest | str,  # noqa: ARG002 - for mixins
        *,
        intent: Intent = Intent.WRITE,  # noqa: ARG002
    ) -> AbstractContextManager[None]:
        """Surround one operation on a key; reentrant in one thread. Here: nothing.

        Args:
            key: The key that is operated on, or the prefix that names it.
            intent: What the operation is about to do.
        """
        return _NOTHING

    def _is_plain(self) -> bool:
        """Whether the operation context does nothing, so that the fastest paths need not enter it."""
        return type(self)._operation_context is OperationContext._operation_context  # noqa: SLF001


def _resolve_prefix(key: str, candidates: list[Digest]) -> Digest:
    """Return the one key that a prefix names.

    Args:
        key: The prefix.
        candidates: At most the two smallest keys that start with it.

    Raises:
        KeyError: There is none.
        AmbiguousDigestError: There are two.

    >>> _resolve_prefix("3f9a", [Digest("3f9a77")])
    Digest('3f9a77')
    """
    if not candidates:
        raise UnknownDigestError(f"nothing here starts with {key!r}", digest=str(key))
    if len(candidates) == 1:
        return candidates[0]
    one, other = candidates[:2]
    needed = _common(one, other) + 1
    raise AmbiguousDigestError(
        f"{key!r} is the start of more than one key, such as {one} and {other}: give at least {needed} characters",
        candidates=(str(one), str(other)),
    )


def _common(one: str, other: str) -> int:
    """Return how many characters two digests have in common at the start."""
    return next((place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))


def check_key(key: Digest) -> Digest:
    """Return the key, if something can be filed under it: a whole digest of this process's algorithm.

    Raises:
        ValueError: It has another length, or is not hexadecimal text.
    """
    length = chosen().length
    if len(key) != length:
        raise ValueError(f"{key!r} has {len(key)} characters; a key of a {chosen().name} store has {length}")
    try:
        bytes.fromhex(key)
    except ValueError:
        raise ValueError(f"{key!r} is not hexadecimal text, so it is not the digest of anything") from None
    return key


class KeyManagement(OperationContext):
    """The keys of a store: listed, evicted, looked for, and named by their first characters.

    A backend gives `list`, `_evict` and `_contains`; one with an index also `_candidates` and `_neighbours`, so that
    a prefix costs no listing.
    """

    @abstractmethod
    def list(self) -> Iterable[Digest]:
        """Return every key, in no particular order."""

    @abstractmethod
    def _evict(self, key: Digest) -> None:
        """Remove the entry of a full key; if there is none, do nothing."""

    @abstractmethod
    def _contains(self, key: Digest) -> bool:
        """Whether a full key is there."""

    def _candidates(self, prefix: str) -> Sequence[Digest]:
        """Return the two smallest keys that start with a prefix, or as many as there are. Here: by listing."""
        return nsmallest(2, (key for key in self.list() if key.startswith(prefix)))

    def _neighbours(self, key: Digest) -> Sequence[Digest]:
        """Return the greatest key below and the smallest above a full key, where there are such. Here: by listing."""
        return _beside(key, sorted(self.list()))

    def evict(self, key: Digest | str) -> None:
        """Remove an entry. A full key that is not there is not an error.

        Args:
            key: The key, or a prefix of at least 4 characters.

        Raises:
            KeyError: A prefix names nothing.
            AmbiguousDigestError: A prefix names more than one key.
        """
        with self._operation_context(key, intent=Intent.WRITE):
            self._evict(self._normalize_key(key))

    def contains(self, key: Digest | str) -> bool:
        """Whether a key, or the one key that a prefix names, is there. An unknown prefix is not.

        Raises:
            AmbiguousDigestError: A prefix names more than one key.
        """
        with self._operation_context(key, intent=Intent.READ):
            try:
                return self._contains(self._normalize_key(key))
            except KeyError:
                return False

    def expand(self, key: Digest | str) -> Digest:
        """Return the full digest that a prefix names; a full-length key is returned as it is.

        Raises:
            KeyError: The prefix is shorter than 4 characters, or nothing starts with it.
            AmbiguousDigestError: More than one key starts with it.
        """
        whole = key if isinstance(key, Digest) else Digest(key)
        length = len(whole)
        if length == chosen().length:
            return whole
        if length < SHORTEST_PREFIX:
            raise UnknownDigestError(
                f"{str(whole)!r} is too short: a prefix has at least {SHORTEST_PREFIX} characters", digest=str(whole)
            )
        with self._operation_context(whole, intent=Intent.READ):
            return _resolve_prefix(whole, [] if length > chosen().length else [*self._candidates(whole)])

    @overload
    def shrink(self, key: Digest | str, /) -> Digest: ...
    @overload
    def shrink(self, key: Digest | str, other: Digest | str, /, *keys: Digest | str) -> tuple[Digest, ...]: ...
    def shrink(self, *keys: Digest | str) -> Digest | tuple[Digest, ...]:
        """Return the shortest prefix, of at least 4 characters, that names each key alone today.

        Args:
            *keys: Keys, or prefixes of keys. Several are looked up against one view of all keys.

        Returns:
            One prefix for one key, else a tuple in the order given.

        Raises:
            KeyError: A key is not there.
            TypeError: No key is given.
        """
        if not keys:
            raise TypeError("shrink() needs at least one key")
        if len(keys) == 1:
            key = self._known(keys[0])
            return self._shorten(key, self._neighbours(key))
        known = [self._known(key) for key in keys]
        everything = sorted(self.list())
        return tuple(self._shrink_one(key, everything) for key in known)

    def _shrink_one(self, key: Digest, sorted_all: Sequence[Digest]) -> Digest:
        """Return the shortest prefix of one key among a sorted sequence of all keys."""
        return self._shorten(key, _beside(key, sorted_all))

    @staticmethod
    def _shorten(key: Digest, neighbours: Iterable[Digest]) -> Digest:
        shared = max((_common(key, neighbour) for neighbour in neighbours), default=0)
        return Digest(key[: max(SHORTEST_PREFIX, shared + 1)])

    def _known(self, key: Digest | str) -> Digest:
        whole = self.expand(key)
        if not self.contains(whole):
            raise UnknownDigestError(f"{whole} is not here", digest=str(whole))
        return whole

    def _normalize_key(self, key: Digest | str) -> Digest:
        """Return a full key: a prefix is expanded, text is wrapped."""
        return self.expand(key)


def _beside(key: Digest, sorted_all: Sequence[Digest]) -> list[Digest]:
    place = bisect_left(sorted_all, key)
    after = place + 1 if place < len(sorted_all) and sorted_all[place] == key else place
    return [*sorted_all[max(place - 1, 0) : place], *sorted_all[after : after + 1]]


class StorageBackend(KeyManagement):
    """Where things lie, by key: `put` and `get`."""

    @abstractmethod
    def put(self, value: Any, key: Digest) -> Digest:
        """Store under a key, replacing whole what was there, or leaving it whole; return the key.

        Raises:
            SaveError: It cannot be stored.
        """

    @abstractmethod
    def get(self, key: Digest) -> Any:
        """Return what lies under a full key; it is the caller's own.

        Raises:
            KeyError: Nothing does.
        """

    def _contains(self, key: Digest) -> bool:
        try:
            self.get(key)
        except KeyError:
            return False
        return True


class ValueStorage(KeyManagement):
    """Values, filed under their digests."""

    @abstractmethod
    def save(self, value: Any, key: Digest | None = None) -> Digest:
        """Store a value under a key, or under its digest; return that.

        Saving the same content twice costs one write. A `Digest` stands for a value that is elsewhere: saving one
        stores nothing and returns it.

        Raises:
            Indigestible: The value has no digest, and no key is given.
            SaveError: It cannot be stored.
            ValueError: The key is not a whole digest.
        """

    @abstractmethod
    def load(self, key: Digest | str) -> Any:
        """Return a value; it is the caller's own.

        Args:
            key: Its key, or a prefix of at least 4 characters.

        Raises:
            KeyError: It is not here.
            AmbiguousDigestError: The prefix names more than one value.
            DamagedError: Its bytes are not what was written; they were set aside.
            UntrustedError: The store's loader does not build a type in it.
        """


class ValueMixin(ValueStorage, StorageBackend):
    """`ValueStorage` by `put` and `get`."""

    def save(self, value: Any, key: Digest | None = None) -> Digest:
        """Store a value under a key, or under its digest; see `ValueStorage.save`."""
        if key is None:
            key = digest(value)
            if isinstance(value, Digest):
                return key
        check_key(key)
        with self._operation_context(key, intent=Intent.WRITE):
            return key if self._contains(key) else self.put(value, key)

    def load(self, key: Digest | str) -> Any:
        """Return a value; see `ValueStorage.load`."""
        with self._operation_context(key, intent=Intent.READ):
            return self.get(self._normalize_key(key))


class CallStorage(KeyManagement):
    """Records of calls, filed under their lookup keys; of every outcome."""

    @abstractmethod
    def save(self, call: DigestedCall) -> Digest:
        """File a record under its lookup key, in one transaction; return the key.

        Where a record is already there, `DigestedCall.replaces` decides: a result is left alone by an equal one, and
        is never replaced by an error or a partial outcome.

        Raises:
            SaveError: It cannot be stored.
        """

    @abstractmethod
    def load(self, key: Digest | str) -> DigestedCall:
        """Return a record, whatever its outcome.

        Raises:
            KeyError: It is not here.
            AmbiguousDigestError: The prefix names more than one record.
        """

    @abstractmethod
    def query(self, template: QueryCall) -> Iterable[DigestedCall]:
        """Return the records that a template matches, oldest first (by ``at``, then by key).

        `QueryCall.matches` is the definition; a backend with a query language agrees with it on every record.

        Raises:
            Indigestible: A value in the template has no digest.
        """

    @abstractmethod
    def transform(self, func: Callable[[DigestedCall], DigestedCall] | None = None) -> None:
        """Replace every record by ``func(record)``, and file it under its new key.

        With no function, keys are derived again (after a change of key scheme). Interrupted halfway nothing is lost,
        and running it again finishes. Where two records come to have one key, `DigestedCall.replaces` decides,
        oldest first.
        """

    def forget(self, key: Digest | str, why: str = "forgotten") -> None:  # noqa: ARG002 - for storages that keep it
        """Remove a record as `evict` does, and leave a trace that it was here, where the storage keeps such.

        Args:
            key: The key, or a prefix of it.
            why: How: ``forgotten`` by somebody, or ``evicted`` by a limit.

        Raises:
            KeyError: A prefix names nothing.
            AmbiguousDigestError: A prefix names more than one key.
        """
        self.evict(key)

    def forgotten(self, key: Digest) -> Forgotten | None:  # noqa: ARG002 - for storages that keep it
        """Return the trace of a record that was removed under a full key, or None; kept of the latest only."""
        return None

    def recent(self, limit: int) -> Iterable[DigestedCall]:
        """Return at most so many records, newest first, of every outcome. Here: by listing."""
        return in_order(self._whole())[::-1][:limit]

    def latest(self, template: QueryCall, limit: int) -> Iterable[DigestedCall]:
        """Return at most so many of the records that a template matches: those filed or started last, newest first.

        Here: by going through all that match.
        """
        return [*deque(self.query(template), maxlen=limit)][::-1]

    def present(self, keys: Iterable[Digest]) -> set[Digest]:
        """Return which of several full keys have a record, of whatever outcome. Here: one by one."""
        return {key for key in keys if self.contains(key)}

    def variants(self, module: str, name: str) -> Sequence[Variant]:
        """Return the versions and codes under which calls of a function were filed, the latest first.

        There may be some of which no call is left. Here: by going through all calls of the function.
        """
        every = QueryCall(module=module, name=name, outcomes=frozenset(Outcome))
        return list(dict.fromkeys((record.version, record.code) for record in self.query(every)))[::-1]

    def oldest(self, limit: int) -> Iterable[DigestedCall]:
        """Return at most so many records, oldest first, of every outcome. Here: by listing."""
        return in_order(self._whole())[:limit]

    def count(self) -> int:
        """Return how many records there are, of every outcome. Here: by listing."""
        return sum(1 for _ in self.list())

    def makers(
        self,
        digests: Sequence[Digest],  # noqa: ARG002 - for storages with an index
        but: Digest | None = None,  # noqa: ARG002
    ) -> Mapping[Digest, Digest] | None:
        """Return, for each of several values that a call returned, the key of the one that was filed last.

        Args:
            digests: The digests of the values.
            but: A key that is not meant.

        Returns:
            None where the answer takes a listing.
        """
        return None

    def takers(self, key: Digest, limit: int) -> Iterable[DigestedCall] | None:  # noqa: ARG002 - see `makers`
        """Return at most so many records that have a key among their inputs, oldest first; None as for `makers`."""
        return None

    def users(self, digest: Digest, limit: int) -> Iterable[DigestedCall] | None:  # noqa: ARG002 - see `makers`
        """Return at most so many records that have a value as an argument, oldest first; None as for `makers`."""
        return None

    def _whole(self) -> Iterator[DigestedCall]:
        """Yield every record that can be read; what is evicted or set aside meanwhile is none."""
        for key in self.list():
            with suppress(KeyError, DamagedError):
                yield self.load(key)


def in_order(records: Iterable[DigestedCall]) -> list[DigestedCall]:
    """Return records oldest first: by ``at`` (those without it before all), then by key."""
    return sorted(records, key=_moment)


def _moment(record: DigestedCall) -> tuple[bool, float, Digest]:
    return (record.at is not None, record.at.timestamp() if record.at is not None else 0.0, record.key)


class CallMixin(CallStorage, StorageBackend):
    """`CallStorage` by `put` and `get`."""

    def save(self, call: DigestedCall) -> Digest:
        """File a record under its lookup key; see `CallStorage.save`."""
        key = call.key
        with self._operation_context(key, intent=Intent.WRITE):
            try:
                if not call.replaces(self.get(key)):
                    return key
            except KeyError:
                pass
            return self.put(call, key)

    def load(self, key: Digest | str) -> DigestedCall:
        """Return a record; see `CallStorage.load`."""
        with self._operation_context(key, intent=Intent.READ):
            record: DigestedCall = self.get(self._normalize_key(key))
            return record

    def query(self, template: QueryCall) -> Iterable[DigestedCall]:
        """Return the records that a template matches; see `CallStorage.query`. Here: by reading every record."""
        template = template.digested()
        return iter(in_order(record for record in self._records() if template.matches(record)))

    def transform(self, func: Callable[[DigestedCall], DigestedCall] | None = None) -> None:
        """Replace every record; see `CallStorage.transform`.

        All new records are written before the first old one is removed. Records that trade their keys need a backend
        that writes all in one step, and override this.
        """
        old = set(self.list())
        filed = {id(record): key for key, record in found} if (found := list(self._filed())) else {}
        ordered = in_order(record for _, record in found)
        steps = ((filed[id(record)], record, record if func is None else func(record)) for record in ordered)
        new = {self.save(changed) for _, _, changed in traced_anew(steps)}
        for key in old - new:
            with self._operation_context(key, intent=Intent.WRITE):
                self._evict(key)

    def _records(self) -> Iterator[DigestedCall]:
        return (record for _, record in self._filed())

    def _filed(self) -> Iterator[tuple[Digest, DigestedCall]]:
        for key in self.list():
            try:
                yield key, self.get(key)
            except KeyError:  # evicted by someone else meanwhile
                continue


@runtime_checkable
class Tabular(Protocol):
    """A call storage that gives many records at once, as the columns of a table. An ability: not all have it."""

    def columns(self, template: QueryCall) -> Mapping[str, list[Any]] | None:
        """Return the records that a template matches, oldest first, as lists of equal length by name.

        ``key module name version at walltime outcome result``, then ``arg.NAME`` for each argument: its value where
        it lives in the row, else its digest as text, and the float NaN where a call has no such argument.

        Returns:
            None where the template asks for what only whole records, or values, can tell.
        """


class Hit(NamedTuple):
    """What one lookup finds: a record's outcome, and the result's own bytes.

    A tuple, since one is made at every hit, and a frozen dataclass takes six times as long to make.

    Attributes:
        outcome: How the call ended.
        at: When the body started, in microseconds since 1970 UTC, or None where the record does not say.
        expires: When the record stops being a hit, in the same unit, or None for never.
        result: The digest of the result; None only where there is none (an error that was not kept).
        form: Which byte representation of the result is the call's own, or None for any.
        envelope: The result's bytes, checked; None: the value is gone, and this is a miss.
        damage: Why the value is gone, where its bytes were damaged; they were set aside.
    """

    outcome: Outcome
    at: int | None
    expires: int | None
    result: Digest | None
    form: str | None
    envelope: Envelope | None
    damage: DamagedError | None = None


@dataclass(frozen=True, slots=True)
class CodeRecord:
    """The code behind a fingerprint, kept so that a later ``why`` can compare.

    Attributes:
        digest: The fingerprint.
        kind: How it was taken: ``deep``, ``own``.
        tree: What it is made of, as JSON: `CodeTree.to_json`.
        source: The literal source texts as JSON: `CodeTree.source_json`.
    """

    digest: Digest
    kind: str
    tree: str
    source: str


@runtime_checkable
class EnvelopeStorage(Protocol):
    """A value storage that keeps every form of a value: equal values whose bytes differ, one beside the other."""

    def put_envelope(self, key: Digest, envelope: Envelope) -> None:
        """Keep one form of a value under its digest, beside the others; it becomes the one that `load` returns.

        Raises:
            SaveError: It cannot be stored.
        """

    def get_envelope(self, key: Digest, form: str | None = None) -> Envelope:
        """Return a value's bytes in one form, or in any.

        Raises:
            KeyError: It is not here in this form.
            DamagedError: The bytes are not what was written; they were set aside.
        """


@runtime_checkable
class RecordStore(Protocol):
    """Values and calls in one store, so that a hit is one statement and a miss is one transaction.

    Both faces name the store as their attribute ``store``, so that a cache made of the two finds out. A store may also
    have ``code_record(digest) -> CodeRecord | None``, which gives back what `record` was given as ``code``, so that it
    can be transferred; and be `fleche.storage.checking.Checkable`.
    """

    @property
    def values(self) -> ValueStorage:
        """The store as a value storage."""

    @property
    def calls(self) -> CallStorage:
        """The store as a call storage."""

    @property
    def leases(self) -> Leases:
        """Who computes which key."""

    @property
    def trusted(self) -> bool:
        """Whether what is stored may be built in full, since only its owner can have written it.

        Bytes of a store that is not are never given on to one that is, or to one that ``signs`` what it files: they
        are built by its safe loader, and packed again.
        """

    def pack(self, value: Any) -> Envelope:
        """Return a value's bytes as this store keeps them; they refer to the value's own buffers.

        Raises:
            SaveError: The value cannot be stored.
        """

    def lookup(self, key: Digest) -> Hit | None:
        """Return what is known of a call by its full key, in one statement; None: it was never filed.

        The hit may be of any outcome, and may have expired: the caller decides.

        Raises:
            StoreError: The store cannot be read.
        """

    def record(
        self,
        call: DigestedCall,
        values: Mapping[Digest, Envelope],
        lease: Lease | None = None,
        *,
        code: CodeRecord | None = None,
    ) -> None:
        """File a call with the values that belong to it, everything in one transaction.

        `DigestedCall.replaces` decides whether a record that is there is replaced; one whose value is gone always is.
        The record names the form of its result, where ``values`` holds it.

        Args:
            call: The record.
            values: Bytes by digest: the result's, and those of arguments that are to be kept.
            lease: The right under which the key was computed. If it was lost, a record that is there stays.
            code: What stands behind ``call.code``.

        Raises:
            SaveError: Something cannot be stored; nothing was.
            StoreError: The store cannot be written.
        """

    def decode(self, digest: Digest, envelope: Envelope) -> Any:
        """Return the value in an envelope, by the store's own loader; it is the caller's own.

        Raises:
            DamagedError: It cannot be built; it was set aside, and the next lookup misses.
            UntrustedError: It holds a type that the loader does not build; it stays.
        """

    def close(self) -> None:
        """Let go of connections and files. The store opens again when it is used again."""
