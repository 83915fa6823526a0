"""Containers in parts: what is loaded is what was saved, and equal parts are stored once."""

from __future__ import annotations

import pickle
from collections import namedtuple
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fleche
from fleche.caches import Cache
from fleche.call.records import DigestedCall
from fleche.digest import digest
from fleche.errors import DamagedError, FlecheError
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.file import FileStore
from fleche.storage.memory import MemoryStore
from fleche.storage.packing import Packing
from fleche.storage.pickling import Serializer
from fleche.storage.safe_loader import SAFE
from fleche.storage.signing import Keyring
from fleche.storage.sql import SqlStore
from fleche.testing.signing import Bomb, Model

TINY = Packing(parts=16, depth=3)
Pair = namedtuple("Pair", "left right")  # noqa: PYI024


@dataclass
class Held:
    """Two values and an object that they may share."""

    one: Any
    two: Any
    more: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Frozen:
    """A value that cannot be changed."""

    one: Any


@attrs.define
class Defined:
    """A value of attrs."""

    one: Any


@pytest.fixture(params=["memory", "embedded", "file", "sql"])
def opened(request, tmp_path):
    """Open a store of each kind with a packing."""
    with ExitStack() as exits:

        def do(packing=TINY, **options):
            if request.param == "memory":
                store = MemoryStore(packing=packing)
            elif request.param == "embedded":
                store = EmbeddedStore(tmp_path / "embedded", packing=packing, **options)
            elif request.param == "file":
                store = FileStore(tmp_path / "file", index=tmp_path / "index.db", packing=packing, **options)
            else:
                store = SqlStore(f"sqlite:///{tmp_path}/s.db", packing=packing, **({"trust": True} | options))
            exits.callback(store.close)
            return store

        do.kind = request.param
        yield do


def pattern(value):
    """Return a value as text that tells types, order, and which mutable objects are one."""
    seen = {}

    def show(one):
        if isinstance(one, list | dict | set | Held | Defined | np.ndarray | bytearray) or (
            isinstance(one, tuple) and one
        ):
            if id(one) in seen:
                return f"<{seen[id(one)]}>"
            seen[id(one)] = len(seen)
        if isinstance(one, dict):
            inside = [(show(key), show(item)) for key, item in one.items()]
        elif isinstance(one, list | tuple):
            inside = [show(item) for item in one]
        elif isinstance(one, Held):
            inside = [show(one.one), show(one.two), show(one.more)]
        elif isinstance(one, Defined | Frozen):
            inside = show(one.one)
        elif isinstance(one, np.ndarray):
            inside = (one.dtype.str, one.tolist())
        else:
            inside = repr(one)
        return f"{type(one).__name__}:{inside}"

    return show(value)


def saved(store, value):
    key = store.values.save(value)
    assert key == digest(value)
    return store.values.load(key)


BIG = [list(range(100)), {"a": "x" * 50}, np.arange(2000.0)]


@pytest.mark.parametrize(
    "value",
    [
        BIG,
        tuple(BIG),
        dict(zip("abc", BIG, strict=True)),
        Pair(BIG[0], BIG[1]),
        Held(BIG[0], BIG[2]),
        Frozen(BIG[0]),
        Defined(BIG),
        ["y" * 100, b"z" * 100, {1, 2, 3} | set(range(50))],
    ],
    ids=lambda value: type(value).__name__,
)
def test_containers_come_back(opened, value):
    """Each kind, in every store, as a value and as the result of a call; skeleton and parts lie apart."""
    store = opened()
    assert pattern(saved(store, value)) == pattern(value)
    assert store.values.get_envelope(digest(value)).serializer is Serializer.PARTS
    other = opened(Packing(parts=64))
    call = DigestedCall(module="m", name="f", result=digest(value))
    other.record(call, {digest(value): other.pack(value)})
    hit = other.lookup(call.key)
    assert pattern(other.decode(hit.result, hit.envelope)) == pattern(value)


def test_equal_parts_are_stored_once(opened):
    """A hundred lists that share a large child by value take hardly more than one."""
    store = opened(Packing(parts=1000))
    for number in range(20):
        store.values.save([number, b"".join(i.to_bytes(4, "big") for i in range(25_000))])
    assert sum(1 for _ in store.values.list()) == 21
    size = store.describe().get("bytes")
    assert size is None or size < 120_000


def test_what_is_shared_stays_shared():
    """Within a part, between two, between a part and the rest; the same child twice; two equal children."""
    store = MemoryStore(packing=TINY)
    inner, part = ["inner" * 9], ["part" * 9]
    equal = [["equal" * 9], ["equal" * 9]]
    cycle = ["c" * 99]
    cycle.append(cycle)
    parent = [["p" * 99]]
    parent[0].append(parent)
    for value in (
        [[inner, inner], 1],
        [[inner, 1], [inner, 2]],
        [[inner, 1], Held(inner, 1)],
        [part, part, {"again": part}],
        [part, [part, "x" * 99]],
        equal,
        [*equal, equal[0]],
        [cycle, 1],
    ):
        assert pattern(saved(store, value)) == pattern(value)
    again = saved(store, parent)
    assert again[0][1] is again


