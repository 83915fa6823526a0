"""Cached functions: what a call returns, and when its body runs."""

from __future__ import annotations

import inspect
import logging
import pickle
import threading
import warnings
from concurrent.futures import Future
from typing import Any

import pytest

import fleche
from fleche import cached
from fleche.caches import Cache
from fleche.call import Handle, Ignored, Outcome, Required
from fleche.digest import Digest
from fleche.errors import (
    FlecheWarning,
    Indigestible,
    MissError,
    UncachedWarning,
    ValueNotStored,
)

pytestmark = pytest.mark.portable


class Ran:
    """Counts how often bodies ran."""

    def __init__(self) -> None:
        self.times = 0

    def __digest__(self) -> str:
        return "counter"


def test_a_call_runs_once_however_it_is_spelled(cache: Cache) -> None:
    """Position, keyword and default are one call."""
    ran: list[Any] = []

    @cached
    def f(a: int, b: int = 2) -> int:
        ran.append(a)
        return a + b

    assert [f(1), f(a=1), f(1, 2), f(b=2, a=1)] == [3, 3, 3, 3]
    assert len(ran) == 1
    assert f.info().hits == 3


def test_types_are_not_confused(cache: Cache) -> None:
    """1, 1.0, True and "1" are four calls, and come back as what they were."""

    @cached
    def f(x: Any) -> Any:
        return x

    for value in (1, 1.0, True, "1", b"1", None, (), [], {}, 0.0, -0.0):
        f(value)
    for value in (1, 1.0, True, "1", b"1", None, (), [], {}):
        found = f(value)
        assert found == value
        assert type(found) is type(value)
    assert str(f(-0.0)) == "-0.0"
    assert f.info().misses == 11


def test_none_is_a_result(cache: Cache) -> None:
    """A function that returned None is not run again."""
    ran: list[int] = []

    @cached
    def f() -> None:
        ran.append(1)

    assert f() is None
    assert f() is None
    assert len(ran) == 1


def test_a_hit_is_the_callers_to_mutate(cache: Cache) -> None:
    """Changing what a call returned, at a miss or a hit, changes nothing stored."""

    @cached
    def f() -> list[int]:
        return [1]

    f().append(2)
    f().append(3)
    assert f() == [1]


def test_the_key_is_sealed_before_the_body_runs(cache: Cache) -> None:
    """A body that mutates its arguments files its record under what it was called with."""

    @cached
    def drain(items: list[int]) -> int:
        total = sum(items)
        items.clear()
        return total

    assert drain([1, 2]) == 3
    assert drain.contains([1, 2])
    assert not drain.contains([])
    assert drain.calls.only().arguments["items"] == [1, 2]


def test_ignored_arguments_do_not_count(cache: Cache) -> None:
    """An ignored argument is in neither key nor record, by option or annotation."""

    @cached(ignore="log")
    def f(x: int, log: Any = None) -> int:
        return x

    @cached
    def g(x: int, log: Ignored[Any] = None) -> int:
        return x

    for function in (f, g):
        function(1, log=threading.Lock())
        assert function.contains(1, log="other")
        assert list(function.calls.only().arguments) == ["x"]


def test_a_required_argument_given_by_position_runs_uncached(cache: Cache) -> None:
    """It is said once, and strict makes it an error."""

    def seeded(seed: Required[int] = 1) -> int:
        return seed

    f = cached(seeded)
    with pytest.warns(UncachedWarning, match="seed must be given by keyword"):
        assert f(3) == 3
    assert f(3) == 3
    assert f(seed=3) == 3
    assert f.info().stored == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TypeError, match="unexpected keyword argument 'sead'"):
            cached(seeded)(sead=1)
    with pytest.raises(TypeError, match="not given by keyword: seed"):
        cached(strict=True)(seeded)(3)


def test_a_projection_stands_for_its_argument(cache: Cache) -> None:
    """The projection is keyed and stored; the body sees the argument."""

    class Model:
        def __init__(self, name: str) -> None:
            self.name = name
            self.lock = threading.Lock()

    @cached(key={"model": lambda m: m.name})
    def f(model: Model) -> str:
        return model.name.upper()

    assert f(Model("a")) == "A"
    assert f(Model("a")) == "A"
    assert f.info().misses == 1
    assert f.calls.only().arguments["model"] == "a"


