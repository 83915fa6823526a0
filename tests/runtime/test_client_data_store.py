"""The client data store: what is stored, what travels whole, and that nothing is shared."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import fleche
from fleche.runtime import App
from fleche.runtime.client_data_store import BaseClientDataStore, MemClientDataStore, StorageClientDataStore
from fleche.runtime.client_data_store.base_client_data_store import _generate_key
from fleche.runtime.exceptions import SerializationError
from fleche.storage.embedded import EmbeddedStore
from fleche.testing.engines import together

ABC = "__fleche__client_data__:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture(params=["memory", "embedded"])
def store(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[BaseClientDataStore]:
    """A client data store, over each of two value storages."""
    app = App("data", {"clientdatastore": {"local_cache_size": 2}})
    if request.param == "memory":
        yield MemClientDataStore(app)
        return
    embedded = EmbeddedStore(tmp_path / "store")
    yield StorageClientDataStore(app, embedded.values)
    embedded.close()


def text_of(size: int) -> str:
    """A value whose serialized text has so many characters."""
    return "x" * (size - 2)


def test_references() -> None:
    """The prefix and the SHA-256 of the text; both spellings are read."""
    assert _generate_key("abc") == ABC
    assert BaseClientDataStore.is_reference(ABC)
    assert BaseClientDataStore.is_reference(ABC.replace("fleche", "pynenc"))
    for other in ("abc", ABC[:-1], ABC + "0", ABC.upper(), ABC[:24], 3, None):
        assert not BaseClientDataStore.is_reference(other)


@pytest.mark.parametrize(("size", "stored"), [(1023, False), (1024, True), (1025, True)])
def test_the_lower_boundary(store: BaseClientDataStore, size: int, stored: bool) -> None:
    """From min_size_to_cache on a text is stored."""
    text = store.serialize(text_of(size))
    assert store.is_reference(text) is stored
    assert store.resolve(text) == text_of(size)


@pytest.mark.parametrize(("size", "stored"), [(2000, True), (2001, False)])
def test_the_upper_boundary(
    store: BaseClientDataStore, size: int, stored: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Above max_size_to_cache it travels whole, and is told of."""
    store.conf.max_size_to_cache = 2000
    with caplog.at_level(logging.WARNING):
        text = store.serialize(text_of(size))
    assert store.is_reference(text) is stored
    assert ("travels whole" in caplog.text) is not stored
    assert store.resolve(text) == text_of(size)


def test_very_large_values_are_told_of(store: BaseClientDataStore, caplog: pytest.LogCaptureFixture) -> None:
    """And stored."""
    store.conf.warn_threshold = 1500
    with caplog.at_level(logging.WARNING):
        assert store.is_reference(store.serialize(text_of(1501)))
    assert "above warn_threshold" in caplog.text


def test_it_can_be_switched_off(store: BaseClientDataStore) -> None:
    """Altogether, for one value, for one argument, for all."""
    big = text_of(5000)
    assert not store.is_reference(store.serialize(big, disable_cache=True))
    texts = store.serialize_arguments({"a": big, "b": big}, ("a",))
    assert [store.is_reference(texts[name]) for name in "ab"] == [False, True]
    assert not any(map(store.is_reference, store.serialize_arguments({"a": big, "b": big}, ("*",)).values()))
    store.conf.disable_client_data_store = True
    assert not store.is_reference(store.serialize(big))


def test_a_reference_is_passed_on(store: BaseClientDataStore) -> None:
    """One to what is stored here; any other text is data, whatever it looks like."""
    reference = store.serialize(text_of(5000))
    assert store.serialize(reference) == reference
    for value in (ABC, "__fleche__client_data__:", reference + " "):
        assert store.resolve(store.serialize(value)) == value
    nested = store.resolve(store.serialize([reference]))
    assert nested == [reference]
    assert store.resolve(nested[0]) == text_of(5000)


