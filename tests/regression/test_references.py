"""A digest that stands for a value is never stored as that value."""

from __future__ import annotations

from typing import Any

import pytest

from fleche import cached
from fleche.caches import Cache
from fleche.digest import Digest, digest

pytestmark = pytest.mark.portable


@cached
def rows(n: int) -> list[int]:
    return [n] * 50


@cached
def told(x: Any) -> str:
    return repr(x)


@cached
def told_again(x: Any) -> str:
    return repr(x)


def test_an_argument_with_a_reference_inside_does_not_stand_for_the_whole(cache: Cache) -> None:
    """A body never sees a handle where one gave the digest of a list whose twin came with a handle inside."""
    whole = [[1] * 50, 1]

    @cached
    def make() -> list[Any]:
        return whole

    assert told([rows.ref(1), 1]) == repr(whole)
    make()
    assert told_again(digest(whole)) == repr(whole)
    assert told_again(whole) == repr(whole)


@pytest.mark.parametrize("first", ["digest", "value"])
def test_a_digest_as_a_result_does_not_stand_for_the_value(cache: Cache, first: str) -> None:
    """A function that returns digests stores them, and the values that they stand for stay what they are."""
    value = [2] * 50

    @cached
    def digests(nested: bool) -> Any:
        return [digest(value), 1] if nested else digest(value)

    @cached
    def values(nested: bool) -> Any:
        return [value, 1] if nested else value

    for function in (digests, values) if first == "digest" else (values, digests):
        function(False)
        function(True)
    assert told(digest(value)) == repr(value)
    assert told(digest([value, 1])) == repr([value, 1])
    assert cache.load_value(digest(value)) == value
    assert type(digests(False)) is Digest
    assert type(digests(True)[0]) is Digest
    assert values(True) == [value, 1]


def test_a_generator_that_yields_digests_replays_them(cache: Cache) -> None:
    """Digests among the items of a generator come back as digests."""

    @cached
    def items() -> Any:
        yield digest([3] * 50)
        yield [3] * 50

    first, again = list(items()), list(items())
    assert first == again
    assert [type(item) for item in again] == [Digest, list]
    assert cache.load_value(digest([3] * 50)) == [3] * 50
