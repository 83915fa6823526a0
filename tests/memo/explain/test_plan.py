"""`f.plan`: what a grid would cost, and why, before anything runs."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import fleche
from fleche import cached
from fleche.caches import Cache, Filing
from fleche.call import Call
from fleche.memo.explain import Cause, Status
from fleche.memo.explain.grid import calls_of
from fleche.storage.embedded import EmbeddedStore
from tests.digest.code.projects import imported, write


@cached
def fit(lr: float, seed: int = 0) -> float:
    return lr * seed


def test_a_grid_is_a_product_or_calls() -> None:
    """Tuples are positions, dicts are names, a call is its own, anything else the one argument."""
    assert calls_of({"a": [1, 2], "b": (3,)}) == [((), {"a": 1, "b": 3}), ((), {"a": 2, "b": 3})]
    assert calls_of({}) == [((), {})]
    assert calls_of({"a": []}) == []
    made = fit.call(0.1)
    assert calls_of([(1, 2), {"x": 1}, made, [3], "text"]) == [
        ((1, 2), {}),
        ((), {"x": 1}),
        ((), {"lr": 0.1, "seed": 0}),
        (([3],), {}),
        (("text",), {}),
    ]
    assert calls_of(n for n in range(2)) == [((0,), {}), ((1,), {})]
    for wrong in ("text", b"bytes", 3, None):
        with pytest.raises(TypeError, match="a grid is"):
            calls_of(wrong)  # type: ignore[arg-type]
    for value in ("adam", 0.1):
        with pytest.raises(TypeError, match=r"write lr=\["):
            calls_of({"lr": value})  # type: ignore[dict-item]


def test_counts_of_each_status(cache: Cache) -> None:
    """Hits, what is in the grid twice, misses, and what has no key."""
    fit(0.1), fit(0.1, 1)
    plan = fit.plan([(0.1,), {"lr": 0.1, "seed": 1}, 0.2, 0.2, threading.Lock()])
    assert (plan.hits, plan.joins, plan.misses, plan.uncached) == (2, 1, 1, 1)
    assert [call.status for call in plan] == [Status.HIT, Status.HIT, Status.MISS, Status.JOIN, Status.UNCACHED]
    assert len(plan) == 5
    assert {group.text for group in plan.causes} == {
        "in the grid before",
        "never computed with these arguments",
        "lr has no digest: its type is _thread.lock",
    }
    assert fit.info().stored == 2


def test_nothing_runs_and_nothing_is_written(disk: Cache, store: EmbeddedStore) -> None:
    """Only statements that read; and few of them: keys are looked for in batches."""

    @cached
    def f(x: int) -> int:
        assert x < 3, "a body ran"
        return x

    f(1), f(2)
    statements: list[str] = []
    store._database.connection().set_trace_callback(statements.append)
    plan = f.plan({"x": range(1000)})
    assert (plan.hits, plan.misses) == (2, 998)
    assert not any(text.split()[0] in ("INSERT", "UPDATE", "DELETE", "REPLACE") for text in statements)
    assert len(statements) < 100


def test_misses_are_grouped_by_edit(cache: Cache, tmp_path: Path) -> None:
    """One line for each: what was edited since the calls were computed."""
    code = "from fleche import cached\nfrom pkg import tools\n@cached\ndef f(x, y=0):\n    return tools.clean(x)\n"
    bodies = [
        "def clean(x):\n    return x\n",
        "def clean(x):\n    return -x\n",
        "LIMIT = 3\ndef clean(x):\n    return LIMIT\n",
    ]
    for at, body in enumerate(bodies):
        write(tmp_path / str(at), {"main.py": code, "tools.py": body})
        with imported(tmp_path / str(at)) as module:
            for x in range(at * 5, at * 5 + 5):
                module.f(x)
            plan = module.f.plan({"x": range(20)})
            if at == 2:
                alone = module.f.plan([12, 13, 14])
    groups = {(group.kind, group.text, group.count) for group in plan.causes}
    assert plan.hits == 5
    assert (Cause.NEVER, "never computed with these arguments", 5) in groups
    edited = [group for group in plan.causes if group.kind is Cause.CODE]
    assert sum(group.count for group in edited) == 10
    assert all("pkg.tools.clean was edited (pkg.main.f -> pkg.tools.clean)" in group.text for group in edited)
    assert "because pkg.tools.clean was edited" in str(plan)
    assert str(alone) == "3 calls of pkg.main.f: 3 hits, 0 misses"


def test_version_and_standing(cache: Cache) -> None:
    """Another version, an expired call and a failed one have lines of their own."""

    def f(x: int) -> int:
        if x < 0:
            raise ValueError(x)
        return x

    cached(version=1)(f)(1)
    second = cached(version=2)(f)
    second(2)
    with pytest.raises(ValueError, match="-1"):
        second(-1)
    plan = second.plan([1, 2, 3, -1])
    told = {call.arguments["x"]: (call.kind, call.cause) for call in plan if call.status is Status.MISS}
    assert told[1] == (Cause.VERSION, "version=2 now, and was 1")
    assert told[3][0] is Cause.NEVER
    assert told[-1] == (Cause.FAILED, "failed before")
    assert cached(version=2, ttl=0)(f).plan([2]).causes[0].kind is Cause.EXPIRED
    assert cached(version=2, valid_if=lambda call: False)(f).plan([2]).causes[0].kind is Cause.REFUSED
    assert cached(version=2, valid_if=lambda call: True)(f).plan([2]).hits == 1


def test_what_another_computes_is_joined(cache: Cache) -> None:
    """And who does."""
    began, end = threading.Event(), threading.Event()

    @cached
    def f(x: int) -> int:
        began.set()
        end.wait()
        return x

    thread = threading.Thread(target=fleche.BoundWrapper.bind(f), args=(1,))
    thread.start()
    began.wait()
    plan = f.plan([1, 2])
    end.set()
    thread.join()
    assert (plan.joins, plan.misses) == (1, 1)
    assert "being computed by pid" in plan.causes[0].text + plan.causes[1].text


def file(cache: Cache, call: Call, seconds: float, result: Any = 1) -> None:
    """File a call that took so long."""
    prepared = cache.prepare(call, Filing())
    start = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    prepared.commit(result, {"runtime": {"timestart": start, "walltime": seconds}})


def test_the_estimate(cache: Cache) -> None:
    """The misses take as long as the stored calls that are most like them; results as much as stored ones."""
    assert fit.plan([0.1]).seconds is None
    for seed in range(10):
        file(cache, fit.call(0.1, seed), 100.0, b"x" * 1000)
        file(cache, fit.call(0.2, seed), 2.0, b"x" * 1000)
    slow, fast = fit.plan({"lr": [0.1], "seed": range(50, 60)}), fit.plan({"lr": [0.2], "seed": range(50, 60)})
    assert slow.seconds == pytest.approx(1000)
    assert fast.seconds == pytest.approx(20)
    assert "among the latest 20" in slow.basis
    assert fit.plan([(0.1, 1)]).seconds == 0.0
    assert slow.bytes is not None
    assert 10_000 <= slow.bytes <= 20_000
    assert "about 17 min" in str(slow)


def test_rows_table_and_data(cache: Cache) -> None:
    """One row a call; scalars as they are, others as short text."""
    fit(0.1)
    plan = fit.plan([0.1, 0.2])
    assert plan.rows()[0] == {"status": "hit", "cause": "", "key": fit.key(0.1), "arg.lr": 0.1, "arg.seed": 0}
    assert list(plan.df()["status"]) == ["hit", "miss"]
    assert json.loads(json.dumps(plan.json()))["causes"] == [
        {"status": "miss", "kind": "never", "text": "never computed with these arguments", "count": 1}
    ]

    @cached
    def f(x: Any) -> Any:
        return x

    assert f.plan([[1, 2]]).rows()[0]["arg.x"] == "[1, 2]"


def test_the_picture(cache: Cache) -> None:
    """A bar and a table, escaped."""
    fit(0.1)
    html = fit.plan([0.1, 0.2, threading.Lock()])._repr_html_()
    assert "no picture" not in html
    assert "1 hit, 1 miss, 1 uncached" in html
    assert "no picture" not in fit.plan([])._repr_html_()


def test_a_call_that_cannot_be_made(cache: Cache) -> None:
    """Is an error, as calling it would be."""
    with pytest.raises(TypeError, match="lr"):
        fit.plan({"nope": [1]})


def test_methods(cache: Cache) -> None:
    """Come with their object."""

    class Model:
        def __init__(self, scale: int) -> None:
            self.scale = scale

        @cached
        def run(self, x: int) -> int:
            return self.scale * x

    Model(2).run(1)
    assert Model(2).run.plan([1, 2]).hits == 1
    assert Model(3).run.plan([1, 2]).hits == 0
