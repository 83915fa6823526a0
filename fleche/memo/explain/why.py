"""How it is found out why a call of a cached function is a hit or a miss. No body runs, and nothing is written."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fleche.caches import BaseCache
from fleche.caches.members import MemberHit
from fleche.call import DigestedCall, LazyCall, Outcome
from fleche.clock import from_micros
from fleche.digest import Digest
from fleche.display import ago, duration, short
from fleche.errors import Indigestible
from fleche.memo.active import Mode, active_mode, defaults
from fleche.memo.explain.code import CodeChange, CodeGraph, alike, code_changes, kept_graph
from fleche.memo.explain.environments import packages
from fleche.memo.explain.nearest import Nearest, Relation, nearest
from fleche.memo.explain.reasons import Cause, Reason, Why
from fleche.memo.explain.records import Told, argument_differences
from fleche.memo.memo import Memo, Sealed, is_decided
from fleche.storage.base import Hit

__all__ = ["Explanation", "explain", "explain_sealed", "unkeyed"]

log = logging.getLogger("fleche")

_CLOSEST = 4  # of the nearest calls, whose values are compared to find the one that is nearest
_EDITS = 12  # versions of the code that are compared to find the one that is nearest
_EDITED = 1_000_000  # parts that are taken to differ, where that is not known
_TRIES = 1 << 28  # bytes of a result that is opened to see whether it can be


def explain(memo: Memo, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Why:
    """Return why a call of a function is a hit or a miss.

    Args:
        memo: The function's memory.
        args: Its arguments by position, the receiver of a method among them.
        kwargs: Its arguments by name.

    Raises:
        TypeError: The function cannot be called so.
        KeyError: An argument is a digest's prefix that names nothing.
    """
    missing = memo.profile.missing(kwargs) if memo.profile.required or not memo.profile.settled else []
    if missing:
        memo.profile.bind(args, kwargs)
        told = f"{', '.join(missing)} must be given by keyword and was not, so that the call runs uncached"
        return Why(function=memo.label, hit=False, causes=(Reason(Cause.NO_KEY, told),))
    try:
        sealed = memo.seal(args, kwargs)
    except Indigestible as refusal:
        return unkeyed(memo, refusal)
    try:
        cache = memo.cache()
    except Exception as error:
        told = f"the cache cannot be opened: {error}"
        return Why(function=memo.label, hit=False, key=sealed.key, causes=(Reason(Cause.STORE, told),))
    return explain_sealed(memo, cache, sealed)


def unkeyed(memo: Memo, refusal: Indigestible) -> Why:
    """Return why a call that has no key is a miss."""
    return Why(function=memo.label, hit=False, causes=(Reason(Cause.NO_KEY, f"no key: {refusal}"),))


def explain_sealed(memo: Memo, cache: BaseCache, sealed: Sealed, *, computing: bool = False) -> Why:
    """Return why a call whose key is fixed is a hit or a miss; see `explain`.

    Args:
        memo: The function's memory.
        cache: The cache that it uses.
        sealed: The call.
        computing: Whether whoever asks is about to compute it.
    """
    return Explanation(memo, cache, sealed).why(computing=computing)


class Explanation:
    """One call that is explained.

    Args:
        memo: The function's memory.
        cache: The cache that it uses.
        sealed: The call.
    """

    def __init__(self, memo: Memo, cache: BaseCache, sealed: Sealed) -> None:
        self._memo = memo
        self._cache = cache
        self._sealed = sealed
        self._record = memo.record(sealed)

    def why(self, *, computing: bool = False) -> Why:
        """Return what was found; ``computing``: that the call is being computed is no news to who asks."""
        mode = active_mode()
        try:
            hit = self._cache.lookup(self._sealed.key)
            own = None if hit is None else next(iter(self._cache.find_key(self._sealed.key)), None)
        except Exception as error:
            return self._made(False, [Reason(Cause.STORE, f"the cache cannot be read: {error}")])
        standing = None if hit is None else self.standing(hit, own)
        if standing is not None and standing.kind is Cause.HIT:
            return self._hit(mode, standing, own)
        adopted = self.adopted(self._cache)
        if adopted is not None:
            return self._hit(mode, *adopted)
        causes = [] if standing is None else [standing]
        causes += self._modes(mode)
        causes += [] if computing else self._running()
        causes += self._forgotten() if standing is None else []
        causes += self._elsewhere()
        if standing is not None:
            return self._made(False, causes, nearest=own)
        return self._compared(causes)

    def _made(self, hit: bool, causes: Iterable[Reason], **fields: Any) -> Why:
        return Why(function=self._memo.label, hit=hit, key=self._sealed.key, causes=tuple(causes), **fields)

    # -- there is a record -------------------------------------------------------------------------------------

    def _hit(self, mode: Mode, standing: Reason, own: LazyCall | None) -> Why:
        if mode in (Mode.OFF, Mode.REFRESH):
            does = "runs functions as if undecorated" if mode is Mode.OFF else "computes every call anew"
            causes = [Reason(Cause.MODE, f"the mode is {str(mode)!r}, which {does}; it is stored"), standing]
            return self._made(False, causes, nearest=own)
        return self._made(True, [standing], nearest=own)

    def adopted(self, said: BaseCache) -> tuple[Reason, LazyCall | None] | None:
        """Return the record of an earlier name, or of accepted code, that answers the call; None where none does.

        Args:
            said: Where it is asked what was accepted.
        """
        try:
            if is_decided(self._cache.lookup(self._sealed.key)):
                return None
            for key in self._memo.adoption.keys(said, self._sealed):
                hit = self._cache.lookup(key)
                own = None if hit is None else next(iter(self._cache.find_key(key)), None)
                if hit is None or own is None:
                    continue
                standing = self.standing(hit, own, self._sealed._replace(key=key))
                if standing.kind is Cause.HIT:
                    place = f"{own.module}.{own.name}"
                    how = "code that was accepted" if place == self._memo.label else place
                    return Reason(Cause.HIT, f"{standing.text}, as call {short(key)} of {how}"), own
        except Exception as error:  # the call itself would be told, and compute
            log.debug("%s: what it was before is not known: %s", self._memo.label, error)
        return None

    def standing(self, hit: Hit, own: LazyCall | None, sealed: Sealed | None = None) -> Reason:
        """Return what a record is good for: that of the call itself, or one that counts for it."""
        when = self._when(hit)
        if hit.outcome is Outcome.PARTIAL:
            told = "was read only in part, so that its end is not known; the next call that is read to its end counts"
            return Reason(Cause.PARTIAL, f"the generator {told} ({when})")
        if hit.outcome is Outcome.ERROR and (hit.result is None or not self._memo.options.errors):
            return Reason(Cause.FAILED, f"the call failed ({when}){self._failure(own)}; exceptions are no results here")
        if hit.damage is not None:
            return Reason(Cause.DAMAGED, f"its stored result is damaged, and was set aside: {hit.damage}")
        if hit.envelope is None:
            return Reason(Cause.GONE, f"its stored result is gone from the store (computed {when})")
        if not self._memo.counts(hit):
            return self._expired(hit, when)
        if hit.outcome is Outcome.RESULT:
            refused = self._refused(when, sealed or self._sealed)
            if refused is not None:
                return refused
        unreadable = self._unreadable(hit)
        if unreadable is not None:
            return unreadable
        took = f" in {duration(own.walltime)}" if own is not None and own.walltime is not None else ""
        kept = "the call failed, and its exception is kept" if hit.outcome is Outcome.ERROR else "stored"
        return Reason(Cause.HIT, f"{kept}: computed {when}{took}")

    @staticmethod
    def _when(hit: Hit) -> str:
        return "at an unknown time" if hit.at is None else ago(from_micros(hit.at), datetime.now(UTC))

    @staticmethod
    def _failure(own: LazyCall | None) -> str:
        told = {} if own is None else own.metadata.get("error", {})
        text = f"{told.get('type', '')}: {told.get('message', '')}".strip(": ")
        return f" with {text[:200]}" if text else ""

    def _expired(self, hit: Hit, when: str) -> Reason:
        options = self._memo.options
        name, ttl = ("ttl", options.ttl) if hit.outcome is Outcome.RESULT else ("errors_ttl", options.errors_ttl)
        if ttl is None or hit.at is None:
            return Reason(Cause.EXPIRED, f"it expired (computed {when})")
        end = from_micros(hit.at) + timedelta(seconds=min(ttl, 1e9))
        told = f"it expired {ago(end, datetime.now(UTC))}: computed {when}, and {name} is {duration(ttl)}"
        return Reason(Cause.EXPIRED, told)

    def _refused(self, when: str, sealed: Sealed) -> Reason | None:
        try:
            if self._memo.valid(self._cache, sealed):
                return None
        except Exception as error:
            return Reason(Cause.REFUSED, f"valid_if raised {type(error).__name__}: {error}")
        return Reason(Cause.REFUSED, f"valid_if refuses the stored call (computed {when})")

    def _unreadable(self, hit: Hit) -> Reason | None:
        """Return why the value cannot be built, if so. A hit of a stack is opened where it lies, and copied nowhere."""
        cache = self._cache
        while isinstance(hit, MemberHit):
            cache, hit = hit.member, hit.found
        if getattr(hit.envelope, "size", 0) > _TRIES:
            return None
        try:
            cache.open(hit)
        except Exception as error:
            return Reason(Cause.UNREADABLE, f"its stored result cannot be read here: {error}")
        return None

    # -- what else is so ---------------------------------------------------------------------------------------

    @staticmethod
    def _modes(mode: Mode) -> list[Reason]:
        told = {
            Mode.OFF: "the mode is 'off': functions run as if undecorated",
            Mode.READ: "the mode is 'read': what is computed is not stored",
        }
        return [Reason(Cause.MODE, told[mode])] if mode in told else []

    def _running(self) -> list[Reason]:
        try:
            leases = self._cache.leases
            holder = None if leases is None else leases.holder(self._sealed.key)
        except Exception:
            return []
        return [] if holder is None else [Reason(Cause.RUNNING, f"it is being computed by {holder}")]

    def _forgotten(self) -> list[Reason]:
        asked = getattr(self._cache, "forgotten", None)
        try:
            found = None if asked is None else asked(self._sealed.key)
        except Exception:
            return []
        return [] if not found else [Reason(Cause.FORGOTTEN, f"it was stored, and was {found}")]

    def _elsewhere(self) -> list[Reason]:
        """Return which other known stores hold the call."""
        found: list[Reason] = []
        try:
            known = [] if defaults.others is None else defaults.others(self._cache)
            for place, open_ in known:
                if self._holds(place, open_):
                    told = f"it is stored in {place}, which is not the cache in use ({self._place()})"
                    found.append(Reason(Cause.ELSEWHERE, told))
        except Exception as error:  # of a configuration, or of a store that cannot even be looked at
            log.debug("other stores cannot be asked: %s", error)
        return found

    def _holds(self, place: str, open_: Callable[[], BaseCache]) -> bool:
        try:
            hit = open_().lookup(self._sealed.key)
        except Exception as error:
            log.debug("%s cannot be asked: %s", place, error)
            return False
        return hit is not None and hit.outcome is Outcome.RESULT and hit.envelope is not None

    def _place(self) -> str:
        try:
            told = self._cache.sketch()
        except Exception:
            return repr(self._cache)
        return str(told.get("path") or repr(self._cache))

    # -- the nearest -------------------------------------------------------------------------------------------

    def _compared(self, causes: list[Reason]) -> Why:
        try:
            places = [(place.module, place.name) for place in self._memo.adoption.filed_places]
            found = nearest(self._cache, self._record, self._same_code, places)
        except Exception as error:
            return self._made(False, [*causes, Reason(Cause.STORE, f"the cache cannot be searched: {error}")])
        unstored = [Reason(Cause.UNSTORED, told) for told in self._memo.complaints.unstored()]
        if found is None:
            told = f"no call of {self._memo.label} is stored in {self._place()}"
            never = [Reason(Cause.NEVER, told)]
            return self._made(False, [*causes, *unstored, *never] if unstored else [*causes, *never])
        near = self._closest(found)
        if found.relation is Relation.SAME:
            near = self._least_edited(near, found.calls)
        fields, reasons = self._differences(near, found.relation)
        return self._made(False, [*causes, *reasons, *unstored], nearest=near, **fields)

    def _closest(self, found: Nearest) -> LazyCall:
        """Return the nearest: of those with equally many arguments that differ, the one with the fewest differences."""
        first = found.calls[0].record
        count = sum(first.arguments.get(name) != digest for name, digest in self._record.arguments.items())
        few = [
            call
            for call in found.calls[:_CLOSEST]
            if sum(call.record.arguments.get(n) != d for n, d in self._record.arguments.items()) == count
        ]
        if count == 0 or len(few) < 2 or all(call.record.scalars.keys() >= first.arguments.keys() for call in few):
            return few[0] if few else found.calls[0]
        return min(few, key=self._amount)  # the first of those that are equal

    def _least_edited(self, near: LazyCall, calls: Sequence[LazyCall]) -> LazyCall:
        """Return, of the calls with the arguments of the nearest one, the one whose code differs in the fewest parts.

        What was tried and taken back since is not told then.
        """
        first = near.record
        if first.code == self._sealed.code or first.code in self._counting():
            return near
        alike: dict[Digest | None, LazyCall] = {first.code: near}
        for call in calls:
            other = call.record
            if other.arguments == first.arguments and other.version == first.version:
                alike.setdefault(other.code, call)
        few = list(alike.values())[:_EDITS]
        return near if len(few) < 2 else min(few, key=self._edits)  # the first of those that are equal

    def _edits(self, call: LazyCall) -> int:
        changes, told = self._code(call.record.code)
        return sum(not change.follows for change in changes) if not told else _EDITED

    def _amount(self, call: LazyCall) -> int:
        found = argument_differences(Told.of(call), self._told(), limit=1)
        return sum(each.total for each in found.values())

    def _told(self) -> Told:
        return Told(self._record, self._cache, self._sealed.arguments)

    def _differences(self, near: LazyCall, relation: Relation) -> tuple[dict[str, Any], list[Reason]]:
        """Return the fields of a `Why` that say what differs from a stored call, and the causes."""
        old, new = near.record, self._record
        found = argument_differences(Told.of(near), self._told())
        left_out = self._left_out(old)
        for name in left_out:
            found.pop(name, None)
        fields, changes = self._changes(near) if relation is Relation.SAME else ({}, [])
        versions = [each for each in changes if each.kind is Cause.VERSION]
        reasons = self._named(near, relation) + versions
        reasons += [Reason(Cause.ARGUMENT, each.brief()) for each in found.values()]
        if not found and [*old.arguments] != [name for name in new.arguments if name not in left_out]:
            told = f"the order of the parameters is another: {', '.join(new.arguments)}"
            reasons.append(Reason(Cause.ARGUMENT, told))
        reasons += [each for each in changes if each.kind is not Cause.VERSION]
        if not reasons:
            reasons.append(Reason(Cause.NEVER, "nothing differs that is known, and yet the key is another one"))
        return {"arguments": found, **fields}, reasons

    def _left_out(self, old: DigestedCall) -> frozenset[str]:
        """Return the parameters that a stored call lacks, and that have the value which such calls meant."""
        meant, given = self._memo.adoption.meant, self._record.arguments
        return frozenset(name for name in meant if name not in old.arguments and given.get(name) == meant[name])

    def changes(self, near: LazyCall) -> list[Reason]:
        """Return what differs from a stored call of this function besides the arguments: version, code, environment."""
        return self._changes(near)[1]

    def _changes(self, near: LazyCall) -> tuple[dict[str, Any], list[Reason]]:
        old, new = near.record, self._record
        all_changes, told = self._code(old.code)
        environment = {
            change.name: packages(change.name, near, self._digest_of(old.code, change.name))
            for change in all_changes
            if change.kind == "environment"
        }
        changes = tuple(change for change in all_changes if change.kind != "environment")
        fields: dict[str, Any] = {"code": changes, "environment": environment}
        reasons = []
        if repr(old.version) != repr(new.version):
            fields["version"] = (old.version, new.version)
            reasons.append(Reason(Cause.VERSION, f"version={new.version!r} now, and was {old.version!r}"))
        reasons += [Reason(Cause.CODE, str(change)) for change in changes if not change.follows]
        reasons += told
        for name, (before, after) in environment.items():
            versions = f"{before or 'another version'} -> {after or 'not installed'}"
            reasons.append(Reason(Cause.ENVIRONMENT, f"{name}: {versions}"))
        return fields, reasons

    def _code(self, old: Digest | None) -> tuple[tuple[CodeChange, ...], list[Reason]]:
        """Return what differs from the code behind a fingerprint; else, in words, why that is not known."""
        new = self._sealed.code
        if old == new or old in self._counting():
            return (), []
        if old is None or new is None:
            was, now = ("was not", "is") if old is None else ("was", "is not")
            return (), [Reason(Cause.CODE, f"code {was} part of the key (code=), and {now} now")]
        before = self._graph(old)
        if before is None or self._memo.watch is None:
            return (), [
                Reason(Cause.CODE, "the code differs; that of the stored call was not kept, so where is not known")
            ]
        after = self._current()
        return (() if alike(before, after) else code_changes(before, after)), []

    def _counting(self) -> frozenset[Digest | None]:
        """Return the fingerprints that count for that of the call: of earlier names, and what was accepted."""
        try:
            adoption = self._memo.adoption
            origins = adoption.origins(self._sealed.code, self._sealed.types)
            accepted = [step.code for step in adoption.reached(self._cache, origins)]
            return frozenset([*(origin.code for origin in origins), *accepted])
        except Exception:
            return frozenset()

    def _graph(self, digest: Digest | None) -> CodeGraph | None:
        return None if digest is None else kept_graph(self._cache, digest)

    def _current(self) -> CodeGraph:
        assert self._memo.watch is not None
        return CodeGraph.of_tree(self._memo.watch.tree(self._sealed.types))

    def _digest_of(self, code: Digest | None, name: str) -> str:
        graph = self._graph(code)
        found = None if graph is None else graph.root.children.get(f"environment {name}")
        return "" if found is None else found.own

    def _named(self, near: LazyCall, relation: Relation) -> list[Reason]:
        """Return what is to be said of a stored call of another function."""
        if relation is Relation.SAME:
            return []
        place = f"{near.module}.{near.name}"
        known = f"no call of {self._memo.label} is stored"
        if relation is Relation.CODE:
            verb = "moved" if near.name == self._record.name else "renamed"
            same = "has the same code" if near.code is not None else "was called with these arguments"
            told = f"{known}, and {place} {same}: if it was {verb}, say @cached(was={place!r})"
            return [Reason(Cause.NAME, told)]
        told = f"{known}; a function of that name is stored for another module, with other code: {place}"
        return [Reason(Cause.NEVER, told)]

    def _same_code(self, old: Digest) -> bool:
        if old == self._sealed.code:
            return True
        before = self._graph(old)
        return before is not None and self._memo.watch is not None and alike(before, self._current())


def said(why: Why | Exception, label: str, key: str) -> str:
    """Return one line for a log or an error."""
    if isinstance(why, Exception):
        return f"{label}: call {short(key)} is not stored, and why is not known ({why})"
    return f"{label}: {why.brief()}"
