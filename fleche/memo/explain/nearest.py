"""The stored call that is nearest to one that is not: found through the index, among some hundreds at most."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fleche.caches import BaseCache
from fleche.call import DigestedCall, LazyCall, Outcome, QueryCall
from fleche.digest import Digest
from fleche.memo.explain.records import differing

__all__ = ["Nearest", "Relation", "nearest", "ranked"]

_LATEST = 200  # calls of the function that are looked at because they are the latest
_SHARING = 20  # calls that are looked at because they share certain arguments
_ARGUMENTS = 12  # arguments that are left out in turn
Place = tuple[str, str]
"""Module and name."""

_OTHERS = 100  # calls of other functions that are looked at


class Relation(StrEnum):
    """How the function of a stored call is related to the one that is asked about, or how it is looked for."""

    SAME = "same"
    CODE = "code"
    NAME = "name"
    MODULE = "module"
    ARGUMENTS = "arguments"


@dataclass(frozen=True, kw_only=True, slots=True)
class Nearest:
    """The stored calls that are nearest, the nearest first.

    Attributes:
        relation: How their function is related to the one that is asked about.
        calls: The calls.
    """

    relation: Relation
    calls: tuple[LazyCall, ...]


def nearest(
    cache: BaseCache, new: DigestedCall, alike: Callable[[Digest], bool], places: Sequence[Place]
) -> Nearest | None:
    """Return the stored calls that are nearest to a call; None where there is none of this function, nor of a like one.

    Calls of the same function count before all others: the latest 200, and 20 each of those that share all arguments,
    all but one, or a single one (of the first twelve). Where there is none: functions of other names, or of other
    modules, that have the same code; then functions of the same name in other modules.

    Args:
        cache: Where to look.
        new: The call.
        alike: Whether the code behind a fingerprint is that of the function, whatever it is called.
        places: Module and name under which calls of the function are filed, or were before.

    Raises:
        StoreError: The cache cannot be read.
    """
    for outcomes in (frozenset({Outcome.RESULT}), frozenset(Outcome)):
        templates = [each for place in places for each in _of_function(new, place, outcomes)]
        found = _found(cache, new, templates)
        if found:
            return Nearest(relation=Relation.SAME, calls=tuple(ranked(found, new)))
    named = None
    for relation, templates in _elsewhere(new):
        found = [call for call in _found(cache, new, templates) if (call.module, call.name) not in places]
        known = {code: alike(code) for code in dict.fromkeys(call.code for call in found) if code is not None}
        same = [call for call in found if (known[call.code] if call.code else _is_same_without(relation, new))]
        if same:
            return Nearest(relation=Relation.CODE, calls=tuple(ranked(same, new)))
        if found and relation is Relation.NAME:
            named = Nearest(relation=relation, calls=tuple(ranked(found, new)))
    return named


def _is_same_without(relation: Relation, new: DigestedCall) -> bool:
    """Whether a call of another function may well be one of this, where code is not in the key."""
    return new.code is None and bool(new.arguments) and relation is Relation.ARGUMENTS


def _found(cache: BaseCache, new: DigestedCall, templates: Iterable[tuple[QueryCall, int]]) -> list[LazyCall]:
    calls: dict[Digest, LazyCall] = {}
    for template, count in templates:
        for call in cache.latest(template, count):
            calls.setdefault(call.key, call)
    calls.pop(new.key, None)
    return list(calls.values())


def _of_function(new: DigestedCall, place: Place, outcomes: frozenset[Outcome]) -> Iterator[tuple[QueryCall, int]]:
    arguments = dict(new.arguments)
    module, name = place

    def asked(**given: Digest) -> QueryCall:
        return QueryCall(module=module, name=name, arguments=given, outcomes=outcomes)

    yield asked(), _LATEST
    if not arguments:
        return
    yield asked(**arguments), _SHARING
    some = list(arguments)[:_ARGUMENTS]
    if len(arguments) > 1:
        for left in some:
            yield asked(**{other: digest for other, digest in arguments.items() if other != left}), _SHARING
    if len(arguments) > 2:
        for shared in some:
            yield asked(**{shared: arguments[shared]}), _SHARING


def _elsewhere(new: DigestedCall) -> Iterator[tuple[Relation, list[tuple[QueryCall, int]]]]:
    arguments = dict(new.arguments)
    if arguments:
        yield Relation.ARGUMENTS, [(QueryCall(arguments=arguments), _SHARING)]
    yield Relation.NAME, [(QueryCall(name=new.name), _OTHERS)]
    yield Relation.MODULE, [(QueryCall(module=new.module), _OTHERS)]


def ranked(calls: Iterable[LazyCall], new: DigestedCall) -> list[LazyCall]:
    """Return calls, the nearest first: by how many arguments differ and how much, then by code, then by time."""
    return sorted(calls, key=_rank(new))


def _rank(new: DigestedCall) -> Callable[[LazyCall], tuple[Any, ...]]:
    def rank(call: LazyCall) -> tuple[Any, ...]:
        old = call.record
        names = differing(old, new)
        distance = sum(_distance(name, old, new) for name in names)
        age = -old.at.timestamp() if old.at is not None else 0.0
        return len(names), round(distance, 9), old.version != new.version, old.code != new.code, age

    return rank


def _distance(name: str, old: DigestedCall, new: DigestedCall) -> float:
    """Return how far apart two arguments are, from nothing to one, told from their records alone."""
    if name not in old.arguments or name not in new.arguments:
        return 1.0
    if old.kinds.get(name) != new.kinds.get(name):
        return 0.95
    if name in old.scalars and name in new.scalars:
        one, other = old.scalars[name], new.scalars[name]
        if isinstance(one, int | float) and isinstance(other, int | float):
            return _gap(float(one), float(other)) if abs(one) < 1e300 and abs(other) < 1e300 else 0.5
        if isinstance(one, str) and isinstance(other, str):
            shared = len(_common(one, other))
            return 0.9 - 0.5 * shared / max(len(one), len(other), 1)
    return 0.9


def _gap(one: float, other: float) -> float:
    size = abs(one) + abs(other)
    gap = abs(one - other)
    return 0.5 * gap / size if size and gap == gap else 0.5


def _common(one: str, other: str) -> str:
    at = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    return one if at is None else one[:at]
