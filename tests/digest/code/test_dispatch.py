"""Methods by single dispatch: what is registered is code, what calls leave behind is not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from fleche.digest.code import CodeWatch
from fleche.digest.walk import digest
from tests.digest.code.projects import imported, write

pytestmark = pytest.mark.portable

ROOT = Path(__file__).parents[3]
MAIN = """
import functools

class A:
    @functools.singledispatchmethod
    def m(self, x): return 1
    @m.register
    def _(self, x: int): return 2
    @functools.singledispatchmethod
    @classmethod
    def c(cls, x): return 1

class Slotted(A):
    __slots__ = ()
    __hash__ = None

KEPT = [A() for _ in range(1000)]
def f(x): return A().m(x), A.c(x)
"""
CALLS = [
    "f(1); f('a')",
    "for each in KEPT: each.m(1)",
    "A.m(A(), 1)",
    "Slotted().m(1)",
]
REGISTRATIONS = [
    "A.m.register(str, lambda self, x: 3)",
    "A.m.register(int, lambda self, x: 3)",
    "A.c.register(str, classmethod(lambda cls, x: 3))",
]
SCRIPT = """
import sys
from fleche import cached
from pkg import main
if len(sys.argv) > 1:
    exec(sys.argv[1], vars(main))
print(cached(main.f, cache="void").key(1))
"""


@pytest.fixture
def module(tmp_path: Path) -> Iterator[ModuleType]:
    """A project with such methods, imported."""
    write(tmp_path, {"main.py": MAIN})
    with imported(tmp_path) as found:
        yield found


@pytest.mark.parametrize("calls", CALLS)
def test_calls_change_nothing(module: ModuleType, calls: str) -> None:
    """A fingerprint is the same after the methods were called, on whatever, and so is the digest of a method."""
    watch = CodeWatch(module.f)
    before, value = watch.current(), digest(vars(module.A)["m"])
    exec(calls, vars(module))
    assert watch.current() == CodeWatch(module.f).current() == before
    assert digest(vars(module.A)["m"]) == value


@pytest.mark.parametrize("registration", REGISTRATIONS)
@pytest.mark.parametrize("calls", ["", *CALLS])
def test_another_implementation_is_seen(module: ModuleType, calls: str, registration: str) -> None:
    """What is registered counts at the next call, whatever was called before."""
    exec(calls, vars(module))
    watch = CodeWatch(module.f)
    before = watch.current()
    exec(registration, vars(module))
    assert watch.current() != before
    assert watch.current() == CodeWatch(module.f).current()


def test_one_more_of_many_implementations_is_seen(module: ModuleType) -> None:
    """A method is looked at again at each call, however much is registered for it."""
    for number in range(1000):
        module.A.m.register(type(f"T{number}", (), {}), len)
    watch = CodeWatch(module.f)
    before = watch.current()
    module.A.m.register(str, len)
    assert watch.current() != before


def test_a_process_that_called_them_has_the_keys_of_a_fresh_one(tmp_path: Path) -> None:
    """A call has one key, whatever was called before it."""
    write(tmp_path, {"main.py": MAIN, "/run.py": SCRIPT})
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    keys = [
        subprocess.run(
            [sys.executable, "-B", "run.py", *calls], capture_output=True, text=True, env=environment, cwd=tmp_path
        ).stdout
        for calls in ([], ["\n".join(CALLS)])
    ]
    assert keys[0]
    assert keys[0] == keys[1]
