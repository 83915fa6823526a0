"""Containers in parts, for storages made of ``put`` and ``get``."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import attrs
import pytest

from fleche.digest import Digest, digest
from fleche.storage import (
    DestructuringMixin,
    Digested,
    DigestedIterable,
    MemoryBackend,
    PickleFileBackend,
    register_destructurer,
)


class InMemory(DestructuringMixin, MemoryBackend):
    pass


class InFiles(DestructuringMixin, PickleFileBackend):
    pass


@dataclass(frozen=True)
class Run:
    curve: list[float]
    name: str = "a"
    hidden: int = field(default=1, repr=False)


@attrs.define
class Model:
    weights: list[float]
    _bias: float = 0.5


class Bag(list):
    pass


@pytest.fixture(params=[InMemory, InFiles])
def values(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return request.param() if request.param is InMemory else request.param(tmp_path / "values")


CURVE = [0.5, 1.5]


@pytest.mark.parametrize(
    "value",
    [
        [CURVE, (1, CURVE)],
        {"a": CURVE, 2: {3}},
        (CURVE, frozenset({CURVE[0]})),
        {(1, 2), (3, 4)},
        Run(CURVE),
        Model(CURVE),
        OrderedDict(a=CURVE),
        Bag([CURVE]),
        [],
        5,
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_containers_come_back(values: Any, value: Any, depth: int) -> None:
    """Equal, of the same types, under the same digest, at every depth."""
    values.remaining_depth = depth
    key = values.save(value)
    assert key == digest(value)
    loaded = values.load(key[:12])
    assert digest(loaded) == key
    assert type(loaded) is type(value)


def test_equal_parts_are_stored_once(values: Any) -> None:
    """Scalars stay in the record of their container."""
    values.save({"one": list(range(100)), "two": list(range(100)), "three": 3})
    values.save([list(range(100)), 4])
    assert len(list(values.list())) == 3
    assert isinstance(values.get(digest([list(range(100)), 4])), DigestedIterable)


def test_what_would_not_come_back_is_stored_whole(values: Any) -> None:
    """Instances with more than their fields, and containers of digests."""
    odd = Run(CURVE)
    object.__setattr__(odd, "__dict__", {**vars(odd), "more": [1]})
    for value in (odd, [Digest(digest(CURVE)), CURVE]):
        key = values.save(value, digest("key of its own"))
        assert not isinstance(values.get(key), Digested)
        values.evict(key)


def test_a_missing_part_is_a_missing_value(values: Any) -> None:
    """And no half of a container is given back."""
    key = values.save([CURVE, [1]])
    values.evict(digest(CURVE))
    with pytest.raises(KeyError):
        values.load(key)


def test_types_are_registered(values: Any) -> None:
    """For instances of exactly the type; a type is asked for."""
    register_destructurer(Bag, lambda bag, keep: DigestedIterable(Bag, tuple(map(keep, bag))))
    key = values.save(Bag([CURVE]))
    assert isinstance(values.get(key), DigestedIterable)
    assert values.load(key) == Bag([CURVE])
    with pytest.raises(TypeError, match="no type"):
        register_destructurer("Bag", None)  # type: ignore[arg-type]
