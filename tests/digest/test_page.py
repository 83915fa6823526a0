"""The format page says what fleche does: a second implementation, and the page's own examples."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleche.call.key import call_prefix, lookup_key
from fleche.digest import Digest, digest
from tests.digest import page

pytestmark = pytest.mark.portable

PAGE = Path(__file__).parents[2] / "docs" / "formats" / "digest.md"
EXAMPLES = re.findall(r"^\| `(.+?)` \| `([0-9a-f]+)` \| `([0-9a-f]{32})` \|$", PAGE.read_text("utf-8"), re.M)

texts = st.text(st.characters(exclude_categories=()), max_size=5)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-3, 3),
    st.floats(),
    st.complex_numbers(),
    texts,
    st.binary(max_size=5),
)
keys = st.recursive(scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=3)
values = st.recursive(
    st.one_of(scalars, st.lists(st.integers(), max_size=4), st.lists(texts, max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.sets(keys, max_size=4),
        st.dictionaries(keys, inner, max_size=4),
    ),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(values)
def test_two_implementations_agree(value):
    """Any value of the core has the digest that the page's own implementation gives it."""
    assert digest(value) == page.digest(value)


@pytest.mark.parametrize(("expression", "encoding", "expected"), EXAMPLES)
def test_worked_examples(expression, encoding, expected):
    """Each worked example of the page is encoded byte by byte as the page says."""
    value = eval(expression)
    assert page.encoding(value).hex() == encoding
    assert page.digest(value) == expected == digest(value)


def test_the_page_has_examples():
    """The table of examples is read at all."""
    assert len(EXAMPLES) >= 15


def test_calls_are_keyed_as_the_page_says():
    """The key of a call is the hash of the bytes under "Calls"."""
    one, code = digest(1), digest("code")
    text = lambda s: len(s).to_bytes(8, "little") + s
    data = b"fleche/1 call\x00" + text(b"m") + text(b"f") + b"i" + text(b"2") + b"c" + bytes.fromhex(code)
    data += (1).to_bytes(8, "little") + text(b"x") + bytes.fromhex(one)
    assert lookup_key(call_prefix("m", "f", 2, code), {"x": one}) == Digest(page.xxhash.xxh3_128_hexdigest(data))
