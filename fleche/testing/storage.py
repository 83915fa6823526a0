"""What every store keeps to, as tests: subclass a suite, say how a store is opened, and run it with pytest.

>>> from contextlib import nullcontext
>>> class TestMyValues(ValueStorageTests):
...     def open(self):
...         return nullcontext(MyValues())
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleche.call.conditions import Condition
from fleche.call.records import DigestedCall, Outcome, QueryCall
from fleche.clock import to_micros
from fleche.digest import Digest, digest
from fleche.digest.algorithm import chosen
from fleche.errors import AmbiguousDigestError, SaveError
from fleche.storage.acceptances import Acceptance, Accepting
from fleche.storage.base import CallStorage, CodeRecord, EnvelopeStorage, RecordStore, ValueStorage, in_order
from fleche.storage.canonical import canonical
from fleche.storage.envelope import Envelope
from fleche.storage.lineage import takers, users
from fleche.storage.overview import Peekable, Surveyed, totals_of
from fleche.testing.strategies import conditions, metadata, plain, records, values_in_forms

__all__ = ["CallStorageTests", "RecordStoreTests", "ValueStorageTests"]

_SHARED = [HealthCheck.differing_executors]  # each store is a subclass that runs the same test
_SCALE = max(1, settings().max_examples // 100)  # of the profile: ``--hypothesis-profile=long`` runs five times as many
_FEW = settings(max_examples=25 * _SCALE, deadline=None, suppress_health_check=_SHARED)
_MORE = settings(max_examples=50 * _SCALE, deadline=None, suppress_health_check=_SHARED)
_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _key(start: str) -> Digest:
    return Digest(start.ljust(chosen().length, "0"))


class _Suite:
    keeps: ClassVar[bool] = True
    """Whether what is stored can be found again; False for a void."""

    @pytest.fixture(autouse=True)
    def _skip_what_needs_keeping(self, request: pytest.FixtureRequest) -> None:
        if not self.keeps and request.node.get_closest_marker("any_store") is None and "void" not in request.node.name:
            pytest.skip("this store keeps nothing")


class ValueStorageTests(_Suite):
    """The contract of value storages."""

    @abstractmethod
    def open(self) -> AbstractContextManager[ValueStorage]:
        """Return a new, empty storage for the length of a ``with`` block."""

    @staticmethod
    def packed(values: ValueStorage, value: Any) -> Envelope:
        """Return the envelope in which the storage keeps a value."""
        pack = getattr(getattr(values, "store", None), "pack", Envelope.pack)
        envelope: Envelope = pack(value)
        return envelope

    def test_a_void_or_any_other_storage_returns_the_digest_of_what_it_saves(self) -> None:
        """``save(x) == digest(x)``, of any storage."""
        with self.open() as values:
            assert values.save([1, "x"]) == digest([1, "x"])
            assert values.contains(digest([1, "x"])) is self.keeps

    def test_what_is_saved_is_loaded(self) -> None:
        """A value comes back equal and of the same type, by key and by prefix; None is a value."""
        with self.open() as values:
            for value in (
                None,
                True,
                1,
                1.0,
                "x",
                b"y",
                [1, [2]],
                {"a": {1, 2}},
                (),
                datetime(2020, 1, 1),
                b"z" * 300_000,
            ):
                key = values.save(value)
                for name in (key, str(key), key.upper(), key[:8]):
                    loaded = values.load(name)
                    assert loaded == value
                    assert type(loaded) is type(value)

    def test_what_is_loaded_is_the_callers_own(self) -> None:
        """Changing a saved or a loaded value changes nothing that is stored."""
        with self.open() as values:
            value = [1, 2]
            key = values.save(value)
            value.append(3)
            values.load(key).append(4)
            assert values.load(key) == [1, 2]

    def test_saving_twice_keeps_one(self) -> None:
        """The same content has one key and is listed once."""
        with self.open() as values:
            key = values.save((1, 2))
            listed = sorted(values.list())
            assert values.save((1, 2)) == key == digest((1, 2))
            assert listed.count(key) == 1
            assert sorted(values.list()) == listed

    def test_a_key_may_be_given(self) -> None:
        """A value is stored under a given key, which must be a whole digest; the last one saved there is loaded."""
        with self.open() as values:
            key = _key("ab")
            assert values.save("text", key) == key
            assert values.load(key) == "text"
            with pytest.raises(ValueError, match="characters"):
                values.save("text", Digest("abcdef"))
            with pytest.raises(ValueError, match="hexadecimal"):
                values.save("text", Digest("x" * chosen().length))

    def test_a_digest_is_no_value(self) -> None:
        """Saving a digest stores nothing: it stands for a value that is elsewhere."""
        with self.open() as values:
            assert values.save(digest(5)) == digest(5)
            assert list(values.list()) == []

    def test_evicting(self) -> None:
        """An evicted value is gone; evicting a full key that is not there is no error, an unknown prefix is."""
        with self.open() as values:
            for value in ("x", b"z" * 300_000):
                key = values.save(value)
                values.evict(key[:10])
                assert not values.contains(key)
                with pytest.raises(KeyError):
                    values.load(key)
                values.evict(key)
                with pytest.raises(KeyError):
                    values.evict(key[:10])
            assert list(values.list()) == []

    def test_peeking(self) -> None:
        """Where a storage can tell sizes, it tells one, reads no more than it may, and says what is missing."""
        with self.open() as values:
            if not isinstance(values, Peekable):
                return
            key = values.save([1, 2])
            size, envelope = values.peek(key, None, 10_000)
            assert envelope is not None
            assert envelope.size == size > 0
            assert values.peek(key, envelope.form, 1) == (size, None)
            with pytest.raises(KeyError):
                values.peek(digest("other"), None, 10_000)
            with pytest.raises(KeyError):
                values.peek(key, "00000000", 10_000)

    def test_prefixes(self) -> None:
        """A prefix is at least 4 characters, must name something, and only one thing."""
        with self.open() as values:
            one, two, three = _key("abcd1"), _key("abcd2"), _key("abce")
            for number, key in enumerate((one, two, three)):
                values.save(number, key)
            assert values.expand("abcd1") == values.expand("ABCD10") == one
            assert values.load("abce") == 2
            assert values.expand(_key("ffff")) == _key("ffff")  # full: as it is
            for unknown in ("abc", "", "abcf", "zzzz", "abcd1" + "1" * 90):
                with pytest.raises(KeyError):
                    values.expand(unknown)
                assert values.contains(unknown) is False
            for ask in (values.expand, values.contains, values.load, values.evict):
                with pytest.raises(AmbiguousDigestError) as caught:
                    ask("abcd")
                assert one in str(caught.value)
                assert two in str(caught.value)
                assert "5 characters" in str(caught.value)

    def test_shrinking(self) -> None:
        """The shortest prefixes that each name one key today, in the order given."""
        with self.open() as values:
            keys = [_key("abcd1"), _key("abcd2"), _key("abce"), _key("0")]
            for number, key in enumerate(keys):
                values.save(number, key)
            short = ("abcd1", "abcd2", "abce", "0000")
            assert values.shrink(*keys) == short
            assert tuple(values.shrink(key) for key in keys) == short
            with pytest.raises(KeyError):
                values.shrink(_key("ffff"))
            with pytest.raises(TypeError):
                values.shrink()  # type: ignore[call-overload]

    @_FEW
    @given(st.sets(st.integers(0, 4000), min_size=1, max_size=12))
    def test_shrunk_keys_expand_to_themselves(self, numbers: set[int]) -> None:
        """``expand(shrink(key)) == key``, and one character less is ambiguous or too short."""
        if not self.keeps:
            return
        with self.open() as values:
            keys = [_key(f"{number:05x}") for number in numbers]
            for key in keys:
                values.save(0, key)
            for key, short in zip(keys, (values.shrink(key) for key in keys), strict=True):
                assert values.expand(short) == key
                assert key.startswith(short)
                if len(short) > 4:
                    with pytest.raises(AmbiguousDigestError):
                        values.expand(short[:-1])

    @_FEW
    @given(values_in_forms())
    def test_every_form_of_a_value_is_kept(self, pair: tuple[Any, Any]) -> None:
        """Equal values of different form have one key; each form can be had, and any is loaded."""
        one, other = pair
        with self.open() as values:
            if not self.keeps or not isinstance(values, EnvelopeStorage):
                return
            key = values.save(one)
            assert values.save(other) == key
            for value in pair:
                form = self.packed(values, value).form
                found = values.get_envelope(key, form)
                assert found.form == form
            assert list(values.load(key)) == list(other)
            with pytest.raises(KeyError):
                values.get_envelope(key, "00000000")

    def test_what_cannot_be_stored_says_so(self) -> None:
        """A value that cannot be pickled raises `SaveError`, and nothing is stored."""
        with self.open() as values:
            with pytest.raises(SaveError):
                values.save((n for n in (1,)), _key("ab"))
            assert not values.contains(_key("ab"))


class CallStorageTests(_Suite):
    """The contract of call storages."""

    @abstractmethod
    def open(self) -> AbstractContextManager[CallStorage]:
        """Return a new, empty storage for the length of a ``with`` block."""

    @staticmethod
    def call(x: int = 0, /, **fields: Any) -> DigestedCall:
        """Return a record of ``m.f(x)``."""
        defaults: dict[str, Any] = {
            "module": "m",
            "name": "f",
            "arguments": {"x": digest(x)},
            "scalars": {"x": x},
            "kinds": {"x": "int"},
            "result": digest(x + 1),
            "at": _NOON + timedelta(seconds=x),
        }
        return DigestedCall(**{**defaults, **fields})

    def test_the_latest_that_match(self) -> None:
        """No more than are asked for, those that were filed and started last first."""
        with self.open() as calls:
            made = [
                DigestedCall(
                    module="m",
                    name="f" if n % 3 else "g",
                    arguments={"x": digest(n % 2)},
                    code=digest(n // 4),
                    result=digest(n),
                    at=_NOON + timedelta(minutes=n),
                )
                for n in range(12)
            ]
            for record in made:
                calls.save(record)
            for template in (
                QueryCall(),
                QueryCall(name="f"),
                QueryCall(module="m", name="f", arguments={"x": 1}),
                QueryCall(name="f", code=digest(2)),
                QueryCall(metadata={"runtime": {}}),
            ):
                found = [record.key for record in calls.latest(template, 3)]
                assert found == [record.key for record in calls.query(template)][::-1][:3]
            assert list(calls.latest(QueryCall(name="never"), 3)) == []
            assert list(calls.latest(QueryCall(), 0)) == []

    def test_which_of_many_keys_are_present(self) -> None:
        """Those that have a record, whatever its outcome."""
        with self.open() as calls:
            made = [DigestedCall(module="m", name=f"f{n}", outcome=Outcome.ERROR) for n in range(3)]
            keys = [calls.save(record) for record in made]
            others = [digest(n) for n in range(1300)]
            assert calls.present([*others, *keys, *keys]) == set(keys)
            assert calls.present([]) == set()

    def test_the_variants_of_a_function(self) -> None:
        """Its versions and codes, the latest first, told apart by type."""
        with self.open() as calls:
            variants = [(None, None), (1, digest("a")), ("1", digest("a")), (1, digest("b"))]
            for minute, (version, code) in enumerate(variants):
                at = _NOON + timedelta(minutes=minute)
                calls.save(DigestedCall(module="m", name="f", version=version, code=code, result=digest(1), at=at))
            calls.save(DigestedCall(module="m", name="g", version=7, result=digest(1), at=_NOON))
            assert list(map(repr, calls.variants("m", "f"))) == list(map(repr, variants[::-1]))
            assert list(calls.variants("m", "h")) == []

    def test_a_void_or_any_other_storage_returns_the_key_of_what_it_saves(self) -> None:
        """``save(call) == call.key``, of any storage."""
        with self.open() as calls:
            assert calls.save(self.call()) == self.call().key
            assert calls.contains(self.call().key) is self.keeps
            assert calls.count() == int(self.keeps)

    @_MORE
    @given(records())
    def test_what_is_saved_is_loaded(self, call: DigestedCall) -> None:
        """Any record comes back exactly as `canonical` says, by key and by prefix."""
        if not self.keeps:
            return
        with self.open() as calls:
            key = calls.save(call)
            assert plain(calls.load(key)) == plain(canonical(call)) == plain(calls.load(key[:9]))
            assert calls.load(key).key == key

    @_FEW
    @given(metadata())
    def test_metadata_comes_back(self, spaces: dict[str, dict[str, Any]]) -> None:
        """Arbitrary JSON metadata comes back exactly."""
        if not self.keeps:
            return
        with self.open() as calls:
            call = self.call(metadata=spaces)
            assert plain(calls.load(calls.save(call))) == plain(call)

    def test_what_replaces_what(self) -> None:
        """A result is left alone by an equal one and by errors; else the new record replaces the old."""
        result, other = self.call(result=digest(1)), self.call(result=digest(2))
        error = self.call(result=None, outcome=Outcome.ERROR)
        partial = self.call(result=digest(3), outcome=Outcome.PARTIAL)
        again = self.call(result=digest(1), metadata={"tags": {"again": 1}})
        with self.open() as calls:
            for call, kept in (
                (error, error),
                (partial, partial),
                (error, error),
                (result, result),
                (error, result),
                (partial, result),
                (again, result),
                (other, other),
                (again, again),
            ):
                calls.save(call)
                assert plain(calls.load(call.key)) == plain(kept)
            assert calls.count() == 1

    def test_forgetting(self) -> None:
        """A record that is forgotten is gone; where traces are kept, one says when, how and by whom."""
        with self.open() as calls:
            key, other = calls.save(self.call()), calls.save(self.call(2))
            calls.forget(key)
            calls.forget(other[:12], "evicted")
            calls.forget(self.call(3).key)
            assert list(calls.list()) == []
            with pytest.raises(KeyError):
                calls.forget(key[:10])
            left = calls.forgotten(key)
            if left is None:
                pytest.skip("this storage keeps no traces")
            assert (left.key, left.why) == (key, "forgotten")
            assert left.at.tzinfo is not None
            assert "@" in left.who
            again = calls.forgotten(other)
            assert again is not None
            assert again.why == "evicted"
            assert calls.forgotten(self.call(3).key) is None
            calls.save(self.call())
            assert calls.contains(key)
            calls.forget(key, "evicted")
            last = calls.forgotten(key)
            assert last is not None
            assert last.why == "evicted"

    def test_evicting(self) -> None:
        """An evicted record is gone; evicting a full key that is not there is no error, an unknown prefix is."""
        with self.open() as calls:
            key = calls.save(self.call(inputs=(digest(1),), metadata={"a": {}}))
            calls.save(self.call(2))
            calls.evict(key)
            calls.evict(key)
            assert not calls.contains(key)
            assert list(calls.list()) == [self.call(2).key]
            with pytest.raises(KeyError):
                calls.load(key)
            with pytest.raises(KeyError):
                calls.evict(key[:10])
            calls.save(self.call())
            assert calls.load(key).inputs == ()

    def test_recent(self) -> None:
        """The newest or the oldest records first, at most so many; without a time they are the oldest."""
        with self.open() as calls:
            for x in (3, 1, 2):
                calls.save(self.call(x))
            calls.save(self.call(9, at=None))
            assert [call.scalars["x"] for call in calls.recent(3)] == [3, 2, 1]
            assert len(list(calls.recent(100))) == 4
            assert list(calls.recent(0)) == []
            assert [call.scalars["x"] for call in calls.oldest(3)] == [9, 1, 2]
            assert len(list(calls.oldest(100))) == 4
            assert list(calls.oldest(0)) == []

    @_FEW
    @given(st.lists(records(), max_size=6), st.integers(0, 4), st.integers(0, 7))
    def test_surveys_agree_with_the_records(self, made: list[DigestedCall], first: int, limit: int) -> None:
        """What counts quickly, where a storage can, counts what its query finds."""
        if not self.keeps:
            return
        with self.open() as calls:
            for call in made:
                calls.save(call)
            if not isinstance(calls, Surveyed):
                return
            for template in (
                QueryCall(),
                QueryCall(outcomes=frozenset(Outcome)),
                *(QueryCall(name=c.name) for c in made),
            ):
                found, listed = calls.glance(template, first, limit), [*calls.query(template)]
                assert found is not None
                assert [plain(record) for record in found.records] == [plain(record) for record in listed[:first]]
                assert (found.total, found.whole) == (min(len(listed), limit), len(listed) <= limit)
            everything = [*calls.query(QueryCall(outcomes=frozenset(Outcome)))]
            counted = {(total.module, total.name): total for total in calls.totals(100)}
            for total in totals_of(everything):
                same = counted.pop((total.module, total.name))
                assert (same.calls, same.failed, same.latest) == (total.calls, total.failed, total.latest)
            assert counted == {}
            assert sum(total.calls for total in calls.totals(limit)) == min(len(everything), limit)

    def test_queries(self) -> None:
        """Given fields narrow, None is a wildcard, values and digests are one, oldest come first."""
        with self.open() as calls:
            for x in (2, 0, 1):
                calls.save(self.call(x))
            calls.save(self.call(5, name="g", version=1, metadata={"tags": {"a": 1}}))
            calls.save(self.call(6, result=None, outcome=Outcome.ERROR))
            calls.save(self.call(7, arguments={"x": digest(None)}, scalars={"x": None}))

            def found(**fields: Any) -> list[Any]:
                return [call.scalars["x"] for call in calls.query(QueryCall(**fields))]

            assert found() == [0, 1, 2, 5, None]
            assert found(name="f", module="m") == [0, 1, 2, None]
            assert found(arguments={"x": 1}) == found(arguments={"x": digest(1)}) == [1]
            assert found(arguments={"x": None}) == [0, 1, 2, 5, None]
            assert found(arguments={"x": digest(None)}) == [None]
            assert found(arguments={"y": 1}) == found(arguments={"x": True}) == found(name="h") == []
            assert found(result=2) == [1]
            assert found(version=1) == found(metadata={"tags": {"a": 1}}) == found(metadata={"tags": {}}) == [5]
            assert (
                found(version="1")
                == found(metadata={"tags": {"a": 1.0}})
                == found(metadata={"tags": {"b": None}})
                == []
            )
            assert found(outcomes=frozenset(Outcome), arguments={"x": 6}) == [6]

    @_MORE
    @given(st.lists(records(), max_size=6), st.data())
    def test_queries_agree_with_matches(self, made: list[DigestedCall], data: st.DataObject) -> None:
        """A query finds exactly what `QueryCall.matches` says of every record, in order."""
        if not self.keeps:
            return
        with self.open() as calls:
            for call in made:
                calls.save(call)
            kept = [calls.load(key) for key in calls.list()]
            model = data.draw(st.sampled_from(made)) if made else self.call()
            wanted = st.booleans()
            template = QueryCall(
                name=model.name if data.draw(wanted) else None,
                module=model.module if data.draw(wanted) else None,
                version=model.version if data.draw(wanted) else None,
                code=model.code if data.draw(wanted) else None,
                arguments={name: each for name, each in model.arguments.items() if data.draw(wanted)},
                result=model.result if data.draw(wanted) else None,
                metadata={name: each for name, each in model.metadata.items() if data.draw(wanted)},
                outcomes=data.draw(st.frozensets(st.sampled_from(Outcome))),
            )
            expected = [plain(call) for call in in_order(kept) if template.matches(call)]
            assert [plain(call) for call in calls.query(template)] == expected

    @_MORE
    @given(st.lists(records(), max_size=6), st.lists(conditions(), min_size=1, max_size=8))
    def test_conditions_agree_with_matches(self, made: list[DigestedCall], asked: list[Condition]) -> None:
        """A query by a condition finds exactly the records that it may hold for, in order."""
        if not self.keeps:
            return
        with self.open() as calls:
            for call in made:
                calls.save(call)
            kept = in_order(calls.load(key) for key in calls.list())
            for condition in asked:
                template = QueryCall(where=condition, outcomes=frozenset(Outcome))
                expected = [plain(call) for call in kept if condition.decide(call) is not False]
                assert [plain(call) for call in calls.query(template)] == expected, condition

    def test_transforming(self) -> None:
        """Every record is replaced and filed under its new key, even where keys trade places."""
        with self.open() as calls:
            for name in ("f", "g"):
                for x in range(3):
                    calls.save(self.call(x, name=name, metadata={"was": {"name": name}}))
            calls.transform(lambda call: call.evolve(name={"f": "g", "g": "f"}[call.name]))
            calls.transform()
            found = list(calls.query(QueryCall()))
            assert len(found) == calls.count() == 6
            assert {(call.name, call.metadata["was"]["name"]) for call in found} == {("f", "g"), ("g", "f")}
            assert {call.key for call in found} == set(calls.list())

    def test_where_results_came_from_and_went(self) -> None:
        """Found by result, by input and by argument: the same by an index as by listing."""
        with self.open() as calls:
            shared = digest([0] * 10)
            made = [self.call(x, result=shared) for x in range(3)]
            failed = self.call(3, result=shared, outcome=Outcome.ERROR)
            taking = [self.call(x, name="g", inputs=(made[0].key, made[x - 4].key)) for x in (4, 5)]
            using = self.call(6, name="g", arguments={"y": shared, "z": digest(1)}, scalars={}, kinds={})
            for call in (*made, failed, *taking, using):
                calls.save(call)
            kept = self.keeps
            found = calls.makers([shared, digest("nowhere")])
            if found is not None:
                assert found == ({shared: made[2].key} if kept else {})
                assert calls.makers([shared], made[2].key) == ({shared: made[1].key} if kept else {})
                assert calls.makers([]) == {}
            for ask, wanted, expected in (
                (takers, made[0].key, taking),
                (takers, made[1].key, [taking[1]]),
                (takers, taking[0].key, []),
                (users, shared, [using]),
                (users, digest(1), [made[1], using]),
                (users, digest("nowhere"), []),
            ):
                assert [call.key for call in ask(calls, wanted, 10)] == [call.key for call in expected if kept]
            assert [call.key for call in takers(calls, made[0].key, 1)] == [call.key for call in taking[:1] if kept]
            for call in taking:
                calls.evict(call.key)
            assert list(takers(calls, made[0].key, 10)) == []
            calls.save(made[1].evolve(result=digest("other"), at=made[2].at))
            if found is not None and kept:
                assert calls.makers([shared], made[2].key) == {shared: made[0].key}
                assert calls.makers([digest("other")]) == {digest("other"): made[1].key}

    def test_transforming_keeps_lineage(self) -> None:
        """Where keys change, inputs and parents change with them; what the function changes itself stays."""
        with self.open() as calls:
            one = self.call(1)
            two = self.call(2, inputs=(one.key, digest("elsewhere")), parent=one.key)
            three = self.call(3, inputs=(two.key,), parent=two.key)
            for call in (three, one, two):
                calls.save(call)
            own = self.call(9).key
            calls.transform(
                lambda call: call.evolve(
                    name={"f": "renamed"}[call.name], parent=own if call.scalars["x"] == 3 else call.parent
                )
            )
            if not self.keeps:
                return
            found = {call.scalars["x"]: call for call in calls.query(QueryCall())}
            assert {call.name for call in found.values()} == {"renamed"}
            assert found[2].inputs == (found[1].key, digest("elsewhere"))
            assert found[2].parent == found[1].key != one.key
            assert (found[3].inputs, found[3].parent) == ((found[2].key,), own)
            assert [call.key for call in takers(calls, found[1].key, 10)] == [found[2].key]
            assert list(takers(calls, one.key, 10)) == []

    def test_transforming_into_one(self) -> None:
        """Where records come to have one key the usual rule decides, oldest first."""
        with self.open() as calls:
            calls.save(self.call(1))
            calls.save(self.call(2))
            calls.transform(lambda call: call.evolve(arguments={}, scalars={}, kinds={}))
            (left,) = calls.query(QueryCall())
            assert left.result == digest(3)

    def test_a_failing_transform_loses_nothing(self) -> None:
        """If the function raises, all records are there."""

        def fail(call: DigestedCall) -> DigestedCall:
            if call.scalars["x"] == 1:
                raise RuntimeError("no")
            return call.evolve(name="changed")

        with self.open() as calls:
            for x in range(3):
                calls.save(self.call(x))
            with suppress(RuntimeError):
                calls.transform(fail)
            assert {call.scalars["x"] for call in calls.query(QueryCall())} == {0, 1, 2}

    def test_what_cannot_be_stored_says_so(self) -> None:
        """Metadata that is no JSON raises `SaveError`, and nothing is stored."""
        with self.open() as calls:
            with pytest.raises(SaveError):
                calls.save(self.call(metadata={"tags": {"a": object()}}))
            with pytest.raises(SaveError):
                calls.save(self.call(arguments={"x": Digest("abcd")}))
            assert calls.count() == 0


class RecordStoreTests(_Suite):
    """The contract of record stores."""

    call = staticmethod(CallStorageTests.call)

    @abstractmethod
    def open(self) -> AbstractContextManager[RecordStore]:
        """Return a new, empty store for the length of a ``with`` block."""

    @staticmethod
    def file(store: RecordStore, call: DigestedCall, value: Any, **options: Any) -> DigestedCall:
        """File a call with a result, and return the record."""
        call = call.evolve(result=digest(value))
        store.record(call, {digest(value): Envelope.pack(value)}, **options)
        return call

    @staticmethod
    def result(store: RecordStore, call: DigestedCall) -> Any:
        """Return the stored result of a call."""
        hit = store.lookup(call.key)
        assert hit is not None
        assert hit.result is not None
        assert hit.envelope is not None
        return store.decode(hit.result, hit.envelope)

    def test_a_void_or_any_other_store_says_which_faces_are_its_own(self) -> None:
        """Both faces name their store, so that a cache finds out that they are one."""
        with self.open() as store:
            assert isinstance(store, RecordStore)
            for face in (store.values, store.calls):
                assert getattr(face, "store", None) is store
            assert store.lookup(self.call().key) is None

    def test_what_is_recorded_is_found(self) -> None:
        """A lookup returns outcome, times and result, whatever the result's size; None is a result."""
        with self.open() as store:
            results: list[Any] = [None, 1.5, "x" * 5000, b"y" * 300_000, [[]]]
            for number, value in enumerate(results):
                expires = _NOON + timedelta(days=1) if number % 2 else None
                call = self.file(store, self.call(number, expires=expires), value)
                hit = store.lookup(call.key)
                assert hit is not None
                assert (hit.outcome, hit.result, hit.form) == (Outcome.RESULT, digest(value), Envelope.pack(value).form)
                assert call.at is not None
                assert hit.at == to_micros(call.at)
                assert hit.expires == (None if expires is None else to_micros(expires))
                assert self.result(store, call) == value
                assert store.values.load(digest(value)) == value
                assert plain(store.calls.load(call.key)) == plain(call.evolve(form=hit.form))

    def test_values_of_arguments_are_stored(self) -> None:
        """What is handed over beside the result can be loaded by its digest."""
        with self.open() as store:
            big = [list(range(100))] * 300
            values = {digest(v): Envelope.pack(v) for v in (big, "small", 7)}
            store.record(self.call(result=digest(7)), values)
            assert store.values.load(digest(big)) == big
            assert set(store.values.list()) == set(values)

    @_FEW
    @given(values_in_forms())
    def test_a_record_returns_its_own_form(self, pair: tuple[Any, Any]) -> None:
        """Of equal results of two calls each comes back in its own form."""
        if not self.keeps:
            return
        with self.open() as store:
            calls = [self.file(store, self.call(x), value) for x, value in enumerate(pair)]
            for call, value in zip(calls, pair, strict=True):
                assert list(self.result(store, call)) == list(value)

    def test_a_record_without_a_value_misses(self) -> None:
        """Where the result was evicted the hit has no envelope, and filing the call again mends it."""
        with self.open() as store:
            for value in (1.5, "x" * 5000, b"y" * 300_000):
                call = self.file(store, self.call(), value)
                store.values.evict(digest(value))
                hit = store.lookup(call.key)
                assert hit is not None
                assert hit.envelope is None
                self.file(store, call, value)
                assert self.result(store, call) == value

    def test_evicting_a_record_leaves_values(self) -> None:
        """Forgetting a call forgets no value: another may refer to it."""
        with self.open() as store:
            call = self.file(store, self.call(), 1.5)
            store.calls.evict(call.key)
            assert store.lookup(call.key) is None
            assert store.values.load(digest(1.5)) == 1.5

    def test_acceptances(self) -> None:
        """What was accepted is found by its new fingerprint, replaced by the same two, and withdrawn."""
        with self.open() as store:
            if not isinstance(store, Accepting):
                pytest.skip("this store keeps no acceptances")
            assert list(store.acceptances()) == list(store.acceptances(digest("new"))) == []
            one, two, other = (
                Acceptance(old=digest(old), new=digest(new), who=f"é\x00{old}", at=_NOON + timedelta(seconds=number))
                for number, (old, new) in enumerate([("old", "new"), ("older", "new"), ("new", "newer")])
            )
            for each in (other, two, one):
                store.accept(each)
            found = sorted(store.acceptances(), key=lambda each: each.at)
            assert [replace(each, signature=None) for each in found] == [one, two, other]
            assert {each.old for each in store.acceptances(digest("new"))} == {one.old, two.old}
            assert list(store.acceptances(digest("old"))) == []
            again = replace(one, function="m.f", added={"seed": digest(42)}, at=_NOON + timedelta(hours=1))
            store.accept(again)
            assert replace(store.acceptances(digest("new"))[-1], signature=None) == again
            assert len(store.acceptances()) == 3
            assert store.withdraw(two.old, two.new)
            assert not store.withdraw(two.old, two.new)
            assert not store.withdraw(one.new, one.old)
            assert [each.old for each in store.acceptances(digest("new"))] == [one.old]

    def test_an_error_may_have_no_value(self) -> None:
        """A failed call without a kept exception is found, and has no result."""
        with self.open() as store:
            call = self.call(result=None, outcome=Outcome.ERROR)
            store.record(call, {})
            hit = store.lookup(call.key)
            assert hit is not None
            assert (hit.outcome, hit.result, hit.envelope) == (Outcome.ERROR, None, None)

    def test_an_expired_record_is_renewed(self) -> None:
        """An equal result of a call after its record expired replaces it, so that it is a hit again."""
        with self.open() as store:
            old = self.file(store, self.call(at=_NOON, expires=_NOON + timedelta(seconds=5)), 1)
            later = _NOON + timedelta(seconds=60)
            self.file(store, old.evolve(at=_NOON + timedelta(seconds=1), expires=later), 1)
            assert store.calls.load(old.key).expires == old.expires
            self.file(store, old.evolve(at=_NOON + timedelta(seconds=6), expires=later), 1)
            assert store.calls.load(old.key).expires == later

    def test_who_lost_a_lease_overwrites_nothing(self) -> None:
        """A record filed under a lost lease is dropped if there is one already, and kept if there is none."""
        with self.open() as store:
            call = self.file(store, self.call(), 1, lease=_LOST)
            assert self.result(store, call) == 1
            self.file(store, self.call(), 2, lease=_LOST)
            assert self.result(store, call) == 1

    def test_code_is_kept_once(self) -> None:
        """The same code may be handed over with every call; a store that gives it back gives back the same."""
        with self.open() as store:
            code = CodeRecord(digest("code"), "deep", "{}", "def f(): ...")
            for x in range(3):
                self.file(store, self.call(x, code=code.digest), x, code=code)
            assert store.calls.count() == 3
            read = getattr(store, "code_record", None)
            if read is not None:
                assert read(code.digest) == code
                assert read(digest("no code")) is None

    def test_a_bad_record_stores_nothing(self) -> None:
        """What cannot be stored raises `SaveError`, and neither record nor values are there."""
        with self.open() as store:
            with pytest.raises(SaveError):
                self.file(store, self.call(metadata={"a": {"b": {1, 2}}}), "value")
            with pytest.raises(SaveError):
                self.file(store, self.call(name="\ud800"), "value")
            assert list(store.values.list()) == list(store.calls.list()) == []


class _Lost:
    """A lease that was taken away."""

    key = Digest("00")
    token = 1
    lost = True


_LOST: Any = _Lost()
