"""Caches: prepare and commit, prefixes, completion, composition."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest

import fleche
from fleche import cached
from fleche.caches import Cache
from fleche.call import Call, Outcome
from fleche.digest import Digest, digest
from fleche.errors import AmbiguousDigestError, SaveError, UnknownDigestError, ValueNotStored
from fleche.storage.base import StorageBackend, ValueMixin
from fleche.storage.memory import CallMemory, ValueMemory

pytestmark = pytest.mark.portable


class Plain(ValueMixin, StorageBackend):
    """A value storage as a user would write one: put and get, nothing else."""

    def __init__(self) -> None:
        self.kept: dict[Digest, bytes] = {}

    def put(self, value: Any, key: Digest) -> Digest:
        self.kept[key] = pickle.dumps(value)
        return key

    def get(self, key: Digest) -> Any:
        return pickle.loads(self.kept[key])

    def list(self) -> list[Digest]:
        return list(self.kept)

    def _evict(self, key: Digest) -> None:
        self.kept.pop(key, None)


@pytest.fixture(params=["one store", "two storages", "plain values"])
def any_cache(request: pytest.FixtureRequest, store: Any) -> Iterator[Cache]:
    """The same cache, composed in three ways."""
    if request.param == "one store":
        cache = Cache(store.values, store.calls)
    else:
        cache = Cache(ValueMemory({}) if request.param == "two storages" else Plain(), CallMemory({}))
    with fleche.cache(cache):
        yield cache


def call(x: Any = 1, result: Any = "r") -> Call:
    return Call(module="m", name="f", arguments={"x": x}, result=result)


def test_a_saved_call_is_loaded(any_cache: Cache) -> None:
    """By key and by prefix, with arguments and result."""
    key = any_cache.save(call([1, 2], {"b": 1, "a": 2}))
    assert key == call([1, 2]).key
    found = any_cache.load(key[:8])
    assert found.key == key
    assert found.arguments["x"] == [1, 2]
    assert found.result == {"b": 1, "a": 2}
    assert list(found.result) == ["b", "a"]
    assert any_cache.contains(key)
    any_cache.evict(key)
    assert not any_cache.contains(key)
    with pytest.raises(KeyError):
        any_cache.load(key)


def test_memoised_calls_work_on_any_composition(any_cache: Cache) -> None:
    """Decorated functions hit, forget and query."""

    @cached
    def f(x: list[int]) -> list[int]:
        return [*x, 1]

    assert f([0]) == f([0]) == [0, 1]
    assert f.info().misses == 1
    assert f.calls.only().result == [0, 1]
    assert f.forget([0])
    assert f([0]) == [0, 1]


def test_prepare_seals_and_files_once(any_cache: Cache) -> None:
    """Exactly one of commit and abandon; mutation in between changes nothing."""
    items = [1]
    prepared = any_cache.prepare(call(items))
    items.append(2)
    key = prepared.commit("done")
    assert key == call([1]).key
    assert any_cache.load(key).arguments["x"] == [1]
    with pytest.raises(RuntimeError, match="already committed"):
        prepared.commit("again")
    with any_cache.prepare(call(5)) as abandoned:
        pass
    assert not any_cache.contains(abandoned.key)
    failed = any_cache.prepare(call(6))
    failed.commit(ValueError("x"), outcome=Outcome.ERROR)
    assert not any_cache.contains(failed.key)
    assert any_cache.query().failed().only().key == failed.key


def test_a_call_without_a_result_cannot_be_saved(any_cache: Cache) -> None:
    """None is a result, its absence is not."""
    with pytest.raises(SaveError, match="has no result"):
        any_cache.save(Call(module="m", name="f"))
    assert any_cache.load(any_cache.save(call(result=None))).result is None


def test_the_subscript_finds_calls_and_values(any_cache: Cache) -> None:
    """One call, or one value, by the first characters."""
    key = any_cache.save(call(result=[7]))
    assert any_cache[key[:10]].key == key
    assert any_cache[digest([7])[:10]] == [7]
    assert any_cache[key.upper()].key == key
    with pytest.raises(KeyError, match="too short"):
        any_cache[key[:3]]
    with pytest.raises(UnknownDigestError, match="starts with"):
        any_cache["0000000000"]
    with pytest.raises(TypeError):
        any_cache[3]  # type: ignore[index]


def test_an_ambiguous_prefix_lists_candidates_with_their_kinds(any_cache: Cache) -> None:
    """And says how many characters are needed."""
    key = any_cache.save(call())
    twin = Digest(key[:6] + "".join("0" if c != "0" else "1" for c in key[6:]))
    any_cache.values.save("a value", twin)
    with pytest.raises(AmbiguousDigestError) as raised:
        any_cache[key[:6]]
    text = str(raised.value)
    assert f"call {key[:12]} f(x=1)" in text
    assert f"value {twin[:12]}" in text
    assert "at least 7 characters" in text
    assert any_cache[twin[:7]] == "a value"
    assert any_cache[key[:7]].key == key


def test_completion_offers_recent_calls(any_cache: Cache) -> None:
    """Shortest prefixes, each naming one call."""
    assert any_cache._ipython_key_completions_() == []
    keys = [any_cache.save(call(n)) for n in range(5)]
    offered = any_cache._ipython_key_completions_()
    assert sorted(any_cache.calls.expand(prefix) for prefix in offered) == sorted(keys)


def test_a_missing_value_says_so(any_cache: Cache) -> None:
    """ValueNotStored is a KeyError."""
    key = any_cache.save(call(result=[1]))
    any_cache.values.evict(digest([1]))
    with pytest.raises(ValueNotStored):
        _ = any_cache.load(key).result
    with pytest.raises(KeyError):
        any_cache.load_value(digest("never"))


def test_expand_and_shrink(any_cache: Cache) -> None:
    """Through the cache, and through a digest by the active one."""
    key = any_cache.save(call())
    assert any_cache.expand(key[:6]) == key
    assert any_cache.expand(any_cache.shrink(key)) == key
    assert Digest(key[:6]).expand() == key
    assert key.startswith(key.shrink())


def test_a_cache_on_disk_pickles_by_address(disk: Cache) -> None:
    """The copy sees what the original stored."""
    key = disk.save(call())
    again = pickle.loads(pickle.dumps(disk))
    assert again.load(key).result == "r"
    again.close()


def test_a_cache_in_memory_refuses_to_be_pickled() -> None:
    """With the reason."""
    with pytest.raises(TypeError, match="memory"):
        pickle.dumps(Cache(ValueMemory({}), CallMemory({})))
