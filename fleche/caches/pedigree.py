"""The lineage of a call or a value, gathered for showing: as a tree, and as a graph of bounded size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from fleche.call import DigestedCall, LazyCall, Outcome, QueryCall
from fleche.call.lineage import made_by, taken_by
from fleche.digest import Digest
from fleche.display import Branch, Graph, Link

if TYPE_CHECKING:
    from fleche.caches.base import BaseCache

__all__ = ["around", "downward", "of_value", "upward"]

Records = dict[str, DigestedCall | None]

_DEPTH = 20  # levels of a tree, unless another number is asked for
_DEEPEST = 200  # levels of any tree
_SHOWN = 1000  # calls in a tree
_WIDE = 30  # calls of a graph on each side
_NEAR = 12  # calls that one call hangs together with, of which a tree shows no more


class _Tree:
    """Grows a tree: each call is told once with what is below it."""

    def __init__(self, cache: BaseCache, depth: int, *, down: bool) -> None:
        self._cache = cache
        self._depth = min(depth, _DEEPEST)
        self._down = down
        self._seen: set[str] = set()

    def branch(self, key: Digest, call: LazyCall | None, how: str = "", level: int = 0) -> Branch:
        """Return a call with what is below it."""
        if call is None:
            return Branch(key=key, record=None, how=how)
        if key in self._seen or len(self._seen) >= _SHOWN:
            return Branch(key=key, record=call.record, how=how, again=key in self._seen)
        self._seen.add(key)
        below = self._below(call)
        if level >= self._depth:
            return Branch(key=key, record=call.record, how=how, more=len(below))
        shown = below if len(below) <= _NEAR else below[: _NEAR - 1]
        branches = tuple(self.branch(near, found, label, level + 1) for near, found, label in shown)
        return Branch(key=key, record=call.record, how=how, branches=branches, more=len(below) - len(shown))

    def _below(self, call: LazyCall) -> list[tuple[Digest, LazyCall | None, str]]:
        if self._down:
            takers = self._cache.takers(call.key, _SHOWN)
            return [(each.key, each, _taken(call, each)) for each in takers]
        record = call.record
        found = [(key, self._find(key), False) for key in dict.fromkeys(taken_by(record))]
        found += [(key, self._find(key), True) for key in made_by(record)]
        return [(key, each, "made" if made else _argument(each, call)) for key, each, made in found]

    def _find(self, key: Digest) -> LazyCall | None:
        return next(iter(self._cache.find_key(key)), None)


def upward(call: LazyCall, cache: BaseCache, depth: int | None = None) -> Branch:
    """Return what a call depends on, as a tree."""
    return _Tree(cache, _DEPTH if depth is None else depth, down=False).branch(call.key, call)


def downward(call: LazyCall, cache: BaseCache, depth: int | None = None) -> Branch:
    """Return what depends on a call, as a tree."""
    return _Tree(cache, _DEPTH if depth is None else depth, down=True).branch(call.key, call)


def of_value(digest: Digest, cache: BaseCache, depth: int | None = None, *, down: bool = False) -> Branch:
    """Return those that returned a value, with what they depend on; or those that took it, with what depends on them.

    Args:
        digest: The digest of the value.
        cache: Where to look.
        depth: How many levels.
        down: Whether those that took it are meant.
    """
    if down:
        calls = cache.users(digest, _SHOWN)
    else:
        calls = list(cache.find(QueryCall(result=digest, outcomes=frozenset({Outcome.RESULT}))))
    tree = _Tree(cache, (_DEPTH if depth is None else depth) - 1, down=down)
    shown = calls[:_NEAR]
    branches = tuple(
        tree.branch(call.key, call, f"taken as {_names(call, digest)} by" if down else "returned by") for call in shown
    )
    return Branch(key=digest, record=None, branches=branches, more=len(calls) - len(shown), value=True)


def _argument(origin: LazyCall | None, target: LazyCall) -> str:
    """Return the argument as which one call took the result of another, if it is the whole of it."""
    result = None if origin is None else origin.record.result
    return "" if result is None else _names(target, result)


def _names(call: LazyCall, digest: Digest) -> str:
    return ", ".join(name for name, each in call.record.arguments.items() if each == digest)


def _taken(origin: LazyCall, target: LazyCall) -> str:
    if origin.key not in taken_by(target.record):
        return "made by"
    names = _argument(origin, target)
    return f"taken as {names} by" if names else "taken by"


def around(call: LazyCall, cache: BaseCache) -> Graph:
    """Return the calls around one, as many as can be looked at, and how they hang together."""
    records: Records = {str(call.key): call.record}
    up = _gathered(call, lambda each: each.record.inputs, cache, records)
    down = _gathered(call, lambda each: cache.takers(each.key, _WIDE + 1), cache, records)
    links: dict[tuple[str, str], Link] = {}
    for key, record in records.items():
        for origins, made in ((taken_by(record), False), (made_by(record), True)) if record is not None else ():
            for origin in origins:
                if origin in records and origin != key:
                    links.setdefault((origin, key), Link(origin=str(origin), target=key, made=made))
    return Graph(focus=str(call.key), records=records, links=list(links.values()), more=up or down)


def _gathered(
    call: LazyCall, near: Callable[[LazyCall], Iterable[LazyCall | Digest]], cache: BaseCache, records: Records
) -> bool:
    """Add calls to records, the nearest first; return whether there are more."""
    waiting = deque([call])
    added = 0
    while waiting:
        for each in near(waiting.popleft()):
            key = str(each.key if isinstance(each, LazyCall) else each)
            if key in records:
                continue
            if added >= _WIDE:
                return True
            added += 1
            found = each if isinstance(each, LazyCall) else next(iter(cache.find_key(each)), None)
            records[key] = None if found is None else found.record
            if found is not None:
                waiting.append(found)
    return False
