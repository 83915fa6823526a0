"""What came from what: every true edge, and none between strangers, over every kind of store."""

from __future__ import annotations

import asyncio
import copy
import enum
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fleche
from fleche import Digest, cached, mode
from fleche.caches import BaseCache, Cache, CacheStack
from fleche.call import Call, LazyCall
from fleche.digest import digest
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.file import FileStore
from fleche.storage.memory import CallMemory, MemoryStore, ValueMemory
from fleche.storage.sql import SqlStore

pytestmark = pytest.mark.filterwarnings("error")

KINDS = ["memory", "pair", "embedded", "file", "sqlite", "postgresql", "stack"]


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseCache]:
    """An active cache of each kind."""
    with ExitStack() as exits:
        store: Any = None
        match request.param:
            case "embedded":
                store = EmbeddedStore(tmp_path / "store")
            case "file":
                store = FileStore(tmp_path / "files", index=tmp_path / "index.db")
            case "sqlite":
                store = SqlStore(f"sqlite:///{tmp_path / 'calls.db'}", trust=True)
            case "postgresql":
                from tests.servers import opened

                store = exits.enter_context(opened(request.getfixturevalue("server"), "postgresql", trust=True))
            case "memory" | "stack":
                store = MemoryStore()
        if store is None:
            made: BaseCache = Cache(ValueMemory({}), CallMemory({}))
        else:
            made = Cache(store.values, store.calls)
            exits.callback(store.close)
        if request.param == "stack":
            far = MemoryStore()
            made = CacheStack((made, Cache(far.values, far.calls)), write="through")
        with fleche.cache(made):
            yield made


def forget_origins(cache: BaseCache) -> None:
    """Let this process know nothing of where its values came from, as if another had got them."""
    from fleche.caches.origins import Origins

    for each in (cache, *getattr(cache, "members", ())):
        each.__dict__["origins"] = Origins()


def edges(cache: BaseCache) -> set[tuple[str, str]]:
    """Every recorded edge, by the names of the functions."""
    names = {call.key: call.name.rpartition(".")[2] for call in cache.query().all()}
    return {(names[key], names[call.key]) for call in cache.query().all() for key in call.record.inputs}


def parents(function: Any, *args: Any) -> list[str]:
    """The names of the parents of one call."""
    call = function.query(*args).only()
    return [parent.name.rpartition(".")[2] for parent in call.parents()]


# -- a pipeline of three levels ----------------------------------------------------------------------------------------


@dataclass
class Model:
    weights: Any
    settings: dict[str, Any] = field(default_factory=dict)


@cached
def load(seed: int) -> Any:
    return np.arange(50.0) + seed


@cached
def table(seed: int) -> Any:
    return pd.DataFrame({"a": [seed, 1, 2], "b": ["x", "y", "z"]})


@cached
def names(seed: int) -> list[str]:
    return [f"name {number + seed}" for number in range(10)]


@cached
def flag(seed: int) -> bool:
    return True


@cached
def nothing(seed: int) -> None:
    return None


@cached
def mode_of(seed: int) -> str:
    return "train"


@cached
def empty(seed: int) -> tuple[()]:
    return ()


@cached
def fit(data: Any, frame: Any, columns: list[str], training: Any = True, kind: str = "train", rate: Any = 0.1) -> Model:
    return Model(data.sum() + np.zeros(20), {"columns": columns, "rows": len(frame)})


@cached
def evaluate(model: Any, limit: Any = None, extra: Any = ()) -> float:
    return float(model.weights.sum())


@cached
def report(scores: Any, title: str = "train") -> str:
    return f"{title}: {scores}"


TRUE = {("load", "fit"), ("table", "fit"), ("names", "fit"), ("fit", "evaluate")}


def pipeline() -> None:
    """Three levels over arrays, tables, lists, records and scalars, beside calls that return the same scalars."""
    flag(1), nothing(1), mode_of(1), empty(1)
    model = fit(load(1), table(1), names(1), True, "train")
    evaluate(model, nothing(1), ())
    report(evaluate(model, nothing(1), ()), mode_of(1))


