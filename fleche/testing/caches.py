"""What every cache keeps to, as tests: subclass the suite, say how a cache is opened, and run it with pytest."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

import fleche
from fleche import cached
from fleche.caches import BaseCache, Filing
from fleche.call import Call, LazyCall, Outcome, QueryCall
from fleche.digest import Digest, digest
from fleche.errors import AmbiguousDigestError, Rejected, SaveError, UnknownDigestError
from fleche.storage.acceptances import Acceptance
from fleche.storage.base import CodeRecord

__all__ = ["CacheTests", "call"]


def call(x: Any = 1, result: Any = "r", name: str = "f") -> Call:
    """Return the call ``m.f(x)``, which returned."""
    return Call(module="m", name=name, arguments={"x": x}, result=result)


class CacheTests:
    """The contract of caches."""

    hits: ClassVar[bool] = True
    """Whether what is saved is a hit: not in a void, nor where everything is computed anew."""

    keeps: ClassVar[bool] = True
    """Whether what is saved can be queried."""

    saves: ClassVar[bool] = True
    """Whether calls can be saved: not in views and unions."""

    @abstractmethod
    def open(self) -> AbstractContextManager[tuple[BaseCache, BaseCache]]:
        """Return the cache, and where to save what it is to find (itself, if it saves), for a ``with`` block."""

    @pytest.fixture
    def pair(self) -> Iterator[tuple[BaseCache, BaseCache]]:
        """A cache, and where its calls are saved."""
        with self.open() as pair:
            yield pair

    @pytest.fixture
    def cache(self, pair: tuple[BaseCache, BaseCache]) -> BaseCache:
        """The cache."""
        return pair[0]

    @pytest.fixture
    def below(self, pair: tuple[BaseCache, BaseCache]) -> BaseCache:
        """Where its calls are saved."""
        return pair[1]

    def test_the_code_of_a_call_is_given_back(self, cache: BaseCache, below: BaseCache) -> None:
        """What stands behind a fingerprint can be asked for through every cache; what is not kept is None."""
        if not self.keeps:
            pytest.skip("this cache keeps nothing")
        kept = CodeRecord(digest("code"), "deep", "{}", "{}")
        below.prepare(call(), Filing(code=kept)).commit("r")
        if below.code_record(kept.digest) is None:
            pytest.skip("this store keeps no code")
        assert cache.code_record(kept.digest) == kept
        assert cache.code_record(digest("other code")) is None

    def test_a_saved_call_is_a_hit(self, cache: BaseCache, below: BaseCache) -> None:
        """Its value comes back equal, in its form, fresh each time."""
        key = below.save(call([1], {"b": 1, "a": [2]}))
        hit = cache.lookup(key)
        assert (hit is not None and hit.envelope is not None) is self.hits
        if hit is None:
            assert not cache.contains(key)
            return
        first, second = cache.open(hit), cache.open(hit)
        assert first == second == {"b": 1, "a": [2]}
        assert list(first) == ["b", "a"]
        assert first["a"] is not second["a"]
        assert cache.contains(key)
        assert cache.load(key).result == first
        assert cache.load(key[:8]).arguments["x"] == [1]

    def test_what_was_never_saved_is_a_miss(self, cache: BaseCache) -> None:
        """And loading it a `KeyError`."""
        key = call("never").key
        assert cache.lookup(key) is None
        assert not cache.contains(key)
        assert not cache.contains(key[:8])
        for name in (key, key[:8], key[:3]):
            with pytest.raises(KeyError):
                cache.load(name)
        with pytest.raises(KeyError):
            cache.load_value(digest("never"))

    def test_calls_are_queried_once_and_oldest_first(self, cache: BaseCache, below: BaseCache) -> None:
        """By template, by fields, and of each outcome."""
        keys = [below.save(call(x, x + 10)) for x in range(3)]
        below.prepare(call(9)).commit(ValueError("x"), outcome=Outcome.ERROR)
        if not self.keeps:
            assert cache.query().all().empty()
            return
        assert [found.key for found in cache.query()] == keys
        assert [found.result for found in cache.query()] == [10, 11, 12]
        assert cache.query(arguments={"x": 1}).only().key == keys[1]
        assert cache.query(result=12).only().key == keys[2]
        assert cache.query().failed().only().arguments["x"] == 9
        assert cache.query().all().count() == 4
        assert [found.key for found in cache.recent(2)] == [call(9).key, keys[2]]
        assert len(cache.query().rows()) == 3

    def test_a_large_argument_leaves_a_sketch(self, cache: BaseCache, below: BaseCache) -> None:
        """Which is found through every cache, and goes where the call goes; it is no orphan."""
        from fleche.caches import Cache
        from fleche.call.sketch import sketch, sketches_of
        from fleche.storage.memory import MemoryStore

        large = "x" * 3_000_000
        below.save(call(large))
        if not self.keeps:
            return
        (named,) = sketches_of(cache.query().only().record)
        assert named == ("x", digest(sketch(large)))
        assert cache.load_value(Digest(named[1])) == sketch(large)
        with pytest.raises(KeyError):
            cache.load_value(digest(large))
        store = MemoryStore()
        other = Cache(store.values, store.calls)
        assert cache.transfer(other).ok
        assert other.load_value(Digest(named[1])) == sketch(large)
        assert cache.verify(values=True).ok

    def test_the_latest_calls_of_a_function(self, cache: BaseCache, below: BaseCache) -> None:
        """Of those that match, the last come first; no more than are asked for."""
        keys = [below.save(call(x)) for x in range(6)] + [below.save(call(7, name="g"))]
        below.prepare(call(9)).commit(ValueError("x"), outcome=Outcome.ERROR)
        if not self.keeps:
            assert cache.latest(QueryCall(name="f"), 3) == []
            return
        assert [found.key for found in cache.latest(QueryCall(name="f"), 3)] == keys[5:2:-1]
        assert [found.key for found in cache.latest(QueryCall(arguments={"x": 2}), 3)] == [keys[2]]
        assert [found.key for found in cache.latest(QueryCall(), 99)] == keys[::-1]
        every = QueryCall(name="f", outcomes=frozenset(Outcome))
        assert cache.latest(every, 1)[0].key == call(9).key
        assert cache.latest(QueryCall(name="h"), 3) == []

    def test_the_variants_of_a_function(self, cache: BaseCache, below: BaseCache) -> None:
        """The versions and codes under which its calls were filed, the latest first."""
        codes = [(None, digest("one")), (2, digest("one")), ("2", digest("two")), (2, None)]
        for version, code in [*codes, codes[1]]:
            below.save(Call(module="m", name="f", version=version, code=code, result=1))
        below.save(Call(module="m", name="g", version=3, result=1))
        found = cache.variants("m", "f")
        assert list(map(repr, found)) == (list(map(repr, codes[::-1])) if self.keeps else [])
        assert cache.variants("m", "h") == []

    def test_which_of_many_keys_are_there(self, cache: BaseCache, below: BaseCache) -> None:
        """Exactly those that a lookup would find."""
        keys = [below.save(call(x)) for x in range(5)] + [call(x).key for x in range(5, 1200)]
        found = cache.present(keys)
        assert found == {key for key in keys if cache.lookup(key) is not None}
        assert found == (set(keys[:5]) if self.hits else set())
        assert cache.present([]) == set()

    def test_prefixes(self, cache: BaseCache, below: BaseCache) -> None:
        """The shortest prefixes expand to their keys, and name calls and values by subscript."""
        keys = [below.save(call(x, [x])) for x in range(12)]
        if not self.keeps:
            with pytest.raises(KeyError):
                cache.expand(keys[0][:8])
            return
        short = cache.shrink(*keys)
        assert [cache.expand(each) for each in short] == keys
        assert cache.shrink(keys[0]) == short[0]
        assert cache[keys[3][:12]].key == keys[3]
        assert cache[digest([3])[:12]] == [3]
        offered = cache._ipython_key_completions_()
        assert sorted(cache.expand(each) for each in offered) == sorted(keys)
        with pytest.raises(KeyError):
            cache.shrink(call("never").key)
        with pytest.raises(UnknownDigestError, match="too short"):
            cache[keys[0][:3]]

    def test_ambiguity(self, cache: BaseCache, below: BaseCache) -> None:
        """A prefix of two keys is refused, and says how many characters are needed."""
        if not self.keeps:
            return
        seen: dict[str, Digest] = {}
        for x in range(1500):
            key = call(x).key
            if key[:4] in seen:
                below.save(call(x))
                below.save(call(next(y for y in range(x) if call(y).key == seen[key[:4]])))
                with pytest.raises(AmbiguousDigestError, match="at least"):
                    cache[key[:4]]
                return
            seen[key[:4]] = key
        raise AssertionError("1500 keys and no two alike in four characters")

    def test_saving(self, cache: BaseCache) -> None:
        """A call is saved once; where nothing is saved, that is said."""
        if not self.saves:
            with pytest.raises(Rejected):
                cache.save(call())
            with pytest.raises(Rejected):
                cache.evict(call().key)
            assert not cache.writable
            return
        assert cache.writable
        key = cache.save(call())
        assert cache.save(call()) == key == call().key
        assert cache.query().count() == self.keeps
        with pytest.raises(SaveError, match="no result"):
            cache.save(Call(module="m", name="f"))
        prepared = cache.prepare(call(2))
        prepared.abandon()
        assert cache.query().count() == self.keeps
        with pytest.raises(RuntimeError):
            prepared.commit(1)

    def test_preparing_never_fails(self, cache: BaseCache) -> None:
        """What is computed and not filed is a call all the same."""
        prepared = cache.prepare(call(5))
        assert prepared.key == call(5).key
        prepared.abandon()

    def test_evicting(self, cache: BaseCache) -> None:
        """What was evicted is a miss; an unknown key is no error, an unknown prefix is one."""
        if not self.saves:
            return
        key = cache.save(call())
        cache.evict(key)
        cache.evict(key)
        assert cache.lookup(key) is None
        assert cache.query().empty()
        with pytest.raises(KeyError):
            cache.evict("00000000")

    def test_what_was_forgotten(self, cache: BaseCache, below: BaseCache) -> None:
        """Where traces are kept, every cache tells of a call that was there and was removed."""
        key = below.save(call())
        below.evict(key)
        left = below.forgotten(key)
        told = cache.forgotten(key)
        assert (told is None) is (left is None)
        assert told is None or (told.key, told.why) == (key, "forgotten")
        assert cache.forgotten(call("never").key) is None

    def test_acceptances(self, cache: BaseCache, below: BaseCache) -> None:
        """What was accepted is told by every cache; who may not write may not accept, and who cannot says so."""
        said = Acceptance(old=digest("old"), new=digest("new"), who="ada@host", at=datetime(2026, 1, 1, tzinfo=UTC))
        try:
            below.accept(said)
        except SaveError:
            with pytest.raises(SaveError, match="keeps no acceptances"):
                below.accept(said)
            assert list(cache.acceptances()) == []
            return
        assert [each.old for each in cache.acceptances()] == [said.old]
        assert [each.old for each in cache.acceptances(said.new)] == [said.old]
        assert list(cache.acceptances(said.old)) == []
        if not self.saves:
            for refused in (lambda: cache.accept(said), lambda: cache.withdraw(said.old, said.new)):
                with pytest.raises(Rejected):
                    refused()
            return
        cache.accept(said)
        assert len(cache.acceptances()) == 1
        assert cache.withdraw(said.old, said.new)
        assert not cache.withdraw(said.old, said.new)
        assert list(cache.acceptances(said.new)) == []

    def test_values_by_themselves(self, cache: BaseCache) -> None:
        """A value that is kept has its digest and a form."""
        if not self.saves:
            return
        key, form = cache.keep([1, 2])
        assert key == digest([1, 2])
        if self.keeps:
            assert cache.load_value(key) == cache.load_value(key, form) == [1, 2]

    def test_pictures(self, cache: BaseCache, below: BaseCache) -> None:
        """A cache has a text and a picture, and says what it is."""
        below.save(call())
        assert repr(cache)
        assert 'class="fleche"' in cache._repr_html_()
        assert "no picture" not in cache._repr_html_()
        assert cache.describe()

    def test_nothing_is_wrong(self, cache: BaseCache, below: BaseCache) -> None:
        """A sound cache verifies."""
        below.save(call([1], "x" * 100_000))
        assert cache.verify(values=True).findings == ()
        if self.saves:
            assert cache.repair().findings == ()

    def test_transferring(self, cache: BaseCache, below: BaseCache) -> None:
        """Everything arrives, and doing it twice is doing it once."""
        from fleche.caches import Cache
        from fleche.storage.memory import MemoryStore

        for x in range(3):
            below.save(call([x], {"x": x}))
        store = MemoryStore()
        other = Cache(store.values, store.calls)
        number = 3 if self.keeps else 0
        first, second = cache.transfer(other), cache.transfer(other)
        assert (first.moved, first.there, first.failed) == (number, 0, ())
        assert (second.moved, second.there) == (0, number)
        assert [found.result for found in other.query()] == [{"x": x} for x in range(number)]
        assert [found.arguments["x"] for found in other.query()] == [[x] for x in range(number)]
        assert other.verify(values=True).ok
        if self.saves and self.keeps:
            assert cache.transfer(other, pop=True).there == 3
            assert cache.query().empty()
            assert other.transfer(cache).moved == 3
            assert cache.query().count() == 3

    def test_what_came_from_what(self, cache: BaseCache, below: BaseCache) -> None:
        """Up and down, over arguments and calls made inside; what was evicted is named, and left out."""
        gone = call("gone").key
        load = below.save(call(0, [0] * 20, "load"))
        fit = below.prepare(call([0] * 20, name="fit"), Filing(inputs=(load, gone))).commit([1] * 20)
        side = below.prepare(call(7, name="side"), Filing(parent=call(3, name="run").key)).commit(5)
        run = below.prepare(call(3, name="run"), Filing(inputs=(fit,), made=(side, fit))).commit("done")
        for each in cache.query().all():
            assert each.lineage.upstream() == each.upstream()
        if not self.keeps:
            assert cache.takers(load) == cache.users(digest([0] * 20)) == []
            return

        def names(calls: list[LazyCall]) -> list[str]:
            return [each.name for each in calls]

        found = {each.key: each for each in cache.query()}
        assert names(found[fit].parents()) == ["load"]
        assert found[fit].lineage.missing() == [gone]
        assert names(found[load].children()) == ["fit"]
        assert names(found[run].parents()) == ["fit"]
        assert names(found[run].inner()) == ["side", "fit"]
        assert names(found[side].outer()) == names(found[fit].outer()) == names(found[fit].children()) == ["run"]
        assert sorted(names(found[run].upstream())) == ["fit", "load", "side"]
        assert names(found[run].upstream(depth=1, limit=1)) == ["fit"]
        assert names(found[load].downstream()) == ["fit", "run"]
        assert names(found[load].downstream(depth=1)) == ["fit"]
        assert names(cache.users(digest([0] * 20))) == ["fit"]
        assert names(cache.takers(gone)) == ["fit"]
        assert "load" in str(found[run].lineage)
        assert f"{gone[:8]} (not stored any more)" in str(found[run].lineage)
        for each in found.values():
            assert "no picture" not in each.lineage._repr_html_()

    def test_values_are_known_by_the_call_that_returned_them(self, cache: BaseCache) -> None:
        """By the latest of several, where there is an index."""
        if not self.saves:
            assert cache.makers([digest([0] * 20)]) == {}
            return
        one, two = (cache.save(call(x, [0] * 20)) for x in (1, 2))
        found = cache.makers([digest([0] * 20), digest([1])])
        if found:
            assert found == {digest([0] * 20): two}
            assert cache.makers([digest([0] * 20)], two) == {digest([0] * 20): one}

    def test_forgetting_downstream(self, cache: BaseCache, below: BaseCache) -> None:
        """Is a dry run until it is confirmed, and leaves what was computed anew since."""
        load = below.save(call(0, [0] * 20, "load"))
        other = below.save(call(1, [1] * 20, "load"))
        fit = below.prepare(call(1, name="fit"), Filing(inputs=(load,))).commit(1)
        run = below.prepare(call(2, name="run"), Filing(made=(fit,))).commit(2)
        if not self.keeps:
            return
        forgetting = next(iter(cache.find_key(load))).forget(downstream=True)
        assert [each.key for each in forgetting.calls] == [load, fit, run]
        assert [each.key for each in forgetting.asked] == [load]
        assert forgetting.functions == {"m.fit": 1, "m.load": 1, "m.run": 1}
        assert cache.query().count() == 4
        assert "3 calls" in repr(forgetting)
        query = cache.query(name="load").forget(downstream=True)
        assert {each.key for each in query.calls} == {load, other, fit, run}
        if not self.saves:
            with pytest.raises(Rejected):
                forgetting.confirm()
            assert cache.query().count() == 4
            return
        cache.evict(run)
        below.prepare(call(2, name="run")).commit(3)
        assert forgetting.confirm() == 2
        assert forgetting.confirm() == 0
        assert {each.key for each in cache.query()} == {other, run}
        assert next(iter(cache.find_key(other))).forget()
        assert cache.query(name="run").forget() == 1
        assert cache.query().empty()

    def test_cached_functions(self, cache: BaseCache, recwarn: pytest.WarningsRecorder) -> None:
        """Functions, generators and errors run over it; a second call hits where it is kept."""

        @cached
        def double(x: list[int]) -> list[int]:
            return x * 2

        @cached
        def numbers(count: int) -> Iterator[int]:
            yield from range(count)

        @cached
        async def later(x: int) -> int:
            return x + 1

        @cached(errors=(ValueError,))
        def fails(x: int) -> int:
            raise ValueError(x)

        with fleche.cache(cache):
            for _ in range(2):
                assert double([1]) == [1, 1]
                assert list(numbers(3)) == [0, 1, 2]
                assert asyncio.run(later(1)) == 2
                with pytest.raises(ValueError, match="1"):
                    fails(1)
        hits = int(self.hits and self.saves)
        assert [f.info().hits for f in (double, numbers, later, fails)] == [hits] * 4
        recwarn.clear()
