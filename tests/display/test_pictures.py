"""Pictures of hostile, huge and broken things: escaped, bounded, and never an error."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fleche import cached, q
from fleche.caches import Cache
from fleche.caches.base import BaseCache
from fleche.call import Call, DigestedCall
from fleche.digest import Digest, digest
from fleche.display import FunctionCard, Row, Summary, call_html, calls_html, function_html, summarize
from fleche.errors import StoreError
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.envelope import Envelope
from fleche.storage.header import Header
from fleche.storage.memory import MemoryStore
from fleche.storage.outline import root_type
from fleche.storage.pickling import Serializer
from fleche.storage.sources import MemorySource

HOSTILE = "<script>alert(1)</script><img src=x onerror='alert(2)'>\"'`${}\x1b[31m\u202e"


class Page(HTMLParser):
    """The elements of a page; fails on a tag that is not closed, and on one that could run or fetch something."""

    SILENT = frozenset(
        {"div", "span", "style", "table", "thead", "tbody", "tr", "th", "td", "code", "b", "pre", "details", "summary"}
        | {"svg", "title", "rect", "polyline"}
    )

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []
        assert not re.search("[\x00-\x08\x0e-\x1f\u202a-\u202e]", html)
        assert "url(" not in html
        assert "@import" not in html

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.SILENT, tag
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data + " "


def test_hostile_names_and_values_are_text(cache: Cache) -> None:
    """In every place that a record has for them."""
    metadata: dict[str, Any] = {
        "tags": {HOSTILE: HOSTILE},
        HOSTILE: {HOSTILE: HOSTILE},
        "environment": {"username": HOSTILE, "hostname": HOSTILE, "packages": {HOSTILE: HOSTILE}},
        "error": {"type": HOSTILE, "message": HOSTILE},
    }
    arguments = {HOSTILE: HOSTILE, "many": [HOSTILE] * 9, "by name": {HOSTILE: HOSTILE}}
    cache.prepare(Call(module=HOSTILE, name=HOSTILE, arguments=arguments, metadata=metadata)).commit({HOSTILE: HOSTILE})
    for html in (cache.query().only()._repr_html_(), cache.query()._repr_html_(), cache._repr_html_()):
        page = Page(html)
        assert "<script>alert(1)" in page.text
    assert "not in the key" in Page(function_html(FunctionCard(module="m", name="f"))).text
    Page(function_html(FunctionCard(module=HOSTILE, name=HOSTILE, signature=HOSTILE, about=HOSTILE, cache=HOSTILE)))


@pytest.mark.parametrize("space", ["tags", "runtime", "environment", "error", "other"])
@pytest.mark.parametrize(
    "entries", [None, [], 3, "text", {"walltime": "long", "packages": 3, "type": [], "message": None}]
)
def test_metadata_of_any_shape_draw(space: str, entries: Any) -> None:
    """What another program wrote there is left out, or told as it is."""
    record = DigestedCall(module="m", name="f", metadata={space: entries}, at=datetime.now(UTC))
    Page(call_html(Row(key="ab" * 16, record=record)))
    Page(calls_html([Row(key="ab" * 16, record=record, result=Summary())]))


def test_classes_begin_with_fleche(cache: Cache) -> None:
    """So that no rule of a picture reaches the rest of the page."""

    @cached
    def f(x: int) -> int:
        return x

    f(1)
    html = cache._repr_html_() + f.calls.only()._repr_html_() + f._repr_html_() + str(f.code.tree()._repr_html_())
    names = {name for group in re.findall(r'class="([^"]*)"', html) for name in group.split()}
    assert {name for name in names if not name.startswith("fleche")} == set()
    (style,) = set(re.findall("<style>(.*?)</style>", html))
    rules = re.sub(r"\{[^}]*\}", "\n", style).split("\n")
    assert {rule for group in rules[:-1] for rule in group.split(",") if not rule.startswith(".fleche.fleche")} == set()


class Bomb:
    """Runs something when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def bomb(path: Path) -> Envelope:
    """Return the envelope of a bomb, whole by every checksum."""
    stream = pickle.dumps(Bomb(path), protocol=5)
    header = Header.describe(Serializer.PICKLE, [stream], [stream], "")
    return Envelope(header, stream, MemorySource([stream], header, "memory"), "memory")


