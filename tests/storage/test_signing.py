"""Signatures: what others could have written is told from what one of our keys signed."""

from __future__ import annotations

import pickle
import sqlite3
from collections import OrderedDict
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fleche
from fleche.caches import Cache
from fleche.digest import digest
from fleche.errors import ConfigError, DamagedError, UntrustedError
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.envelope import Envelope
from fleche.storage.loader import TRUSTED
from fleche.storage.packing import Packing
from fleche.storage.signing import Keyring, read_keys

OLD, NEW, FOREIGN = (Keyring([letter * 32]) for letter in (b"o", b"n", b"f"))
BOTH = Keyring([b"n" * 32, b"o" * 32])


class Model:
    """No type of the safe list."""

    def __init__(self, weights: Any) -> None:
        self.weights = weights


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(self.path),)


def test_keys_are_read_from_text_and_bytes() -> None:
    """Hexadecimal text with colons, bytes as they are, lists of both; anything else is refused."""
    assert read_keys("00ff:0102") == read_keys(["00ff", b"\x01\x02"]) == [b"\x00\xff", b"\x01\x02"]
    assert read_keys("") == read_keys([]) == []
    with pytest.raises(ValueError, match="token_hex"):
        read_keys("not hex")
    for wrong in (5, [5], None):
        with pytest.raises(TypeError):
            read_keys(wrong)  # type: ignore[arg-type]


def test_a_short_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name of the variable, and without the key."""
    with pytest.raises(ConfigError, match="16 bytes"):
        Keyring([b"short"])
    monkeypatch.setenv("FLECHE_SECRET_KEY", "zz-secret")
    with pytest.raises(ConfigError, match="FLECHE_SECRET_KEY") as caught:
        Keyring.from_environment()
    assert "zz-secret" not in str(caught.value)


def test_secret_keys_are_neither_shown_nor_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyring is pickled as the ids of its keys; the other process takes the keys from its own environment."""
    assert b"n" * 32 not in pickle.dumps(BOTH)
    assert "nnnn" not in repr(BOTH)
    assert not pickle.loads(pickle.dumps(BOTH))
    monkeypatch.setenv("FLECHE_SECRET_KEY", (b"o" * 32).hex() + ":" + (b"n" * 32).hex())
    assert pickle.loads(pickle.dumps(BOTH)) == BOTH


