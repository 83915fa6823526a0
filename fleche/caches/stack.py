"""`CacheStack`: one cache in front of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from fleche.caches.base import BaseCache, Filing
from fleche.caches.behind import Behind
from fleche.caches.members import MemberHit, Members, is_good
from fleche.caches.parcels import Parcel, Receipt
from fleche.caches.surrounded import followed
from fleche.call import Call, DigestedCall, Metadata, Outcome, PreparedCall
from fleche.digest import Digest
from fleche.digest.algorithm import chosen
from fleche.errors import ConfigError, Rejected, SaveError, UntrustedError
from fleche.storage.base import Hit, Intent

if TYPE_CHECKING:
    from fleche.storage.acceptances import Acceptance
    from fleche.storage.checking import Finding
    from fleche.storage.leases import Leases

__all__ = ["CacheStack", "Write"]

Write = Literal["first", "through", "behind"]


class CacheStack(Members):
    """Caches one behind the other, such as a directory of one's own in front of a shared one.

    Calls are looked up in order. A hit further back is copied into the first member that can be written to, so that
    the next one is near. Keys are leased in the last member that leases and can be written to, so that all who share
    it compute a call once. Evicting removes a record from every member that can be written to.

    Args:
        stack: The caches, nearest first.
        write: Where new calls go: to the ``first`` member that can be written to; ``through`` to all of them, each of
            which gets it before the call returns; or to the first, and to the others ``behind``, by a thread for which
            `close`, and the end of the process, wait.

    Raises:
        ValueError: There is no cache.
        ConfigError: The caches have keys of different algorithms, or there is no such way to write.

    >>> from fleche.caches import Cache
    >>> from fleche.call import Call
    >>> from fleche.storage.memory import MemoryStore
    >>> near, far = (Cache(store.values, store.calls) for store in (MemoryStore(), MemoryStore()))
    >>> key = far.save(Call(module="m", name="f", arguments={"x": 2}, result=4))
    >>> stack = CacheStack((near, far))
    >>> stack.open(stack.lookup(key))
    4
    >>> near.contains(key)
    True
    """

    def __init__(self, stack: Sequence[BaseCache], *, write: Write = "first") -> None:
        super().__init__(stack)
        if write not in get_args(Write):
            raise ConfigError(f"write={write!r}: a stack writes {', '.join(get_args(Write))}")
        self.write: Write = write
        self._writers = tuple(member for member in self.members if member.writable)
        self._place = next((place for place, member in enumerate(self.members) if member.writable), len(self.members))
        self._first = self.members[0].lookup
        self._direct = self._is_plain()
        self._behind = Behind(self._replicate) if write == "behind" else None

    @property
    def stack(self) -> tuple[BaseCache, ...]:
        """The members, nearest first."""
        return self.members

    def push(self, cache: BaseCache) -> CacheStack:
        """Return a stack with another cache in front of these."""
        return CacheStack((cache, *self.members), write=self.write)

    # -- reading -----------------------------------------------------------------------------------------------

    def lookup(self, key: Digest) -> Hit | None:
        """Return what the members have under the full key of a call: a good hit if there is one, else the first."""
        if not self._direct:
            with self._operation_context(key, intent=Intent.READ):
                return super().lookup(key)
        try:
            hit = self._first(key)
        except Exception as error:
            return self._behind_first(key, None, error)
        if hit is not None and is_good(hit):
            return hit
        return self._behind_first(key, hit, None) if len(self.members) > 1 else hit

    def _behind_first(self, key: Digest, other: Hit | None, failure: Exception | None) -> Hit | None:
        """Return a good hit of the members behind the first, or what the first has, or failed with."""
        first, *rest = self.members
        if failure is not None:
            if not rest:
                raise failure
            self._troubles.tell(first, "reading", failure)
        answered = failure is None
        for member in rest:
            try:
                hit = member.lookup(key)
            except Exception as error:
                self._troubles.tell(member, "reading", error)
                continue
            answered = True
            if hit is not None and (other is None or is_good(hit)):
                other = self._own(member, hit, key)
                if is_good(hit):
                    break
        if failure is not None and not answered:
            raise failure
        return other

    def open(self, hit: Hit) -> Any:
        """Return the value of a hit, by the loader of the member that holds it; copy a hit of a later member near."""
        value = super().open(hit)
        if (
            isinstance(hit, MemberHit)
            and hit.union is self
            and hit.outcome is Outcome.RESULT
            and hit.member not in self.members[: self._place + 1]
            and self._writers
        ):
            self._fill(hit)
        return value

    def _fill(self, hit: MemberHit) -> None:
        nearest = self._writers[0]
        try:
            nearest.receive(hit.member.pick(hit.key))
        except Exception as error:
            self._troubles.tell(nearest, "copying a hit into it", error)

    # -- writing -----------------------------------------------------------------------------------------------

    def prepare(
        self, call: Call | DigestedCall, filing: Filing | None = None, *, values: Mapping[str, Any] | None = None
    ) -> PreparedCall:
        """Seal a call before its body runs; see `BaseCache.prepare`."""
        if not self._writers:
            return self.members[0].prepare(call, filing, values=values)
        if self.write == "through" and len(self._writers) > 1:
            return self._through(call, filing, values)
        nearest = self._writers[0]
        prepared = nearest.prepare(call, self._its(nearest, filing), values=values)
        return prepared if self._behind is None else followed(prepared, self._behind.put)

    def _through(
        self, call: Call | DigestedCall, filing: Filing | None, values: Mapping[str, Any] | None
    ) -> PreparedCall:
        prepared = [
            answer
            for _, answer in self._ask(
                "preparing",
                lambda member: (member, member.prepare(call, self._its(member, filing), values=values)),
                self._writers,
            )
        ]
        filer = _Through(prepared, self._troubles.tell)
        return PreparedCall(prepared[0][1].record, filer.file, filer.drop)

    def _its(self, member: BaseCache, filing: Filing | None) -> Filing | None:
        """Return what a member files a call with: a lease counts only where it was made."""
        if filing is None or filing.lease is None or member is self._leasing()[0]:
            return filing
        return filing._replace(lease=None)

    def _replicate(self, key: Digest) -> None:
        """File a record of the first member in the others."""
        nearest, *others = self._writers
        for other in others:
            try:
                parcel = nearest.pick(key)
            except KeyError:  # it was evicted meanwhile
                return
            except Exception as error:
                self._told_behind(nearest, error)
                return
            try:
                other.receive(parcel)
            except Exception as error:
                self._told_behind(other, error)

    def _told_behind(self, member: BaseCache, error: Exception) -> None:
        try:
            self._troubles.tell(member, "writing behind", error)
        except Warning:  # there is no caller here whom a filter that makes warnings errors could reach
            return

    def keep(self, value: Any) -> tuple[Digest, str]:
        """Store a value by itself, where new calls are filed before they return."""
        writers = self._writers or self.members[:1]
        asked = writers if self.write == "through" else writers[:1]
        kept = [answer for _, answer in self._ask("writing", lambda member: member.keep(value), asked)]
        return kept[0]

    def receive(self, parcel: Parcel, *, overwrite: bool = False) -> Receipt | None:
        """File a record of another cache with its values, where new calls are filed."""
        with self._operation_context(parcel.record.key, intent=Intent.WRITE):
            writers = self._writers or self.members[:1]
            asked = writers if self.write == "through" else writers[:1]
            answers = self._ask("writing", lambda member: member.receive(parcel, overwrite=overwrite), asked)
            receipts = [receipt for _, receipt in answers]
        if self._behind is not None:
            self._behind.put(parcel.record.key)
        return next((receipt for receipt in receipts if receipt is not None), None)

    def evict(self, key: Digest | str) -> None:
        """Remove a record by key or prefix from every member that can be written to.

        Raises:
            KeyError: A prefix names nothing.
            Rejected: No member can be written to.
            Exception: A member failed, and may have it still; the others have it no more.
        """
        if not self._writers:
            raise Rejected(f"{self} does not evict {key}: none of its members can be written to")
        if self._behind is not None:
            self._behind.flush()
        whole = Digest(key)
        if len(whole) != chosen().length:
            whole = self._expanded(whole, 0)
        with self._operation_context(whole, intent=Intent.WRITE):
            failure: Exception | None = None
            for member in self._writers:
                try:
                    member.evict(whole)
                except Exception as error:
                    failure = failure or error
            if failure is not None:
                raise failure

    def accept(self, acceptance: Acceptance) -> None:
        """Keep what somebody said of an edit in the first member that can be written to and keeps such.

        Raises:
            Rejected: No member can be written to.
            SaveError: None that can keeps acceptances.
        """
        if not self._writers:
            raise Rejected(f"{self} keeps no acceptance: none of its members can be written to")
        refused: SaveError | None = None
        for member in self._writers:
            try:
                member.accept(acceptance)
            except SaveError as error:
                refused = refused or error
            else:
                return
        assert refused is not None
        raise refused

    def withdraw(self, old: Digest, new: Digest) -> bool:
        """Take back what was accepted in every member that can be written to.

        Raises:
            Rejected: A member that cannot be written to has it.
        """
        done = [member.withdraw(old, new) for member in self._writers]
        for member in self.members:
            if member not in self._writers and any(each.old == old for each in member.acceptances(new)):
                raise Rejected(
                    f"{self} cannot withdraw code {old[:12]}: it was accepted in {member}, which is read-only"
                )
        return any(done)

    def refuses(self, value: Any) -> UntrustedError | None:
        """Return why the member that new calls are filed in will not build a value when it is read."""
        return (self._writers or self.members)[0].refuses(value)

    # -- the whole ---------------------------------------------------------------------------------------------

    @property
    def leases(self) -> Leases | None:
        """The leases of the last member that leases and can be written to."""
        return self._leasing()[1]

    def _leasing(self) -> tuple[BaseCache | None, Leases | None]:
        for member in reversed(self._writers):
            leases = member.leases
            if leases is not None:
                return member, leases
        return None, None

    @property
    def writable(self) -> bool:
        """Whether a member can be written to."""
        return bool(self._writers)

    def describe(self) -> Mapping[str, Any]:
        """Return what this is, and what each member is."""
        if len(self.members) == 1:
            return self.members[0].describe()
        return {**super().describe(), "write": self.write}

    def check(self, *, values: bool = False, repair: bool = False) -> Iterable[Finding]:
        """Yield what is wrong with each member in turn, once everything that is written behind is there."""
        self.flush()
        return super().check(values=values, repair=repair)

    def flush(self) -> None:
        """Wait until everything that is written behind is there."""
        if self._behind is not None:
            self._behind.flush()

    def close(self) -> None:
        """Write what is still to be written behind, and release every connection and file of every member."""
        self.flush()
        super().close()

    def __repr__(self) -> str:
        write = "" if self.write == "first" else f", write={self.write!r}"
        return f"CacheStack(({', '.join(map(repr, self.members))},){write})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (type(self), self.members, self.write)


def _unpickled(kind: type[CacheStack], members: tuple[BaseCache, ...], write: Write) -> CacheStack:
    return kind(members, write=write)


class _Through:
    """Files one prepared call in several caches; it is filed if one of them took it."""

    def __init__(
        self,
        prepared: Sequence[tuple[BaseCache, PreparedCall]],
        tell: Callable[[object, str, BaseException], None],
    ) -> None:
        self._prepared = prepared
        self._tell = tell

    def file(self, outcome: Outcome, value: Any, metadata: Metadata) -> Digest:
        failed: list[tuple[BaseCache, Exception]] = []
        for member, prepared in self._prepared:
            try:
                prepared.commit(value, metadata, outcome=outcome)
            except Exception as error:
                failed.append((member, error))
        if len(failed) == len(self._prepared):
            raise failed[0][1]
        for member, failure in failed:
            self._tell(member, "writing", failure)
        return self._prepared[0][1].key

    def drop(self) -> None:
        for _, prepared in self._prepared:
            prepared.abandon()