def test_nothing_is_executed(cache: Cache, tmp_path: Path) -> None:
    """Not even from a store that is trusted: a picture builds only plain types."""
    envelope, key, target = bomb(tmp_path / "boom"), digest("bomb"), tmp_path / "boom"
    record = DigestedCall(module="m", name="f", arguments={"x": key}, result=key, form=envelope.form)
    cache._store.record(record, {key: envelope})
    for html in (cache.query().only()._repr_html_(), cache.query()._repr_html_(), cache._repr_html_()):
        assert "mkdir" in Page(html).text
    assert not target.exists()
    cache.load_value(key)
    assert target.exists()  # so the bomb is one


def laughs() -> Any:
    """Return an object of a few hundred bytes whose repr has a billion items."""
    value: Any = ("ha",) * 10
    for _ in range(9):
        value = [value] * 10
    return {"deep": value}


def test_endless_values_are_short() -> None:
    """Levels and items are limited, and no nested object is asked for its own repr."""
    from collections import OrderedDict
    from types import SimpleNamespace

    for value in (laughs(), [SimpleNamespace(x=laughs())], OrderedDict(x=laughs()), 10**100_000, [10**100_000]):
        told = summarize(value)
        assert len(told.text) < 2000
        assert told.kind


@pytest.mark.parametrize(
    ("value", "shape", "text"),
    [
        (None, "", "None"),
        (3, "", "3"),
        ("x" * 500, "500 characters", "xxx"),
        (b"abc", "", "b'abc'"),
        ([1, 2], "2 items", "[1, 2]"),
        ({"a": 1}, "1 item", "{'a': 1}"),
        (np.float64(2.5), "float64", "2.5"),
        (np.zeros((3, 4), "float32"), "(3, 4) float32", ""),
        (np.array(["a", None], dtype=object), "(2,) object", ""),
        (np.array([np.nan, np.inf, 1.0]), "(3,) float64", ""),
        (np.arange(20), "(20,) int64", ""),
        (np.array([1e308, -1e308, 0.0]), "(3,) float64", ""),
        (np.array([], float), "(0,) float64", ""),
        (pd.DataFrame({"a": [1], "b": [2]}), "1 rows, 2 columns", "a, b"),
        (pd.Series([1, 2]), "2 of int64", ""),
        (datetime(2026, 1, 2, tzinfo=UTC), "", "datetime.datetime(2026"),
    ],
)
def test_values_at_a_glance(value: Any, shape: str, text: str) -> None:
    """Type, shape and size; the value itself where it is short."""
    told = summarize(value, size=10)
    assert told.shape == shape
    assert text in told.text
    record = DigestedCall(module="m", name="f", arguments={"x": digest(1)}, result=digest(1))
    row = Row(key="ab" * 16, record=record, result=told)
    assert shape in Page(call_html(row, {"x": told})).text
    Page(calls_html([row]))


def test_numbers_become_curves_and_columns() -> None:
    """A list or a row of numbers is a curve of at most sixty points; more dimensions are a histogram."""
    told = summarize(np.sin(np.arange(5000.0)))
    assert len(told.curve) == 60
    assert (told.low, told.high) == (pytest.approx(-1, abs=1e-3), pytest.approx(1, abs=1e-3))
    assert len(summarize([1.0] * 8).curve) == 8
    assert sum(summarize(np.eye(10)).columns) == 100
    assert summarize([1.0] * 7).curve == summarize([True] * 8).curve == summarize([1.0] * 8 + [np.nan]).curve == ()


def test_large_arrays_are_not_read(disk: Cache, store: EmbeddedStore) -> None:
    """Their type and shape are told from the stream: the bytes may be damaged, and nothing is set aside."""

    @cached
    def f() -> Any:
        return np.ones((1000, 300))

    f()
    (path,) = store.root.rglob(f"{f.calls.only().record.result}.*")
    content = bytearray(path.read_bytes())
    content[-1000:] = bytes(1000)
    path.chmod(0o600)
    path.write_bytes(content)
    assert "(1000, 300) float64 · 2.3 MiB" in Page(f.calls.only()._repr_html_()).text
    assert path.exists()
    path.write_bytes(b"short")
    Page(f.calls.only()._repr_html_())
    path.unlink()
    Page(f.calls._repr_html_())
    assert f.calls.count() == 1


