"""One edit changes the digest: 20,000 random values, each with one edit from a catalogue."""

import copy
import datetime
import decimal
import random

import pytest

from fleche.digest import digest
from tests.digest.specimens import Color, Items, Pair, Plain, Point

pytestmark = pytest.mark.portable

COUNT = 20_000
TEXTS = ("", "a", "ab", "b", "é", "\ud800", "1", "None", "\x00")
NUMBERS = (0, 1, -1, 2, 255, 256, 2**31, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**30)
FLOATS = (0.0, -0.0, 1.0, 0.5, 1e300, float("inf"), float("nan"))


def scalar(rng):
    return rng.choice(
        (
            lambda: rng.choice(NUMBERS),
            lambda: rng.randrange(-9, 9),
            lambda: rng.choice(FLOATS),
            lambda: rng.choice(TEXTS),
            lambda: rng.choice(TEXTS).encode("utf-8", "replace"),
            lambda: rng.choice((None, True, False, ..., Color.RED)),
            lambda: decimal.Decimal(rng.randrange(9)) / 8,
            lambda: datetime.date(2026, 1, rng.randrange(1, 28)),
        )
    )()


def value(rng, depth):
    if depth == 0 or rng.random() < 0.2:
        return scalar(rng)
    if rng.random() < 0.2:
        same = rng.choice((lambda: rng.randrange(9), lambda: rng.random(), lambda: rng.choice(TEXTS)))
        return [same() for _ in range(rng.randrange(5))]
    inner = [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    kind = rng.randrange(7)
    if kind == 0:
        return inner
    if kind == 1:
        return tuple(inner)
    if kind == 2:
        return {scalar(rng): item for item in inner}
    if kind == 3:
        return {scalar(rng) for _ in inner}
    if kind == 4:
        return Point(inner, scalar(rng))
    if kind == 5:
        return Plain(**{rng.choice("abc"): item for item in inner})
    return Items(inner)


def spots(item, path=()):
    """Return the path to every part of a value that can be replaced."""
    found = [path]
    if type(item) in (list, tuple, Items, Pair):
        for at, part in enumerate(item):
            found += spots(part, (*path, at))
    elif type(item) is dict:
        for key, part in item.items():
            found += spots(part, (*path, key))
    elif type(item) in (Point, Plain):
        for name, part in vars(item).items():
            found += spots(part, (*path, name))
    return found


def get(item, path):
    for step in path:
        item = vars(item)[step] if type(item) in (Point, Plain) else item[step]
    return item


def put(item, path, new):
    """Return a copy of a value with the part at a path replaced."""
    if not path:
        return new
    step, *rest = path
    if type(item) in (Point, Plain):
        changed = copy.copy(item)
        changed.__dict__ = {**vars(item), step: put(vars(item)[step], rest, new)}
        return changed
    if type(item) is dict:
        return {key: put(part, rest, new) if key is step else part for key, part in item.items()}
    parts = list(item)
    parts[step] = put(parts[step], rest, new)
    return type(item)(parts)


class Edits:
    """The catalogue: each returns a part that is another value, or the part itself where it does not apply."""

    def __init__(self, rng):
        self.rng = rng

    def type(self, part):
        """Another type with the same content."""
        swaps = {list: tuple, tuple: list, int: float, float: str, str: list, bytes: bytearray, set: frozenset}
        if type(part) is int and abs(part) > 2**1000:
            return part
        if type(part) is str:
            return part.encode("utf-8", "surrogatepass")
        if type(part) is bool:
            return int(part)
        if type(part) is dict:
            return list(part.items())
        if type(part) is Items:
            return list(part)
        return swaps[type(part)](part) if type(part) in swaps else [part]

    def boundary(self, part):
        """The same elements with one boundary moved."""
        if type(part) is str and len(part) > 1:
            return [part[:1], part[1:]]
        if type(part) in (list, tuple) and len(part) > 1 and all(type(item) is str for item in part[:2]):
            joined = part[0] + part[1]
            cut = (len(part[0]) + 1) % (len(joined) + 1)
            return type(part)([joined[:cut], joined[cut:], *part[2:]]) if cut != len(part[0]) else part
        if type(part) in (list, tuple) and part:
            return type(part)([*part, *part[-1:]])
        if type(part) is int:
            return part + 1
        return part

    def nesting(self, part):
        """One more level, or one less."""
        if type(part) in (list, tuple) and len(part) == 1:
            return part[0]
        return self.rng.choice(([part], (part,), {"a": part}, Point(part), Items([part])))

    def swap(self, part):
        """Two elements that differ change places."""
        if type(part) in (list, tuple) and len(part) > 1 and not same(part[0], part[-1]):
            return type(part)([part[-1], *part[1:-1], part[0]])
        if type(part) is dict and len(part) > 1:
            (a, x), *middle, (b, y) = part.items()
            if not same(x, y):
                return dict([(a, y), *middle, (b, x)])
        return part

    def rename(self, part):
        """A key or attribute gets another name."""
        if type(part) is dict and part:
            (key, item), *rest = part.items()
            return {f"{key!r}-renamed": item, **dict(rest)}
        if type(part) is Plain and vars(part):
            (name, item), *rest = vars(part).items()
            return Plain(**{name + "z": item, **dict(rest)})
        return part


def same(one, other):
    """Whether two values are equal and of the same types all the way down, by a rule that is not the digest's."""
    if type(one) is not type(other):
        return False
    if type(one) in (list, tuple, Items):
        return len(one) == len(other) and all(map(same, one, other))
    if type(one) is dict:
        theirs = list(other.items())
        return len(one) == len(other) and all(
            any(same(key, k) and same(item, v) for k, v in theirs) for key, item in one.items()
        )
    if type(one) in (set, frozenset):
        return len(one) == len(other) and all(any(same(item, it) for it in other) for item in one)
    if type(one) in (Point, Plain):
        return same(vars(one), vars(other))
    return repr(one) == repr(other)


@pytest.mark.parametrize("edit", ["type", "boundary", "nesting", "swap", "rename"])
def test_one_edit_changes_the_digest(edit):
    """Of 20,000 random values, a fifth for each kind of edit, every edited one has another digest."""
    rng = random.Random(edit)
    change = getattr(Edits(rng), edit)
    done = 0
    while done < COUNT // 5:
        before = value(rng, 3)
        spot = rng.choice(spots(before))
        old = get(before, spot)
        new = change(old)
        if new is old or same(old, new):
            continue
        after = put(before, spot, new)
        done += 1
        assert digest(before) != digest(after), (spot, before, after)