def test_an_indigestible_argument_runs_uncached_and_teaches(cache: Cache) -> None:
    """One warning per type, with the path and the ways out; strict raises the same text."""

    class Client:
        def __init__(self) -> None:
            self.lock = threading.Lock()

    def use(cfg: Any) -> int:
        return 1

    f = cached(use)
    with pytest.warns(UncachedWarning) as caught:
        assert f({"client": Client()}) == 1
        assert f({"client": Client()}) == 1
    assert len(caught) == 1
    text = str(caught[0].message)
    assert caught[0].filename == __file__
    for part in ("cfg['client'].lock", "lock", "ignore=", "key=", "register_digest"):
        assert part in text
    with pytest.raises(Indigestible) as raised:
        cached(strict=True)(use)({"client": Client()})
    assert str(raised.value) in text
    assert f.info().uncached == 2


def test_an_indigestible_default_counts_as_itself(cache: Cache) -> None:
    """A sentinel default is one value; an object given in its place is not."""
    missing = object()

    @cached
    def f(x: int, y: Any = missing) -> str:
        return "missing" if y is missing else "given"

    assert f(1) == f(1, missing) == f(1, y=missing) == "missing"
    assert f.info().misses == 1
    assert f(1, 2) == "given"
    with pytest.warns(UncachedWarning):
        assert f(1, object()) == "given"


def test_a_failing_call_raises_and_can_be_found(cache: Cache) -> None:
    """It is run again the next time; its type, message and traceback are recorded."""
    ran: list[int] = []

    @cached
    def f(x: int) -> int:
        ran.append(x)
        raise ZeroDivisionError(f"no {x}")

    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="no 1"):
            f(1)
    assert ran == [1, 1]
    assert f.calls.empty()
    failed = f.calls.failed().only()
    assert failed.outcome is Outcome.ERROR
    assert failed.metadata["error"]["type"] == "ZeroDivisionError"
    assert failed.metadata["error"]["message"] == "no 1"
    assert "in f" in failed.metadata["error"]["traceback"]
    assert "fleche/memo" not in failed.metadata["error"]["traceback"]
    assert not f.contains(1)
    with pytest.raises(KeyError):
        f.load(1)


def test_errors_that_are_asked_for_are_results(cache: Cache) -> None:
    """A listed exception is raised again at a hit, others run again."""
    ran: list[int] = []

    @cached(errors=(ValueError,))
    def f(x: int) -> int:
        ran.append(x)
        raise ValueError("bad", x) if x else KeyError(x)

    for _ in range(2):
        with pytest.raises(ValueError) as raised:
            f(1)
        assert raised.value.args == ("bad", 1)
    for _ in range(2):
        with pytest.raises(KeyError):
            f(0)
    assert ran == [1, 0, 0]
    assert f.info().hits == 1
    assert f.contains(1)
    assert not f.contains(0)
    with pytest.raises(ValueError):
        f.ref(1)


def test_an_exception_that_cannot_be_kept_is_recorded(cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    """It is raised, runs again the next time, and can be found by its type and message."""

    class Locked(ValueError):
        def __init__(self, text: str) -> None:
            super().__init__(text)
            self.lock = threading.Lock()

    @cached(errors=ValueError)
    def f() -> None:
        raise Locked("shut")

    for _ in range(2):
        with pytest.raises(Locked):
            f()
    assert f.info().misses == 2
    assert f.calls.failed().only().metadata["error"]["message"] == "shut"
    assert "is a _thread.lock" in caplog.text


def test_errors_expire_by_their_own_time(cache: Cache) -> None:
    """errors_ttl=0 keeps the exception findable, and runs again."""
    ran: list[int] = []

    @cached(errors=ValueError, errors_ttl=0)
    def f() -> None:
        ran.append(1)
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):
            f()
    assert len(ran) == 2