def test_large_streams_are_not_read(cache: Cache) -> None:
    """Only their size is told."""

    @cached
    def f() -> Any:
        return [str(n) for n in range(400_000)]

    f()
    assert "MiB" in Page(f.calls.only()._repr_html_()).text
    assert "400,000" not in f.calls.only()._repr_html_()


def test_a_type_that_is_not_plain_is_named(cache: Cache) -> None:
    """By what its stream says it is."""

    class Local:
        pass

    @cached
    def f(x: int) -> Any:
        return re.compile("a") if x == 0 else Local()

    f(0), f(1)
    text = Page(f.calls._repr_html_()).text
    assert "re" in text
    assert root_type(pickle.dumps(Path("a"))).startswith("pathlib")
    assert root_type(pickle.dumps((1, 2))) in ("tuple", "")
    assert root_type(b"no pickle") == root_type(b"") == ""


class Broken(Cache):
    """A cache whose store has gone away."""

    def recent(self, *_: Any) -> Any:
        raise StoreError("<gone>")

    sketch = recent
    glance = recent
    find = recent
    glimpse = recent


def test_a_picture_never_raises(cache: Cache) -> None:
    """Where the store cannot be read it says so."""

    @cached
    def f(x: list[int]) -> int:
        return 1

    f([1])
    record = f.calls.only().record
    broken = Broken(cache.values, cache.calls)
    from fleche.call import LazyCall

    for thing in (broken, broken.query(), broken.query().take(3), LazyCall(record, broken)):
        assert "StoreError: <gone>" in Page(thing._repr_html_()).text
    assert "StoreError" in repr(broken.query())
    failing = cache.query().filter(lambda call: 1 / 0)
    assert "ZeroDivisionError" in Page(failing._repr_html_()).text
    assert "ZeroDivisionError" in repr(failing)


def test_a_function_draws_itself(cache: Cache) -> None:
    """Signature, counts and code; a default whose repr fails is left out."""

    class Bad:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    @cached(code=None, ignore=("other",))
    def f(x: int, other: object = Bad()) -> int:
        """Say <it>."""
        return x

    f(1), f(1), f(2)
    text = Page(f._repr_html_()).text
    for part in ("1 hit, 2 misses", "Say <it>.", "(…)"):
        assert part in text
    assert ("2 calls" in text) is (f.calls.total(10) is not None)  # a store that would have to list all is not asked

    @cached
    def g(x: int = 3) -> str:
        return ""

    assert "(x: int = 3) -> str" in Page(g._repr_html_()).text


TABLE = {str(number): number for number in range(3000)}


def test_a_code_tree_draws_itself(cache: Cache) -> None:
    """Kind, name, digest and how each part counts; a deep one is cut."""

    def helper(x: int) -> int:
        return x + len(TABLE)

    @cached
    def f(x: int) -> int:
        return helper(x)

    tree = f.code.tree()
    assert tree is not None
    html = tree._repr_html_()
    text = Page(str(html)).text
    for part in ("function", "closure helper", "by binding", tree.digest[:8]):
        assert part in text
    assert tree.digest in str(html)
    assert f.code._repr_html_() == html
    from fleche.digest.code import CodeTree

    deep = tree
    for _ in range(3000):
        deep = CodeTree("f", "function", tree.digest, "source", (("next", deep), ("other", tree)))
    assert "more" in Page(str(deep._repr_html_())).text

    @cached(code=None)
    def g() -> None: ...

    assert g.code.tree() is None or g.code._repr_html_() is not None


class Counting(Cache):
    """Counts the calls that a picture looks at."""

    looked: int

    def find(self, template: Any) -> Iterator[Any]:
        self.looked = 0
        for call in super().find(template):
            self.looked += 1
            yield call


@pytest.fixture
def many() -> Counting:
    """A cache of 3,000 calls."""
    store = MemoryStore()
    for number in range(3000):
        store.calls.save(
            DigestedCall(module="m", name="f", arguments={"x": digest(number)}, scalars={"x": number}, result=digest(0))
        )
    return Counting(store.values, store.calls)


def test_a_query_counts_so_many_calls_and_no_more(many: Counting) -> None:
    """Where only looking at each tells whether it matches."""
    for query in (many.query(), many.query().where(q.arg.x >= 0), many.query().filter(lambda call: True)):
        assert "of more than 1,000" in Page(query._repr_html_()).text
        assert many.looked <= 1002
        assert query.count() == 3000
    assert "of 3,000" in Page(Cache(many.values, many.calls).query()._repr_html_()).text


