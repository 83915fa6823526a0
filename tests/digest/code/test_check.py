"""The check at a call: whatever is reached, and is made another, is seen at the next call."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleche.digest.code import CodeWatch
from tests.digest.code.projects import imported, write

pytestmark = pytest.mark.portable

PART = """
RATE = {m} + 0.5
TABLE = {{"low": {m}, "deep": [{m}, {{"x": {m}}}]}}
NAMES = frozenset({{"a", "b{m}"}})
STEPS = {{"one": lambda x: x + {m}}}
class Base:
    width = {m}
    def run(self, x): return x * self.width
class Model(Base):
    kind = "model"
    @property
    def size(self): return self.width
def made(n):
    def inner(x): return x + n + {m}
    return inner
CLOSED = made({m})
"""
FUNCTION = """
def step{n}(x, scale=2, *, strict=False):
    return [RATE, TABLE, NAMES, STEPS, Model().run(x), CLOSED(x), scale, strict, missing_{n}, len([x])]
"""
Undo = Callable[[], object]


def project(parts: int, functions: int) -> dict[str, str]:
    """Return a package whose ``f`` reaches some functions in each of some modules."""
    files = {}
    for m in range(parts):
        files[f"part{m}.py"] = PART.format(m=m) + "".join(FUNCTION.format(n=n) for n in range(functions))
    uses = [f"part{m}.step{n}(x)" for m in range(parts) for n in range(functions)]
    files["main.py"] = (
        f"from pkg import {', '.join(f'part{m}' for m in range(parts))}\ndef f(x): return {uses}\n".replace("'", "")
    )
    return files


@pytest.fixture(scope="module", params=[(2, 3), (6, 20)], ids=["few", "many"])
def module(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[types.ModuleType]:
    """A project, imported: a small one, and one that is looked at in other ways."""
    directory = tmp_path_factory.mktemp("project")
    write(directory, project(*request.param))
    with imported(directory) as found:
        yield found


def rebound(space: Any, name: str, value: Any) -> Undo:
    before = getattr(space, name, None)
    there = hasattr(space, name)
    setattr(space, name, value)
    return (lambda: setattr(space, name, before)) if there else (lambda: delattr(space, name))


def stored(table: Any, key: Any, value: Any) -> Undo:
    before = table[key]
    table[key] = value
    return lambda: table.__setitem__(key, before)


def grown(items: list[Any]) -> Undo:
    items.append(1)
    return items.pop


def other(x: int) -> int:
    return x


CHANGES: list[Callable[[Any, Any], Undo]] = [
    lambda part, step: rebound(part, step.__name__, other),
    lambda part, step: rebound(part, "RATE", part.RATE + 1),
    lambda part, step: rebound(part, "RATE", str(part.RATE)),
    lambda part, step: rebound(part, "NAMES", frozenset({"a"})),
    lambda part, step: rebound(part, "TABLE", {}),
    lambda part, step: stored(part.TABLE, "low", "other"),
    lambda part, step: grown(part.TABLE["deep"]),
    lambda part, step: stored(part.TABLE["deep"][1], "x", -1),
    lambda part, step: stored(part.STEPS, "one", other),
    lambda part, step: rebound(part.STEPS["one"], "__code__", other.__code__),
    lambda part, step: rebound(step, "__code__", step.__code__.replace(co_name="renamed")),
    lambda part, step: rebound(step, "__defaults__", (2.0,)),
    lambda part, step: rebound(step, "__defaults__", None),
    lambda part, step: stored(step.__kwdefaults__, "strict", True),
    lambda part, step: rebound(step, "__kwdefaults__", {"strict": 0}),
    lambda part, step: rebound(part, f"missing_{step.__name__[4:]}", 1),
    lambda part, step: rebound(part, "len", other),
    lambda part, step: rebound(part.Model, "kind", "other"),
    lambda part, step: rebound(part.Model, "new", 1),
    lambda part, step: rebound(part.Base, "width", 1.0),
    lambda part, step: rebound(part.Base, "run", other),
    lambda part, step: rebound(part.Model, "size", other),
    lambda part, step: rebound(part.Base.run, "__code__", other.__code__),
    lambda part, step: rebound(part, "Model", type("Model", (part.Base,), {})),
    lambda part, step: rebound(part, "CLOSED", part.made(7)),
    lambda part, step: rebound(part.CLOSED.__closure__[0], "cell_contents", "other"),
]


@given(change=st.sampled_from(CHANGES), seed=st.integers(0, 1000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_whatever_is_reached_is_seen(module: types.ModuleType, change: Callable[[Any, Any], Undo], seed: int) -> None:
    """Anything that is rebound, anywhere, changes the fingerprint at the next call, and undoing it brings it back."""
    watch = CodeWatch(module.f)
    before = watch.current()
    assert watch.current() == before
    choice = random.Random(seed)
    part = choice.choice([value for name, value in vars(module).items() if name.startswith("part")])
    step = choice.choice([value for name, value in vars(part).items() if name.startswith("step")])
    undo = change(part, step)
    try:
        after = watch.current()
        assert after != before
        assert after == CodeWatch(module.f).current()
    finally:
        undo()
    assert watch.current() == before


def test_an_equal_object_is_another(module: types.ModuleType) -> None:
    """What says that it equals what it replaces is looked at, not believed."""

    class Wrapper:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __eq__(self, other: object) -> bool:
            return bool(self.inner == other)

        __hash__ = None  # type: ignore[assignment]

        def __call__(self, x: int) -> int:
            return -1

    watch = CodeWatch(module.f)
    before = watch.current()
    undo = rebound(vars(module)["part0"], "step0", Wrapper(vars(module)["part0"].step0))
    assert watch.current() != before
    undo()
    assert watch.current() == before


def test_a_name_that_goes_is_seen(module: types.ModuleType) -> None:
    """A name that is deleted counts as not there."""
    watch = CodeWatch(module.f)
    before = watch.current()
    rate = vars(module)["part0"].RATE
    del vars(module)["part0"].RATE
    assert watch.current() != before
    vars(module)["part0"].RATE = rate
    assert watch.current() == before


def test_a_fingerprint_leaves_garbage_collection_as_it_is() -> None:
    """It is on or off as it was before, and a child that is forked meanwhile is not left without."""
    space: dict[str, Any] = {"__name__": "made"}
    for number, setting in enumerate((True, False)):
        exec(f"def f{number}(x): return x", space)
        (gc.enable if setting else gc.disable)()
        try:
            CodeWatch(space[f"f{number}"]).current()
            assert gc.isenabled() is setting
        finally:
            gc.enable()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_that_is_forked_in_a_pause_collects_garbage(tmp_path: Path) -> None:
    """The thread that was in the pause is not there to end it."""
    script = """
        import gc, os
        from fleche.digest.code.pause import Paused
        paused = Paused()
        with paused, Paused():
            child = os.fork()
            if not child:
                os._exit(0 if gc.isenabled() else 1)
            assert os.waitpid(child, 0)[1] == 0
            assert not gc.isenabled()
        assert gc.isenabled()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_projects_are_written(tmp_path: Path) -> None:
    """The generated package imports and its function reaches all."""
    write(tmp_path, project(2, 2))
    with imported(tmp_path) as made:
        text = str(CodeWatch(made.f).tree())
    assert text.count("function pkg.part") >= 8