def test_a_result_after_an_error_replaces_it(cache: Cache) -> None:
    """A result is never replaced by an error."""
    outcomes: list[Any] = [ValueError("first"), 7, ValueError("again")]

    @cached
    def f(x: int) -> Any:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    with pytest.raises(ValueError, match="first"):
        f(1)
    assert f(1) == 7
    with pytest.raises(ValueError, match="again"):
        f.rerun(1)
    assert f(1) == 7
    assert f.calls.failed().empty()


def test_ttl_applies_to_old_records(cache: Cache) -> None:
    """Changing the ttl changes what counts as a hit, not what is stored."""

    def f() -> int:
        return 1

    forever = cached(f)
    forever()
    assert cached(ttl=3600)(f).contains()
    assert not cached(ttl=0)(f).contains()


def test_valid_if_decides_at_each_hit(cache: Cache) -> None:
    """It sees the stored call; false is a miss."""
    wanted = [True]

    @cached(valid_if=lambda call: wanted[0] and call.arguments["x"] == 1)
    def f(x: int) -> int:
        return x

    f(1)
    f(1)
    wanted[0] = False
    f(1)
    assert (f.info().hits, f.info().misses) == (1, 2)
    assert not f.contains(1)
    f.ref(1)
    assert f.info().misses == 3
    wanted[0] = True
    assert f.contains(1)


def test_another_version_is_another_call(cache: Cache) -> None:
    """Old results stay beside new ones."""

    def f() -> int:
        return 1

    cached(version=1)(f)()
    assert not cached(version=2)(f).contains()
    assert not cached(version="1")(f).contains()
    assert cached(version=1)(f).contains()


def test_a_result_that_cannot_be_stored_is_returned_with_a_warning(cache: Cache) -> None:
    """And where warnings are errors, the exception carries the result."""

    @cached
    def f() -> Any:
        return iter([1])

    with pytest.warns(UncachedWarning, match="its result was not stored"):
        assert list(f()) == [1]
    g = cached(f.__wrapped__)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UncachedWarning) as raised:
            g()
    assert list(raised.value.result) == [1]
    with pytest.raises(Indigestible, match=r"(?s)the result is a list_iterator.*Return its content as plain values"):
        cached(strict=True)(f.__wrapped__)()


def test_a_failing_cache_is_not_a_failing_call(cache: Cache) -> None:
    """Every step may fail; the call returns, with one warning for each reason."""

    class Failing(Cache):
        def _fail(self, *_: Any, **__: Any) -> Any:
            raise OSError("the disk is on fire")

        lookup = prepare = _fail  # type: ignore[assignment]

    def f(x: int) -> int:
        return x

    with fleche.cache(Failing(cache.values, cache.calls)):
        g = cached(f)
        with pytest.warns(UncachedWarning, match="on fire"):
            assert g(1) == 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert g(2) == 2
        with pytest.raises(OSError, match="on fire"):
            cached(strict=True)(f)(1)


def test_handles_key_like_their_values_and_load_for_the_body(cache: Cache) -> None:
    """f(g.ref(x)), f(digest) and f(value) are one call; the body sees the value."""
    seen: list[Any] = []

    @cached
    def make(n: int) -> list[int]:
        return list(range(n))

    @cached
    def total(items: list[int]) -> int:
        seen.append(items)
        return sum(items)

    handle = make.ref(4)
    assert isinstance(handle, Handle)
    assert handle.load() == [0, 1, 2, 3]
    assert total(handle) == 6
    assert total([0, 1, 2, 3]) == 6
    assert total(Digest(handle)) == 6
    assert total(Digest(handle[:8])) == 6
    assert seen == [[0, 1, 2, 3]]
    assert total.calls.only().record.inputs == (make.key(4),)


def test_handles_inside_containers_are_loaded_or_refused(cache: Cache) -> None:
    """A body never sees a digest where the key says that it saw the value."""
    seen: list[Any] = []

    @cached
    def make(n: int) -> list[int]:
        return [n]

    @cached
    def look(x: Any) -> Any:
        seen.append(x)
        return 1

    h = make.ref(1)
    look([h, {"a": (h,)}])
    assert seen == [[[1], {"a": ([1],)}]]
    assert look.contains([[1], {"a": ([1],)}])
    with pytest.warns(UncachedWarning, match="holds a Digest in a set"):
        look({h})
    assert look.info().stored == 1