@pytest.mark.parametrize("anew", [False, True], ids=["known", "asked of the store"])
def test_every_true_edge_and_none_between_strangers(place: BaseCache, anew: bool) -> None:
    """A shared number, flag, None, short text or empty tuple is no edge, whichever process got the values."""
    pipeline()
    assert edges(place) == TRUE
    if anew:
        for call in [*place.query()]:
            if not call.name.startswith(("load", "table", "names")):
                place.evict(call.key)
        forget_origins(place)
        model = fit(*copy.deepcopy([load(1), table(1), names(1)]))
        forget_origins(place)
        evaluate(copy.deepcopy(model))
        assert edges(place) == TRUE


def test_an_upstream_and_a_downstream(place: BaseCache) -> None:
    """Go all the way, the nearest first."""
    pipeline()
    last = evaluate.calls.latest()
    assert last is not None
    assert [call.name for call in last.upstream()] == ["fit", "load", "table", "names"]
    first = load.calls.only()
    assert [call.name for call in first.downstream()] == ["fit", "evaluate"]
    assert str(last.lineage).splitlines()[1].startswith("└─ model: ")
    assert "frame: " in str(last.lineage)
    assert "no picture" not in last.lineage._repr_html_()
    forgetting = load.forget(1, downstream=True)
    assert {call.name for call in forgetting.calls} == {"load", "fit", "evaluate"}
    assert load.contains(1)
    assert forgetting.confirm() == 3
    assert not load.contains(1)
    assert evaluate.calls.empty()
    assert table.contains(1)


def test_handles_and_digests_make_edges_whatever_they_stand_for(place: BaseCache) -> None:
    """Scalars too, and inside lists, tuples and dicts."""
    flag(1), load(1)
    evaluate(Model(np.zeros(1)), flag.ref(1))
    assert parents(evaluate) == ["flag"]
    report({"a": [flag.ref(1)], "b": (load.ref(1), 3)})
    assert parents(report) == ["flag", "load"]
    place.evict(report.calls.only().key)
    forget_origins(place)
    mode_of(1)
    report([Digest(digest("train")), Digest(load.calls.only().record.result or "")])
    assert parents(report) == ["mode_of", "load"]


def test_a_digest_of_a_scalar_finds_its_call(place: BaseCache) -> None:
    """It was given as one, so it is meant."""
    mode_of(1)
    report(Digest(digest("train")))
    assert parents(report) == ["mode_of"]


def test_values_inside_containers(place: BaseCache) -> None:
    """One and two levels deep; where the whole is a result, its parts make no edge of their own."""
    first, second = load(1), load(2)
    report([first, {"second": second}])
    assert [call.arguments["seed"] for call in report.calls.only().parents()] == [1, 2]

    @cached
    def pair(seed: int) -> Any:
        return [load(seed), load(seed + 1)]

    report(pair(1), "pair")
    assert parents(report, None, "pair") == ["pair"]
    report(Model(first), "model")
    assert parents(report, None, "model") == ["load"]
    report([[[[first]]]], "too deep")
    assert parents(report, None, "too deep") == []


def test_a_part_of_a_result(place: BaseCache) -> None:
    """``a, b = split(data)``: this process knows that a came from there, until it has forgotten."""

    @cached
    def split(seed: int) -> Any:
        return np.arange(40.0) + seed, {"rest": list(range(seed, seed + 50))}

    one, other = split(1)
    report(one, "one")
    report(other, "other")
    assert parents(report, None, "one") == parents(report, None, "other") == ["split"]


def test_what_a_result_has_from_the_arguments_is_no_part_of_it(place: BaseCache) -> None:
    """A model that keeps its data did not make the data: who takes these takes them from where they were."""

    @cached
    def keep(data: Any, options: Any = None) -> Any:
        return Model(np.arange(60.0), {"data": data, "options": options})

    data, options = np.arange(70.0), {"deep": [list(range(40)), [[list(range(50, 90))]]]}
    model = keep(data, options)
    for number, value in enumerate((data, options, options["deep"][1], options["deep"][1][0][0], model.weights)):
        report(value, str(number))
    assert [parents(report, None, str(number)) for number in range(5)] == [[], [], [], [], ["keep"]]


