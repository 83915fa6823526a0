"""Queries: lazy, re-iterable, chained."""

from __future__ import annotations

from typing import Any

import pytest

from fleche import cached
from fleche.caches import Cache
from fleche.call import LazyCall, QueryCall
from fleche.digest import digest

pytestmark = pytest.mark.portable


@cached
def work(n: int, kind: str = "a") -> dict[str, int]:
    if n < 0:
        raise ValueError(n)
    return {"half": n // 2}


@pytest.fixture
def filled(cache: Cache) -> Cache:
    for n in range(6):
        work(n, kind="ab"[n % 2])
    with pytest.raises(ValueError, match="-1"):
        work(-1)
    return cache


def test_a_query_is_read_again_on_each_iteration(filled: Cache) -> None:
    """It sees what was stored since it was made."""
    query = work.query(kind="a")
    assert [call.arguments["n"] for call in query] == [0, 2, 4]
    work(8)
    assert [call.arguments["n"] for call in query] == [0, 2, 4, 8]


def test_chains_leave_the_query_as_it_was(filled: Cache) -> None:
    """filter, sort, skip, take, unique, groupby compose in order."""
    query = work.calls
    assert query.filter(lambda call: call.result["half"] == 1).count() == 2
    assert [c.arguments["n"] for c in query.sorted(lambda c: -c.arguments["n"]).skip(1).take(2)] == [4, 3]
    assert [c.arguments["n"] for c in query.unique()] == [0, 2, 4]
    groups = query.groupby(lambda c: c.arguments["kind"])
    assert {kind: len(calls) for kind, calls in groups.items()} == {"a": 3, "b": 3}
    assert query.count() == len(query) == 6


def test_only_any_empty_latest_oldest(filled: Cache) -> None:
    """The short answers."""
    assert work.query(3).only().arguments["n"] == 3
    with pytest.raises(LookupError, match="found 6"):
        work.calls.only()
    with pytest.raises(LookupError, match="found none"):
        work.query(77).only()
    assert work.calls.any()
    assert work.query(77).empty()
    assert not work.query(77)
    latest, oldest = work.calls.latest(), work.calls.oldest()
    assert latest is not None
    assert oldest is not None
    assert (latest.arguments["n"], oldest.arguments["n"]) == (5, 0)
    assert work.query(77).latest() is None
    assert list(work.query(kind="b").results()) == [{"half": 0}, {"half": 1}, {"half": 2}]


def test_outcomes_are_asked_for(filled: Cache) -> None:
    """A query yields results; failed() and all() ask for others."""
    assert work.calls.failed().only().arguments["n"] == -1
    assert work.calls.all().count() == 7
    with pytest.raises(KeyError, match="ValueError"):
        _ = work.calls.failed().only().result


def test_the_cache_is_queried_by_fields(filled: Cache) -> None:
    """name, module, arguments, result: values or digests."""
    assert filled.query(name="work").count() == 6
    assert filled.query(name="other").empty()
    assert filled.query(arguments={"n": 4}).only().result == {"half": 2}
    assert filled.query(result={"half": 1}).count() == 2
    assert filled.query(result=digest({"half": 1})).count() == 2
    assert filled.query(QueryCall(name="work", arguments={"kind": None})).count() == 6
    with pytest.raises(TypeError):
        filled.query(QueryCall(), name="work")
    with pytest.raises(TypeError):
        filled.query(nome="work")


def test_none_is_a_wildcard_and_its_digest_is_not(cache: Cache) -> None:
    """digest(None) asks for None itself."""

    @cached
    def f(x: Any) -> Any:
        return x

    f(None), f(1)
    assert f.query(x=None).count() == 2
    assert f.query(x=digest(None)).only().result is None


def test_rows_and_table_load_no_values(filled: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns of arguments cannot clash with those of the record."""
    monkeypatch.setattr(Cache, "load_value", None)
    row = work.query(3).rows()[0]
    assert row["arg.n"] == 3
    assert row["name"] == "work"
    assert row["walltime"] >= 0
    pytest.importorskip("pandas", reason="the table is a pandas one")
    table = work.calls.table()
    assert list(table["arg.n"]) == [0, 1, 2, 3, 4, 5]


def test_evict_removes_records(filled: Cache) -> None:
    """And says how many."""
    assert work.query(kind="a").evict() == 3
    assert work.calls.count() == 3
    assert not work.contains(0)


def test_reprs_name_calls(filled: Cache) -> None:
    """Key, function, arguments; a long query is cut."""
    call = work.query(3).only()
    assert repr(call) == f"<call {call.key[:8]} work(n=3, kind='b')>"
    for n in range(10, 20):
        work(n)
    assert repr(work.calls).count("<call") == 10
    assert "…" in repr(work.calls)
    assert isinstance(call, LazyCall)
    assert call == work.query(3).only()
    assert len({call, work.query(3).only()}) == 1