def test_a_digest_that_no_store_holds_fails_before_the_body(cache: Cache) -> None:
    """ValueNotStored, which is a KeyError."""
    ran: list[int] = []

    @cached
    def f(x: Any) -> None:
        ran.append(1)

    with pytest.raises(ValueNotStored):
        f(Digest("0" * 32))
    assert not ran


def test_modes(cache: Cache) -> None:
    """on, off, read, refresh and frozen do what they say."""
    ran: list[int] = []

    @cached
    def f(x: int) -> int:
        ran.append(x)
        return x

    with fleche.mode("off"):
        f(1), f(1)
    assert (ran, f.info().stored) == ([1, 1], 0)
    with fleche.mode("read"):
        f(1)
    assert (len(ran), f.info().stored) == (3, 0)
    with fleche.mode("frozen"), pytest.raises(MissError, match="is a miss: no call of"):
        f(1)
    f(1)
    assert len(ran) == 4
    with fleche.mode("frozen"):
        assert f(1) == 1
    with fleche.mode("refresh"):
        f(1)
    assert len(ran) == 5
    with pytest.raises(fleche.errors.ConfigError, match="the modes are on, off"), fleche.mode("never"):
        pass


def test_the_verbs(cache: Cache) -> None:
    """Key call contains load query calls rerun forget ref bind info code."""

    @cached
    def f(a: int, b: int = 2) -> int:
        return a * b

    assert not f.contains(3)
    with pytest.raises(KeyError, match="not stored"):
        f.load(3)
    assert f(3) == 6
    assert f.contains(3)
    assert f.load(b=2, a=3) == 6
    assert f.call(3).arguments == {"a": 3, "b": 2}
    assert f.call(3).key == f.key(3) == f.calls.only().key
    f(4)
    assert f.query(3).only().result == 6
    assert f.query(b=2).count() == 2
    assert f.query(None, 2).count() == 2
    assert f.rerun(3) == 6
    assert f.forget(3)
    assert not f.forget(3)
    assert f.calls.only().arguments["a"] == 4
    assert f.code.digest == f.info().code
    assert "f" in str(f.code.tree())


def test_metadata_is_gathered(cache: Cache) -> None:
    """Runtime and environment always, tags and own kinds when asked; a kind that fails costs nothing."""

    class Seed(fleche.call.MetaData):
        name = "seed"

        def pre(self, call: Any) -> dict[str, Any]:
            return {"args": len(call.arguments)}

        def post(self, pre: dict[str, Any], call: Any) -> dict[str, Any]:
            return {**pre, "result": call.result}

    class Bad(fleche.call.MetaData):
        name = "bad"

        def pre(self, call: Any) -> dict[str, Any]:
            raise RuntimeError("no")

    @cached(meta=(Seed(), Bad()))
    def f(x: int) -> int:
        return x + 1

    with (
        fleche.tags(phase="train"),
        fleche.tags(run=1),
        fleche.project("p"),
        pytest.warns(FlecheWarning, match="'bad'"),
    ):
        f(1)
    call = f.calls.only()
    assert call.metadata["seed"] == {"args": 1, "result": 2}
    assert call.metadata["tags"] == {"phase": "train", "run": 1, "project": "p"}
    assert set(call.metadata["runtime"]) == {"timestart", "timestop", "walltime", "cputime", "systime"}
    assert call.metadata["environment"]["python_version"]
    assert "bad" not in call.metadata
    assert f.query(metadata={"tags": {"phase": "train"}}).count() == 1
    assert f.query(metadata={"tags": {"phase": "test"}}).empty()
    assert f.query(metadata={"tags": {}}).count() == 1


