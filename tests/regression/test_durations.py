"""Durations that are no numbers, or have no end."""

from __future__ import annotations

import pytest

from fleche import cached
from fleche.caches import Cache

pytestmark = pytest.mark.portable


def test_a_record_may_live_for_ever(cache: Cache) -> None:
    """An infinite ``ttl`` is one that never ends: the call is stored, and hits."""

    @cached(ttl=float("inf"))
    def f(x: int) -> int:
        return x

    assert f(1) == f(1) == 1
    assert f.info().hits == 1


def test_nan_is_no_duration() -> None:
    """NaN is refused where the function is decorated."""
    with pytest.raises(ValueError, match="ttl"):
        cached(ttl=float("nan"))
