"""What type checkers see of decorated functions. Never run; checked by ``nox -s typing``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, assert_type

from fleche import Ignored, Required, cache, cached
from fleche.caches import BaseCache
from fleche.call import Call, Forgetting, Handle
from fleche.digest import Digest
from fleche.memo import (
    AsyncCachedFunction,
    AsyncCachedGenerator,
    BoundAsyncCachedFunction,
    BoundCachedFunction,
    BoundCachedGenerator,
    CachedFunction,
    CachedGenerator,
)
from fleche.query import QueryIterator
from fleche.runtime import App


@cached
def plain(a: int, b: str = "x") -> float:
    return float(a)


@cached(version=2, ttl=60)
def with_options(a: int, *, log: Ignored[object] = None, seed: Required[int] = 0) -> list[int]:
    return [a, seed]


@cached
async def coroutine(a: int) -> str:
    return str(a)


@cached(strict=True)
async def coroutine_with_options(a: int) -> str:
    return str(a)


@cached
def generator(n: int) -> Iterator[int]:
    yield n


@cached
async def async_generator(n: int) -> AsyncIterator[int]:
    yield n


class Model:
    @cached
    def method(self, x: int) -> str:
        return str(x)

    @cached(version=1)
    def method_with_options(self, x: int) -> str:
        return str(x)

    @cached
    async def later(self, x: int) -> bytes:
        return bytes(x)

    @cached
    def items(self, n: int) -> Iterator[str]:
        yield str(n)

    @staticmethod
    @cached
    def static(x: int) -> int:
        return x


def plain_forms() -> None:
    assert_type(plain(1), float)
    assert_type(plain(a=1, b="y"), float)
    assert_type(with_options(1, seed=2), list[int])
    plain("1")  # type: ignore[arg-type]
    plain(1, c=2)  # type: ignore[call-arg]
    kind: CachedFunction[[int, str], float] = plain
    del kind


async def async_forms() -> None:
    assert_type(await coroutine(1), str)
    assert_type(await coroutine_with_options(1), str)
    pending: Coroutine[Any, Any, str] = coroutine(1)
    await pending
    async for item in async_generator(1):
        assert_type(item, int)
    own: AsyncCachedFunction[Any, str] = coroutine
    items: AsyncCachedGenerator[Any, int] = async_generator
    del own, items


def generator_forms() -> None:
    for item in generator(3):
        assert_type(item, int)
    own: CachedGenerator[Any, int] = generator
    del own


def methods(model: Model) -> None:
    assert_type(model.method(1), str)
    assert_type(model.method_with_options(1), str)
    method: BoundCachedFunction[[int], str] = model.method
    del method
    model.method("1")  # type: ignore[arg-type]
    assert_type(model.method.key(1), Digest)
    assert_type(model.method.load(1), str)
    assert_type(Model.static(1), int)
    assert_type(list(model.items(1)), list[str])
    bound: BoundCachedGenerator[Any, str] = model.items
    later: BoundAsyncCachedFunction[Any, bytes] = model.later
    del bound, later


async def async_methods(model: Model) -> None:
    assert_type(await model.later(1), bytes)


def verbs() -> None:
    assert_type(plain.key(1), Digest)
    assert_type(plain.call(1), Call)
    assert_type(plain.contains(1), bool)
    assert_type(plain.load(1), float)
    assert_type(plain.rerun(1), float)
    assert_type(plain.forget(1), bool)
    assert_type(plain.forget(1, downstream=True), Forgetting)
    assert_type(plain.ref(1), Handle)
    assert_type(plain.calls, QueryIterator)
    assert_type(plain.query(a=1), QueryIterator)
    assert_type(plain.bind()(1), float)
    plain.key("1")  # type: ignore[arg-type]


def the_active_cache() -> None:
    assert_type(cache(), BaseCache)
    with cache("memory"):
        pass
    with cache("memory", stack=True):
        pass


# Tasks keep the signature of the function; calling one gives an invocation of its result.

app = App("typing")


@app.task
def twice(x: int, *, text: str = "") -> list[str]:
    return [text] * x


@app.task(max_retries=3, running_concurrency="keys", key_arguments=("x",))
def slowly(x: int) -> float:
    return float(x)


assert_type(twice(2, text="a").result, list[str])
assert_type(twice(2).get(timeout=1), list[str])
assert_type(slowly(1).result, float)
assert_type(slowly.parallelize([(1,)]).results, Iterator[float])
twice("2")  # type: ignore[arg-type]
twice(2, words="a")  # type: ignore[call-arg]
app.task(max_retrys=3)  # type: ignore[call-overload]
