"""Several caches read as one: what stacks and pools have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from fleche.caches.base import BaseCache
from fleche.caches.parcels import Parcel
from fleche.caches.troubles import Troubles
from fleche.call import DigestedCall, LazyCall, Outcome, QueryCall
from fleche.clock import SYSTEM, to_micros
from fleche.digest import Digest
from fleche.digest.algorithm import chosen
from fleche.errors import (
    AmbiguousDigestError,
    ConfigError,
    DamagedError,
    StoreError,
    UnknownDigestError,
    UntrustedError,
)
from fleche.storage.base import SHORTEST_PREFIX, CodeRecord, Hit, Variant, _common, _resolve_prefix
from fleche.storage.checking import Fault, Finding
from fleche.storage.overview import FunctionTotal

if TYPE_CHECKING:
    from fleche.display import Summary
    from fleche.storage.acceptances import Acceptance, Forgotten

__all__ = ["MemberHit", "Members", "is_good"]

Answer = TypeVar("Answer")

_OTHER, _RESULT, _GOOD = 1, 2, 3  # how much a record counts: a failure, a result, one that is there and not expired


class MemberHit(Hit):
    """A hit that knows whose it is, since only the store that holds a value may open it.

    Attributes:
        union: The composed cache that found it.
        member: The member that holds it.
        found: What the member found.
        key: The key of the call.
    """

    union: Members
    member: BaseCache
    found: Hit
    key: Digest


def is_good(hit: Hit) -> bool:
    """Whether a record returned, has its result, and has not expired, so that no other member need be asked."""
    if hit.outcome is not Outcome.RESULT or hit.envelope is None:
        return False
    return hit.expires is None or to_micros(SYSTEM.now()) < hit.expires


class Members(BaseCache):
    """Several caches read as one, in order.

    Of a key that several hold, the first record with a result counts, else the first. A member that fails is left out
    and warned of once; if every member fails, the first error is raised.

    Args:
        members: The caches.

    Raises:
        ValueError: There is none.
        TypeError: One is no cache.
        ConfigError: Their keys are digests of different algorithms.
    """

    def __init__(self, members: Iterable[BaseCache]) -> None:
        self.members = tuple(members)
        if not self.members:
            raise ValueError(f"{type(self).__name__} needs at least one cache")
        for member in self.members:
            if not isinstance(member, BaseCache):
                raise TypeError(f"{type(self).__name__} takes caches, not {member!r}")
        algorithms = {member.algorithm for member in self.members}
        if len(algorithms) > 1:
            raise ConfigError(
                f"the keys of these caches are digests of different algorithms ({', '.join(sorted(algorithms))}), so "
                f"they have no call in common; use caches of one algorithm"
            )
        self._troubles = Troubles()

    # -- asking members ----------------------------------------------------------------------------------------

    def _ask(
        self, step: str, work: Callable[[BaseCache], Answer], members: Iterable[BaseCache] | None = None
    ) -> Iterator[tuple[BaseCache, Answer]]:
        """Yield what each member answers, in order, without those that fail.

        Raises:
            Exception: Every member failed; the error of the first.
        """
        failure: Exception | None = None
        answered = False
        asked = self.members if members is None else tuple(members)
        for member in asked:
            try:
                answer = work(member)
            except Exception as error:
                if len(asked) == 1:
                    raise
                self._troubles.tell(member, step, error)
                failure = failure or error
                continue
            answered = True
            yield member, answer
        if failure is not None and not answered:
            raise failure

    # -- calls -------------------------------------------------------------------------------------------------

    def lookup(self, key: Digest) -> Hit | None:
        """Return what the members have under the full key of a call: a good hit if there is one, else the first."""
        other = None
        for member, hit in self._ask("reading", lambda member: member.lookup(key)):
            if hit is not None and is_good(hit):
                return self._own(member, hit, key)
            if hit is not None and other is None:
                other = self._own(member, hit, key)
        return other

    def _own(self, member: BaseCache, hit: Hit, key: Digest) -> MemberHit:
        own = MemberHit._make(hit)
        own.union, own.member, own.found, own.key = self, member, hit, key
        return own

    def open(self, hit: Hit) -> Any:
        """Return the value of a hit, by the loader of the member that holds it."""
        if isinstance(hit, MemberHit) and hit.union is self:
            return hit.member.open(hit.found)
        return self.members[0].open(hit)

    def find(self, template: QueryCall) -> Iterator[LazyCall]:
        """Return the calls that match a template, oldest first, each once."""
        streams = [self._found(place, template) for place in range(len(self.members))]
        for call in streams[0] if len(streams) == 1 else merge(*streams, key=_moment):
            yield LazyCall(call.record, self)

    def _found(self, place: int, template: QueryCall) -> Iterator[LazyCall]:
        """Yield the calls of one member that match and count."""
        member = self.members[place]
        try:
            for call in member.find(template):
                if self._counts(place, call):
                    yield call
        except Exception as error:
            if len(self.members) == 1:
                raise
            self._troubles.tell(member, "a query", error)

    def _counts(self, place: int, call: LazyCall) -> bool:
        """Whether a call of one member is the one that counts, of those that the others have under its key."""
        is_result = call.outcome is Outcome.RESULT
        others = self.members[:place] if is_result else self.members[:place] + self.members[place + 1 :]
        for other in others:
            try:
                theirs = next(iter(other.find_key(call.key)), None)
            except Exception as error:
                self._troubles.tell(other, "reading", error)
                continue
            if theirs is None:
                continue
            if theirs.outcome is Outcome.RESULT or (not is_result and other in self.members[:place]):
                return False
        return True

    def find_key(self, key: Digest) -> Iterable[LazyCall]:
        """Return the call of a full key that counts, whatever its outcome, or nothing."""
        best, rank = None, 0
        for _, (found, its) in self._ask("reading", partial(self._ranked, key)):
            if found is not None and its > rank:
                best, rank = found, its
            if rank == _GOOD:
                break
        return [] if best is None else [LazyCall(best.record, self)]

    def _ranked(self, key: Digest, member: BaseCache) -> tuple[LazyCall | None, int]:
        """Return the call that a member has under a key, and how much it counts among those of other members."""
        found = next(iter(member.find_key(key)), None)
        if found is None or found.outcome is not Outcome.RESULT:
            return found, _OTHER
        hit = member.lookup(key) if len(self.members) > 1 else None
        return found, _GOOD if hit is not None and is_good(hit) else _RESULT

    def code_record(self, digest: Digest) -> CodeRecord | None:
        """Return the code tree and the sources behind a fingerprint, of the first member that keeps them."""
        found = (record for _, record in self._ask("reading", lambda member: member.code_record(digest)))
        return next((record for record in found if record is not None), None)

    def forgotten(self, key: Digest) -> Forgotten | None:
        """Return what is left of a call that was removed, of the member that removed it last."""
        found = [left for _, left in self._ask("reading", lambda member: member.forgotten(key)) if left is not None]
        return max(found, key=lambda left: left.at, default=None)

    def acceptances(self, new: Digest | None = None) -> Sequence[Acceptance]:
        """Return what was accepted and not withdrawn in any member, each once; see `BaseCache.acceptances`."""
        found: dict[tuple[Digest, Digest], Acceptance] = {}
        for _, said in self._ask("reading", lambda member: member.acceptances(new)):
            for each in said:
                found.setdefault((each.old, each.new), each)
        return sorted(found.values(), key=lambda each: each.at)

    def load(self, key: Digest | str) -> LazyCall:
        """Return a stored call by key or prefix: that which `lookup` finds, else of the first member that has it."""
        whole = Digest(key)
        if len(whole) != chosen().length:
            whole = self._expanded(whole, 0)
        best: LazyCall | None = None
        missing: KeyError | None = None
        for _, (found, good) in self._ask("reading", partial(_loaded, whole, sole=len(self.members) == 1)):
            if not isinstance(found, LazyCall):
                missing = missing or found
                continue
            best = found if good else best or found
            if good:
                break
        if best is not None:
            return LazyCall(best.record, self)
        raise missing or UnknownDigestError(f"{self} holds no call {whole}", digest=str(whole))

    def recent(self, count: int) -> list[LazyCall]:
        """Return the calls that started last, newest first, each once."""
        found: list[LazyCall] = []
        for member, calls in self._ask("reading", lambda member: member.recent(count)):
            place = next(number for number, each in enumerate(self.members) if each is member)
            found += [call for call in calls if self._counts(place, call)]
        newest = sorted(found, key=_moment, reverse=True)
        return [LazyCall(call.record, self) for call in islice(newest, count)]

    def latest(self, template: QueryCall, count: int) -> list[LazyCall]:
        """Return the calls that a template matches which were filed last in any member, newest first, each once."""
        found: list[LazyCall] = []
        for member, calls in self._ask("a query", lambda member: member.latest(template, count)):
            place = next(number for number, each in enumerate(self.members) if each is member)
            found += [call for call in calls if self._counts(place, call)]
        newest = sorted(found, key=_moment, reverse=True)
        return [LazyCall(call.record, self) for call in islice(newest, count)]

    def present(self, keys: Sequence[Digest]) -> set[Digest]:
        """Return which of several full keys have a record in any member."""
        found: set[Digest] = set()
        for _, there in self._ask("reading", lambda member: member.present(keys)):
            found |= there
        return found

    def variants(self, module: str, name: str) -> Sequence[Variant]:
        """Return the versions and codes under which calls were filed in any member."""
        found = [each for _, those in self._ask("a query", lambda m: m.variants(module, name)) for each in those]
        return list(dict.fromkeys(found))

    def makers(self, digests: Sequence[Digest], but: Digest | None = None) -> Mapping[Digest, Digest]:
        """Return, for each of several results, the key of a call: of the first member that knows one."""
        found: dict[Digest, Digest] = {}
        for _, theirs in self._ask("reading", lambda member: member.makers(digests, but)):
            found = {**theirs, **found}
            if len(found) == len(digests):
                break
        return found

    def takers(self, key: Digest, limit: int = 1 << 40) -> list[LazyCall]:
        """Return the calls of all members that took the result of a call, or made it, each once."""
        return self._united(lambda member: member.takers(key, limit), limit)

    def users(self, digest: Digest, limit: int = 1 << 40) -> list[LazyCall]:
        """Return the calls of all members that have a value as an argument, each once."""
        return self._united(lambda member: member.users(digest, limit), limit)

    def _united(self, ask: Callable[[BaseCache], list[LazyCall]], limit: int) -> list[LazyCall]:
        found = []
        for member, calls in self._ask("reading", ask):
            place = next(number for number, each in enumerate(self.members) if each is member)
            found += [call for call in calls if self._counts(place, call)]
        return [LazyCall(call.record, self) for call in sorted(found, key=_moment)[:limit]]

    # -- values ------------------------------------------------------------------------------------------------

    def load_value(self, key: Digest | str, form: str | None = None) -> Any:
        """Return a stored value by digest or prefix, of the first member that has and builds it."""
        whole = Digest(key)
        if len(whole) != chosen().length:
            whole = self._expanded(whole, 1)
        missing: Exception | None = None
        for _, (value, error) in self._ask("reading", partial(_loaded_value, whole, form)):
            if error is None:
                return value
            missing = _telling(missing, error)
        raise missing or UnknownDigestError(f"{self} holds no value {whole}", digest=str(whole))

    # -- prefixes ----------------------------------------------------------------------------------------------

    def candidates(self, prefix: str) -> tuple[list[Digest], list[Digest]]:
        """Return the record keys and value digests of all members that start with a prefix, two at most of each."""
        calls: set[Digest] = set()
        values: set[Digest] = set()
        for _, (keys, digests) in self._ask("reading", lambda member: member.candidates(prefix)):
            calls.update(keys)
            values.update(digests)
        return sorted(calls)[:2], sorted(values)[:2]

    def _expanded(self, prefix: Digest, kind: int) -> Digest:
        if len(prefix) < SHORTEST_PREFIX:
            raise UnknownDigestError(
                f"{str(prefix)!r} is too short: a prefix has at least {SHORTEST_PREFIX} characters", digest=str(prefix)
            )
        return _resolve_prefix(prefix, self.candidates(prefix)[kind])

    def shrink(self, key: Digest | str, /, *keys: Digest | str) -> Any:
        """Return the shortest prefixes, at least 4 characters, that each name one call of all members today."""
        short = tuple(self._shrunk(each) for each in (key, *keys))
        return short if keys else short[0]

    def _shrunk(self, key: Digest | str) -> Digest:
        whole = Digest(key)
        if len(whole) != chosen().length:
            whole = self._expanded(whole, 0)
        elif not self.candidates(whole)[0]:
            raise UnknownDigestError(f"{whole} is not here", digest=str(whole))
        length = SHORTEST_PREFIX
        while True:
            others = [each for each in self.candidates(whole[:length])[0] if each != whole]
            if not others:
                return Digest(whole[:length])
            length = max(_common(whole, each) for each in others) + 1

    # -- the whole ---------------------------------------------------------------------------------------------

    def pick(self, key: Digest) -> Parcel:
        """Return a record by its full key with its values: of the members that have both, the one that counts."""
        missing: Exception | None = None
        best, rank = None, 0
        for _, found in self._ask("reading", partial(_picked, key)):
            if not isinstance(found, Parcel):
                missing = _telling(missing, found)
                continue
            if (its := _rank(found.record)) > rank:
                best, rank = found, its
            if rank == _GOOD:
                break
        if best is not None:
            return best
        raise missing or UnknownDigestError(f"{self} holds no call {key}", digest=str(key))

    def check(self, *, values: bool = False, repair: bool = False) -> Iterable[Finding]:
        """Yield what is wrong with each member in turn; those that are read-only are not repaired."""
        for member in self.members:
            if not member.writable and repair:
                continue
            try:
                yield from member.check(values=values, repair=repair)
            except StoreError as error:
                if len(self.members) == 1:
                    raise
                yield Finding(fault=Fault.UNREADABLE, what="store", place=str(member), message=str(error))

    def describe(self) -> Mapping[str, Any]:
        """Return what this is, and what each member is."""
        described = [dict(answer) for _, answer in self._ask("describing", lambda member: member.describe())]
        return {"kind": type(self).__name__, "members": described}

    def sketch(self) -> Mapping[str, Any]:
        """Return what `describe` does, as far as that is told at once."""
        described = [dict(answer) for _, answer in self._ask("describing", lambda member: member.sketch())]
        return described[0] if len(self.members) == 1 else {"kind": type(self).__name__, "members": described}

    def totals(self, limit: int) -> Sequence[FunctionTotal]:
        """Return what is remembered of each function; see `BaseCache.totals`."""
        return self.members[0].totals(limit) if len(self.members) == 1 else super().totals(limit)

    def glimpse(self, key: Digest, form: str | None, limit: int) -> Summary | None:
        """Return a stored value at a glance, of the first member that has it; see `BaseCache.glimpse`."""
        for _, found in self._ask("reading", lambda member: member.glimpse(key, form, limit)):
            if found is not None:
                return found
        return None

    @property
    def algorithm(self) -> str:
        """The hash of all keys."""
        return self.members[0].algorithm

    def close(self) -> None:
        """Release every connection and file of every member."""
        for member in self.members:
            member.close()


def _rank(record: DigestedCall) -> int:
    """Return how much a record counts that has its result."""
    if record.outcome is not Outcome.RESULT:
        return _OTHER
    return _GOOD if record.expires is None or SYSTEM.now() < record.expires else _RESULT


def _loaded(key: Digest, member: BaseCache, *, sole: bool) -> tuple[LazyCall | KeyError, bool]:
    """Return a member's call, and whether it is good; of the sole member, as if it were."""
    try:
        found = member.load(key)
    except AmbiguousDigestError:
        raise
    except KeyError as missing:
        return missing, False
    hit = None if sole else member.lookup(key)
    return found, sole or (hit is not None and is_good(hit))


def _loaded_value(key: Digest, form: str | None, member: BaseCache) -> tuple[Any, Exception | None]:
    try:
        return member.load_value(key, form), None
    except (KeyError, DamagedError, UntrustedError) as missing:
        return None, missing


def _picked(key: Digest, member: BaseCache) -> Parcel | Exception:
    try:
        return member.pick(key)
    except (KeyError, DamagedError, UntrustedError) as missing:
        return missing


def _telling(one: Exception | None, other: Exception) -> Exception:
    """Return the error that says more: a refusal or damage rather than absence, else the first."""
    return other if one is None or (isinstance(one, KeyError) and not isinstance(other, KeyError)) else one


def _moment(call: LazyCall) -> tuple[bool, float, Digest]:
    return (call.at is not None, call.at.timestamp() if call.at is not None else 0.0, call.key)