def test_totals_agree_with_the_records(cache: Cache) -> None:
    """Whether the index counts or Python does."""

    @cached
    def f(x: int) -> int:
        return 1 // x

    @cached(version=2)
    def g(x: int) -> int:
        return x

    f(1), f(2), g(1)
    with pytest.raises(ZeroDivisionError):
        f(0)
    counted = {total.name.rpartition(".")[2]: total for total in cache.totals(100)}
    listed = {total.name.rpartition(".")[2]: total for total in BaseCache.totals(cache, 100)}
    assert {name: (total.calls, total.failed, total.latest) for name, total in counted.items()} == {
        name: (total.calls, total.failed, total.latest) for name, total in listed.items()
    }
    assert (counted["f"].calls, counted["f"].failed, counted["g"].calls) == (3, 1, 1)
    assert counted["f"].seconds == pytest.approx(listed["f"].seconds, abs=1e-5)
    assert sum(total.calls for total in cache.totals(2)) == 2


@pytest.mark.parametrize("narrow", ["all", "name", "argument", "failed", "metadata", "where", "nothing"])
def test_a_glance_agrees_with_the_query(cache: Cache, narrow: str) -> None:
    """The first calls in order, and their number, or nothing where only the calls can tell."""

    @cached
    def f(x: int) -> int:
        return 1 // x

    for x in (1, 2, 3):
        f(x)
    with pytest.raises(ZeroDivisionError):
        f(0)
    query = {
        "all": cache.query().all(),
        "name": cache.query(name=f.calls.latest().name),  # type: ignore[union-attr]
        "argument": f.query(x=2),
        "failed": f.calls.failed(),
        "metadata": cache.query(metadata={"runtime": None}),
        "where": f.calls.where(q.arg.x > 1),
        "nothing": cache.query(name="none"),
    }[narrow]
    found = query._glance(2, 1)
    listed = [*query]
    if found is not None:
        assert found == (listed[:2], min(len(listed), 1), len(listed) <= 1)
    assert query.count() == len(listed)


def test_a_value_that_cannot_be_peeked_at_is_not_read() -> None:
    """A storage that must read all to tell the size is not asked."""
    from fleche.caches.pictures import glimpse

    assert glimpse(object(), Digest("ab"), None, 10) == Summary()


def test_reprs_are_short(cache: Cache) -> None:
    """However long the arguments are."""

    class Thing:
        def __repr__(self) -> str:
            return "x" * 10_000

        @cached(ignore=("self",))
        def method(self, **many: str) -> int:
            return 1

    thing = Thing()
    thing.method(**{f"name{n}": "text" * 20 for n in range(40)})
    assert len(repr(thing.method)) < 300
    assert len(repr(cache.query().only())) < 400


def test_metadata_fields_complete() -> None:
    """The namespaces that are built in, and their entries."""
    assert {"runtime", "environment", "tags"} <= {*dir(q.meta)}
    assert "walltime" in dir(q.meta.runtime)
    assert "walltime" not in dir(q.arg)


def test_stacks_and_views_draw_themselves(cache: Cache) -> None:
    """By what is behind them: a stack names its members, a filter counts only what it shows."""
    from fleche.caches import CacheStack, FilteredCache, ReadOnlyCache

    @cached
    def f(x: int) -> Any:
        return [x]

    f(1), f(2)
    memory = MemoryStore()
    stack = CacheStack((Cache(memory.values, memory.calls), cache))
    for thing in (stack, CacheStack((cache,)), ReadOnlyCache(cache)):
        text = Page(thing._repr_html_()).text
        assert "[2]" in text
        assert "x=1" in text
        assert "[2]" in Page(thing.query().latest()._repr_html_()).text  # type: ignore[union-attr]
        assert thing.query().count() == 2
        assert [total.calls for total in thing.totals(100)] == [2]
    assert "member" in Page(stack._repr_html_()).text
    shown = FilteredCache(cache, lambda call: call.arguments["x"] == 1)
    assert "[2]" not in Page(shown._repr_html_()).text
    assert [total.calls for total in shown.totals(100)] == [1]
    assert "1 calls" not in Page(shown.query()._repr_html_()).text
    assert shown.query().count() == 1