def test_long_text_is_bulk_and_short_text_is_not(place: BaseCache) -> None:
    """A page that was fetched is known again, a word is not."""

    @cached
    def fetch(count: int) -> str:
        return "word " * count

    report(fetch(2)), report(fetch(200))
    assert [call.parents() != [] for call in report.calls] == [False, True]
    report(fetch(200).encode())
    assert edges(place) == {("fetch", "report")}


class Mode(enum.Enum):
    TRAIN = "a mode with a long name, so that its encoding is longer than sixty-four bytes"


@pytest.mark.parametrize(
    "value",
    [0, True, None, "train", (), "", [], {}, Mode.TRAIN, 1.5, b"", frozenset(), [1, 2], [[]], {"a": 1}, np.float64(1)],
    ids=repr,
)
def test_strangers_that_share_a_small_value(cache: Cache, value: Any) -> None:
    """Are strangers, also inside containers."""

    @cached
    def one(seed: int) -> Any:
        return value

    @cached
    def other(given: Any) -> int:
        return 1

    one(1)
    other(value), other([value, value]), other({"x": value})
    assert edges(cache) == set()


def test_of_several_calls_the_one_counts_that_the_value_came_from(place: BaseCache) -> None:
    """By identity in this process, else the one that was filed last."""

    @cached
    def constant(seed: int) -> Any:
        return np.zeros(30)

    one, two = constant(1), constant(2)
    report(one), report(two, "two"), report(one.copy(), "copy")

    def seeds(title: str) -> list[int]:
        return [call.arguments["seed"] for call in report.query(None, title).only().parents()]

    assert (seeds("train"), seeds("two"), seeds("copy")) == ([1], [2], [2])
    hit = constant(1)
    report(hit, "hit")
    assert seeds("hit") == [1]
    forget_origins(place)
    report(np.zeros(30), "store")
    assert seeds("store") == [2]


def test_what_was_changed_since_is_another_value(place: BaseCache) -> None:
    """A result that was changed in place is no call's result."""
    data = load(1)
    data += 1
    report(data)
    assert parents(report) == []


# -- calls inside calls ------------------------------------------------------------------------------------------------


@cached
def step(n: int) -> int:
    return n + 1


@cached
def twice(n: int) -> int:
    return step(step(n))


@cached
def failing(n: int) -> int:
    raise ValueError(n)


@cached
def guarded(n: int) -> int:
    try:
        return failing(n)
    except ValueError:
        return twice(n)


def test_calls_that_a_body_makes(place: BaseCache) -> None:
    """Are its inner calls: those that ran, those that were there already, and those that failed."""
    step(1)
    guarded(1)
    outer, middle = guarded.calls.only(), twice.calls.only()
    assert [call.name for call in outer.inner()] == ["failing", "twice"]
    assert [call.arguments["n"] for call in middle.inner()] == [1, 2]
    assert outer.parents() == []
    assert [call.name for call in step.query(1).only().outer()] == ["twice"]
    assert step.query(1).only().children() == []
    assert [call.name for call in outer.upstream()] == ["failing", "twice", "step", "step"]
    assert [call.name for call in step.query(1).only().downstream()] == ["twice", "guarded"]
    twice(2)
    assert [call.arguments["n"] for call in step.query(2).only().outer()] == [1, 2]
    assert "[failed]" in str(outer.lineage)
    assert {call.name for call in step.forget(2, downstream=True).calls} == {"step", "twice", "guarded"}


def test_handles_made_inside(place: BaseCache) -> None:
    """``g(f.ref(x))`` in a body makes both calls, and the edge between them."""

    @cached
    def body(seed: int) -> str:
        return report(load.ref(seed))

    load(1)
    body(1)
    assert [call.name for call in body.calls.only().inner()] == ["load", "report"]
    assert parents(report) == ["load"]


