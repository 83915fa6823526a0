"""Plain directories under the names and with the options that existing code uses."""

from __future__ import annotations

import pickle
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleche.caches import Cache
from fleche.digest import digest
from fleche.errors import ConfigError, UntrustedError
from fleche.storage.envelope import Envelope
from fleche.storage.file import CallPickleFile, FileCalls, FileValues, ValuePickleFile
from fleche.testing.signing import Bomb, Model
from fleche.testing.storage import CallStorageTests, ValueStorageTests

OLD, NEW = "aa" * 32, "bb" * 32


class TestValues(ValueStorageTests):
    @contextmanager
    def open(self):
        with tempfile.TemporaryDirectory() as folder:
            yield ValuePickleFile(Path(folder) / "values", secret_key=OLD, compress=True)


class TestCalls(CallStorageTests):
    @contextmanager
    def open(self):
        with tempfile.TemporaryDirectory() as folder:
            yield CallPickleFile(Path(folder) / "calls", secret_key=OLD, compress=True)


@pytest.fixture
def folder(public):
    """A directory that others can write to."""
    folder = public / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


def test_what_a_key_signed_is_built_in_full(folder):
    """Where others can write; also after the key was rotated, and not without it."""
    key = ValuePickleFile(folder, secret_key=OLD).save(Model("w"))
    assert ValuePickleFile(folder, secret_key=[NEW, OLD]).load(key).weights == "w"
    for keys in ((), NEW):
        with pytest.raises(UntrustedError):
            ValuePickleFile(folder, secret_key=keys).load(key)


def test_a_record_that_no_key_signed_counts_as_missing(folder, make_call):
    """Loads and queries do not see it, and what is saved replaces it."""
    call = make_call(1, result=digest(1))
    unsigned, signed = CallPickleFile(folder), CallPickleFile(folder, secret_key=OLD)
    unsigned.save(call)
    with pytest.raises(KeyError):
        signed.load(call.key)
    signed.save(call)
    assert signed.load(call.key) == unsigned.load(call.key)


def test_a_pair_of_them_is_a_cache(folder, make_call):
    """What was filed without a key is a miss for who has one."""

    def cache(keys):
        return Cache(ValuePickleFile(folder / "v", secret_key=keys), CallPickleFile(folder / "c", secret_key=keys))

    for name in "vc":
        (folder / name).mkdir()
        (folder / name).chmod(0o777)
    call = make_call(1)
    cache(()).prepare(call).commit(5)
    assert cache(()).lookup(call.key) is not None
    assert cache(OLD).lookup(call.key) is None
    cache(OLD).prepare(call).commit(5)
    hit = cache(OLD).lookup(call.key)
    assert cache(OLD).open(hit) == 5


@pytest.mark.parametrize("name", ["pickle", "cloudpickle", "dill"])
def test_serializers_read_each_other(tmp_path, name):
    """Each takes functions by value, and reads what the others wrote."""
    values = getattr(ValuePickleFile, f"with_{name}")(tmp_path, 2, compress=True)
    assert (values.serializer, values.remaining_depth) == (name, 2)
    key = values.save(lambda x: x + 1, digest("f"))
    assert ValuePickleFile(tmp_path).load(key)(1) == 2


def test_they_are_pickled_without_their_keys(tmp_path, monkeypatch):
    """As their address and options; keys come from the other process's environment."""
    monkeypatch.setenv("FLECHE_SECRET_KEY", OLD)
    for storage in (ValuePickleFile(tmp_path, 3, secret_key=OLD), CallPickleFile(tmp_path, secret_key=OLD)):
        stream = pickle.dumps(storage)
        assert bytes.fromhex(OLD) not in stream
        assert OLD.encode() not in stream
        again = pickle.loads(stream)
        assert (type(again), again.root, again._packing) == (type(storage), storage.root, storage._packing)


def test_wrong_options_are_refused(tmp_path):
    """With the names that are known."""
    with pytest.raises(ConfigError, match="cloudpickle"):
        ValuePickleFile(tmp_path, serializer="json")
    with pytest.raises(ConfigError, match="16 bytes"):
        CallPickleFile(tmp_path, secret_key="ab")


def test_a_pair_executes_nothing_that_others_can_have_written(folder, tmp_path, make_call):
    """A cache of a plain directory and another call storage uses the directory's own loader."""
    values = FileValues(folder)
    calls = FileCalls(tmp_path / "calls")
    values.put_envelope(digest(5), Envelope.pack(Bomb(str(tmp_path / "touched"))))
    calls.save(make_call(1, result=digest(5)))
    cache = Cache(values, calls)
    with pytest.raises(UntrustedError):
        cache.open(cache.lookup(make_call(1).key))
    assert not (tmp_path / "touched").exists()
