"""`fleche.storage`: lock mixins, kinds of storage of one's own, serializers, and what is not built."""

from __future__ import annotations

import importlib
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from fleche import cache, cached
from fleche.caches import Cache
from fleche.call import DigestedCall, QueryCall
from fleche.digest import Digest, digest
from fleche.errors import ConfigError, SaveError, StoreError, UnreadableError, UntrustedError
from fleche.storage import (
    AmbiguousDigestError,
    BagOfHoldingH5FileBackend,
    CallBagOfHoldingH5File,
    CallMemory,
    CallMixin,
    CallStorage,
    CallVoid,
    FileStorage,
    Intent,
    MemoryBackend,
    OperationContext,
    PickleFileBackend,
    SerializingMixin,
    StorageBackend,
    ValueBagOfHoldingH5File,
    ValueMemory,
    ValueMixin,
    ValuePickleFile,
    ValueStorage,
    ValueVoid,
    get_storage_constructor,
    is_registered_storage,
    register_serializer,
    register_storage,
    serializers,
)
from fleche.storage.envelope import Envelope
from fleche.storage.file import FileValues
from fleche.storage.loader import TRUSTED
from fleche.storage.safe_loader import SAFE
from fleche.storage.thread_safe import PerKeyLockMixin

pytestmark = pytest.mark.portable


class Shelf(StorageBackend):
    """A backend of one's own: two primitives, and where things lie."""

    def __init__(self):
        self.items = {}

    def put(self, value, key):
        self.items[key] = value
        return key

    def get(self, key):
        return self.items[key]

    def list(self):
        return list(self.items)

    def _evict(self, key):
        self.items.pop(key, None)


class ValueShelf(ValueMixin, Shelf):
    """Values there."""


class CallShelf(CallMixin, Shelf):
    """Records there."""


class Traced(OperationContext):
    """Notes which operations begin and end."""

    def __init__(self):
        self.inside = 0
        self.most = 0

    @contextmanager
    def _operation_context(self, key, *, intent=Intent.WRITE):
        with super()._operation_context(key, intent=intent):
            yield

    def operate(self, key, intent, barrier):
        with self._operation_context(key, intent=intent):
            self.inside += 1
            self.most = max(self.most, self.inside)
            if barrier is not None:
                barrier.wait(30)
            self.inside -= 1


class Serial(SerializingMixin, Traced):
    pass


class PerKey(PerKeyLockMixin, Traced):
    pass


def test_values_in_memory_keep_what_was_saved():
    """Under their digest, or under a key that is given; prefixes find them."""
    values = ValueMemory({})
    key = values.save({"a": [1, 2]})
    assert key == digest({"a": [1, 2]})
    assert values.load(key) == values.load(key[:8]) == {"a": [1, 2]}
    assert values.contains(key)
    assert list(values.list()) == [key]
    values.evict(key)
    assert not values.contains(key)
    with pytest.raises(KeyError):
        values.load(key)


def test_void_keeps_nothing():
    """It takes everything."""
    values, calls = ValueVoid(), CallVoid()
    assert not values.contains(values.save(1))
    assert not calls.contains(calls.save(DigestedCall(module="m", name="f")))


def test_prefixes_are_expanded_and_shrunk():
    """At least four characters; more than one match is an error, none a `KeyError`."""
    backend = MemoryBackend({})
    length = len(digest(0))
    one, other = Digest("abcd1" + "0" * (length - 5)), Digest("abcd2" + "0" * (length - 5))
    for key in (one, other):
        backend.put(1, key)
    assert backend.expand("abcd1") == one
    assert backend.shrink(one) == "abcd1"
    assert backend.shrink(one, other) == ("abcd1", "abcd2")
    with pytest.raises(AmbiguousDigestError):
        backend.expand("abcd")
    for unknown in ("abc", "ffff"):
        with pytest.raises(KeyError):
            backend.expand(unknown)


def test_a_backend_of_ones_own_is_a_cache():
    """The mixins do the rest."""
    own = Cache(ValueShelf(), CallShelf())
    ran = []

    @cached
    def f(x):
        ran.append(x)
        return [x]

    with cache(own):
        assert f(1) == f(1) == [1]
    assert ran == [1]
    assert own.calls.query(QueryCall(name=f.__qualname__))
    assert own.contains(f.key(1))


