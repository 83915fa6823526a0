"""Which calls a call depends on: those whose results it takes as arguments, and those that its body makes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from fleche.call import Handle
from fleche.digest import Digest
from fleche.digest.walk import REACH, Node
from fleche.memo.references import digests_in

if TYPE_CHECKING:
    from fleche.caches import BaseCache
    from fleche.caches.origins import Origins
    from fleche.call import DigestedCall
    from fleche.memo.memo import Sealed

__all__ = ["MADE", "Made", "inputs_of", "note_made", "note_result"]

log = logging.getLogger("fleche")

_LEAST = 64  # bytes of the encoding of the smallest value that is known as a result by its content
_LONG = 256  # characters or bytes of the longest text that is a scalar for this purpose
_ASKED = 32  # values inside arguments that the store is asked about, for one call
_MOST = 10_000  # calls inside one body that are noted


class Made:
    """The calls that one body has made so far, in the order in which each was first made."""

    def __init__(self) -> None:
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


def note_result(origins: Origins, value: Any, record: DigestedCall, key: Digest, nodes: Sequence[Node]) -> None:
    """Note that this process got a result from a call, and with it what the result holds.

    ``a, b = split(data)``: what takes ``a`` alone takes it from that call, as far as this process knows. What came
    from a call of its own stays that call's.

    Args:
        origins: Where to note it.
        value: The result.
        record: The record of the call.
        key: Its key.
        nodes: What the result is made of.
    """
    origins.note(value, record.result, key)
    for node in _heavy(nodes):
        if node.depth > 0:
            origins.note_part(Digest.from_bytes(node.raw), key)


class _Candidate(NamedTuple):
    """A value in the arguments that may be a call's result.

    Attributes:
        depth: How many values of the same argument enclose it; what encloses it comes before it.
        digest: Its digest.
        identity: Its ``id``, or None where it came as a digest.
        origin: The call that it is known to come from.
    """

    depth: int
    digest: Digest
    identity: int | None = None
    origin: Digest | None = None


def inputs_of(sealed: Sealed, cache: BaseCache) -> tuple[Digest, ...]:
    """Return the keys of the calls whose results a call takes, in the order of its arguments, each once.

    Of a value that several calls returned, that counts which this process got it from, else the one that was filed
    last. Where a value as a whole is a result, what is inside of it is not looked at. The store is asked once, and only
    about values that may be results and that this process did not get from a call.
    """
    candidates = [each for name in sealed.arguments for each in _candidates(name, sealed)]
    if not candidates:
        return ()
    known: dict[_Candidate, Digest | None] = {}
    unknown: list[Digest] = []
    asked = 0
    for each in candidates:
        key = known[each] = each.origin or cache.origins.of(each.digest, each.identity, but=sealed.key)
        if key is None and (each.depth == 0 or asked < _ASKED):
            unknown.append(each.digest)
            asked += each.depth > 0
    makers = cache.makers([*dict.fromkeys(unknown)], sealed.key) if unknown else {}
    found = (known[each] or makers.get(each.digest) for each in candidates)
    keys = _outermost(candidates, found)
    return tuple(key for key in dict.fromkeys(keys) if key != sealed.key)


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
            yield _Candidate(0, Digest(digest), None, digest.origin if isinstance(digest, Handle) else None)
    nodes = sealed.nodes.get(name)
    if nodes is not None:
        for node in _heavy(nodes):
            yield _Candidate(node.depth, Digest.from_bytes(node.raw), node.identity)
    elif type(value) in (str, bytes) and len(value) > _LONG:
        yield _Candidate(0, sealed.digests[name], id(value))


def _heavy(nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes whose encodings, with those inside, are large enough; what encloses comes first, else in order.

    Args:
        nodes: What is inside comes first, as a walk notes them.
    """
    sizes = [0] * (REACH + 2)  # by depth: bytes of the nodes that no enclosing node has taken yet
    found: list[list[Node]] = [[] for _ in sizes]  # and those of them, with what is inside, that are large enough
    for node in nodes:
        depth = node.depth
        total = node.size + sizes[depth + 1]
        sizes[depth] += total
        if total >= _LEAST:
            found[depth] += [node, *found[depth + 1]]
        sizes[depth + 1], found[depth + 1] = 0, []
    return found[0]