def test_methods_generators_and_coroutines(place: BaseCache) -> None:
    """Have edges as functions have; what a generator yields came from it."""

    class Study:
        def __init__(self, seed: int) -> None:
            self.seed = seed

        @cached
        def data(self) -> Any:
            return np.arange(30.0) * self.seed

        @cached
        def result(self, data: Any) -> float:
            return float(data.sum())

    @cached
    def batches(data: Any) -> Iterator[Any]:
        for number in range(2):
            yield data + number + step(number)

    @cached
    async def later(data: Any) -> Any:
        await asyncio.sleep(0)
        step(9)
        return data + 7

    @cached
    async def stream(data: Any) -> AsyncIterator[Any]:
        yield await later(data)

    async def all_of(data: Any) -> list[Any]:
        return [item async for item in stream(data)]

    study = Study(3)
    data = study.data()
    study.result(data)
    for batch in batches(data):
        report(batch)
    report(list(batches(data)), "all")
    (last,) = asyncio.run(all_of(data))
    report(last, "async")
    assert edges(place) == {
        ("data", "result"),
        ("data", "batches"),
        ("step", "batches"),
        ("batches", "report"),
        ("data", "stream"),
        ("data", "later"),
        ("later", "stream"),
        ("step", "later"),
        ("later" if parents(report, None, "async") == ["later"] else "stream", "report"),
    }
    assert parents(report, None, "all") == ["batches"]


def test_threads(place: BaseCache) -> None:
    """Each body knows its own calls, and values are known from whichever thread got them."""

    @cached
    def work(n: int) -> int:
        return step(n) + step(n + 1)

    barrier = threading.Barrier(4)

    def run(n: int) -> None:
        barrier.wait()
        work(10 * n)
        report(load(n), str(n))

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(copy_context().run, run, n) for n in range(4)]:
            done.result()
    for n in range(4):
        assert [call.arguments["n"] for call in work.query(10 * n).only().inner()] == [10 * n, 10 * n + 1]
        assert [call.arguments["seed"] for call in report.query(None, str(n)).only().parents()] == [n]


SCRIPT = """
import sys, numpy as np
from fleche import cached
@cached
def load(n):
    return np.arange(float(n))
@cached
def total(data):
    return float(data.sum())
if sys.argv[1] == "load":
    load(100)
else:
    total(np.arange(100.0))
"""