def test_deep_and_wide_values_take_no_time_or_stack():
    """Ten thousand levels of a list that holds the one below twice, and a long list of numbers."""
    store = MemoryStore(packing=TINY)
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep, deep]
    again = saved(store, deep)
    for _ in range(10_000):
        assert again[0] is again[1]
        again = again[0]
    wide = list(range(100_000))
    assert saved(store, wide) == wide


_leaves = st.one_of(st.none(), st.integers(), st.text(max_size=30), st.binary(max_size=40), st.floats(allow_nan=False))


@st.composite
def graphs(draw):
    """Draw a container whose children are often the same objects."""
    pool: list[Any] = [draw(_leaves) for _ in range(3)]
    for _ in range(draw(st.integers(2, 9))):
        items = [draw(st.sampled_from(pool)) for _ in range(draw(st.integers(1, 4)))]
        kind = draw(st.sampled_from(["list", "tuple", "dict", "held", "defined", "array", "pair"]))
        made = {
            "list": lambda items=items: [*items],
            "tuple": lambda items=items: tuple(items),
            "dict": lambda items=items: dict(enumerate(items)),
            "held": lambda items=items: Held(items[0], items[-1], items),
            "defined": lambda items=items: Defined(items[0]),
            "array": lambda items=items: np.arange(float(len(items) * 5)),
            "pair": lambda items=items: Pair(items[0], items[-1]),
        }[kind]()
        pool.append(made)
    return [pool[-1], *[draw(st.sampled_from(pool)) for _ in range(3)]]


@given(graphs(), st.integers(1, 80), st.integers(1, 3))
@settings(max_examples=300, deadline=None)
def test_what_is_saved_is_loaded(value, size, depth):
    """Random containers with shared children: equal, of the same types, with the same sharing and the same digest."""
    store = MemoryStore(packing=Packing(parts=size, depth=depth))
    key = store.values.save(value)
    again = store.values.load(key)
    assert pattern(again) == pattern(value)
    assert key == digest(value) == digest(again)


def test_a_part_that_is_gone_makes_a_miss_that_is_filled(opened):
    """The whole cannot be built; filing it again brings the part back."""
    store = opened()
    value = [list(range(200)), 1]
    call = DigestedCall(module="m", name="f", result=digest(value))
    store.record(call, {digest(value): store.pack(value)})
    store.values.evict(digest(value[0]))
    hit = store.lookup(call.key)
    with pytest.raises((DamagedError, KeyError)):
        store.decode(hit.result, hit.envelope)
    store.record(call, {digest(value): store.pack(value)})
    hit = store.lookup(call.key)
    assert store.decode(hit.result, hit.envelope) == value


def test_a_missing_part_is_found_by_a_check(opened):
    """Stores that look themselves over report it."""
    store = opened()
    if opened.kind in ("memory", "embedded"):
        pytest.skip("this store does not look itself over")
    value = [list(range(200)), 1]
    call = DigestedCall(module="m", name="f", result=digest(value))
    store.record(call, {digest(value): store.pack(value)})
    assert list(store.check()) == []
    store.values.evict(digest(value[0]))
    (found,) = store.check()
    assert found.fault == "missing"
    assert found.digest == digest(value[0])


def test_evicting_a_whole_leaves_its_parts(opened):
    """Others may name them."""
    store = opened()
    value = [list(range(200)), 1]
    store.values.save(value)
    store.values.evict(digest(value))
    assert store.values.load(digest(value[0])) == value[0]


def test_the_table_says_what_names_what(tmp_path):
    """For whoever collects what nothing names."""
    value = [list(range(200)), [list(range(300)), 1]]
    call = DigestedCall(module="m", name="f", result=digest(value))
    for store in (EmbeddedStore(tmp_path / "e", packing=TINY), SqlStore("sqlite://", packing=TINY)):
        store.record(call, {digest(value): store.pack(value)})
        if isinstance(store, EmbeddedStore):
            pairs = store._database.read(lambda one: one.execute("SELECT parent, child FROM parts").fetchall())
        else:
            pairs = store.connections.read(lambda one: one.exec_driver_sql("SELECT parent, child FROM parts").all())
        named = {(bytes(a), bytes(b)) for a, b in pairs}
        assert (digest(value).raw, digest(value[0]).raw) in named
        assert (digest(value[1]).raw, digest(value[1][0]).raw) in named
        store.close()


def test_the_safe_loader_builds_parts_by_its_rules(opened, tmp_path):
    """Plain parts of a plain whole; a bomb in a part is refused, and a stream that changes a part too."""
    if opened.kind == "memory":
        pytest.skip("only this process writes there")
    options = {"trust": False} if opened.kind == "sql" else {}
    store = opened(TINY, loader=SAFE, **options)
    assert pattern(saved(store, BIG)) == pattern(BIG)
    bomb = [Bomb(str(tmp_path / "touched" / ("x" * 99))), "y" * 99]
    store.values.save(bomb, digest("bomb"))
    with pytest.raises(FlecheError):
        store.values.load(digest("bomb"))


