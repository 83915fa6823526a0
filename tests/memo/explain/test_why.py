"""`f.why`: each cause there is, as object, text and picture."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fleche
from fleche import cached
from fleche.caches import Cache, CacheStack
from fleche.call import Outcome
from fleche.errors import FlecheWarning, MissError, StoreError, UncachedWarning
from fleche.memo.active import defaults
from fleche.memo.explain import Cause, Why
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.memory import MemoryStore
from tests.digest.code.projects import imported, write

RATE = 2


def helper(x: float) -> float:
    return x * RATE


@dataclass
class Layer:
    units: int


@dataclass
class Config:
    layers: list[Layer]
    lr: float = 0.1


def never(*_: Any) -> Any:
    raise AssertionError("a body ran")


def text(why: Why) -> str:
    """The causes, one a line."""
    return "\n".join(map(str, why.causes))


# -- hits and strangers --------------------------------------------------------------------------------------------


def test_a_hit_says_when(cache: Cache) -> None:
    """And that it is one; nothing differs."""

    @cached
    def f(x: int) -> int:
        return x

    f(1)
    why = f.why(1)
    assert (why.hit, why.cause, why.arguments, why.code) == (True, Cause.HIT, {}, ())
    assert why.key == f.key(1)
    assert why.nearest is not None
    assert why.nearest.key == why.key
    assert str(why).startswith("hit: ")
    assert f.info().hits == 0


def test_a_function_that_was_never_called(cache: Cache) -> None:
    """Says where it was looked for."""

    @cached
    def f(x: int) -> int:
        return x

    why = f.why(1)
    assert (why.hit, why.cause, why.nearest) == (False, Cause.NEVER, None)
    assert "no call of" in text(why)


# -- arguments -----------------------------------------------------------------------------------------------------


def test_an_argument_differs(cache: Cache) -> None:
    """By the place inside it, and the nearest call is the one that differs least."""

    @cached
    def fit(cfg: Config, lr: float = 0.1, kind: str = "adam") -> int:
        return 1

    fit(Config([Layer(1), Layer(64)]))
    fit(Config([Layer(1), Layer(64)]), 0.4)
    fit(Config([Layer(1), Layer(64)]), 0.4, "sgd")
    why = fit.why(Config([Layer(1), Layer(128)]))
    assert [str(item) for item in why.arguments["cfg"]] == ["cfg.layers[1].units: 64 -> 128"]
    assert why.causes[0].kind is Cause.ARGUMENT
    assert "all else is equal: lr, kind; code" in str(why)
    near = fit.why(Config([Layer(1), Layer(64)]), 0.3, "sgd").nearest
    assert near is not None
    assert (near.arguments["lr"], near.arguments["kind"]) == (0.4, "sgd")
    near = fit.why(Config([Layer(1), Layer(64)]), 0.12).nearest
    assert near is not None
    assert near.arguments["lr"] == 0.1


def test_the_nearest_is_found_among_many(cache: Cache) -> None:
    """Also where it is not among the latest: through the index, by the arguments that are equal."""

    @cached
    def f(x: int, y: int, z: str = "z") -> int:
        return x

    f(1, 2, "mine")
    for x in range(260):
        f(x, x)
    why = f.why(1, 3, "mine")
    assert why.nearest is not None
    assert why.nearest.arguments["z"] == "mine"
    assert list(why.arguments) == ["y"]


def test_the_same_code_before_the_same_time(cache: Cache) -> None:
    """Of two calls that differ equally, that of the code that runs now counts."""
    for body in ("return x", "return -x", "return x"):
        space: dict[str, Any] = {"__name__": "made"}
        exec(f"def f(x):\n    {body}\n", space)
        f = cached(space["f"])
        f(1)
    why = f.why(2)
    assert list(why.arguments) == ["x"]
    assert why.code == ()


def test_parameters_come_and_go(cache: Cache) -> None:
    """A new one, and one that is gone, are said so."""
    space: dict[str, Any] = {"__name__": "made"}
    exec("def f(x, old=1):\n    return x\n", space)
    cached(code=None)(space["f"])(1)
    exec("def f(x, seed=42):\n    return x\n", space)
    why = cached(code=None)(space["f"]).why(1)
    assert str(why.arguments["seed"]) == "seed: is a new parameter, 42"
    assert str(why.arguments["old"]) == "old: was 1, and is no parameter any more"


def test_the_order_of_the_parameters(cache: Cache) -> None:
    """Is part of the key."""
    space: dict[str, Any] = {"__name__": "made"}
    exec("def f(x, y):\n    return x\n", space)
    cached(code=None)(space["f"])(1, 2)
    exec("def f(y, x):\n    return x\n", space)
    assert "the order of the parameters" in text(cached(code=None)(space["f"]).why(x=1, y=2))


def test_handles_are_compared_by_what_they_stand_for(cache: Cache) -> None:
    """A result that is passed on without loading it."""

    @cached
    def load(n: int) -> list[int]:
        return list(range(n))

    @cached
    def total(values: Any) -> int:
        return sum(values)

    total(load.ref(3))
    assert str(total.why(load.ref(4)).arguments["values"]) == "values: 3 items -> 4 items\nvalues[3]: added 3"
    assert total.why([0, 1, 2]).hit


def test_arguments_that_are_not_stored(cache: Cache) -> None:
    """Are told apart by digest, where neither value nor sketch was kept."""

    @cached(store_arguments="none")
    def f(x: list[int]) -> int:
        return 1

    f([1])
    told = str(f.why([2]).arguments["x"])
    assert told.startswith("x: <list ")
    assert told.endswith("-> [2]")


def test_projected_and_ignored_arguments(cache: Cache) -> None:
    """What is compared is what is keyed."""

    @cached(key={"model": lambda model: model["id"]}, ignore=("log",))
    def f(model: dict[str, Any], log: Any = None) -> int:
        return 1

    f({"id": 1, "w": object()})
    assert str(f.why({"id": 2}, log=object()).arguments["model"]) == "model: 1 -> 2"
    assert f.why({"id": 1, "w": 5}).hit


# -- code, version, environment ------------------------------------------------------------------------------------


def test_code_differs(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the way to it, with a small diff; a constant by its name."""

    @cached
    def fit(x: float) -> float:
        return helper(x)

    fit(1.0)
    monkeypatch.setitem(globals(), "RATE", 3)
    why = fit.why(1.0)
    (change,) = why.code
    assert (change.kind, change.change, change.name) == ("constant", "changed", "RATE")
    assert change.path.endswith("fit -> tests.memo.explain.test_why.helper -> RATE") or change.chain[-1] == "RATE"
    assert why.causes[0].kind is Cause.CODE


