"""What differs between two stored calls."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fleche import cached
from fleche.caches import Cache
from fleche.memo.explain import Diff, diff
from fleche.memo.explain.reasons import Cause, Reason, Why


@cached
def area(width: Any, height: float = 1.0) -> Any:
    if height < 0:
        raise ValueError("negative")
    return np.sum(width) * height


def test_arguments_and_result(cache: Cache) -> None:
    """Place by place; the later call counts as the new one."""
    area([1, 2]), area([1, 3], 2.0)
    first, second = area.calls
    found = first.diff(second)
    assert isinstance(found, Diff)
    assert str(found).splitlines()[2:] == [
        "  width[1]: 2 -> 3",
        "  height: 1.0 -> 2.0",
        "  result: 3.0 -> 8.0",
    ]
    assert found.json()["result"]["differences"][0]["text"] == "3.0 -> 8.0"
    assert repr(found) == str(found)


def test_nothing_differs(cache: Cache) -> None:
    """Of a call and itself."""
    area(1)
    (call,) = area.calls
    assert not call.diff(call)
    assert str(call.diff(call)).endswith("nothing differs")


def test_outcomes_and_functions(cache: Cache) -> None:
    """A failed call, and a call of another function."""

    @cached(version=2)
    def other(width: Any) -> Any:
        return width

    area(1), other(1)
    with pytest.raises(ValueError, match="negative"):
        area(1, -1.0)
    (good,) = area.calls
    bad = area.calls.failed().only()
    found = good.diff(bad)
    assert found.outcome == ("result", "error")
    assert found.result is None
    found = good.diff(other.calls.only())
    assert found.function is not None
    assert found.version == (None, 2)
    assert "height: was 1.0, and is no parameter any more" in str(found)


def test_large_arguments_by_their_sketches(cache: Cache) -> None:
    """Neither value is stored."""
    one = np.zeros(1_000_000)
    other = one.copy()
    other[5] = 1
    area(one), area(other)
    first, second = area.calls
    assert "width: 1 of 8 parts differ, between element 0 and 131,071" in str(diff(first, second))


def test_a_result_that_is_gone(cache: Cache) -> None:
    """Is told by its digest."""
    area([1, 2]), area([1, 3])
    first, second = area.calls
    assert first.record.result is not None
    cache.values.evict(first.record.result)
    assert "result: <digest" in str(diff(first, second))


def test_code_that_was_not_kept(cache: Cache) -> None:
    """Is said to differ, and no more."""
    area(1)
    (call,) = area.calls
    record = call.record.evolve(code=call.record.result)
    assert "the code differs, and was not kept of both" in str(diff(call, type(call)(record, cache)))
    assert "code is part of the key of one of them only" in str(
        diff(call, type(call)(call.record.evolve(code=None), cache))
    )


def test_what_steers_a_terminal_is_not_let_through() -> None:
    """Names and sources may come from a store that others can write to."""
    why = Why(function="f", hit=False, causes=(Reason(Cause.NEVER, "bad \x1b[2J name"),))
    assert "\x1b" not in str(why)
    assert "\x1b" not in why.brief()
    assert pickle.loads(pickle.dumps(replace(why))).causes == why.causes
