"""Unequal values have unequal digests, however alike they look to others."""

import pytest

from fleche.digest import digest
from tests.digest.confusable import PAIRS
from tests.digest.specimens import NAMES

pytestmark = pytest.mark.portable


@pytest.mark.parametrize(("reason", "one", "other"), PAIRS, ids=[f"{one} / {other}" for _, one, other in PAIRS])
def test_confusable_values_differ(reason, one, other):
    """Two values that some tool confuses have two digests, alone and inside a list and as the value of a dict."""
    a, b = eval(one, NAMES), eval(other, NAMES)
    assert digest(a) != digest(b), reason
    assert digest([a]) != digest([b]), reason
    assert digest({"k": a}) != digest({"k": b}), reason


def test_values_of_one_digest_have_one_type():
    """No two values in the whole catalogue that have different types share a digest."""
    types: dict[str, type] = {}
    for _, *pair in PAIRS:
        for expression in pair:
            value = eval(expression, NAMES)
            assert types.setdefault(digest(value), type(value)) is type(value), expression


def test_there_are_at_least_two_hundred():
    """The catalogue has the size that is promised."""
    assert len(set(PAIRS)) >= 200