def test_the_version_differs(cache: Cache) -> None:
    """Also between an int and its text."""

    def f(x: int) -> int:
        return x

    cached(version=1)(f)(1)
    why = cached(version=2)(f).why(1)
    assert why.version == (1, 2)
    assert "version=2 now, and was 1" in text(why)
    assert cached(version="1")(f).why(1).version == (1, "1")


def test_the_environment_differs(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both versions of the package, of which the tree keeps a digest only."""
    import fleche.digest.code.watch as watch

    @cached(environment=("numpy", "python"))
    def f(x: int) -> int:
        return x

    f(1)
    real = watch._version
    monkeypatch.setattr(watch, "_version", lambda name: "99.0" if name == "numpy" else real(name))
    monkeypatch.setattr("fleche.memo.explain.environments.installed", lambda name: "99.0")

    def again(x: int) -> int:
        return x

    again.__qualname__, again.__name__ = f.__qualname__, f.__name__
    f2 = cached(environment=("numpy", "python"))(f.__wrapped__)
    why = f2.why(1)
    assert why.environment == {"numpy": (np.__version__, "99.0")}
    assert f"numpy: {np.__version__} -> 99.0" in text(why)
    assert why.causes[0].kind is Cause.ENVIRONMENT
    assert why.code == ()


def test_code_that_is_not_in_the_key_any_more(cache: Cache) -> None:
    """Says so, instead of comparing."""
    space: dict[str, Any] = {"__name__": "made"}
    exec("def f(x):\n    return x\n", space)
    cached(space["f"])(1)
    assert "code was part of the key (code=), and is not now" in text(cached(code=None)(space["f"]).why(1))


def test_a_renamed_and_a_moved_function(cache: Cache, tmp_path: Path) -> None:
    """Are found by their code, and the way to keep the calls is said."""
    head = "from fleche import cached\ndef helper(x):\n    return x\n"
    old = head + "@cached\ndef old(x):\n    return helper(x) + 1\n@cached\ndef other(x):\n    return x\n"
    write(tmp_path / "one", {"main.py": old})
    with imported(tmp_path / "one") as module:
        module.old(1), module.other(1)
    write(tmp_path / "two", {"main.py": old.replace("def old", "def new")})
    with imported(tmp_path / "two") as module:
        why = module.new.why(1)
    assert why.cause is Cause.NAME
    assert "pkg.main.old has the same code: if it was renamed, say @cached(was='pkg.main.old')" in text(why)
    write(
        tmp_path / "three",
        {"more.py": old.replace("return x\n@", "return x\n@").replace("return x\n", "return -x\n", 2)},
    )
    write(tmp_path / "four", {"more.py": old})
    with imported(tmp_path / "four", "pkg.more") as module:
        assert "if it was moved, say @cached(was='pkg.main.old')" in text(module.old.why(1))
    with imported(tmp_path / "three", "pkg.more") as module:
        why = module.old.why(1)
    assert why.cause is Cause.NEVER
    assert "a function of that name is stored for another module, with other code: pkg.main.old" in text(why)


# -- a record that is no hit ---------------------------------------------------------------------------------------


def test_expired(cache: Cache) -> None:
    """When, by which ``ttl``."""

    @cached(ttl=timedelta(hours=1))
    def f(x: int) -> int:
        return x

    f(1)
    assert f.why(1).hit
    assert cached(ttl=0)(f.__wrapped__).why(1).cause is Cause.EXPIRED
    assert "ttl is 0 µs" in text(cached(ttl=0)(f.__wrapped__).why(1))


def test_refused_by_valid_if(cache: Cache) -> None:
    """Also where the check itself fails."""

    @cached
    def f(x: int) -> int:
        return x

    f(1)
    assert cached(valid_if=lambda call: False)(f.__wrapped__).why(1).cause is Cause.REFUSED
    assert "valid_if raised ZeroDivisionError" in text(cached(valid_if=lambda call: 1 / 0 > 0)(f.__wrapped__).why(1))


def test_failed_before(cache: Cache) -> None:
    """With what it raised; where that is kept, it is a hit."""

    @cached
    def f(x: int) -> int:
        raise ValueError(f"no {x}")

    with pytest.raises(ValueError, match="no 1"):
        f(1)
    why = f.why(1)
    assert why.cause is Cause.FAILED
    assert "with ValueError: no 1" in text(why)
    kept = cached(errors=(ValueError,))(f.__wrapped__)
    with pytest.raises(ValueError, match="no 1"):
        kept(1)
    assert kept.why(1).hit
    assert cached(errors=(ValueError,), errors_ttl=0)(f.__wrapped__).why(1).cause is Cause.EXPIRED


def test_read_in_part(cache: Cache) -> None:
    """A generator whose end nobody saw."""

    @cached
    def count(n: int) -> Iterator[int]:
        yield from range(n)

    numbers = count(3)
    next(numbers)
    numbers.close()  # type: ignore[attr-defined]
    assert count.why(3).cause is Cause.PARTIAL
    assert list(count(3)) == [0, 1, 2]
    assert count.why(3).hit


def test_damaged_and_gone(store: EmbeddedStore) -> None:
    """A value whose bytes were changed, and one that is not there any more."""
    cache = Cache(store.values, store.calls)

    @cached(cache=cache)
    def f(x: int) -> bytes:
        return bytes(300_000)

    f(1)
    (path,) = [each for each in (store.root / "values").rglob("*") if each.is_file()]
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[100] ^= 255
    path.write_bytes(content[:-10])
    why = f.why(1)
    assert why.cause in (Cause.DAMAGED, Cause.GONE)
    assert f.why(1).cause is Cause.GONE
    assert why.nearest is not None
    assert why.nearest.key == why.key


def test_an_unreadable_result(cache: Cache) -> None:
    """Whose class is not there any more."""
    import sys
    from types import ModuleType

    module = ModuleType("vanishing")
    exec("class Thing:\n    pass\n", vars(module))
    module.Thing.__module__ = "vanishing"
    sys.modules["vanishing"] = module

    @cached(version=3)
    def f(x: int) -> Any:
        return sys.modules["vanishing"].Thing()

    f(1)
    del sys.modules["vanishing"]
    why = f.why(1)
    assert why.cause is Cause.UNREADABLE
    assert "vanishing" in text(why)


# -- what else is so -----------------------------------------------------------------------------------------------


def test_another_store_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those that the configuration knows; it is named, and only read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fleche.toml").write_text('[mine]\nroot = "mine"\n[nobody]\nroot = "nobody"\n')

    @cached
    def f(x: int) -> int:
        return x

    with fleche.cache("mine"):
        f(1)
        assert f.why(1).hit
    f(2)
    why = f.why(1)
    assert why.cause is Cause.ELSEWHERE
    assert str(tmp_path / "mine") in text(why)
    assert not (tmp_path / "nobody").exists()
    assert f.why(3).cause is not Cause.ELSEWHERE


def test_other_stores_that_cannot_be_asked_cost_nothing(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the list of them, nor one of them."""

    @cached
    def f(x: int) -> int:
        return x

    def broken(*_: Any) -> Any:
        raise OSError("gone")

    monkeypatch.setattr(defaults, "others", broken)
    assert f.why(1).cause is Cause.NEVER
    monkeypatch.setattr(defaults, "others", lambda cache: [("there", broken)])
    assert f.why(1).cause is Cause.NEVER


def test_another_computes_it(cache: Cache) -> None:
    """And who does."""
    began, end = threading.Event(), threading.Event()

    @cached
    def f(x: int) -> int:
        began.set()
        end.wait()
        return x

    thread = threading.Thread(target=fleche.BoundWrapper.bind(f), args=(1,))
    thread.start()
    began.wait()
    why = f.why(1)
    end.set()
    thread.join()
    assert why.cause is Cause.RUNNING
    assert "it is being computed by pid" in text(why)


def test_forgotten_where_a_cache_knows(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that remembers what was removed is asked."""

    @cached
    def f(x: int) -> int:
        return x

    monkeypatch.setattr(cache, "forgotten", lambda key: "forgotten yesterday, by ada", raising=False)
    assert f.why(1).cause is Cause.FORGOTTEN
    assert "it was stored, and was forgotten yesterday, by ada" in text(f.why(1))


def test_no_key(cache: Cache) -> None:
    """The refusal itself, and a required argument that is not given by keyword."""

    @cached(require=("seed",))
    def f(x: Any, seed: int = 0) -> Any:
        return x

    why = f.why(threading.Lock(), seed=1)
    assert (why.cause, why.key) == (Cause.NO_KEY, None)
    assert "x is a _thread.lock" in text(why)
    assert f.why(1).cause is Cause.NO_KEY
    assert "seed must be given by keyword" in text(f.why(1))
    with pytest.raises(TypeError):
        f.why(1, 2, 3)  # type: ignore[call-arg]


def test_modes(cache: Cache) -> None:
    """In which nothing is looked up, or nothing is stored."""

    @cached
    def f(x: int) -> int:
        return x

    f(1)
    for mode in ("off", "refresh"):
        with fleche.mode(mode):
            assert (f.why(1).hit, f.why(1).cause) == (False, Cause.MODE)
    with fleche.mode("read"):
        assert f.why(1).hit
        assert f.why(2).cause is Cause.MODE
        assert "what is computed is not stored" in text(f.why(2))


def test_a_call_that_ran_and_was_not_stored(cache: Cache) -> None:
    """What the warning said is said again."""

    @cached
    def f(x: int) -> Any:
        return threading.Lock()

    with pytest.warns(UncachedWarning, match="not stored"):
        f(1)
    why = f.why(1)
    assert why.cause is Cause.UNSTORED
    assert "its result was not stored" in text(why)


def test_a_cache_that_cannot_be_opened_or_read(tmp_path: Path) -> None:
    """Is the cause; nothing is raised."""
    (tmp_path / "file").write_text("no store")

    @cached(cache=f"{tmp_path}/file/store")
    def f(x: int) -> int:
        return x

    assert f.why(1).cause is Cause.STORE

    class Broken(Cache):
        def lookup(self, key: Any) -> Any:
            raise StoreError("cannot be read", path="x")

    store = MemoryStore()
    assert cached(cache=Broken(store.values, store.calls))(f.__wrapped__).why(1).cause is Cause.STORE


def test_a_stack_is_not_filled(cache: Cache) -> None:
    """A hit of a later member stays where it is: asking writes nothing."""
    store = MemoryStore()
    near = Cache(store.values, store.calls)

    @cached
    def f(x: int) -> int:
        return x

    f(1)
    with fleche.cache(CacheStack((near, cache))):
        assert f.why(1).hit
        assert f.why(2).causes[0].kind is Cause.ARGUMENT
    assert near.query().all().empty()


def test_nothing_is_written_and_no_body_runs(disk: Cache, store: EmbeddedStore) -> None:
    """Of a hit, and of misses of every kind."""
    calls: list[int] = []

    @cached
    def f(x: Any, y: int = 0) -> int:
        calls.append(1)
        return 1

    f([1]), f(np.zeros(300_000))
    statements: list[str] = []
    store._database.connection().set_trace_callback(statements.append)
    f.why([1]), f.why([2]), f.why(np.ones(300_000)), f.why([1], 2)
    assert len(calls) == 2
    assert not any(text.split()[0] in ("INSERT", "UPDATE", "DELETE", "REPLACE") for text in statements)


# -- kinds of functions --------------------------------------------------------------------------------------------


def test_every_kind_of_function(cache: Cache) -> None:
    """Coroutines, generators of both kinds, methods and bound calls."""

    @cached
    async def later(x: int) -> int:
        return x

    @cached
    def numbers(x: int) -> Iterator[int]:
        yield x

    @cached
    async def stream(x: int) -> AsyncIterator[int]:
        yield x

    @dataclass
    class Model:
        scale: int

        @cached
        def run(self, x: int) -> int:
            return self.scale * x

        @classmethod
        @cached
        def make(cls, x: int) -> int:
            return x

        @staticmethod
        @cached
        def plain(x: int) -> int:
            return x

    async def read() -> None:
        async for _ in stream(1):
            pass

    asyncio.run(later(1)), list(numbers(1)), asyncio.run(read())
    Model(2).run(1), Model.make(1), Model.plain(1)
    for function in (later, numbers, stream, Model(2).run, Model.make, Model.plain, numbers.bind()):
        assert function.why(1).hit, function
        assert "x: 1 -> 2" in str(function.why(2)), function
    assert str(Model(3).run.why(1).arguments["self"]) == "self.scale: 2 -> 3"


# -- frozen mode, logs, pickles, pictures ----------------------------------------------------------------------------


def test_frozen_mode_carries_why(cache: Cache) -> None:
    """The message is the true cause; the error pickles with all of it."""

    @cached
    def f(x: list[int]) -> int:
        return 1

    @cached
    async def later(x: int) -> int:
        return x

    @cached
    def numbers(x: int) -> Iterator[int]:
        yield x

    f([1])
    with fleche.mode("frozen"):
        with pytest.raises(MissError, match=r"x\[0\]: 1 -> 2 \(nearest: call") as caught:
            f([2])
        with pytest.raises(MissError, match="no call of"):
            asyncio.run(later(1))
        with pytest.raises(MissError, match="no call of"):
            list(numbers(1))
        with pytest.raises(MissError, match="no key"), pytest.warns(UncachedWarning):
            f(threading.Lock())  # type: ignore[arg-type]
    why = caught.value.why
    assert isinstance(why, Why)
    assert caught.value.key == why.key
    revived = pickle.loads(pickle.dumps(caught.value))
    assert str(revived.why) == str(why)
    assert revived.why.nearest.key == why.nearest.key
    with pytest.raises(KeyError):
        _ = revived.why.nearest.result


def test_misses_are_logged_where_that_is_asked_for(cache: Cache, caplog: pytest.LogCaptureFixture) -> None:
    """In one line, before the body runs; and not otherwise."""

    @cached
    def f(x: int) -> int:
        return x

    caplog.set_level(logging.INFO, "fleche")
    f(1)
    assert caplog.records == []
    defaults.tells = True
    try:
        f(1), f(2)
    finally:
        defaults.tells = False
    (record,) = caplog.records
    assert "x: 1 -> 2 (nearest: call" in record.getMessage()
    assert "being computed" not in record.getMessage()
    assert "\n" not in record.getMessage()


def test_the_variable_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """``FLECHE_WHY`` is read once."""
    for value, expected in (("1", True), ("0", False), ("", False), ("off", False), ("yes", True)):
        monkeypatch.setenv("FLECHE_WHY", value)
        defaults._tells = None
        assert defaults.tells is expected
    defaults._tells = None


def test_a_failure_of_the_explanation_costs_no_call(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the call that is logged, nor the kind of error in frozen mode."""

    @cached
    def f(x: int) -> int:
        return x

    def broken(*_: Any) -> Any:
        raise RuntimeError("cannot explain")

    monkeypatch.setattr("fleche.memo.explain.why.explain_sealed", broken)
    monkeypatch.setattr(defaults, "_tells", True)
    assert f(1) == 1
    with fleche.mode("frozen"), pytest.raises(MissError, match="why is not known: RuntimeError: cannot explain"):
        f(2)


def test_the_picture(cache: Cache) -> None:
    """Causes, places and code, escaped."""

    @cached
    def f(cfg: dict[str, Any], lr: float = 0.1) -> int:
        return 1

    f({"<b>": 1})
    html = f.why({"<b>": 2}, 0.2)._repr_html_()
    assert "no picture" not in html
    assert "&lt;b&gt;" in html
    assert "<b>'" not in html
    assert "miss" in html
    assert "no picture" not in f.why({"<b>": 1})._repr_html_()


def test_as_data(cache: Cache) -> None:
    """Everything, of plain types."""
    import json

    @cached
    def f(x: int) -> int:
        return x

    f(1)
    told = json.loads(json.dumps(f.why(2).json()))
    assert told["causes"] == [{"kind": "argument", "text": "x: 1 -> 2"}]
    assert told["arguments"]["x"]["differences"] == [{"path": "x", "kind": "value", "text": "1 -> 2"}]
    assert told["hit"] is False


def test_failed_calls_are_near_where_there_are_no_others(cache: Cache) -> None:
    """A function of which no call ever returned."""

    @cached
    def f(x: int) -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        f(1)
    why = f.why(2)
    assert why.nearest is not None
    assert why.nearest.outcome is Outcome.ERROR
    assert list(why.arguments) == ["x"]


def test_no_warning_is_made(cache: Cache, recwarn: pytest.WarningsRecorder) -> None:
    """Asking is quiet."""

    @cached
    def f(x: Any) -> Any:
        return x

    f(1)
    f.why(1), f.why(2), f.why(threading.Lock())
    assert not [each for each in recwarn if issubclass(each.category, FlecheWarning)]


# -- calls that count for others -------------------------------------------------------------------------------------


CODE = "from fleche import cached\n@cached{options}\ndef {name}({parameters}):\n    return x + {step}\n"


def version(directory: Path, **changes: str) -> str:
    """Write one version of a module; return the name of its function."""
    fields = {"options": "", "name": "fit", "parameters": "x", "step": "1", **changes}
    write(directory, {"main.py": CODE.format(**fields)})
    return fields["name"]


def test_a_renamed_function_with_was(cache: Cache, tmp_path: Path) -> None:
    """Its stored calls are hits, and near; its name is no difference."""
    version(tmp_path / "one")
    with imported(tmp_path / "one") as module:
        module.fit(1)
    version(tmp_path / "two", options="(was='pkg.main.fit')", name="train")
    with imported(tmp_path / "two") as module:
        why = module.train.why(1)
        assert why.hit
        assert "of pkg.main.fit" in text(why)
        why = module.train.why(2)
        plan = module.train.plan([1, 2])
    assert [str(reason) for reason in why.causes] == ["x: 1 -> 2"]
    assert (plan.hits, plan.misses) == (1, 1)


def test_accepted_code(cache: Cache, tmp_path: Path) -> None:
    """An edit that somebody accepted is no difference."""
    version(tmp_path / "one")
    with imported(tmp_path / "one") as module:
        module.fit(1)
    version(tmp_path / "two", step="(2 - 1)")
    with imported(tmp_path / "two") as module:
        assert module.fit.why(1).cause is Cause.CODE
        assert module.fit.plan([1, 2]).hits == 0
        module.fit.accept().confirm()
        assert module.fit.contains(1)
        assert module.fit.why(1).hit
        assert "code that was accepted" in text(module.fit.why(1))
        assert [str(reason) for reason in module.fit.why(2).causes] == ["x: 1 -> 2"]
        assert module.fit.plan([1, 2]).hits == 1


def test_a_forgotten_call(cache: Cache) -> None:
    """Is said to be so, with when and by whom."""

    @cached
    def f(x: int) -> int:
        return x

    f(1)
    assert f.forget(1)
    why = f.why(1)
    assert why.cause is Cause.FORGOTTEN
    assert "it was stored, and was forgotten on" in text(why)