def test_equal_texts_are_stored_once(store: BaseClientDataStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """And read once, as long as they are remembered."""
    written, read = [], []
    keep, fetch = store._store, store._retrieve
    monkeypatch.setattr(store, "_store", lambda key, value: (written.append(key), keep(key, value)))
    monkeypatch.setattr(store, "_retrieve", lambda key: (read.append(key), fetch(key))[1])
    first = store.serialize(text_of(2000))
    assert store.serialize(text_of(2000)) == first
    assert len(written) == 1
    assert [store.resolve(first) for _ in range(3)] == [text_of(2000)] * 3
    assert read == []
    others = [store.serialize(text_of(size)) for size in (3000, 4000)]
    assert store.resolve(first) == text_of(2000)
    assert read == [first]
    assert store.resolve(others[1]) == text_of(4000)
    assert read == [first]


@pytest.mark.parametrize("capacity", [0, 1, 2])
def test_the_capacity_is_strict(store: BaseClientDataStore, capacity: int) -> None:
    """Of what each process remembers; none at all too."""
    store.conf.local_cache_size = capacity
    references = [store.serialize(text_of(size)) for size in (2000, 3000, 4000)]
    for reference, size in zip(references, (2000, 3000, 4000), strict=True):
        assert store.resolve(reference) == text_of(size)
        assert len(store._recent) <= capacity
    store._cache_deserialized(references[0], text_of(2000))
    assert len(store._recent) <= capacity


def test_refreshing_what_is_remembered_evicts_nothing(store: BaseClientDataStore) -> None:
    """Remembering again is no insertion."""
    one, two = (store.serialize(text_of(size)) for size in (2000, 3000))
    store._cache_deserialized(one, text_of(2000))
    assert set(store._recent) == {one, two}


def test_nothing_is_shared(store: BaseClientDataStore) -> None:
    """Neither with the sender nor with other readers."""
    value = ["x" * 2000]
    reference = store.serialize(value)
    value.append("later")
    one, other = store.resolve(reference), store.resolve(reference)
    one.append("mine")
    assert other == store.resolve(reference) == ["x" * 2000]


def test_purging_forgets_everything(store: BaseClientDataStore) -> None:
    """What is then asked for has a named error that is a KeyError."""
    reference = store.serialize(text_of(2000))
    store.purge()
    with pytest.raises(KeyError, match="not in the client data store"):
        store.resolve(reference)


def test_what_cannot_be_serialized_is_named(store: BaseClientDataStore) -> None:
    """The argument, its type, why, and its value, cut."""
    with pytest.raises(
        SerializationError, match=r"argument 'b' of type _thread\.lock cannot be serialized: .*unlocked"
    ):
        store.serialize_arguments({"a": 1, "b": threading.Lock()})

    class Unprintable:
        def __repr__(self) -> str:
            raise RuntimeError("no")

        def __reduce__(self) -> Any:
            raise TypeError("never")

    with pytest.raises(SerializationError, match="its repr failed"):
        store.serialize_arguments({"a": Unprintable()})


def test_arguments_come_back(store: BaseClientDataStore) -> None:
    """Any mix of whole ones and references; the earlier name of resolve still works."""
    arguments = {"a": 1, "b": text_of(5000), "c": [None]}
    assert store.deserialize_arguments(store.serialize_arguments(arguments)) == arguments
    with pytest.warns(DeprecationWarning, match="resolve"):
        assert store.deserialize(store.serialize(3)) == 3


def test_many_threads(store: BaseClientDataStore) -> None:
    """Store and read at once."""

    def work(number: int) -> bool:
        values = [text_of(2000 + (number + n) % 7) for n in range(20)]
        return all(store.resolve(store.serialize(value)) == value for value in values)

    assert all(together(4, work))


def test_twenty_megabytes(store: BaseClientDataStore) -> None:
    """End to end."""
    value = "é" * 20_000_000
    store.conf.warn_threshold = 1 << 40
    assert store.resolve(store.serialize(value)) == value


def test_apps_have_their_own() -> None:
    """Purging one leaves the other."""
    with fleche.cache("memory"):
        one, other = App("one").client_data_store, App("other").client_data_store
        reference = other.serialize(text_of(2000))
        one.serialize(text_of(2000))
        one.purge()
        assert other.resolve(reference) == text_of(2000)