def test_one_thread_at_a_time_does_anything():
    """With `SerializingMixin` reading waits too, whatever the key."""
    store = Serial()
    with ThreadPoolExecutor(8) as pool:
        intents = [Intent.READ, Intent.WRITE] * 50
        list(pool.map(lambda item: store.operate(str(item[0]), item[1], None), enumerate(intents)))
    assert store.most == 1
    started, done = threading.Event(), threading.Event()

    def read():
        started.set()
        with store._operation_context("b", intent=Intent.READ):
            done.set()

    with ThreadPoolExecutor(1) as pool:
        with store._operation_context("a", intent=Intent.READ):
            future = pool.submit(read)
            started.wait(30)
            while store._key_locks._entries[""].users < 2:
                threading.Event().wait(0.001)
            assert not done.is_set()
        future.result(30)


def test_different_keys_go_on_at_once():
    """With `PerKeyLockMixin`: two writers are inside together, or this would never end."""
    store = PerKey()
    barrier = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(store.operate, key, Intent.WRITE, barrier) for key in "ab"]:
            future.result(30)


@pytest.mark.parametrize("mixin", [SerializingMixin, PerKeyLockMixin])
def test_lock_mixins_go_before_any_storage(mixin):
    """They are reentrant, and need no constructor."""

    class Shared(mixin, ValueMemory):
        pass

    values = Shared({})
    keys = [values.save(n) for n in range(3)]
    with values._operation_context(keys[0]):
        assert values.load(keys[0][:6]) == 0


def test_lock_mixins_need_no_constructor():
    """A class whose own constructor does not call theirs has locks all the same."""

    class Careless(PerKeyLockMixin, ValueShelf):
        def __init__(self):
            self.items = {}

    values = Careless()
    assert values.load(values.save("x")) == "x"


@pytest.mark.parametrize(
    ("name", "role", "kind"),
    [("memory", "values", ValueMemory), ("memory", "calls", CallMemory), ("void", "values", ValueVoid)],
)
def test_built_in_kinds_are_registered(name, role, kind):
    """By name and by what is stored."""
    assert is_registered_storage(name)
    assert is_registered_storage(name, role)
    assert get_storage_constructor(name, role) is kind


def test_sql_keeps_calls_only():
    """There is no such kind for values."""
    assert is_registered_storage("sql", "calls")
    assert not is_registered_storage("sql", "values")
    assert issubclass(get_storage_constructor("sql", "calls"), CallStorage)


def test_a_kind_of_ones_own_can_be_registered():
    """As a class, by decorator, or as a function that says for what."""
    assert register_storage("shelf", ValueShelf) is ValueShelf
    register_storage("shelf", CallShelf)

    @register_storage("scratch")
    class Scratch(ValueMemory):
        pass

    register_storage("made", lambda: Scratch({}), role="values")
    assert get_storage_constructor("shelf", "values") is ValueShelf
    assert get_storage_constructor("shelf", "calls") is CallShelf
    assert issubclass(get_storage_constructor("scratch"), ValueStorage)
    assert isinstance(get_storage_constructor("made", "values")(), Scratch)
    assert not is_registered_storage("scratch", "calls")


def test_a_kind_is_registered_once():
    """The same again is no error; another one is, and so is the name of a built-in kind."""
    register_storage("shelf", ValueShelf)
    register_storage("shelf", ValueShelf)
    with pytest.raises(ValueError, match="already"):
        register_storage("shelf", ValueMemory)
    with pytest.raises(ValueError, match="already"):
        register_storage("memory", ValueShelf)


@pytest.mark.parametrize("wrong", [3, dict, len])
def test_what_makes_no_storage_is_refused(wrong):
    """It is a `TypeError` that says what to give."""
    with pytest.raises(TypeError, match="role="):
        register_storage("wrong", wrong)


def test_an_unknown_kind_is_an_error_that_suggests_one():
    """With those that are known."""
    assert not is_registered_storage("memry")
    with pytest.raises(ConfigError, match="Did you mean 'memory'"):
        get_storage_constructor("memry", "values")
    with pytest.raises(ValueError, match="role="):
        get_storage_constructor("memory", "value")


def test_a_registered_serializer_writes_and_reads():
    """What is stored is its bytes; what is loaded is the value."""
    register_serializer("upper", lambda value: value.upper().encode(), lambda data: data.decode().lower())
    stored = Envelope.pack(serializers.serialized("upper", "text")).to_bytes()
    assert b"TEXT" in stored
    assert Envelope.parse(stored, place="here").load(TRUSTED) == "text"