@pytest.mark.parametrize("layout", ["index", "files"])
def test_processes(tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One files a result, another takes an equal value."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    root = tmp_path / "store"
    store: Any = EmbeddedStore(root) if layout == "index" else FileStore(root, index=tmp_path / "index.db")
    monkeypatch.setenv("FLECHE_DIR", str(root))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for what in ("load", "value"):
        subprocess.run([sys.executable, str(script), what], check=True, capture_output=True)
    cache = Cache(store.values, store.calls)
    assert [call.name for call in cache.query(name="total").only().parents()] == ["load"]
    store.close()


def test_modes(place: BaseCache) -> None:
    """A call that is run anew never takes its own result for its input; in mode read nothing is recorded."""

    @cached
    def same(data: Any) -> Any:
        return data

    data = load(1)
    same(data)
    same.rerun(np.array(data))
    assert parents(same) == ["load"]
    forget_origins(place)
    place.evict(load.calls.only().key)
    same.rerun(data)
    assert all(key != same.calls.only().key for key in same.calls.only().record.inputs)
    with mode("read"):
        assert report(data) == report(data)
    assert report.calls.empty()


def test_transferring_keeps_edges(place: BaseCache, tmp_path: Path) -> None:
    """Into another cache, and through an archive."""
    from fleche.caches.archive import export_calls, import_calls

    pipeline()
    guarded(1)
    before = edges(place)
    other = MemoryStore()
    target = Cache(other.values, other.calls)
    place.transfer(target)
    assert edges(target) == before
    assert [call.name for call in target.query(name="guarded").only().inner()] == ["failing", "twice"]
    export_calls(target, tmp_path / "calls.fleche", [call.key for call in target.query().all()])
    third = MemoryStore()
    import_calls(tmp_path / "calls.fleche", Cache(third.values, third.calls), trust=True)
    assert edges(Cache(third.values, third.calls)) == before


def test_a_store_that_cannot_be_asked_is_no_failure(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call is filed without the edge."""

    def fail(*_: Any) -> Any:
        raise OSError("no answer")

    monkeypatch.setattr(type(cache), "makers", fail)
    load(1)
    forget_origins(cache)
    report(np.arange(50.0) + 1)
    assert report.calls.count() == 1
    assert parents(report) == []


def test_others_cannot_make_a_walk_endless(cache: Cache) -> None:
    """A cycle that somebody wrote into a store is walked once."""
    from fleche.caches import Filing

    one, two = (Call(module="m", name=name, result=1) for name in "ab")
    for call, other in ((one, two), (two, one)):
        cache.prepare(call, Filing(inputs=(other.key, call.key), parent=other.key)).commit(1)
    call = cache.load(one.key)
    assert [each.name for each in call.upstream()] == [each.name for each in call.downstream()] == ["b"]
    assert len(call.forget(downstream=True)) == 2
    assert "see above" in str(call.lineage)
    assert "no picture" not in call.lineage._repr_html_()


def test_a_function_with_a_parameter_named_downstream(cache: Cache) -> None:
    """Keeps it; the query forgets downstream for it."""

    @cached
    def flow(downstream: bool) -> bool:
        return downstream

    flow(downstream=True)
    assert flow.forget(downstream=False) is False
    assert flow.query(True).only().forget(downstream=True).confirm() == 1
    assert flow.calls.empty()


# -- any graph ---------------------------------------------------------------------------------------------------------


@cached
def node(number: int, inputs: Any) -> Any:
    return [number] * 40


def built(shape: list[list[int]], way: Callable[[int, list[int], list[Any]], Any]) -> list[Any]:
    """Make a graph of calls, each of which takes the results of some before it."""
    results: list[Any] = []
    for number, before in enumerate(shape):
        results.append(node(number, way(number, before, results)))
    return results


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 9).flatmap(
        lambda size: st.tuples(
            *[
                st.lists(st.integers(0, number - 1), max_size=4, unique=True) if number else st.just([])
                for number in range(size)
            ]
        )
    ),
    st.sampled_from(["values", "copies", "handles", "dicts"]),
    st.booleans(),
)
def test_any_graph(shape: tuple[list[int], ...], way: str, anew: bool) -> None:
    """What is upstream and downstream of each call is what it is in the graph."""
    store = MemoryStore()
    cache = Cache(store.values, store.calls)
    with fleche.cache(cache):

        def given_as(number: int, before: list[int], results: list[Any]) -> Any:
            if anew and way != "handles":
                forget_origins(cache)
            if way == "handles":
                return [cache.load(keys[each]).ref() for each in before]
            values = [results[each] for each in before]
            values = copy.deepcopy(values) if way == "copies" else values
            return dict(enumerate(values)) if way == "dicts" else values

        keys: list[Any] = []
        results: list[Any] = []
        for number, before in enumerate(shape):
            inputs = given_as(number, before, results)
            results.append(node(number, inputs))
            keys.append(node.key(number, inputs))
        up: list[set[int]] = []
        for before in shape:
            up.append(set(before).union(*(up[each] for each in before)))
        for number, key in enumerate(keys):
            call = cache.load(key)
            assert [each.arguments["number"] for each in call.parents()] == shape[number]
            assert {each.arguments["number"] for each in call.upstream()} == up[number]
            below = {each for each, above in enumerate(up) if number in above}
            assert {each.arguments["number"] for each in call.downstream()} == below


def test_statements_of_a_miss(disk: Cache) -> None:
    """Scalars cost no statement more; a value that this process got from a call none, another one or two."""
    texts: list[str] = []
    disk.values.store._database.connection().set_trace_callback(texts.append)  # type: ignore[attr-defined]

    def asked() -> int:
        found = [text for text in texts if "calls.result = " in text and "ORDER BY" in text]
        texts.clear()
        return len(found)

    step(1), load(1)
    asked()
    step(2)
    assert asked() == 0
    report(load(1))
    assert asked() == 0
    report(np.ones(30))
    assert asked() == 1
    report([np.ones(31), np.ones(32)])
    assert asked() == 3


def test_a_record_lists_calls_as_lazily_as_any(place: BaseCache) -> None:
    """No value is loaded to walk the lineage."""
    pipeline()
    for key in list(getattr(place, "values", ValueMemory({})).list()) if isinstance(place, Cache) else []:
        place.values.evict(key)  # type: ignore[attr-defined]
    last = evaluate.calls.latest()
    assert isinstance(last, LazyCall)
    assert [call.name for call in last.upstream()] == ["fit", "load", "table", "names"]