def test_no_stream_changes_a_part():
    """A part that the safe loader was given is never filled or built on."""

    class Appends(pickle.Pickler):
        def persistent_id(self, obj):
            return b"part" if obj is part else None

    part = [1]
    file = BytesIO()
    Appends(file, 5).dump([part])
    stream = file.getvalue()
    assert SAFE.load_parts(stream, (), lambda _: part)[0] is part
    grown = stream.replace(pickle.BINPERSID, pickle.BINPERSID + pickle.NONE + pickle.APPEND, 1)
    with pytest.raises(FlecheError):
        SAFE.load_parts(_unframed(grown), (), lambda _: part)
    assert part == [1]
    with pytest.raises(FlecheError):
        SAFE.load(stream, (), Serializer.PICKLE)


def _unframed(stream):
    start = stream.index(pickle.FRAME)
    return stream[:start] + stream[start + 9 :]


def test_a_part_that_is_not_signed_makes_a_miss(public):
    """In a store that others can write to, a signed whole takes only signed parts."""
    root = public / "store"
    EmbeddedStore(root).close()
    root.chmod(0o777)
    keys = Keyring([b"k" * 32])
    store = EmbeddedStore(root, packing=Packing(parts=100, keys=keys))
    value = [Model(b"w" * 500), 1]
    key = store.values.save(value)
    assert store.values.load(key)[0].weights == b"w" * 500
    part = store.values.get_envelope(digest(value[0]))
    assert part.is_signed(keys, digest(value[0]))
    plain = EmbeddedStore(root, packing=Packing(parts=100))
    plain.values.evict(digest(value[0]))
    plain.values.save(value[0])
    with pytest.raises(DamagedError):
        store.values.load(key)
    store.close()
    plain.close()


@pytest.mark.parametrize("compress", [False, True])
def test_compressed_and_plain_stores_read_each_other(opened, compress):
    """Forms do not depend on compression; what shrinks takes less room."""
    if opened.kind == "memory":
        pytest.skip("nobody else reads it")
    value = [["text " * 5000], {"n": list(range(5000))}]
    writer = opened(Packing(compress=compress, parts=1000))
    writer.values.save(value)
    form = writer.values.get_envelope(digest(value)).form
    reader = opened(Packing(compress=not compress))
    assert reader.values.load(digest(value)) == value
    assert writer.pack(value).form == form
    assert Packing(compress=True).pack(value).size < Packing().pack(value).size // 2
    assert Packing(compress=True).pack(value).form == Packing().pack(value).form


def test_what_is_small_is_not_compressed():
    """It would not repay its entry in the header."""
    for value in ("x" * 100, list(range(50))):
        assert Packing(compress=True).pack(value).to_bytes() == Packing().pack(value).to_bytes()


@pytest.mark.filterwarnings("ignore::fleche.errors.FlecheWarning")
def test_a_cached_function_returns_and_takes_parts(opened):
    """Results and arguments are filed with their parts; where one is lost, the call is computed anew, once."""
    store = opened(Packing(parts=500))
    ran = []

    @fleche.cached(cache=Cache(store.values, store.calls), version=1, code=None)
    def halves(table):
        ran.append(len(table))
        return {"left": table[0], "right": table[1]}

    table = [list(range(1000)), list(range(1000, 2000))]
    expected = {"left": table[0], "right": table[1]}
    assert halves(table) == halves(table) == expected
    assert {digest(table[0]), digest(table[1]), digest(table)} <= set(store.values.list())
    assert halves.query().only().arguments["table"] == table
    store.values.evict(digest(table[1]))
    assert [halves(table), halves(table)] == [expected, expected]
    assert ran == [2, 2]


def test_the_stored_form_is_the_one_that_the_format_page_says():
    """Skeleton and references byte for byte, in every version of Python."""
    part = list(range(100))
    whole = Packing(parts=100).pack([part, "x", [*part]])
    name, form = digest(part), "9bdc1778"
    assert whole.references() == {(name, form)}
    assert [(one, child.form) for one, child in whole.children] == [(name, form)]
    ids = [pickle.SHORT_BINBYTES + b"\x18" + name.raw + bytes.fromhex(form) + bytes([n, 0, 0, 0]) for n in (0, 1)]
    first, second = (one + pickle.MEMOIZE + pickle.BINPERSID for one in ids)
    stream = b"]" + pickle.MEMOIZE + b"(" + first + b"\x8c\x01x" + pickle.MEMOIZE + second + b"e."
    assert whole.to_bytes().endswith(pickle.PROTO + b"\x05" + pickle.FRAME + len(stream).to_bytes(8, "little") + stream)
    assert whole.checksum == "b65f2d73127300de3dd8a2daa6c08cb7"
