"""Streams of which a part cannot be stored, or is gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import fleche
from fleche import cached
from fleche.caches import Cache
from fleche.digest import digest
from fleche.errors import DamagedWarning, MissError, UncachedWarning

pytestmark = pytest.mark.portable


def read(iterator: Iterator[Any]) -> tuple[list[Any], Any]:
    items = []
    while True:
        try:
            items.append(next(iterator))
        except StopIteration as end:
            return items, end.value


def test_a_returned_value_that_cannot_be_stored_is_returned(cache: Cache) -> None:
    """The generator ends as ever, with a warning, and is not stored."""
    lock = threading.Lock()

    @cached
    def f() -> Iterator[int]:
        yield 1
        return lock

    with pytest.warns(UncachedWarning, match="returned what cannot be stored"):
        items, returned = read(f())
    assert items == [1]
    assert returned is lock
    assert not f.contains()


def test_a_returned_value_that_is_gone_is_computed_anew(cache: Cache) -> None:
    """The reader gets every item once, and the returned value; the next reader a replay."""
    ran = []

    @cached
    def f() -> Iterator[int]:
        ran.append(1)
        yield 1
        return ["end"]

    expected = read(f())
    cache.values.evict(digest(["end"]))
    with pytest.warns(DamagedWarning, match="what it returned"):
        assert read(f()) == expected
    assert read(f()) == expected == ([1], ["end"])
    assert len(ran) == 2


def test_no_mode_computes_for_a_lost_item_what_it_would_not_compute_otherwise(cache: Cache) -> None:
    """Frozen mode refuses, read mode writes nothing, and ``load`` never runs the body."""
    ran = []

    @cached
    def f() -> Iterator[list[int]]:
        ran.append(1)
        yield [1]
        yield [2]

    read(f())
    cache.values.evict(digest([2]))
    with pytest.warns(DamagedWarning), fleche.mode("frozen"), pytest.raises(MissError):
        read(f())
    with pytest.raises(KeyError, match="calling it"):
        read(f.load())
    assert len(ran) == 1
    with fleche.mode("read"):
        assert read(f()) == ([[1], [2]], None)
    assert not cache.values.contains(digest([2]))
    assert read(f()) == ([[1], [2]], None)
    assert cache.values.contains(digest([2]))