def test_the_first_kind_of_metadata_is_nearest_to_the_body(cache: Cache) -> None:
    """What other kinds take is not part of the runtime, which is the first."""
    events: list[str] = []

    class Outer(fleche.call.MetaData):
        name = "outer"

        def pre(self, call: Any) -> dict[str, Any]:
            events.append(f"pre {self.name}")
            return {}

        def post(self, pre: dict[str, Any], call: Any) -> dict[str, Any]:
            events.append(f"post {self.name}")
            return {}

    class Inner(Outer):
        name = "inner"

    @cached(meta=(Inner(), Outer()))
    def f() -> None:
        events.append("body")

    f()
    assert events == ["pre outer", "pre inner", "body", "post inner", "post outer"]


def test_nested_calls_know_their_parent(cache: Cache) -> None:
    """A cached call inside another is filed with its parent's key."""

    @cached
    def inner(x: int) -> int:
        return x

    @cached
    def outer(x: int) -> int:
        return inner(x) + 1

    outer(1)
    assert inner.calls.only().record.parent == outer.key(1)
    assert outer.calls.only().record.parent is None


def test_a_recursive_function_is_cached_at_every_level(cache: Cache) -> None:
    """fib(15) runs sixteen bodies."""

    @cached
    def fib(n: int) -> int:
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert fib(15) == 610
    assert fib.info().misses == 16


def test_methods_count_their_object_by_value(cache: Cache) -> None:
    """A(2).m(1) is not A(1).m(1), and A(1).m(1) of another object is the same call."""

    class A:
        def __init__(self, x: int) -> None:
            self.x = x

        @cached
        def m(self, y: int) -> int:
            """Add."""
            return self.x + y

        @classmethod
        @cached
        def c(cls, y: int) -> tuple[str, int]:
            return cls.__name__, y

        @staticmethod
        @cached
        def s(y: int) -> int:
            return y

    class B(A):
        pass

    assert (A(1).m(1), A(2).m(1), A(1).m(1)) == (2, 3, 2)
    assert A.m.info().misses == 2
    assert A(1).m.contains(1)
    assert A(1).m.key(1) == A.m.key(A(1), 1)
    assert A(1).m.query(y=1).only().result == 2
    assert A(1).m.__self__.x == 1
    assert A(1).m.__doc__ == "Add."
    assert A.c(1) == ("A", 1)
    assert B.c(1) == ("B", 1)
    assert A.s(1) == A(5).s(1) == 1


def test_wrong_decorations_are_refused_at_once() -> None:
    """Each TypeError says what to write."""
    with pytest.raises(TypeError, match="write @classmethod above @cached"):
        cached(classmethod(lambda cls: 1))
    with pytest.raises(TypeError, match="write @staticmethod above @cached"):
        cached(staticmethod(lambda: 1))
    with pytest.raises(TypeError, match="is a class"):
        cached(int)
    with pytest.raises(TypeError, match="cached already"):
        cached(cached(lambda: 1))
    with pytest.raises(TypeError, match="no parameter 'y'"):
        cached(ignore="y")(lambda x: x)
    with pytest.raises(ValueError, match="on_wait='never'"):
        cached(on_wait="never")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="not a size"):
        cached(store_arguments="much")
    with pytest.raises(ValueError, match="zero seconds or more"):
        cached(ttl=-1)


def test_a_cached_function_looks_like_the_function() -> None:
    """Name, doc, signature and annotations are kept; inspect agrees."""

    def f(a: int, *, b: str = "x") -> float:
        """Do it."""
        return 1.0

    g = cached(f)
    assert (g.__name__, g.__doc__, g.__module__, g.__qualname__) == (
        f.__name__,
        f.__doc__,
        f.__module__,
        f.__qualname__,
    )
    assert inspect.signature(g) == inspect.signature(f)
    assert g.__wrapped__ is f
    assert g.__annotations__ == f.__annotations__
    assert g.__code__ is f.__code__


def test_a_module_function_pickles_by_name() -> None:
    """It comes back as itself."""
    assert pickle.loads(pickle.dumps(module_function)) is module_function


@cached
def module_function(x: int) -> int:
    return x


def test_a_local_function_pickles_by_value(disk: Cache) -> None:
    """With its options and a cache on disk by its address."""

    @cached(version=3, cache=disk)
    def f(x: int) -> int:
        return x * 3

    f(1)
    again = pickle.loads(pickle.dumps(f))
    assert again.key(1) == f.key(1)
    assert again.contains(1)


