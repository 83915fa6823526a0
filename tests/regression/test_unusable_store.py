"""A store that cannot be opened is no failure of the calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

import fleche
from fleche import cached
from fleche.errors import StoreError, UncachedWarning

pytestmark = pytest.mark.portable


@pytest.fixture(params=["a file", "not JSON"])
def broken(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of a default store that cannot be opened."""
    place = tmp_path / "broken"
    if request.param == "a file":
        place.write_text("something else")
    else:
        place.mkdir()
        (place / "FORMAT").write_text("{not JSON")
    monkeypatch.setenv("FLECHE_DIR", str(place))
    return place


def test_calls_run_uncached_with_one_warning(broken: Path) -> None:
    """Plain functions, coroutines and generators return, and each tells the path once."""

    @cached
    def plain(x: int) -> int:
        return x + 1

    @cached
    async def later(x: int) -> int:
        return x + 1

    @cached
    def several(x: int) -> Iterator[int]:
        yield x + 1

    with pytest.warns(UncachedWarning) as told:
        assert [plain(1), plain(1)] == [2, 2]
        assert [asyncio.run(later(1)), asyncio.run(later(1))] == [2, 2]
        assert [*several(1), *several(1)] == [2, 2]
    assert len(told) == 3
    assert all(str(broken) in str(warning.message) for warning in told)


def test_who_asks_for_the_store_is_told(broken: Path) -> None:
    """What is about the store itself raises, and so does a strict function."""

    @cached(strict=True)
    def strict(x: int) -> int:
        return x + 1

    @cached
    def plain(x: int) -> int:
        return x + 1

    with pytest.raises(StoreError):
        strict(1)
    with pytest.raises(StoreError):
        plain.calls.count()
    with pytest.raises(StoreError):
        fleche.cache().describe()
