"""What a call costs, counted: statements, transactions, bodies, copies."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from fleche import cached
from fleche.caches import Cache
from fleche.storage.embedded import EmbeddedStore


@pytest.fixture
def statements(store: EmbeddedStore) -> list[str]:
    """Every statement of this thread's connection, as it is run."""
    texts: list[str] = []
    store._database.connection().set_trace_callback(texts.append)
    return texts


@pytest.mark.parametrize("result", [1.5, "x" * 5000, b"y" * 300_000], ids=["in the row", "in the index", "in a file"])
def test_a_hit_is_one_statement_and_a_miss_one_transaction(disk: Cache, statements: list[str], result: Any) -> None:
    """Of a cached function, wherever its result lies."""

    @cached
    def f(x: int, y: int = 2) -> Any:
        return result

    f(0)
    statements.clear()
    f(1)
    bounds = [text for text in statements if text.startswith(("BEGIN", "COMMIT", "ROLLBACK"))]
    assert len(bounds) == 2
    before = statements[: statements.index(bounds[0])]
    assert len(before) <= 4  # one of them asks what was accepted
    assert all(text.startswith("SELECT") for text in before)
    statements.clear()
    assert f(1) == result
    assert len(statements) == 1


def test_a_key_asks_the_store_nothing(disk: Cache, statements: list[str]) -> None:
    """Neither does binding, nor looking at the code."""

    @cached
    def f(x: int) -> int:
        return x

    statements.clear()
    f.key(1), f.call(1), f.code.tree()
    assert statements == []


def test_a_big_result_is_not_copied(disk: Cache) -> None:
    """64 MiB are stored, and mapped, within a few MiB of memory besides the result itself."""

    @cached
    def f() -> Any:
        return big

    big = np.zeros(8 << 20)
    f.key()
    tracemalloc.start()
    try:
        f()
        stored = tracemalloc.get_traced_memory()[1]
        hit = f()
        loaded = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert max(stored, loaded) < 8 << 20
    hit[0] = 1
    assert f()[0] == 0
