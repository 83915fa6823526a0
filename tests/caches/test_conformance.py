"""Every cache, over every store, keeps to the contract of caches."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from fleche.caches import (
    BaseCache,
    Cache,
    CachePool,
    CacheStack,
    CacheWrapper,
    FilteredCache,
    ReadOnlyCache,
    RefreshingCache,
    SizeLimitedCache,
)
from fleche.call import LazyCall
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.file import FileStore
from fleche.storage.locks import GlobalLockMixin, PerKeyLockMixin
from fleche.storage.memory import CallMemory, MemoryStore, ValueMemory
from fleche.storage.void import VoidStore
from fleche.testing.caches import CacheTests

pytestmark = [pytest.mark.portable, pytest.mark.filterwarnings("always::fleche.errors.UncachedWarning")]


def everything(call: LazyCall) -> bool:
    return True


def memory() -> Cache:
    store = MemoryStore()
    return Cache(store.values, store.calls)


@contextmanager
def embedded() -> Iterator[Cache]:
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddedStore(folder + "/store")
        yield Cache(store.values, store.calls)
        store.close()


@contextmanager
def file() -> Iterator[Cache]:
    with tempfile.TemporaryDirectory() as folder:
        store = FileStore(folder + "/store", index=folder + "/index.db")
        yield Cache(store.values, store.calls)
        store.close()


@contextmanager
def database(server, dialect) -> Iterator[Cache]:
    from tests.servers import opened

    with opened(server, dialect, trust=True) as store:
        yield Cache(store.values, store.calls)


class OverStores(CacheTests):
    """A suite that is run over every store."""

    @pytest.fixture(params=["memory", "pair", "embedded", "file", "sqlite", "postgresql"])
    def base(self, request):
        with ExitStack() as exits:
            match request.param:
                case "embedded":
                    yield exits.enter_context(embedded())
                case "file":
                    yield exits.enter_context(file())
                case "sqlite":
                    yield exits.enter_context(database(None, "sqlite"))
                case "postgresql":
                    yield exits.enter_context(database(request.getfixturevalue("server"), "postgresql"))
                case "memory":
                    yield memory()
                case _:
                    yield Cache(ValueMemory({}), CallMemory({}))

    @pytest.fixture
    def pair(self, base):
        return self.over(base)

    def over(self, base: BaseCache) -> tuple[BaseCache, BaseCache]:
        raise NotImplementedError


class TestCache(OverStores):
    def over(self, base):
        return base, base


class TestWrapper(OverStores):
    def over(self, base):
        view = CacheWrapper(base)
        return view, view


class TestVoid(CacheTests):
    hits = keeps = False

    @contextmanager
    def open(self):
        store = VoidStore()
        cache = Cache(store.values, store.calls)
        yield cache, cache


class TestReadOnly(OverStores):
    saves = False

    def over(self, base):
        return ReadOnlyCache(base), base


class TestFiltered(OverStores):
    saves = False

    def over(self, base):
        return FilteredCache(base, everything), base


class TestRefreshing(OverStores):
    hits = False

    def over(self, base):
        view = RefreshingCache(base)
        return view, view


class TestSizeLimited(OverStores):
    def over(self, base):
        cache = SizeLimitedCache(base.values, base.calls, 100)
        return cache, cache


class TestStackOfOne(OverStores):
    def over(self, base):
        stack = CacheStack((base,))
        return stack, stack


@pytest.mark.parametrize("write", ["first", "through", "behind"])
class TestStackOfTwo(OverStores):
    @pytest.fixture
    def pair(self, base, write):
        stack = CacheStack((memory(), base), write=write)
        yield stack, stack
        stack.flush()


class TestStackOfThree(OverStores):
    def over(self, base):
        stack = CacheStack((memory(), ReadOnlyCache(memory()), base))
        return stack, stack


class TestStackOnTheLast(OverStores):
    """What the last member has, all have."""

    def over(self, base):
        return CacheStack((memory(), memory(), base)), base

    test_saving = test_transferring = None


class TestStackOfStacks(OverStores):
    def over(self, base):
        stack = CacheStack((CacheStack((memory(), memory())), CacheStack((base,))))
        return stack, stack


class TestPool(OverStores):
    saves = False

    def over(self, base):
        return CachePool((memory(), base, memory())), base


class TestStackOnPool(OverStores):
    def over(self, base):
        stack = CacheStack((base, CachePool((memory(), memory()))))
        return stack, stack


class Locked(PerKeyLockMixin, Cache):
    pass


class LockedView(GlobalLockMixin, CacheWrapper):
    pass


class LockedStack(GlobalLockMixin, CacheStack):
    pass


class TestLocked(OverStores):
    """The lock mixins of storages fit caches."""

    def over(self, base):
        cache = LockedStack((LockedView(Locked(base.values, base.calls)),))
        return cache, cache


class TestPushed(OverStores):
    def over(self, base):
        stack = base.push(memory())
        assert isinstance(stack, CacheStack)
        return stack, stack