@pytest.mark.parametrize("compress", [False, True])
def test_a_signature_binds_content_and_digest(compress: bool) -> None:
    """Signed by any key of the ring for this digest: every other key, digest or byte is told apart; the form stays."""
    value = [Model(np.arange(3000.0)), "x" * 5000]
    packed = Envelope.pack(value, compress=compress)
    key, other = digest("one"), digest("other")
    data = packed.signed(OLD, key).to_bytes()
    read = Envelope.parse(data, place="here")
    assert read.form == packed.form
    assert read.is_signed(OLD, key)
    assert read.is_signed(BOTH, key)
    assert not read.is_signed(BOTH, other)
    assert not read.is_signed(NEW, key)
    assert not packed.is_signed(OLD, key)
    assert np.array_equal(read.load(TRUSTED, verify=True)[0].weights, value[0].weights)
    for place in range(0, len(data), max(1, len(data) // 199)):
        changed = bytearray(data)
        changed[place] ^= 1
        try:
            other_read = Envelope.parse(changed, place="here")
        except DamagedError:
            continue
        assert not other_read.is_signed(OLD, key) or other_read.to_bytes() == data or place in _padding(read)


def _padding(envelope: Envelope) -> set[int]:
    spans = envelope._header.spans()
    return {i for (_, end), (start, _) in pairwise(spans) for i in range(end, start)}


def _store(public: Path, keys: Keyring | None) -> EmbeddedStore:
    root = public / "store"
    EmbeddedStore(root).close()
    root.chmod(0o777)
    assert not EmbeddedStore(root).trusted
    return EmbeddedStore(root, packing=Packing(keys=keys))


def _counted(store: EmbeddedStore, ran: list[int], make: Any) -> Any:
    @fleche.cached(cache=Cache(store.values, store.calls), version=1, code=None)
    def made(x: int) -> Any:
        ran.append(x)
        return make(x)

    return made


@pytest.mark.filterwarnings("ignore::fleche.errors.FlecheWarning")
@pytest.mark.parametrize("size", [2, 3000, 100_000])
def test_what_we_signed_is_built_from_a_store_that_others_can_write_to(public: Path, size: int) -> None:
    """In the row, in the index and in a file; also after the keys were rotated; not by a stranger's keys."""
    ran: list[int] = []
    for keys, count in ((OLD, 1), (OLD, 1), (BOTH, 1), (NEW, 2), (BOTH, 2)):
        store = _store(public, keys)
        result = _counted(store, ran, lambda x: Model(np.arange(float(size))))(7)
        assert isinstance(result, Model)
        assert result.weights.sum() == sum(range(size))
        assert len(ran) == count, keys
        store.close()


@pytest.mark.filterwarnings("ignore::fleche.errors.FlecheWarning")
@pytest.mark.parametrize("size", [1, 100_000])
def test_a_planted_pickle_is_never_executed_and_is_computed_anew(public: Path, size: int) -> None:
    """A bomb in place of a signed result is a miss; what is computed replaces it."""
    mine, ran = public / "touched", []
    store = _store(public, NEW)
    made = _counted(store, ran, lambda x: OrderedDict(x=Model(b"z" * size)))
    made(1)
    bomb = Envelope.pack(Bomb(str(mine)))
    record = made.query().only().record
    for keys in (None, FOREIGN):
        planted = bomb if keys is None else bomb.signed(keys, record.result)
        with sqlite3.connect(public / "store" / "index.db") as index:
            index.execute("UPDATE calls SET envelope = ?", (planted.to_bytes(),))
        with suppress(UntrustedError, fleche.errors.ValueNotStored):
            assert isinstance(made.query().only().result["x"], Model)  # of a large one the file is still ours
        assert isinstance(made(1)["x"], Model)
        assert isinstance(made(1)["x"], Model)
    assert ran == [1, 1, 1]
    assert not mine.exists()
    store.close()


@pytest.mark.filterwarnings("ignore::fleche.errors.DamagedWarning")
def test_a_record_turned_to_another_signed_result_is_a_miss(public: Path) -> None:
    """A record's signature binds its key to its result: nobody can give one call the result of another."""
    ran: list[int] = []
    store = _store(public, NEW)
    made = _counted(store, ran, lambda x: x * 10)
    assert [made(1), made(2)] == [10, 20]
    with sqlite3.connect(public / "store" / "index.db") as index:
        index.execute(
            "UPDATE calls SET (result, form, envelope) = (SELECT result, form, envelope FROM calls ORDER BY id DESC)"
        )
    assert [made(1), made(2), made(1)] == [10, 20, 10]
    assert ran == [1, 2, 1]
    with sqlite3.connect(public / "store" / "index.db") as index:
        index.execute("UPDATE calls SET signature = NULL")
    assert [made(1), made(1)] == [10, 10]
    assert ran == [1, 2, 1, 1]
    store.close()


def test_without_keys_and_in_a_store_of_our_own_nothing_is_signed_or_asked(tmp_path: Path) -> None:
    """Keys change nothing about a store that only we can write to: what was there before them stays a hit."""
    ran: list[int] = []
    plain = EmbeddedStore(tmp_path / "own")
    assert _counted(plain, ran, Model)(1).weights == 1
    with sqlite3.connect(tmp_path / "own" / "index.db") as index:
        assert index.execute("SELECT signature FROM calls").fetchall() == [(None,)]
    keyed = EmbeddedStore(tmp_path / "own", packing=Packing(keys=NEW))
    assert _counted(keyed, ran, Model)(1).weights == 1
    assert ran == [1]
