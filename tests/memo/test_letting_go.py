"""What a call took and gave is kept alive by nobody but its owner."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

import fleche


class Thing(list[int]):
    """Something that a weak reference can be made to."""


@fleche.cached
def doubled(thing: Thing) -> Thing:
    """Return a thing of its own."""
    return Thing([2 * each for each in thing])


@fleche.cached
def refused(thing: Thing) -> Thing:
    """Raise, whatever the thing is."""
    raise ValueError(str(len(thing)))


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Let the garbage collector be off, so that only counts of references free anything."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
def test_arguments_and_result_are_let_go_of_at_once() -> None:
    """A large array must not wait for the garbage collector."""
    for _ in range(2):  # a miss, then a hit
        thing = Thing([1, 2])
        result = doubled(thing)
        kept = [weakref.ref(thing), weakref.ref(result)]
        del thing, result
        assert [each() for each in kept] == [None, None]


@pytest.mark.usefixtures("uncollected")
def test_the_argument_of_a_call_that_failed_is_let_go_of() -> None:
    """Once its exception is."""
    thing = Thing([1])
    kept = weakref.ref(thing)
    with pytest.raises(ValueError, match="1"):
        refused(thing)
    del thing
    assert kept() is None