def test_bind_carries_cache_and_mode_into_threads(cache: Cache) -> None:
    """A plain thread does not see the context; a bound call brings it."""

    @cached
    def f(x: int) -> int:
        return x

    with fleche.tags(from_="here"):
        bound = f.bind()
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(bound(1)))
    thread.start()
    thread.join()
    assert results == [1]
    assert f.calls.only().metadata["tags"] == {"from_": "here"}


def test_a_function_that_returns_a_future_is_filed_when_it_resolves(cache: Cache) -> None:
    """A hit is a future that is resolved already."""
    made: list[Future[int]] = []

    @cached
    def f(x: int) -> Future[int]:
        made.append(Future())
        return made[-1]

    first = f(1)
    assert f.calls.empty()
    first.set_result(5)
    assert f(1).result(timeout=0) == 5
    assert len(made) == 1
    assert f.calls.only().result == 5
    second = f(2)
    second.set_exception(ValueError("no"))
    assert f.calls.failed().only().metadata["error"]["message"] == "no"


def test_isolate_runs_in_a_fresh_directory(cache: Cache) -> None:
    """The directory is empty, and gone afterwards."""
    from pathlib import Path

    @cached(isolate=True)
    def f() -> list[str]:
        Path("litter").write_text("x")
        return [str(Path.cwd()), *(p.name for p in Path().iterdir())]

    before = Path.cwd()
    directory, *names = f()
    assert names == ["litter"]
    assert not Path(directory).exists()
    assert Path.cwd() == before
    with pytest.raises(TypeError, match="async"):

        @cached(isolate=True)
        async def g() -> None: ...


def test_store_arguments_limits_what_is_kept(cache: Cache) -> None:
    """Keys are made of all arguments whatever is kept."""

    def f(x: bytes) -> int:
        return len(x)

    big = b"x" * 3000
    small = cached(store_arguments="1 KiB")(f)
    small(big)
    with pytest.raises(ValueNotStored, match="larger than store_arguments"):
        small.calls.only().arguments["x"]
    assert small.contains(big)
    everything = cached(store_arguments="all", version=2)(f)
    everything(big)
    assert everything.calls.latest().arguments["x"] == big


def test_hits_and_misses_are_logged_as_debug(cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is printed; the logger 'fleche' tells."""

    @cached
    def f() -> int:
        return 1

    with caplog.at_level(logging.DEBUG, "fleche"):
        f(), f()
    assert [record.message.split()[0] for record in caplog.records if record.name == "fleche"] == ["miss", "hit"]


def test_interrupts_file_nothing_and_free_the_key(cache: Cache) -> None:
    """KeyboardInterrupt passes through, and the next call computes."""
    interrupt = [True]

    @cached
    def f() -> int:
        if interrupt.pop():
            raise KeyboardInterrupt
        return 1

    with pytest.raises(KeyboardInterrupt):
        f()
    assert f.calls.all().empty()
    interrupt.append(False)
    assert f() == 1


def test_the_result_of_a_mutating_body_is_what_it_returned(cache: Cache) -> None:
    """A body that returns its argument, changed, is filed under the argument as given, with the result as returned."""

    @cached
    def f(x: list[int]) -> list[int]:
        x.append(9)
        return x

    assert f([1]) == [1, 9]
    assert f([1]) == [1, 9]
    assert f.info().misses == 1


def test_a_query_for_an_unknown_argument_names_the_known_ones() -> None:
    """And the function that has them."""

    @cached(cache="memory")
    def area(width: int, height: int) -> int:
        return width * height

    with pytest.raises(TypeError, match=r"area\(\) got an unexpected keyword argument 'depth'; it takes width, height"):
        area.query(depth=3)


def test_what_cache_returns_says_how_it_is_used() -> None:
    """cache(new) makes a cache active; asking what it returns is a mistake that is answered."""
    said = pytest.raises(AttributeError, match=r"no 'query' here: .* ask cache\(\) for it")
    with fleche.cache("memory"), said:
        fleche.cache("memory").query()  # type: ignore[attr-defined]
