"""`difference`: what differs between two values, and where. Equal means: of equal digest, as in keys.

A value is taken apart as the digest takes it apart, by the same functions, so that no other code of the value runs, and
what differs here is what makes the key another one. Arrays, tables and texts are looked at by their own rules.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from fleche.digest import _format as f
from fleche.digest.algorithm import chosen
from fleche.digest.files import File
from fleche.digest.names import canonical_name
from fleche.digest.plan import Plan, attributes, mapping
from fleche.digest.walk import DEFAULT, Walk
from fleche.memo.explain import arrays, tables
from fleche.memo.explain.differences import Difference, Differences, Kind
from fleche.memo.explain.places import PLAIN, Pair, Place, Step, path_text, surely
from fleche.memo.explain.texts import change, digest_text, name_of, parting, type_name, value_text

__all__ = ["LIMIT", "difference"]

LIMIT = 20
"""How many differences are told."""

_COUNTED = 1_000  # differences that are counted
_PAIRS = 100_000  # pairs of values that are taken apart
_ITEMS = 2_000_000  # items of sequences that are looked at


def difference(old: Any, new: Any, *, name: str = "value", limit: int = LIMIT) -> Differences:
    """Return where two values differ; nothing if and only if they have one digest.

    Paths are written as a person would type them. At most some 100,000 pairs of parts, and 2,000,000 items of
    sequences, are looked at; what is beyond is told as such. Nothing is imported that the values did not bring, and no
    code of theirs runs but what their digest runs.

    Args:
        old: The one value.
        new: The other.
        name: How the value is called, at the start of each path.
        limit: How many differences are told; more are counted, up to 1,000.

    >>> print(difference({"lr": 0.1, "layers": [64, 64]}, {"lr": 0.1, "layers": [64, 128]}, name="cfg"))
    cfg['layers'][1]: 64 -> 128
    >>> print(difference([1, 2], [1, 2.0], name="x"))
    x[1]: 2 (int) -> 2.0 (float)
    >>> bool(difference({"a": 1}, {"a": 1}))
    False
    """
    try:
        return _Comparison(name, limit).run(old, new)
    except (Exception, RecursionError) as error:  # a comparison that fails is no failure of who asks
        told = f"differs, and cannot be taken apart ({type(error).__name__}: {str(error)[:120]})"
        return Differences((Difference(path=name, kind=Kind.CONTENT, text=told),))


class _Side:
    """The digests of one value and its parts, each computed once."""

    def __init__(self) -> None:
        self._walk = Walk(DEFAULT, chosen())

    def digest(self, value: Any) -> bytes | None:
        """Return the raw digest of a part, or None where it has none."""
        try:
            return self._walk.digest(value)
        except Exception:
            self._walk = Walk(DEFAULT, chosen())  # the one that was refused is halfway in a value
            return None


class _Open:
    """A pair that is being taken apart.

    Attributes:
        steps: What is still to be looked at.
        pair: The pair.
        found: How many differences had been found before it.
    """

    __slots__ = ("found", "pair", "steps")

    def __init__(self, pair: Pair, steps: Iterator[Step], found: int) -> None:
        self.pair = pair
        self.steps = steps
        self.found = found


class _Comparison:
    """One comparison. An explicit stack, so that depth is bounded by memory only."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._sides = _Side(), _Side()
        self._items: list[Difference] = []
        self._found = 0
        self._pairs = _PAIRS
        self._looks = _ITEMS
        self._within: set[tuple[int, int]] = set()
        self._whole = True

    def run(self, old: Any, new: Any) -> Differences:
        """Return the differences."""
        stack: list[_Open] = []
        self._enter(((None, self._name), old, new), stack)
        while stack:
            top = stack[-1]
            try:
                step = next(top.steps, None) if self._goes_on() else None
            except Exception as error:  # of a value that cannot be read as its digest could
                step = self._told(top.pair, f"differs, and cannot be taken apart ({type(error).__name__})")
                self._add(step)
                step = None
            if step is None:
                self._leave(stack)
            elif isinstance(step, Difference):
                self._add(step)
            else:
                self._enter(step, stack)
        return Differences(tuple(self._items), self._found - len(self._items), self._whole)

    def _goes_on(self) -> bool:
        if self._pairs > 0 and self._found < _COUNTED:
            return True
        self._whole = False
        return False

    def _enter(self, pair: Pair, stack: list[_Open]) -> None:
        place, old, new = pair
        if self._same(old, new):
            return
        mark = id(old), id(new)
        if mark in self._within:  # around a cycle
            return
        self._pairs -= 1
        self._within.add(mark)
        stack.append(_Open(pair, self._steps(place, old, new), self._found))

    def _leave(self, stack: list[_Open]) -> None:
        done = stack.pop()
        _, old, new = done.pair
        self._within.discard((id(old), id(new)))
        if self._found == done.found and self._whole:
            one, other = self._sides[0].digest(old), self._sides[1].digest(new)
            if one is None and other is None:
                text = f"{value_text(new)} has no digest, so nothing tells it from another"
            else:
                text = f"differs inside (digest {digest_text(one)} -> {digest_text(other)})"
            self._add(self._told(done.pair, text))

    def _add(self, found: Difference) -> None:
        self._found += 1
        if len(self._items) < self._limit:
            self._items.append(found)

    def _told(self, pair: Pair, text: str) -> Difference:
        return Difference(path=path_text(pair[0]), kind=Kind.CONTENT, text=text)

    def _same(self, old: Any, new: Any) -> bool:
        known = surely(old, new)
        if known is not None:
            return known
        one = self._sides[0].digest(old)
        return one is not None and one == self._sides[1].digest(new)

    # -- taking apart ------------------------------------------------------------------------------------------

    def _steps(self, place: Place, old: Any, new: Any) -> Iterator[Step]:
        """Yield what differs at a place, and the pairs of parts that may."""
        kind = type(old)
        if kind is not type(new):
            yield from self._of_two_types(place, old, new)
        elif kind in (str, bytes, bytearray):
            yield Difference(path=path_text(place), kind=Kind.VALUE, text=parting(old, new))
        elif kind is array:
            yield (place, ""), list(old), list(new)
            yield (place, ".typecode"), old.typecode, new.typecode
        elif kind is deque:
            yield (place, ""), list(old), list(new)
            yield (place, ".maxlen"), old.maxlen, new.maxlen
        elif issubclass(kind, BaseException) and kind.__reduce__ is BaseException.__reduce__:
            one, other = (BaseException.__reduce__(each) for each in (old, new))
            yield (place, ".args"), one[1], other[1]
            yield (place, ".__dict__"), dict(vars(old)), dict(vars(new))
        elif isinstance(getattr(kind, "__struct_fields__", None), tuple):  # of msgspec
            for name in kind.__struct_fields__:
                yield (place, f".{name}"), getattr(old, name), getattr(new, name)
        elif kind is FunctionType or isinstance(old, type):
            yield from _code(place, old, new)
        elif kind is File:
            yield Difference(path=path_text(place), kind=Kind.CONTENT, text=_contents(old, new))
        else:
            special = arrays.steps_of(kind) or tables.steps_of(kind)
            if special is not None:
                yield from special(self._same, place, old, new)
            else:
                yield from self._plans(place, old, new)

    def _of_two_types(self, place: Place, old: Any, new: Any) -> Iterator[Step]:
        if type_name(old) != type_name(new):
            yield Difference(path=path_text(place), kind=Kind.TYPE, text=change(old, new))
            return
        text = f"the class {type_name(new)} is another one now: its code differs"
        yield Difference(path=path_text(place), kind=Kind.CODE, text=text)
        yield from self._plans(place, old, new)

    def _plans(self, place: Place, old: Any, new: Any) -> Iterator[Step]:
        one, other = _plan(old), _plan(new)
        if not isinstance(one, Plan) or not isinstance(other, Plan) or one.inline or other.inline:
            text = change(old, new)
            if text.partition(" -> ")[0] != text.partition(" -> ")[2]:
                yield Difference(path=path_text(place), kind=Kind.VALUE, text=text)
            return
        if one.head != other.head and type(old) is type(new) and one.head[:1] == other.head[:1]:
            yield from self._heads(place, old)
        if one.label is mapping and other.label is mapping:
            yield from self._mappings(place, old, one, other)
        elif one.label is attributes and other.label is attributes and len(one.groups) == len(other.groups):
            yield from self._records(place, one, other)
        elif one.order == "set" or one.head in (f.SET, f.FROZENSET):
            yield from self._sets(place, list(one.groups[0]), list(other.groups[0]))
        elif len(one.groups) == len(other.groups):
            for group in range(len(one.groups)):
                yield from self._group(place, one, other, group)

    def _heads(self, place: Place, value: Any) -> Iterator[Step]:
        text = f"its class {type_name(value)} has other code"
        yield Difference(path=path_text(place), kind=Kind.CODE, text=text)

    def _group(self, place: Place, one: Plan, other: Plan, group: int) -> Iterator[Step]:
        old, new = one.groups[group], other.groups[group]
        start, end_old, end_new = self._ends(old, new)
        if len(old) == len(new):
            for at in range(start, end_old):
                if not self._looks_same(old[at], new[at]):
                    yield (place, one.label(one, group, at)), old[at], new[at]
            return
        path = path_text(place)
        yield Difference(path=path, kind=Kind.LENGTH, text=f"{_items(len(old))} -> {_items(len(new))}")
        for at in range(start, min(end_old, end_new)):
            if not self._looks_same(old[at], new[at]):
                yield (place, one.label(one, group, at)), old[at], new[at]
        for at in range(min(end_old, end_new), end_old):
            text = f"removed {value_text(old[at])}"
            yield Difference(path=path + one.label(one, group, at), kind=Kind.REMOVED, text=text)
        for at in range(min(end_old, end_new), end_new):
            text = f"added {value_text(new[at])}"
            yield Difference(path=path + other.label(other, group, at), kind=Kind.ADDED, text=text)

    def _ends(self, old: Any, new: Any) -> tuple[int, int, int]:
        """Return how much two sequences have in common at the start, and where what they have at the end begins."""
        start, end_old, end_new = 0, len(old), len(new)
        least = min(end_old, end_new)
        while start < least and self._looks_same(old[start], new[start]):
            start += 1
        if end_old != end_new:
            while end_old > start and end_new > start and self._looks_same(old[end_old - 1], new[end_new - 1]):
                end_old -= 1
                end_new -= 1
        return start, end_old, end_new

    def _looks_same(self, old: Any, new: Any) -> bool:
        self._looks -= 1
        if self._looks < 0:
            self._pairs = 0
            return True
        return self._same(old, new)

    def _mappings(self, place: Place, value: Any, one: Plan, other: Plan) -> Iterator[Step]:
        old, new = self._keyed(one, 0), self._keyed(other, 1)
        found = False
        for mark, (key, item) in old.items():
            label = f"[{value_text(key)}]"
            if mark not in new:
                found = True
                text = f"removed {value_text(item)}"
                yield Difference(path=path_text((place, label)), kind=Kind.REMOVED, text=text)
            elif not self._looks_same(item, new[mark][1]):
                found = True
                yield (place, label), item, new[mark][1]
        for mark, (key, item) in new.items():
            if mark not in old:
                found = True
                text = f"added {value_text(item)}"
                yield Difference(path=path_text((place, f"[{value_text(key)}]")), kind=Kind.ADDED, text=text)
        for group in range(2, min(len(one.groups), len(other.groups))):
            for first, second in zip(one.groups[group], other.groups[group], strict=False):
                if not self._same(first, second):
                    found = True
                    yield (place, ".default_factory" if hasattr(value, "default_factory") else ""), first, second
        if not found and list(old) != list(new):
            keys = " -> ".join(_named([key for key, _ in each.values()]) for each in (old, new))
            yield Difference(path=path_text(place), kind=Kind.ORDER, text=f"the order of the keys: {keys}")

    def _keyed(self, plan: Plan, side: int) -> dict[Any, tuple[Any, Any]]:
        """Return the items of a mapping by what tells keys apart: key and value of each."""
        return {self._mark(key, side): (key, item) for key, item in zip(plan.groups[0], plan.groups[1], strict=True)}

    def _mark(self, value: Any, side: int) -> Any:
        if type(value) in PLAIN:
            return type(value), value
        found = self._sides[side].digest(value)
        return found if found is not None else (id(value),)

    def _sets(self, place: Place, old: list[Any], new: list[Any]) -> Iterator[Step]:
        before = {self._mark(item, 0): item for item in old}
        after = {self._mark(item, 1): item for item in new}
        path = path_text(place)
        gone = [item for mark, item in before.items() if mark not in after]
        come = [item for mark, item in after.items() if mark not in before]
        for kind, items in ((Kind.REMOVED, gone), (Kind.ADDED, come)):
            for item in sorted(items, key=value_text) if len(items) < 1000 else items:
                yield Difference(path=path, kind=kind, text=f"{kind} {value_text(item)}")

    def _records(self, place: Place, one: Plan, other: Plan) -> Iterator[Step]:
        for group in range(len(one.groups) - 2):
            for at, (old, new) in enumerate(zip(one.groups[group], other.groups[group], strict=False)):
                yield (place, one.label(one, group, at)), old, new
        old_fields = dict(zip(one.groups[-2], one.groups[-1], strict=True))
        new_fields = dict(zip(other.groups[-2], other.groups[-1], strict=True))
        for name, item in old_fields.items():
            if name in new_fields:
                yield (place, f".{name}"), item, new_fields[name]
            else:
                text = f"removed {value_text(item)}"
                yield Difference(path=path_text((place, f".{name}")), kind=Kind.REMOVED, text=text)
        for name, item in new_fields.items():
            if name not in old_fields:
                text = f"added {value_text(item)}"
                yield Difference(path=path_text((place, f".{name}")), kind=Kind.ADDED, text=text)


def _plan(value: Any) -> bytes | Plan:
    return DEFAULT.handler(type(value))(value)


def _items(count: int) -> str:
    return f"{count:,} item{'' if count == 1 else 's'}"


def _named(keys: list[Any]) -> str:
    return ", ".join(map(value_text, keys[:5])) + (", …" if len(keys) > 5 else "")


def _contents(old: File, new: File) -> str:
    """Return what is to be said of two files that hold different things; the name does not count, and is said."""
    told = f"the content of {new.name} differs"
    told += f" from that of {old.name}" if old.name != new.name else ""
    try:
        sizes = f"{old.size:,} B -> {new.size:,} B" if old.size != new.size else f"both of {new.size:,} B"
    except OSError:
        return told
    return f"{told}: {sizes}"


def _code(place: Place, old: Any, new: Any) -> Iterator[Step]:
    """Yield what differs between two functions or classes: their names, or their code."""
    from fleche.memo.explain.code import differences_of

    if canonical_name(old) != canonical_name(new):
        text = f"{name_of(old)} -> {name_of(new)}"
        yield Difference(path=path_text(place), kind=Kind.VALUE, text=text)
        return
    for text in differences_of(old, new):
        yield Difference(path=path_text(place), kind=Kind.CODE, text=text)
