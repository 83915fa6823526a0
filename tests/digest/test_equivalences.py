"""Equal values have one digest, whatever does not belong to a value."""

import collections
import copy
import pickle
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleche.digest import DIGEST_LENGTH, D, Digest, Indigestible, digest, ordered
from tests.digest.specimens import Color, Fitted, Hidden, Items, Mapping, Pair, Plain, Point, Slotted, Standing, Text

pytestmark = pytest.mark.portable

atoms = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.integers(), st.floats(), st.text(max_size=3))
hashables = st.recursive(atoms, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4)
values = st.recursive(
    atoms | st.binary(max_size=4) | st.sampled_from(Color),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(hashables, inner, max_size=4),
        st.sets(hashables, max_size=4),
        st.builds(Point, inner, inner),
        st.builds(Plain, a=inner, b=inner),
        st.builds(Pair, inner, inner),
        st.builds(Items, st.lists(inner, max_size=3)),
        st.lists(inner, max_size=3).map(collections.deque),
    ),
    max_leaves=15,
)


@settings(max_examples=200, deadline=None)
@given(values)
def test_copies_have_one_digest(value):
    """A copy, a deep copy and a pickled copy are the same value."""
    assert digest(value) == digest(copy.deepcopy(value)) == digest(pickle.loads(pickle.dumps(value)))
    assert digest(value) == digest(copy.copy(value))


@settings(max_examples=200, deadline=None)
@given(values)
def test_sharing_does_not_show(value):
    """A value that occurs twice is the same as two equal values."""
    assert digest([value, [value, value]]) == digest([value, [copy.deepcopy(value), copy.deepcopy(value)]])


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(hashables, values, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_dicts_and_sets_does_not_show(mapping, random):
    """A dict or set that was filled in another order is the same value."""
    pairs = list(mapping.items())
    random.shuffle(pairs)
    assert digest(mapping) == digest(dict(pairs))
    assert digest(set(mapping)) == digest({key for key, _ in pairs})
    assert digest(collections.Counter(dict.fromkeys(mapping, 1))) == digest(
        collections.Counter({key: 1 for key, _ in pairs})
    )


@settings(max_examples=200, deadline=None)
@given(values)
def test_a_digest_stands_for_its_value(value):
    """The digest of a value is its own digest, and stands for composite values inside others."""
    known = digest(value)
    assert digest(known) == known
    if isinstance(value, (list, tuple, dict, set, Point, Plain, collections.deque)):
        assert digest([known, 1]) == digest([value, 1])
        assert digest({"a": (known,)}) == digest({"a": (value,)})


def test_the_digest_of_a_scalar_inside_is_a_reference():
    """Inside a container the digest of a scalar is a reference, and keys apart: a miss, never a wrong hit."""
    assert digest([digest(1)]) != digest([1])


def test_nans_of_scalars_are_one():
    """The payload and sign of a NaN do not count in a scalar, alone or in a run."""
    other = struct.unpack("<d", bytes.fromhex("010000000000f8ff"))[0]
    assert other != other
    assert digest(other) == digest(float("nan"))
    assert digest([other, 1.0]) == digest([float("nan"), 1.0])
    assert digest([other, 1.0, None]) == digest([float("nan"), 1.0, None])
    assert digest(complex(other, other)) == digest(complex(float("nan"), float("nan")))
    assert digest([float("inf"), float("-inf")]) != digest([float("nan"), float("nan")])


def test_nan_keys_are_ordered_by_their_values():
    """Two NaN keys of a dict have no order of their own."""
    one, two = float("nan"), float("nan")
    assert digest({one: 1, two: 2}) == digest({one: 2, two: 1})
    assert digest({one: 1, two: 2}) != digest({one: 1, two: 1})


def test_how_state_is_kept_does_not_show():
    """Attributes have no order; an empty dict of attributes is none."""
    assert digest(Plain(a=1, b=2)) == digest(Plain(b=2, a=1))
    assert digest(Items([1])) == digest(copy.copy(Items([1])))
    assert digest(Mapping(a=1, b=2)) == digest(Mapping(b=2, a=1))
    assert digest(Fitted(2.0).fit([1.0])) == digest(Fitted(2.0).fit([1.0]))


def test_what_a_digest_method_leaves_out_does_not_count():
    """`__digest__` says what matters."""
    assert digest(Standing(1, noise=2)) == digest(Standing(1, noise=3))


def test_strings_of_any_kind_are_digested():
    """Lone surrogates and characters of every width are values like others."""
    for text in ("\ud800", "é", "\U0001f600", "\x00", "a" * 1000):
        assert digest(text) == digest("".join(list(text)))
        assert digest([text, "b"]) == digest(["".join(list(text)), "b"])


def test_slots_and_subclasses_are_read_through_the_base():
    """Methods that a subclass overrides do not change what is read."""
    assert digest(Slotted([1])) == digest(Slotted([1]))
    assert digest(Hidden(1, 2)) == digest(Hidden(1, 2))
    assert digest(Text("a")) == digest(Text("a"))


class Liar(list):
    def __iter__(self):
        return iter([0])

    def __len__(self):
        return 1


class LyingDict(dict):
    def items(self):
        return []

    def __iter__(self):
        return iter(())


def test_overridden_iteration_hides_nothing():
    """A subclass whose iteration shows less is digested by what it holds."""
    assert digest(Liar([1, 2])) != digest(Liar([1, 3]))
    assert digest(LyingDict(a=1)) != digest(LyingDict(a=2))


def test_ordered_makes_the_order_of_dicts_count():
    """`ordered` reaches into dicts, lists and tuples, and leaves the rest alone."""
    assert digest(ordered({"a": 1, "b": 2})) != digest(ordered({"b": 2, "a": 1}))
    assert digest(ordered([({"a": 1, "b": 2},)])) != digest(ordered([({"b": 2, "a": 1},)]))
    assert digest(ordered({"a": 1})) == digest(collections.OrderedDict(a=1))
    assert ordered({1, 2}) == {1, 2}
    loop: list = []
    loop.append(loop)
    with pytest.raises(ValueError, match="holds itself"):
        ordered(loop)


def test_d_reads_hexadecimal_text_as_a_digest():
    """`D` takes short hexadecimal text for a digest or prefix, and digests anything else."""
    assert D("3F9A") == "3f9a"
    assert type(D("3F9A")) is Digest
    assert D("xyz") == digest("xyz")
    assert D(1) == digest(1)
    assert D("") == digest("")
    assert D("a" * (DIGEST_LENGTH + 1)) == digest("a" * (DIGEST_LENGTH + 1))
    assert len(digest(None)) == DIGEST_LENGTH


@pytest.mark.parametrize("text", ["3f9a", "", "z" * 32])
def test_part_of_a_digest_is_refused(text):
    """A prefix identifies no value, alone or inside another."""
    for value in (Digest(text), [Digest(text)]):
        with pytest.raises(Indigestible):
            digest(value)
