"""A time to live that a function is given after its calls were stored."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fleche import cached
from fleche.clock import SYSTEM

pytestmark = pytest.mark.portable

RAN = []


def body(x):
    RAN.append(x)
    return [x]


@pytest.mark.parametrize("before", [None, 7 * 24 * 3600.0])
def test_a_time_to_live_that_is_given_later_or_shortened_still_lets_calls_be_stored(disk, before):
    """What is too old by it is computed once more, and a hit from then on."""
    RAN.clear()
    now = SYSTEM.now()
    old = cached(code=None, ttl=before)(body)
    new = cached(code=None, ttl=3600.0)(body)
    old(1)
    key = old.key(1)
    record = disk.load(key).record
    assert new(1) == [1]
    assert len(RAN) == 1
    aged = record.evolve(
        at=now - timedelta(days=1), expires=None if before is None else record.expires - timedelta(days=1)
    )
    disk.evict(key)
    disk.calls.save(aged)
    assert new(1) == new(1) == [1]
    assert len(RAN) == 2
