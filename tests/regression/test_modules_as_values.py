"""A module that is handed about is code too: whatever is in it may be reached."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleche.caches import Cache

pytestmark = pytest.mark.portable

_SOURCE = """
from fleche import cached
from . import plugin

PLUGINS = {"a": plugin}

class Holder:
    module = plugin

def ask(module): return module.answer()

def make(module):
    @cached
    def closed(): return module.answer()
    @cached
    def passed(): return ask(module)
    return closed, passed

closed, passed = make(plugin)

@cached
def aliased():
    other = plugin
    return other.answer()

@cached
def handed(): return ask(plugin)

@cached
def named(name): return getattr(plugin, name)()

@cached
def listed(): return PLUGINS["a"].answer()

@cached
def default(module=plugin): return module.answer()

@cached
def held(): return Holder.module.answer()

@cached
def chained(): return plugin.answer()

def results():
    return [aliased(), handed(), named("answer"), listed(), default(), held(), chained(), closed(), passed()]
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A package whose functions use one of its modules in every way."""
    name = "module_values"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(_SOURCE)
    (tmp_path / name / "plugin.py").write_text("K = 1\nUNUSED = 1\ndef answer(): return K\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield importlib.import_module(name)
    for module in (name, f"{name}.plugin"):
        del sys.modules[module]


def test_a_constant_in_a_module_that_is_a_value_counts(cache: Cache, package: Any) -> None:
    """A constant that a function reaches through an alias, a table, a parameter or a closure of its module counts."""
    assert package.results() == package.results() == [1] * 9
    package.plugin.K = 2
    assert package.results() == package.results() == [2] * 9


def test_what_a_chain_does_not_reach_does_not_count(cache: Cache, package: Any) -> None:
    """A module that only starts chains of attributes counts by what they reach."""
    keys = package.chained.key(), package.closed.key(), package.handed.key()
    package.plugin.UNUSED = 2
    assert (package.chained.key(), package.closed.key()) == keys[:2]
    assert package.handed.key() != keys[2]
