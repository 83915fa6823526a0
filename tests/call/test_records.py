"""Records that are made field by field are those that their constructor makes."""

from __future__ import annotations

import copy
import pickle
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche.call import DigestedCall, Outcome
from fleche.digest import digest

pytestmark = pytest.mark.portable

_DIGESTS = st.integers(0, 3).map(digest)
_NAMED = st.dictionaries(st.sampled_from("ab"), _DIGESTS, max_size=2)
_VALUES = {
    "module": st.sampled_from(["m", "n"]),
    "name": st.sampled_from(["f", "g"]),
    "version": st.sampled_from([None, 1, "1"]),
    "code": st.none() | _DIGESTS,
    "arguments": _NAMED,
    "scalars": st.dictionaries(st.sampled_from("ab"), st.integers(0, 3), max_size=2),
    "kinds": st.dictionaries(st.sampled_from("ab"), st.just("int"), max_size=2),
    "result": st.none() | _DIGESTS,
    "form": st.sampled_from([None, "00000000"]),
    "outcome": st.sampled_from(Outcome),
    "metadata": st.just({"tags": {"a": 1}}),
    "at": st.just(datetime(2026, 1, 1, tzinfo=UTC)),
    "expires": st.just(datetime(2027, 1, 1, tzinfo=UTC)),
    "parent": st.none() | _DIGESTS,
    "inputs": st.lists(_DIGESTS, max_size=2).map(tuple),
}
_NEEDED = ("module", "name")
_RECORDS = st.fixed_dictionaries(
    {name: _VALUES[name] for name in _NEEDED},
    optional={name: values for name, values in _VALUES.items() if name not in _NEEDED},
)
_CHANGES = st.fixed_dictionaries({}, optional=_VALUES)


def check_same(one: DigestedCall, other: DigestedCall) -> None:
    """Check that two records are the same in every way that can be asked."""
    assert type(one) is type(other) is DigestedCall
    assert one == other
    assert repr(one) == repr(other)
    assert all(getattr(one, each.name) == getattr(other, each.name) for each in fields(one) if each.init)
    assert one.key == other.key
    for copied in (copy.copy(one), copy.deepcopy(_plain(one)), pickle.loads(pickle.dumps(_plain(one)))):
        assert copied.key == other.key
    with pytest.raises(AttributeError):
        one.name = "h"  # type: ignore[misc]


def _plain(record: DigestedCall) -> DigestedCall:
    """Return a record whose mappings can all be pickled."""
    names = ("arguments", "scalars", "kinds", "metadata")
    return record.evolve(**{name: dict(getattr(record, name)) for name in names})


@given(values=_RECORDS)
def test_a_record_whose_key_is_known_is_that_of_its_fields(values: dict[str, Any]) -> None:
    """Fields that are not given have their defaults."""
    made = DigestedCall(**values)
    check_same(DigestedCall.keyed(DigestedCall(**values).key, **values), made)


@given(values=_RECORDS, changes=_CHANGES, asked=st.booleans())
def test_a_record_that_is_changed_has_the_key_of_its_fields(
    values: dict[str, Any], changes: dict[str, Any], asked: bool
) -> None:
    """Whether its key was asked for before, or not."""
    record = DigestedCall(**values)
    if asked:
        assert record.key
    check_same(record.evolve(**changes), DigestedCall(**{**values, **changes}))
    check_same(record, DigestedCall(**values))
