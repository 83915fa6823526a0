"""Which calls a call depends on: those whose results it takes as arguments, and those that its body makes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from fleche.call import Handle
from fleche.digest import Digest
from fleche.memo.references import digests_in

if TYPE_CHECKING:
    from fleche.caches import BaseCache
    from fleche.caches.origins import Origins
    from fleche.call import DigestedCall
    from fleche.digest.trace import Trace
    from fleche.memo.memo import Sealed

__all__ = ["MADE", "Made", "given_to", "inputs_of", "note_made", "note_result"]

log = logging.getLogger("fleche")

_LONG = 256  # characters or bytes of the longest text that is a scalar for this purpose
_FEW, _MANY = 4, 32  # small, and large, values inside arguments that the store is asked about for one call
_MOST = 10_000  # calls inside one body that are noted


class Made:
    """The calls that one body has made so far, in the order in which each was first made.

    Args:
        key: The key of the call that the body computes.
    """

    def __init__(self, key: Digest) -> None:
        self.key = key
        self._keys: dict[Digest, None] = {}

    def note(self, key: Digest) -> None:
        """Note a call."""
        if len(self._keys) < _MOST:
            self._keys[key] = None

    def __iter__(self) -> Iterator[Digest]:
        return iter(list(self._keys))


MADE: ContextVar[Made | None] = ContextVar("fleche.made", default=None)
"""What the body that runs in this context has made."""


def note_made(key: Digest) -> None:
    """Note, for the body that runs in this context if there is one, that it made a call or got its result."""
    made = MADE.get()
    if made is not None:
        made.note(key)


def note_result(
    origins: Origins,
    value: Any,
    record: DigestedCall,
    key: Digest,
    trace: Trace | None,
    given: frozenset[bytes] | None,
) -> None:
    """Note that this process got a result from a call, and with it what the result holds.

    ``a, b = split(data)``: what takes ``a`` alone takes it from that call, as far as this process knows. What came
    from a call of its own stays that call's, and what was in the arguments of the call already is not from it.

    Args:
        origins: Where to note it.
        value: The result.
        record: The record of the call.
        key: Its key.
        trace: What the result holds.
        given: What was in the arguments, or None where that is not known.
    """
    origins.note(value, record.result, key)
    if trace is None or given is None:
        return
    for node in trace.nodes():
        if node.depth > 0 and node.raw not in given:
            origins.note_part(node.raw, key)


def given_to(sealed: Sealed) -> frozenset[bytes] | None:
    """Return the digests of all values in the arguments of a call; None where there are too many, or unknown ones."""
    if sealed.refers:
        return None
    found: set[bytes] = set()
    for trace in sealed.traces.values():
        everything = trace.everything()
        if everything is None:
            return None
        found |= everything
    return frozenset(found)


class _Candidate(NamedTuple):
    """A value in the arguments that may be a call's result.

    Attributes:
        depth: How many values of the same argument enclose it; what encloses it comes before it.
        raw: Its digest.
        identity: Its ``id``, or None where it came as a digest.
        origin: The call that it is known to come from.
        large: Whether there is likely no other like it by chance.
    """

    depth: int
    raw: bytes
    identity: int | None = None
    origin: Digest | None = None
    large: bool = False


def inputs_of(sealed: Sealed, cache: BaseCache) -> tuple[Digest, ...]:
    """Return the keys of the calls whose results a call takes, in the order of its arguments, each once.

    Of a value that several calls returned, that counts which this process got it from, else the one that was filed
    last. Where a value as a whole is a result, what is inside of it is not looked at. The store is asked once, and only
    about values that may be results and that this process did not get from a call.
    """
    candidates = [each for name in sealed.arguments for each in _candidates(name, sealed)]
    if not candidates:
        return ()
    origins, own = cache.origins, sealed.key
    found: list[Digest | None] = []
    unknown: dict[bytes, Digest] = {}
    left = {False: _FEW, True: _MANY}
    above: int | None = None  # the depth of the value around these that is known as a result
    for each in candidates:
        if above is not None and each.depth > above:
            found.append(None)
            continue
        key = each.origin or origins.of(each.raw, each.identity, but=own)
        found.append(key)
        above = None if key is None else each.depth
        if key is None and (each.depth == 0 or left[each.large] > 0):
            left[each.large] -= each.depth > 0
            unknown[each.raw] = Digest.from_bytes(each.raw)
    if unknown:
        made = cache.makers([*unknown.values()], own)
        makers = {raw: made[digest] for raw, digest in unknown.items() if digest in made}
        found = [key or makers.get(each.raw) for each, key in zip(candidates, found, strict=True)]
    return tuple(key for key in dict.fromkeys(_outermost(candidates, found)) if key != own)


def _outermost(candidates: Sequence[_Candidate], found: Iterable[Digest | None]) -> Iterator[Digest]:
    """Yield what was found, but for what lies inside a value that was."""
    above: int | None = None
    for each, key in zip(candidates, found, strict=True):
        if above is not None and each.depth > above:
            continue
        above = None if key is None else each.depth
        if key is not None:
            yield key


def _candidates(name: str, sealed: Sealed) -> Iterator[_Candidate]:
    value = sealed.arguments[name]
    if name in sealed.refers or isinstance(value, Digest):
        for digest in digests_in(value):
            yield _Candidate(0, digest.raw, None, digest.origin if isinstance(digest, Handle) else None)
    trace = sealed.traces.get(name)
    if trace is not None:
        for node in trace.nodes():
            yield _Candidate(node.depth, node.raw, node.identity, large=node.is_large)
    elif type(value) in (str, bytes) and len(value) > _LONG:
        yield _Candidate(0, sealed.digests[name].raw, id(value))
