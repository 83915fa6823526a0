"""`Check`: whether all that a walk read is still what it was. Asked at each call, so it does little, most in C.

Everything is compared by identity. An object that equals another may act otherwise: ``1`` and ``1.0``, or a wrapper
that says that it equals what it wraps. Code objects are the exception: those that are equal do the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from operator import attrgetter, is_, itemgetter
from types import CodeType, MappingProxyType
from typing import Any

from fleche.digest.code.frames import MISSING
from fleche.digest.code.seen import Seen
from fleche.digest.text import Digest

__all__ = ["Check"]

FEW = 40  # up to so many a plain loop is faster than to set up one in C

_CODE, _DEFAULTS, _KEYWORDS = map(attrgetter, ("__code__", "__defaults__", "__kwdefaults__"))
_DICTS = (dict, MappingProxyType)

Digester = Callable[[Any], Digest | None]
Name = tuple[Any, Any, Any]


class Check:
    """What a walk read, made ready to be compared with what is there now.

    Args:
        seen: What the walk read.
        digest_of: Takes the digest of a small mutable value again; None where it has none.
    """

    __slots__ = ("_classes", "_functions", "_names", "_others")

    def __init__(self, seen: Seen, digest_of: Digester) -> None:
        functions = _Functions(seen.functions.values())
        names = _Names(seen.names)
        # Two lists, since the interpreter reads a dict the faster where it meets nothing else.
        self._names = [each for each in names.single if type(each[0]) is dict]
        self._classes = [each for each in names.single if type(each[0]) is not dict]
        self._functions = functions.few
        others: list[Callable[[], bool]] = []
        others += [names.hold] * bool(names.spaces or names.alike or names.absent or names.odd)
        others += [functions.hold] * bool(functions.some)
        others += [_Cells(seen.cells.values()).hold] * bool(seen.cells)
        others += [_Sizes(seen.sizes.values()).hold] * bool(seen.sizes)
        others += [_Items(seen.items).hold] * bool(seen.items)
        others += [_Values(seen.values.values(), digest_of).hold] * bool(seen.values)
        self._others = tuple(others)

    def holds(self) -> bool:
        """Whether everything that was read is still what it was."""
        try:
            for space, name, expected in self._names:
                if space[name] is not expected:
                    return False
            for space, name, expected in self._classes:
                if space[name] is not expected:
                    return False
            for function, code, defaults in self._functions:
                if function.__code__ is not code or function.__defaults__ is not defaults:
                    return False
            for hold in self._others:
                if not hold():
                    return False
        except (KeyError, RuntimeError):  # a name is gone; another thread changes a container while it is looked at
            return False
        return True


class _Names:
    """Names in namespaces, by what is the fastest way to read them."""

    def __init__(self, read: Iterable[Name]) -> None:
        self.odd = [each for each in read if type(each[0]) not in _DICTS]
        plain = [each for each in read if type(each[0]) in _DICTS]
        self.absent = [
            (group[0][0].keys(), tuple(name for _, name, _ in group))
            for group in _grouped([each for each in plain if each[2] is MISSING], lambda each: id(each[0]))
        ]
        self.single: list[Name] = []
        self.spaces = []  # many names of one namespace
        single: list[Name] = []
        for group in _grouped([each for each in plain if each[2] is not MISSING], lambda each: id(each[0])):
            if len(group) <= FEW:
                single += group
            else:
                self.spaces.append((itemgetter(*(each[1] for each in group)), group[0][0], [each[2] for each in group]))
        self.alike = []  # one name of many namespaces, such as the default of a keyword
        for group in _grouped(single, lambda each: (type(each[1]), each[1])):
            if len(group) <= FEW:
                self.single += group
            else:
                spaces, expected = [each[0] for each in group], [each[2] for each in group]
                self.alike.append((itemgetter(group[0][1]), spaces, expected))

    def hold(self) -> bool:
        for pick, space, expected in self.spaces:
            if not all(map(is_, pick(space), expected)):
                return False
        for pick, spaces, expected in self.alike:
            if not all(map(is_, map(pick, spaces), expected)):
                return False
        for names, absent in self.absent:
            if not names.isdisjoint(absent):
                return False
        return not self.odd or all(space.get(name, MISSING) is value for space, name, value in self.odd)


def _grouped(read: Iterable[Name], key: Callable[[Name], Any]) -> list[list[Name]]:
    groups: dict[Any, list[Name]] = {}
    for each in read:
        groups.setdefault(key(each), []).append(each)
    return list(groups.values())


class _Functions:
    """Functions with their code and defaults. Those of keywords count only where there are such parameters."""

    def __init__(self, seen: Iterable[tuple[Any, CodeType, Any, Any]]) -> None:
        read = list(seen)
        self._keywords = [(each[0], each[3]) for each in read if each[1].co_kwonlyargcount or each[3]]
        self.few = [each[:3] for each in read] if len(read) <= FEW else []
        many = [] if self.few else read
        self.some = bool(many or self._keywords)
        self._functions, self._codes = [each[0] for each in many], [each[1] for each in many]
        # What could be there instead of None is a tuple, which None does not equal.
        self._bare = [each[0] for each in many if each[2] is None]
        self._none = [None] * len(self._bare)
        self._given = [each[0] for each in many if each[2] is not None]
        self._defaults = [each[2] for each in many if each[2] is not None]

    def hold(self) -> bool:
        if list(map(_CODE, self._functions)) != self._codes or list(map(_DEFAULTS, self._bare)) != self._none:
            return False
        if not all(map(is_, map(_DEFAULTS, self._given), self._defaults)):
            return False
        return all(function.__kwdefaults__ is keywords for function, keywords in self._keywords)


class _Cells:
    """Cells of closures with what they hold."""

    def __init__(self, seen: Iterable[tuple[Any, Any]]) -> None:
        self._full = [each for each in seen if each[1] is not MISSING]
        self._empty = [each[0] for each in seen if each[1] is MISSING]

    def hold(self) -> bool:
        try:
            for cell, expected in self._full:
                if cell.cell_contents is not expected:
                    return False
        except ValueError:  # it is empty now
            return False
        return not any(map(_is_full, self._empty))


def _is_full(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - it is there or not
    except ValueError:
        return False
    return True


class _Sizes:
    """Containers with their lengths."""

    def __init__(self, seen: Iterable[tuple[Any, int]]) -> None:
        self._containers, self._sizes = [each[0] for each in seen], [each[1] for each in seen]

    def hold(self) -> bool:
        return list(map(len, self._containers)) == self._sizes


class _Items:
    """Containers, or views of them, with the objects that they hold."""

    def __init__(self, seen: Iterable[tuple[Any, tuple[Any, ...]]]) -> None:
        self._views, self._sizes = [each[0] for each in seen], [len(each[1]) for each in seen]
        self._items = [item for each in seen for item in each[1]]

    def hold(self) -> bool:
        if list(map(len, self._views)) != self._sizes:
            return False
        return all(map(is_, chain.from_iterable(self._views), self._items))


class _Values:
    """Small mutable values with their digests."""

    def __init__(self, seen: Iterable[tuple[Any, Digest]], digest_of: Digester) -> None:
        self._values, self._digest_of = list(seen), digest_of

    def hold(self) -> bool:
        return all(self._digest_of(value) == digest for value, digest in self._values)
