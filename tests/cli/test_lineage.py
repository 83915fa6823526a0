"""``fleche tree`` and ``fleche forget --downstream``, in one process: what they print, and what they change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import fleche
from fleche import cached
from fleche.caches import Cache
from fleche.cli.app import app
from fleche.storage.embedded import EmbeddedStore


@cached
def load(seed: int) -> list[int]:
    return [seed] * 30


@cached
def fit(data: list[int], rate: float) -> dict[str, Any]:
    return {"model": [rate] * 30}


@cached
def judge(model: Any) -> float:
    load(99)
    if model is None:
        raise ValueError("no model")
    return 0.5


@pytest.fixture
def cache(tmp_path: Path) -> Any:
    """The cache of a directory, with a pipeline in it."""
    store = EmbeddedStore(tmp_path / "store")
    cache = Cache(store.values, store.calls)
    with fleche.cache(cache):
        judge(fit(load(1), 0.1))
        fit(load(1), 0.2)
        yield cache
    store.close()


def run(cache: Any, *words: str, code: int = 0) -> str:
    """Run the command over a cache, and return what it prints."""
    done = CliRunner().invoke(app, [*words, "--store", str(cache.values.store.root)], env={"COLUMNS": "200"})
    assert done.exit_code == code, done.output
    return done.output


def test_a_tree(cache: Any) -> None:
    """Up by default, with the argument as which each result was taken, and the calls made inside."""
    call = judge.calls.only()
    lines = run(cache, "tree", call.key[:10]).splitlines()
    assert [line.split("(")[0] for line in lines] == [
        f"{call.key[:8]} judge",
        f"├─ model: {fit.query(rate=0.1).only().key[:8]} fit",
        f"│  └─ data: {load.query(1).only().key[:8]} load",
        f"└─ made: {load.query(99).only().key[:8]} load",
    ]
    assert "… 1 more" in run(cache, "tree", call.key[:10], "--depth", "1")


def test_a_tree_downwards(cache: Any) -> None:
    """What depends on a call, and how."""
    lines = run(cache, "tree", load.query(1).only().key[:10], "--down").splitlines()
    assert len(lines) == 4
    assert all(word in lines[1] for word in ("taken as data by: ", "fit("))
    assert "taken as model by: " in lines[2]
    assert "made by: " in run(cache, "tree", load.query(99).only().key, "--down")


def test_a_tree_of_a_value(cache: Any) -> None:
    """Who returned it, and who took it."""
    value = load.query(1).only().record.result
    assert f"└─ returned by: {load.query(1).only().key[:8]}" in run(cache, "tree", value[:12])
    assert run(cache, "tree", value[:12], "--down").count("taken as data by: ") == 2


def test_a_tree_as_json(cache: Any) -> None:
    """For programs: the same, nested."""
    call = judge.calls.only()
    cache.evict(load.query(1).only().key)
    tree = json.loads(run(cache, "tree", call.key, "--json"))
    assert (tree["kind"], tree["key"], tree["name"], tree["stored"]) == ("call", call.key, "judge", True)
    assert [(each["how"], each["name"]) for each in tree["below"]] == [("model", "fit"), ("made", "load")]
    assert tree["below"][0]["below"][0]["stored"] is False
    assert "(not stored any more)" in run(cache, "tree", call.key)


def test_what_is_not_there(cache: Any) -> None:
    """Ends with code 1, and what is no prefix with code 2."""
    run(cache, "tree", "0000000000", code=1)
    run(cache, "tree", "00", code=2)


def test_forgetting_downstream(cache: Any) -> None:
    """Says what would go; only --yes does it."""
    key = load.query(1).only().key
    said = run(cache, "forget", key[:10], "--downstream")
    assert "would forget 4 calls" in said
    assert "--yes does it" in said
    assert cache.query().count() == 5
    assert "forgot 4 calls" in run(cache, "forget", key[:10], "--downstream", "--yes")
    assert [call.arguments["seed"] for call in cache.query()] == [99]


def test_deep_and_wide_trees_are_bounded(cache: Any) -> None:
    """A tree shows so many levels and neighbours, and says that there are more."""

    @cached
    def chain(before: Any, number: int) -> list[int]:
        return [number] * 30

    value: Any = None
    for number in range(30):
        value = chain(value, number)
    for number in range(40):
        fit(value, number)
    last = chain.query(number=29).only()
    assert run(cache, "tree", last.key, "--depth", "500").count("chain(") == 30
    assert "… 1 more; --depth shows them" in run(cache, "tree", last.key)
    assert "… 29 more" in run(cache, "tree", last.key, "--down")
    html = last.lineage._repr_html_()
    assert "there is more" in html
    assert "no picture" not in html
    assert html.count("<rect") <= 61
