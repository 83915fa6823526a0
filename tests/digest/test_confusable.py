"""Unequal values have unequal digests, however alike they look to others."""

import pytest

from fleche.digest import digest
from tests.digest import confusable_libraries
from tests.digest.confusable import PAIRS
from tests.digest.golden import namespace
from tests.digest.specimens import NAMES

pytestmark = pytest.mark.portable


@pytest.mark.parametrize(("reason", "one", "other"), PAIRS, ids=[f"{one} / {other}" for _, one, other in PAIRS])
def test_confusable_values_differ(reason, one, other):
    """Two values that some tool confuses have two digests, alone and inside a list and as the value of a dict."""
    a, b = eval(one, NAMES), eval(other, NAMES)
    assert digest(a) != digest(b), reason
    assert digest([a]) != digest([b]), reason
    assert digest({"k": a}) != digest({"k": b}), reason


@pytest.mark.filterwarnings("ignore:.*(beta state|Sparse)")
@pytest.mark.parametrize("needs", confusable_libraries.PAIRS)
def test_confusable_values_of_other_packages_differ(needs):
    """The same for values of other packages, where these are installed."""
    names = namespace(needs)
    if names is None:
        pytest.skip(f"needs {needs}")
    for one, other in confusable_libraries.PAIRS[needs]:
        assert digest(eval(one, names)) != digest(eval(other, names)), (one, other)


def test_values_of_one_digest_have_one_type():
    """No two values in the whole catalogue that have different types share a digest."""
    types: dict[str, type] = {}
    for _, *pair in PAIRS:
        for expression in pair:
            value = eval(expression, NAMES)
            assert types.setdefault(digest(value), type(value)) is type(value), expression


def test_there_are_at_least_three_hundred():
    """The catalogue has the size that is promised."""
    assert len(set(PAIRS)) + sum(map(len, confusable_libraries.PAIRS.values())) >= 300
