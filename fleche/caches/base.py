"""What every cache can do, whatever it is made of."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from fleche.caches.origins import Origins
from fleche.caches.results import shown
from fleche.call import ABSENT, Call, DigestedCall, LazyCall, Outcome, PreparedCall, QueryCall
from fleche.call.lazy import labels
from fleche.digest import Digest
from fleche.digest.algorithm import chosen
from fleche.errors import AmbiguousDigestError, SaveError, UnknownDigestError, ValueNotStored
from fleche.storage.base import OperationContext

if TYPE_CHECKING:
    from fleche.caches.filtered import FilteredCache
    from fleche.caches.parcels import Parcel, Receipt
    from fleche.caches.readonly import ReadOnlyCache
    from fleche.caches.reports import CheckReport, TransferReport
    from fleche.caches.stack import CacheStack
    from fleche.digest.trace import Trace
    from fleche.display import Summary
    from fleche.errors import UntrustedError
    from fleche.query import QueryIterator
    from fleche.storage.acceptances import Acceptance, Forgotten
    from fleche.storage.base import CodeRecord, Hit, Variant
    from fleche.storage.checking import Finding
    from fleche.storage.leases import Lease, Leases
    from fleche.storage.overview import FunctionTotal

__all__ = ["EVERYTHING", "MIB", "BaseCache", "Filing"]

MIB = 1 << 20
EVERYTHING = QueryCall(outcomes=frozenset(Outcome))
"""Asks for every record, of every outcome."""

_COMPLETIONS = 200  # the most recent calls that key completion offers
_LISTED = 200  # calls that are looked at where nothing counts them


class Filing(NamedTuple):
    """What a prepared call is filed with, beside its result.

    Attributes:
        lease: The right under which it was computed; a store checks it in the transaction that files the record.
        code: The code tree to keep for later explanation, or None where the store has it.
        expires: Given when the body started (or None), when the record stops being a hit.
        parent: The key of the cached call inside which this one runs.
        inputs: The keys of calls whose results came in as arguments.
        made: The keys of calls that the body makes; read when the call is filed.
        told: Given the record, the value and what it holds, once they are filed.
        store_arguments: Arguments above so many bytes are not stored; None stores all.
    """

    lease: Lease | None = None
    code: CodeRecord | None = None
    expires: Callable[[datetime], datetime | None] | None = None
    parent: Digest | None = None
    inputs: tuple[Digest, ...] = ()
    made: Iterable[Digest] = ()
    told: Callable[[DigestedCall, Any, Trace | None], None] | None = None
    store_arguments: int | None = MIB


class BaseCache(OperationContext):
    """A place that remembers calls. Safe for use by many threads."""

    # -- what a concrete cache provides ------------------------------------------------------------------------

    @abstractmethod
    def lookup(self, key: Digest) -> Hit | None:
        """Return what is stored under the full key of a call, whatever its outcome, or None.

        Raises:
            StoreError: The store cannot be read.
        """

    @abstractmethod
    def open(self, hit: Hit) -> Any:
        """Return the value of a hit, fresh, in the record's own form.

        Raises:
            ValueNotStored: The value is gone.
            DamagedError: It is damaged, and was set aside.
            UntrustedError: The safe loader does not build it.
        """

    def refuses(self, value: Any) -> UntrustedError | None:  # noqa: ARG002 - for caches whose stores do
        """Return why the store will not build a value when it is read here, or None where it will."""
        return None

    @abstractmethod
    def prepare(
        self, call: Call | DigestedCall, filing: Filing | None = None, *, values: Mapping[str, Any] | None = None
    ) -> PreparedCall:
        """Seal a call before its body runs: digest its arguments and serialize those that will be stored.

        Nothing is written until the prepared call is committed.

        Args:
            call: The call; as a record where its arguments are digested already.
            filing: What to file it with.
            values: The arguments by name, where ``call`` is a record.

        Raises:
            Indigestible: An argument has no digest.
        """

    @abstractmethod
    def find(self, template: QueryCall) -> Iterable[LazyCall]:
        """Return the calls that match a template, oldest first."""

    def columns(self, template: QueryCall) -> Mapping[str, list[Any]] | None:  # noqa: ARG002 - for caches that can
        """Return the calls that match a template as columns, or None where they must be looked at one by one."""
        return None

    @abstractmethod
    def load(self, key: Digest | str) -> LazyCall:
        """Return a stored call by key or prefix.

        Raises:
            KeyError: No call that returned a result has this key.
            AmbiguousDigestError: More than one key starts so.
        """

    @abstractmethod
    def load_value(self, key: Digest | str, form: str | None = None) -> Any:
        """Return a stored value by digest or prefix, fresh, in any form or the one given.

        Raises:
            ValueNotStored: It is not stored.
            AmbiguousDigestError: More than one digest starts so.
        """

    @abstractmethod
    def code_record(self, digest: Digest) -> CodeRecord | None:
        """Return the code tree and the sources behind a fingerprint, or None where they are not kept here.

        Raises:
            StoreError: The store cannot be read.
        """

    @abstractmethod
    def keep(self, value: Any) -> tuple[Digest, str]:
        """Store a value by itself and return its digest and form.

        Raises:
            Indigestible: It has no digest.
            SaveError: It cannot be stored.
        """

    @abstractmethod
    def evict(self, key: Digest | str) -> None:
        """Remove a record by key or prefix. A full key that is not there is not an error."""

    def forgotten(self, key: Digest) -> Forgotten | None:  # noqa: ARG002 - for caches that keep it
        """Return what is left of a call that was removed from here: when, by whom and how; or None.

        Traces are kept of the latest removals only, and a call that was filed again since has its trace still.

        Args:
            key: The full key of the call.

        Raises:
            StoreError: The store cannot be read.
        """
        return None

    def accept(self, acceptance: Acceptance) -> None:
        """Keep what somebody said of an edit: that calls of the old code count for the new; see `fleche.cached`.

        It takes the place of one of the same two fingerprints. Records are not touched.

        Raises:
            Rejected: This cache is read-only.
            SaveError: It keeps no acceptances.
            StoreError: The store cannot be written.
        """
        raise SaveError(
            f"{self} keeps no acceptances (of code {acceptance.old[:12]} for {acceptance.new[:12]}): accept in a "
            f"cache that is one store, such as a directory or a database"
        )

    def acceptances(self, new: Digest | None = None) -> Sequence[Acceptance]:  # noqa: ARG002 - for caches that can
        """Return what was accepted and not withdrawn, oldest first: all, or what counts for one new fingerprint.

        In a store that others can write to, and that has secret keys, only what is signed counts, as of records.

        Raises:
            StoreError: The store cannot be read.
        """
        return ()

    def withdraw(self, old: Digest, new: Digest) -> bool:  # noqa: ARG002 - for caches that can
        """Take back what was accepted of two fingerprints, and return whether there was anything.

        Raises:
            Rejected: This cache is read-only.
            StoreError: The store cannot be written.
        """
        return False

    @abstractmethod
    def candidates(self, prefix: str) -> tuple[list[Digest], list[Digest]]:
        """Return the record keys and the value digests that start with a prefix: the two smallest of each."""

    @abstractmethod
    def shrink(self, key: Digest | str, /, *keys: Digest | str) -> Any:
        """Return the shortest prefixes, at least 4 characters, that each name one key today, in the order given.

        Raises:
            KeyError: A key is not stored.
        """

    @abstractmethod
    def recent(self, count: int) -> list[LazyCall]:
        """Return the calls that started last, newest first."""

    @abstractmethod
    def describe(self) -> Mapping[str, Any]:
        """Return what this cache is, where it is and what it holds, as plain data."""

    @abstractmethod
    def pick(self, key: Digest) -> Parcel:
        """Return a record by its full key, whatever its outcome, with its values, to be filed in another cache.

        Raises:
            KeyError: It is not there, or its result is gone.
            DamagedError: It, or its result, is not what was written.
            UntrustedError: The safe loader does not build something that has to be looked into.
            StoreError: The store cannot be read.
        """

    @abstractmethod
    def receive(self, parcel: Parcel, *, overwrite: bool = False) -> Receipt | None:
        """File a record of another cache with its values; None: it is there already.

        Bytes move as they are between stores that are equally trusted. Otherwise values are built by the loader of
        their own store and packed anew, so nothing that others wrote is ever executed.

        Args:
            parcel: What to file.
            overwrite: Whether a record that is there is replaced; a result never is by a failure.

        Raises:
            Rejected: This cache is read-only.
            UntrustedError: The result holds a type that the safe loader does not build.
            DamagedError: The result does not have the digest that the record names.
            SaveError: It cannot be stored.
            StoreError: The store cannot be written.
        """

    @abstractmethod
    def check(self, *, values: bool = False, repair: bool = False) -> Iterable[Finding]:
        """Yield what is wrong, as it is found; see `verify` and `repair`."""

    @property
    @abstractmethod
    def leases(self) -> Leases | None:
        """The leases of this cache, or None where nothing is shared."""

    @property
    def writable(self) -> bool:
        """Whether calls can be filed here."""
        return True

    @property
    def algorithm(self) -> str:
        """The hash of all keys."""
        return chosen().name

    @abstractmethod
    def close(self) -> None:
        """Release every connection and file. The cache opens them again when it is used again."""

    # -- built on these ----------------------------------------------------------------------------------------

    def save(self, call: Call) -> Digest:
        """Store a call that has its result and return its key.

        Raises:
            SaveError: The call has no result, or it cannot be stored.
            Indigestible: An argument or the result has no digest.
        """
        if call.result is ABSENT:
            raise SaveError(f"call {call.name} has no result; give it one by call.returned(value)")
        return self.prepare(call).commit(call.result)

    def open_result(self, record: DigestedCall) -> Any:
        """Return the result of a record, in its own form; raise the exception that a failed call kept.

        Raises:
            ValueNotStored: There is none, or it is gone.
        """
        if record.result is None:
            told = record.metadata.get("error", {})
            ending = f"{told.get('type', record.outcome)} {told.get('message', '')}".rstrip()
            raise ValueNotStored(f"call {record.key[:12]} has no result: {ending}", digest="")
        value = self.load_value(record.result, record.form)
        if record.outcome is Outcome.ERROR:
            raise value
        return shown(value, self)

    def contains(self, key: Digest | str) -> bool:
        """Whether a call of this key or prefix returned a result that is stored.

        Raises:
            AmbiguousDigestError: More than one key starts so.
        """
        try:
            self.load(key)
        except AmbiguousDigestError:
            raise
        except KeyError:
            return False
        return True

    def expand(self, key: Digest | str) -> Digest:
        """Return the full digest of a prefix, of a call or of a value. A full digest is returned as it is.

        Raises:
            KeyError: Nothing starts so, or the prefix is shorter than 4 characters.
            AmbiguousDigestError: More than one starts so.
        """
        calls, values = self.resolve(key)
        return (calls + values)[0]

    def resolve(self, key: Digest | str) -> tuple[list[Digest], list[Digest]]:
        """Return the one call, the one value, or both of one digest, that a prefix names.

        Raises:
            KeyError: Nothing starts so, or the prefix is shorter than 4 characters.
            AmbiguousDigestError: It could mean more than one; the message lists them with their kinds.
        """
        prefix = Digest(key)
        if len(prefix) < 4:
            raise UnknownDigestError(f"{str(prefix)!r} is too short for a prefix: give at least 4 characters")
        calls, values = self.candidates(prefix)
        if not calls and not values:
            raise UnknownDigestError(f"no call and no value in {self} starts with {str(prefix)!r}")
        if len({*calls, *values}) > 1:
            raise self._ambiguous(prefix, calls, values)
        return calls, values

    def _ambiguous(self, prefix: Digest, calls: list[Digest], values: list[Digest]) -> AmbiguousDigestError:
        both = sorted({*calls, *values})
        needed = next(i for i in range(len(prefix), len(both[0]) + 1) if both[0][:i] != both[1][:i])
        lines = [self._label(key) for key in calls] + [f"value {digest[:12]}" for digest in values]
        return AmbiguousDigestError(
            f"{str(prefix)!r} could mean more than one; give at least {needed} characters:\n  " + "\n  ".join(lines),
            candidates=tuple(lines),
        )

    def _label(self, key: Digest) -> str:
        found = next(iter(self.find_key(key)), None)
        if found is None:
            return f"call {key[:12]}"
        arguments = ", ".join(f"{name}={text}" for name, text in labels(found.record).items())
        return f"call {key[:12]} {found.name}({arguments})"

    def find_key(self, key: Digest) -> Iterable[LazyCall]:
        """Return the call of a full key, whatever its outcome, or nothing."""
        try:
            yield self.load(key)
        except KeyError:
            return

    def query(self, template: QueryCall | None = None, /, **fields: Any) -> QueryIterator:
        """Return the calls that match a template, or fields given by name.

        Args:
            template: What to look for; None matches every call.
            **fields: The fields of a `QueryCall`: ``name module version code arguments result metadata``.

        Raises:
            TypeError: A template and fields are given, or a field does not exist.
        """
        if template is not None and fields:
            raise TypeError("give a QueryCall or fields, not both")
        from fleche.query import QueryIterator

        return QueryIterator(self, template or QueryCall(**fields))

    def latest(self, template: QueryCall, count: int) -> list[LazyCall]:
        """Return at most so many of the calls that a template matches: those filed or started last, newest first.

        Here: by going through all that match.
        """
        return [*deque(self.find(template), maxlen=count)][::-1]

    def present(self, keys: Sequence[Digest]) -> set[Digest]:
        """Return which of several full keys have a record that `lookup` would find. Here: one by one."""
        return {key for key in keys if self.lookup(key) is not None}

    def variants(self, module: str, name: str) -> Sequence[Variant]:
        """Return the versions and codes under which calls of a function were filed, the latest first.

        There may be some of which no call is left. Here: by going through all calls of the function.
        """
        every = QueryCall(module=module, name=name, outcomes=frozenset(Outcome))
        return list(dict.fromkeys((call.version, call.code) for call in self.find(every)))[::-1]

    # -- where results came from, and went ----------------------------------------------------------------------

    @cached_property
    def origins(self) -> Origins:
        """Which calls gave this process the values that it got last from this cache."""
        return Origins()

    def makers(
        self,
        digests: Sequence[Digest],  # noqa: ARG002 - for caches that have an index
        but: Digest | None = None,  # noqa: ARG002 - the same
    ) -> Mapping[Digest, Digest]:
        """Return, for each of several values that a call returned, the key of the one that was filed last.

        Only a store with an index is asked: an answer costs no listing, and without an index there is none.

        Args:
            digests: The digests of the values.
            but: A key that is not meant.

        Raises:
            StoreError: The store cannot be read.
        """
        return {}

    def takers(self, key: Digest, limit: int = 1 << 40) -> list[LazyCall]:  # noqa: ARG002 - for caches that keep
        """Return at most so many calls that took the result of a call, or made it in their body, oldest first.

        Args:
            key: The key of the call; it need not be stored any more.
            limit: How many at most.

        Raises:
            StoreError: The store cannot be read.
        """
        return []

    def users(self, digest: Digest, limit: int = 1 << 40) -> list[LazyCall]:  # noqa: ARG002 - for caches that keep
        """Return at most so many calls that have a value as an argument, oldest first.

        Raises:
            StoreError: The store cannot be read.
        """
        return []

    # -- whole caches ------------------------------------------------------------------------------------------

    def readonly(self) -> ReadOnlyCache:
        """Return a view of this cache that gives hits and takes nothing."""
        from fleche.caches.readonly import ReadOnlyCache

        return ReadOnlyCache(self)

    def filter(self, predicate: Callable[[LazyCall], bool]) -> FilteredCache:
        """Return a read-only view of the calls for which a function returns true."""
        from fleche.caches.filtered import FilteredCache

        return FilteredCache(self, predicate)

    def push(self, cache: BaseCache) -> CacheStack:
        """Return a stack of another cache in front of this one: the other is read first, and written to."""
        from fleche.caches.stack import CacheStack

        return CacheStack((cache, self))

    def transfer(self, other: BaseCache, pop: bool = False, overwrite: bool = False) -> TransferReport:
        """File every record, of every outcome, in another cache, with its values, its code and its lineage.

        A transfer that was interrupted goes on when it is run again. Values of a store that others can write to are
        built by its safe loader and packed anew; what that refuses is not transferred, and reported. Acceptances and
        traces stay where they are: who uses the other store accepts there.

        Args:
            other: The other cache.
            pop: Whether each record is removed here once the other has it.
            overwrite: Whether records that are there are replaced. A result never is by a failure.

        Returns:
            What was done. Records that fail do not stop the others.

        Raises:
            Rejected: The other cache is read-only; or ``pop`` is given, and this one is, or both keep calls in one
                place.
        """
        return self.query().all().transfer(other, pop=pop, overwrite=overwrite)

    def transfer_keys(
        self, keys: Sequence[Digest], other: BaseCache, *, pop: bool = False, overwrite: bool = False
    ) -> TransferReport:
        """File calls in another cache by their full keys; see `transfer`."""
        from fleche.caches.transfer import transfer

        return transfer(self, keys, other, pop=pop, overwrite=overwrite)

    def verify(self, *, values: bool = False) -> CheckReport:
        """Look the whole cache over, and change nothing.

        Every checksum is verified, and that every record is filed under its own key and has its result.

        Args:
            values: Load each value too, by the store's own loader, and compare its digest with the one that it is
                filed under. In a store that only its owner can write to this builds all types.

        Raises:
            StoreError: The store cannot be read at all.
        """
        from fleche.caches.verify import checked

        return checked(self.check(values=values))

    def repair(self) -> CheckReport:
        """Look the whole cache over, and mend what can be.

        Damaged values are set aside, not deleted; records without their result are removed, so that the calls are
        computed anew; values that no index knows are adopted.

        Raises:
            Rejected: The cache is read-only.
            StoreError: The store cannot be read or written at all.
        """
        from fleche.caches.verify import checked

        return checked(self.check(repair=True))

    def __getitem__(self, prefix: str) -> Any:
        """Return the one call (as a `LazyCall`) or the one value whose digest starts with a prefix.

        Raises:
            KeyError: Nothing starts so, or the prefix is shorter than 4 characters.
            AmbiguousDigestError: It could mean more than one.
        """
        if not isinstance(prefix, str):
            raise TypeError(f"cache()[prefix] takes the first characters of a digest, not {type(prefix).__qualname__}")
        calls, values = self.resolve(prefix)
        return self.load(calls[0]) if calls else self.load_value(values[0])

    def _ipython_key_completions_(self) -> list[str]:
        calls = self.recent(_COMPLETIONS)
        keys = [call.key for call in calls]
        return [str(key) for key in (self.shrink(*keys) if len(keys) > 1 else [self.shrink(k) for k in keys])]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- pictures ----------------------------------------------------------------------------------------------

    def sketch(self) -> Mapping[str, Any]:
        """Return what `describe` does, as far as that is told at once however much the cache holds."""
        return self.describe()

    def totals(self, limit: int) -> Sequence[FunctionTotal]:
        """Return what is remembered of each function, among at most so many of the latest calls. Here: of 200."""
        from fleche.storage.overview import totals_of

        return totals_of(call.record for call in self.recent(min(limit, _LISTED)))

    def glance(
        self,
        template: QueryCall,  # noqa: ARG002 - for caches that can
        first: int,  # noqa: ARG002 - the same
        limit: int,  # noqa: ARG002 - the same
    ) -> tuple[list[LazyCall], int, bool] | None:
        """Return the first calls that match a template, how many there are up to a limit, and whether that is all.

        Returns:
            None where they must be looked at one by one.
        """
        return None

    def glimpse(self, key: Digest, form: str | None, limit: int) -> Summary | None:  # noqa: ARG002 - for caches that can
        """Return a stored value at a glance, reading at most so many bytes, or None where it is gone."""
        from fleche.display import Summary

        return Summary()

    def draw(self, call: LazyCall) -> str:
        """Return a record as HTML."""
        from fleche.caches.pictures import call_picture

        return call_picture(self, call)

    def tell_lineage(self, call: LazyCall) -> str:
        """Return what a call depends on, as a tree of text."""
        from fleche.caches.pedigree import upward
        from fleche.display import lineage_text

        return lineage_text(upward(call, self))

    def draw_lineage(self, call: LazyCall) -> str:
        """Return the calls around one as HTML."""
        from fleche.caches.pedigree import around
        from fleche.display import drawn, lineage_html

        return drawn(lambda: lineage_html(around(call, self)), repr(call))

    def draw_calls(self, calls: Sequence[LazyCall], shown: str = "") -> str:
        """Return several calls as an HTML table.

        Args:
            calls: All that are to be drawn.
            shown: Which part these are, in words.
        """
        from fleche.caches.pictures import calls_picture

        return calls_picture(self, calls, shown)

    def _repr_html_(self) -> str:
        from fleche.caches.pictures import cache_picture

        return cache_picture(self)
