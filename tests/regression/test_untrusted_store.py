"""A store that others can write to: plain results hit, and what will not come back is told of when it is saved."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

import fleche
from fleche import cached
from fleche.caches import Cache
from fleche.digest import Digest
from fleche.errors import StoreWarning, UntrustedError
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.packing import Packing
from fleche.storage.safe_loader import SafeLoader
from fleche.storage.safe_types import SafeTypes


class Point:
    def __init__(self, x: int) -> None:
        self.x = x


def plain(x: int) -> dict[str, list[int]]:
    return {"a": [x]}


def long(x: int) -> dict[str, list[int]]:
    return {"a": [*range(x, 5000)]}


def point(x: int) -> Point:
    return Point(x)


@pytest.fixture(autouse=True)
def shared(public: Path) -> Iterator[None]:
    """A store in a directory that everyone can write to."""
    (public / "all").mkdir()
    (public / "all").chmod(0o777)
    with fleche.cache(str(public / "all" / "store")):
        yield
        fleche.cache().close()


def test_plain_results_are_hits() -> None:
    """Nothing is said of them."""
    f = cached(plain)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f(1) == f(1) == {"a": [1]}
    assert f.info().hits == 1


def test_results_in_parts_are_hits(public: Path) -> None:
    """Whether the store will build a result is told of the whole, whatever parts it is stored in."""
    store = EmbeddedStore(public / "all" / "store", packing=Packing(parts=1000))
    f = cached(cache=Cache(store.values, store.calls))(long)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f(1) == f(1) == {"a": [*range(1, 5000)]}
    assert f.info().hits == 1
    store.close()


def test_other_results_are_told_of_at_the_first_save() -> None:
    """One warning, which names the type and three ways out; the call returns."""
    f = cached(point)
    with pytest.warns(StoreWarning, match="will not be read back") as caught:
        assert f(1).x == 1
        assert f(2).x == 2
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "Point" in text
    for way in ("with_types", "plain values", "only you can write"):
        assert way in text
    with pytest.raises(UntrustedError):
        cached(strict=True)(point)(3)


def test_recorded_streams_and_futures_are_hits() -> None:
    """What we ourselves store around plain results comes back."""

    @cached
    def items(n: int) -> Iterator[list[int]]:
        yield [n]
        yield [n + 1]

    @cached
    def later(n: int) -> Future[list[int]]:
        future: Future[list[int]] = Future()
        future.set_result([n])
        return future

    @cached
    def reference(n: int) -> Digest:
        return Digest("0" * 32)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(items(1)) == list(items(1)) == [[1], [2]]
        assert later(1).result(timeout=0) == later(1).result(timeout=0) == [1]
        assert reference(1) == reference(1) == Digest("0" * 32)
    assert [f.info().hits for f in (items, later, reference)] == [1, 1, 1]


def test_a_type_that_the_user_vouches_for_comes_back(public: Path) -> None:
    """The way out that the warning names."""
    loader = SafeLoader(SafeTypes().with_types(Point))
    store = EmbeddedStore(public / "all" / "vouched", loader=loader)
    f = cached(cache=Cache(store.values, store.calls))(point)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (f(1).x, f(1).x) == (1, 1)
    assert f.info().hits == 1
    store.close()
