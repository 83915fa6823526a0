"""A result comes back as the call returned it, from a store that holds an equal value in another form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleche import cached
from fleche.caches import Cache
from fleche.digest import digest

pytestmark = pytest.mark.portable

names = st.lists(st.sampled_from("abcdef"), unique=True, min_size=2, max_size=5)


@cached
def ordered(keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: dict.fromkeys(keys, 1) for key in keys}


@cached
def laid_out(order: str, rows: int, columns: int) -> Any:
    return np.asarray(np.arange(rows * columns, dtype=float).reshape(rows, columns), order=order)  # type: ignore[call-overload]


@cached
def shared(twice: bool) -> list[list[int]]:
    inner = [1, 2]
    return [inner, inner] if twice else [inner, [1, 2]]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(keys=names, data=st.data())
def test_dicts_keep_their_own_order(cache: Cache, keys: list[str], data: st.DataObject) -> None:
    """Equal dicts have one digest, and each call gets its own order back, at every depth."""
    other = data.draw(st.permutations(keys))
    results = [ordered(tuple(keys)), ordered(tuple(other))]
    assert digest(results[0]) == digest(results[1])
    for order in (keys, other, keys):
        hit = ordered(tuple(order))
        assert [list(hit), *map(list, hit.values())] == [order] * (1 + len(order))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(rows=st.integers(2, 5), columns=st.integers(2, 5))
def test_arrays_keep_their_own_layout(cache: Cache, rows: int, columns: int) -> None:
    """Equal arrays have one digest, and each call gets its own layout back, writable."""
    assert digest(laid_out("C", rows, columns)) == digest(laid_out("F", rows, columns))
    for order, flag in (("C", "C_CONTIGUOUS"), ("F", "F_CONTIGUOUS"), ("C", "C_CONTIGUOUS")):
        hit = laid_out(order, rows, columns)
        assert hit.flags[flag]
        assert hit.dtype == float
        hit[0, 0] = -1
        assert laid_out(order, rows, columns)[0, 0] == 0


def test_sharing_inside_a_result_is_kept(cache: Cache) -> None:
    """Equal values that share objects inside differently have one digest; a hit shares as the call's result did."""
    assert digest(shared(True)) == digest(shared(False))
    for twice in (True, False, True):
        one, other = shared(twice)
        assert (one is other) is twice


def test_types_are_not_merged(cache: Cache) -> None:
    """Values that compare equal and are of other types never stand for each other."""

    @cached
    def typed(kind: str) -> Any:
        return {
            "int": 1,
            "float": 1.0,
            "bool": True,
            "numpy": np.float64(1),
            "array": np.ones(1),
            "f4": np.ones(1, "f4"),
        }[kind]

    for kind in ("int", "float", "bool", "numpy", "array", "f4"):
        typed(kind)
    for kind, expected in (("int", int), ("float", float), ("bool", bool), ("numpy", np.float64)):
        assert type(typed(kind)) is expected
    assert (typed("array").dtype, typed("f4").dtype) == (np.float64, np.float32)
