"""Sharing, cycles and depth: linear in objects, and never a crash."""

import random

import pytest

from fleche.digest import Indigestible, digest
from tests.digest.specimens import Plain

pytestmark = pytest.mark.portable


def test_ten_thousand_doubled_levels():
    """Ten thousand levels of ``a = [a, a]`` are ten thousand lists, not 2**10000: a walk over paths would not end."""
    value: list = []
    for _ in range(10_000):
        value = [value, value]
    assert digest([value]) == digest([digest(value)])


def test_depth_does_not_crash():
    """A hundred thousand levels of lists, dicts and objects are walked without recursion."""
    value: object = None
    for level in range(100_000):
        value = ([value], {"a": value}, Plain(a=value))[level % 3]
    assert digest(value) != digest([value])
    while value is not None:  # taken down level by level, so that freeing it does not recurse either
        value = value[0] if type(value) is list else value["a"] if type(value) is dict else value.__dict__.pop("a")


def test_cycles_are_cut_by_distance():
    """A value that holds itself has a digest, and where the cycle closes shows."""
    one: list = []
    one.append(one)
    two: list = [[]]
    two[0].append(two)
    two_again: list = [[]]
    two_again[0].append(two_again)
    assert digest(one) != digest([]) != digest(two)
    assert digest(two) == digest(two_again)
    assert digest([one, 1]) == digest([digest(one), 1])
    mapping: dict = {"a": 1}
    mapping["me"] = mapping
    other: dict = {"a": 2}
    other["me"] = other
    assert digest(mapping) != digest(other)


def test_where_a_cycle_was_met_first_does_not_show():
    """The digest of a list in a cycle is that of the list alone, whatever was walked before it."""
    one: list = []
    two: list = [one]
    one.append(two)
    one.append(5)
    assert digest([one, two]) == digest([digest(one), digest(two)])
    assert digest([two, one]) == digest([digest(two), digest(one)])
    assert digest([[two], one, [two], two]) == digest([digest([two]), digest(one), digest([two]), digest(two)])


def graph(seed: int, nodes: int, links: int) -> list:
    """Return lists that refer to each other at random."""
    choose = random.Random(seed)
    made: list = [[number % 2] for number in range(nodes)]
    for _ in range(links):
        choose.choice(made).append(choose.choice(made))
    return made


def unfolded(value, outer=()):
    """Return the digest by the definition alone: walk every path, remember nothing."""
    import xxhash

    for distance, other in enumerate(reversed(outer), 1):
        if other is value:
            return b"\x0a" + distance.to_bytes(8, "little")
    if type(value) is int:
        return b"\x04" + (value + 2**63).to_bytes(8, "big")
    frames = [unfolded(item, (*outer, value)) for item in value]
    if all(type(item) is int for item in value) and value:
        body = b"\x04" + len(value).to_bytes(8, "little") + b"".join(i.to_bytes(8, "little") for i in value)
    else:
        body = b"\x00" + len(value).to_bytes(8, "little") + b"".join(frames)
    return b"\x09" + xxhash.xxh3_128_digest(b"\x80" + body)


@pytest.mark.parametrize("seed", range(300))
def test_remembering_changes_nothing(seed):
    """On random graphs the walk agrees with the definition, which remembers nothing."""
    made = graph(seed, nodes=3 + seed % 6, links=4 + seed % 9)
    assert digest(made).raw == unfolded(made)[1:]
    assert digest(made[0]).raw == unfolded(made[0])[1:]


def test_sharing_inside_a_cycle_is_remembered():
    """A thousand doubled levels that all lead back to the root are walked once each."""
    root: list = []
    value = root
    for _ in range(1000):
        value = [value, value]
    root.append(value)
    assert digest([root]) == digest([digest(root)])


def test_children_that_know_their_parent():
    """A tree whose nodes refer to their parents is linear."""
    root = Plain(parent=None, children=[])
    level = [root]
    for _ in range(11):
        level = [Plain(parent=node, children=[]) for node in level for _ in range(2)]
        for node in level:
            node.parent.children.append(node)
    assert digest(root) == digest(root)


def test_a_dense_web_is_refused_and_does_not_hang():
    """Twenty lists that all hold each other are refused with the reason."""
    web: list = [[] for _ in range(20)]
    for node in web:
        node.extend(web)
    with pytest.raises(Indigestible, match="dense web"):
        digest(web)


class Endless:
    def __digest__(self):
        return [Endless()]


def test_a_value_without_end_is_refused(monkeypatch):
    """An object that makes new ones whenever it is read is refused at last."""
    monkeypatch.setattr("fleche.digest.walk.DEPTH", 1000)
    with pytest.raises(Indigestible, match="levels deep"):
        digest(Endless())