def test_a_storage_names_a_registered_serializer(tmp_path):
    """``ValuePickleFile(root, serializer=...)`` writes by it, and reads what it wrote."""
    register_serializer("upper", lambda value: value.upper().encode(), lambda data: data.decode().lower())
    values = ValuePickleFile(tmp_path / "values", serializer="upper")
    key = values.save("text")
    assert values.load(key) == pickle.loads(pickle.dumps(values)).load(key) == "text"
    assert b"TEXT" in next(path for path in (tmp_path / "values").rglob(f"{key}*") if path.is_file()).read_bytes()
    with pytest.raises(ConfigError, match="register_serializer"):
        ValuePickleFile(tmp_path / "values", serializer="lower")


def test_a_registered_serializer_reads_nothing_of_others():
    """The safe loader refuses it, whatever it would do."""
    register_serializer("upper", lambda value: value.upper().encode(), lambda data: pytest.fail("called"))
    stored = Envelope.pack(serializers.serialized("upper", "text")).to_bytes()
    with pytest.raises(UntrustedError):
        Envelope.parse(stored, place="here").load(SAFE)


def test_a_serializer_that_is_not_registered_here_says_so(monkeypatch):
    """The value is whole, and counts as a miss."""
    register_serializer("upper", lambda value: value.upper().encode(), lambda data: data.decode())
    stored = Envelope.pack(serializers.serialized("upper", "text")).to_bytes()
    monkeypatch.setattr(serializers, "SERIALIZERS", serializers.Serializers())
    with pytest.raises(UnreadableError, match="register_serializer"):
        Envelope.parse(stored, place="here").load(TRUSTED)
    with pytest.raises(ConfigError, match="register_serializer"):
        serializers.serialized("upper", "text")


def test_pickle_and_its_kin_are_the_envelopes_own():
    """They change nothing."""
    value = [1]
    assert all(serializers.serialized(name, value) is value for name in ("pickle", "cloudpickle", "dill"))
    with pytest.raises(ValueError, match="already"):
        register_serializer("pickle", bytes, bytes)


def test_a_serializer_that_fails_is_a_save_error():
    """With its name, the type and the reason."""
    register_serializer("picky", lambda value: 1 / 0, lambda data: None)
    with pytest.raises(SaveError, match=r"picky.*list.*ZeroDivisionError"):
        serializers.serialized("picky", [])
    with pytest.raises(TypeError):
        register_serializer("half", bytes, None)
    with pytest.raises(ValueError, match="already"):
        register_serializer("picky", bytes, bytes)


@pytest.mark.parametrize("kind", [BagOfHoldingH5FileBackend, CallBagOfHoldingH5File, ValueBagOfHoldingH5File])
def test_hdf5_is_not_built(kind):
    """It imports, and refuses to be made, with the way out."""
    with pytest.raises(StoreError, match=rf"{kind.__name__}.*PickleFile"):
        kind("folder", lock_timeout=1.0)


def test_a_storage_of_ones_own_in_a_directory(tmp_path):
    """The mixins and `PickleFileBackend`; every instance on the directory sees the same."""

    class Values(ValueMixin, PickleFileBackend):
        pass

    class Calls(CallMixin, PickleFileBackend):
        pass

    @cached
    def f(x):
        return [x]

    for _ in range(2):
        with cache(Cache(Values(tmp_path / "values"), Calls(tmp_path / "calls"))):
            assert f(1) == [1]
    assert (f.info().hits, f.info().misses) == (1, 1)
    backend = pickle.loads(pickle.dumps(PickleFileBackend(tmp_path / "values")))
    key = digest([1])
    assert backend.put("other", key) == key
    assert backend.get(key) == "other"
    backend.evict(key)
    assert list(backend.list()) == []
    assert not backend.contains(key)
    with pytest.raises(KeyError):
        backend.get(key)
    assert issubclass(FileValues, FileStorage)


def test_files_in_a_directory(tmp_path):
    """`ValuePickleFile` and `CallPickleFile` keep what is computed, for the next process too."""
    module = importlib.import_module("fleche.storage.pickle_file")
    if not hasattr(module, "ValuePickleFile"):
        pytest.skip("fleche.storage.pickle_file.ValuePickleFile is not built yet")

    def opened(**options):
        values = module.ValuePickleFile.with_cloudpickle(tmp_path / "values", **options)
        return Cache(values, module.CallPickleFile(tmp_path / "calls", **options))

    @cached
    def f(x):
        return {"x": x}

    with cache(opened()):
        f(1)
    with cache(opened()):
        assert f.contains(1)
        assert f(1) == {"x": 1}
    assert is_registered_storage("cloudpickle", "values")
    constructor = get_storage_constructor("cloudpickle", "values")
    assert constructor(tmp_path / "values").contains(digest({"x": 1}))
