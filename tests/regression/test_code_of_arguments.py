"""The methods of the objects that a call brings are code that runs, so they count."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import fleche
from fleche.caches import Cache
from fleche.call import Call
from fleche.digest import Digest

pytestmark = pytest.mark.portable

_SOURCE = """
import dataclasses, enum, typing
from fleche import cached

RATE = 2

class Base:
    FACTOR = 1
    def scale(self): return self.FACTOR
    @property
    def size(self): return 1
    @cached
    def run(self, x): return self.scale() * x

class Heir(Base):
    def scale(self): return super().scale() + 10

class Adder:
    def __init__(self, n): self.n = n
    def __call__(self, x): return self.n + x

class Color(enum.Enum):
    RED = 1
    def worth(self): return self.value * RATE

class Point(typing.NamedTuple):
    x: int
    def norm(self): return self.x

@dataclasses.dataclass
class Box:
    inside: typing.Any

class Opened:
    def __enter__(self): return self
    def __exit__(self, *error): return None

@cached
def apply(function, x): return function(x)
@cached
def worth(color): return color.worth()
@cached
def norm(boxes): return boxes[0].inside.norm()
@cached
def size(thing): return thing.size
@cached(code="own")
def own(thing): return thing.size
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A package that can be imported, whose functions are cached."""
    name = "argument_code"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(_SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield importlib.import_module(name)
    del sys.modules[name]


def test_a_method_that_the_receiver_brings_counts(cache: Cache, package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a cached method calls through ``self`` counts: in its class, in a base, and in an heir that overrides it."""
    assert [package.Base().run(1), package.Heir().run(1)] == [1, 11]
    monkeypatch.setattr(package.Base, "scale", lambda self: 5)
    assert [package.Base().run(1), package.Heir().run(1)] == [5, 15]
    monkeypatch.setattr(package.Heir, "scale", lambda self: 7)
    assert [package.Base().run(1), package.Heir().run(1)] == [5, 7]


def test_a_class_attribute_that_the_receiver_brings_counts(
    cache: Cache, package: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A constant of the class that a cached method reads through ``self`` counts."""
    assert package.Base().run(3) == 3
    monkeypatch.setattr(package.Base, "FACTOR", 2)
    assert package.Base().run(3) == 6


def test_the_code_of_arguments_counts(cache: Cache, package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects that are called, members of enumerations, properties and parts of containers bring their code."""
    boxes = [package.Box(package.Point(4))]

    def results() -> list[Any]:
        red = package.Color.RED
        return [
            package.apply(package.Adder(1), 1),
            package.worth(red),
            package.norm(boxes),
            package.size(package.Base()),
        ]

    assert results() == results() == [2, 2, 4, 1]
    monkeypatch.setattr(package, "RATE", 30)
    assert results() == [2, 30, 4, 1]
    monkeypatch.setattr(package.Adder, "__call__", lambda self, x: -x)
    monkeypatch.setattr(package.Point, "norm", lambda self: -4)
    monkeypatch.setattr(package.Base, "size", property(lambda self: 9))
    assert results() == results() == [-1, 30, -4, 9]


def test_a_record_has_the_key_that_the_function_tells(cache: Cache, package: Any) -> None:
    """The key, the call and the record of a call agree, and the filed code names the class."""
    base = package.Base()
    base.run(1)
    assert base.run.key(1) == base.run.call(1).key
    assert base.run.contains(1)
    assert [call.key for call in base.run.calls] == [base.run.key(1)]


def test_only_deep_code_follows_arguments(cache: Cache, package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``code="own"`` the function's own code is all that counts."""
    key = package.own.key(package.Base())
    monkeypatch.setattr(package.Base, "size", property(lambda self: 9))
    assert package.own.key(package.Base()) == key


def test_a_handle_brings_the_code_that_its_value_would(
    cache: Cache, package: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call keys alike by value, by handle and by handle in a list, and an edited method misses for all."""
    key = cache.save(Call(module="m", name="f", result=package.Base()))
    handle = cache.load(key).ref()
    box = [package.Box(package.Point(4))]
    inner = cache.load(cache.save(Call(module="m", name="g", result=box[0]))).ref()
    assert package.size.key(package.Base()) == package.size.key(handle) == package.size.key(Digest(handle))
    assert package.norm.key(box) == package.norm.key([inner])
    assert (package.size(handle), package.norm([inner])) == (1, 4)
    monkeypatch.setattr(package.Base, "size", property(lambda self: 9))
    monkeypatch.setattr(package.Point, "norm", lambda self: -4)
    assert (package.size(handle), package.norm([inner])) == (9, -4)


def test_a_handle_on_a_plain_value_is_keyed_without_loading_it(
    cache: Cache, package: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record says whether its result holds objects of a project, so that most handles cost a key nothing."""

    @fleche.cached
    def plain(n: int) -> dict[str, Any]:
        return {"n": [n], "path": Path("x")}

    @fleche.cached
    def objects(n: int) -> list[Any]:
        return [package.Point(n)]

    @fleche.cached
    def use(x: Any) -> int:
        return 1

    handles = [plain.ref(1), objects.ref(1), pickle.loads(pickle.dumps(Digest(plain.ref(2))))]
    assert [getattr(handle, "plain", None) for handle in handles] == [True, False, None]
    loaded: list[str] = []
    load = type(cache).load_value
    monkeypatch.setattr(type(cache), "load_value", lambda self, key, form=None: loaded.append(key) or load(self, key))
    key = use.key([handles[0], {"a": handles[0]}])
    assert loaded == []
    assert use.key([handles[1]]) == use.key([[package.Point(1)]])
    assert loaded == [handles[1]]
    assert key == use.key([{"n": [1], "path": Path("x")}, {"a": {"n": [1], "path": Path("x")}}])
