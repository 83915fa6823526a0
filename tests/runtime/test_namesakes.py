"""Two functions of one module and name are warned of; the same one, defined again, is not."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from fleche.errors import FlecheWarning
from fleche.runtime import App

HEAD = """
from fleche.runtime import App
app = App("namesakes")
"""
ONE = """
@app.task
def cook(x):
    return x
"""


class Kitchen:
    """A module that can be written anew."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: str) -> None:
        self.path.write_text(text)
        importlib.invalidate_caches()

    def load(self) -> ModuleType:
        return importlib.import_module("namesakes_kitchen")


@pytest.fixture
def kitchen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kitchen]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Kitchen(tmp_path / "namesakes_kitchen.py")
    sys.modules.pop("namesakes_kitchen", None)


def test_two_functions_of_one_name_are_told_with_both_places(kitchen: Kitchen) -> None:
    """At the second decorator; calls of both run the latter."""
    kitchen.write(HEAD + ONE + ONE)
    with pytest.warns(FlecheWarning, match=r"kitchen\.cook is defined twice, at .*\.py:5 and at .*\.py:9") as told:
        kitchen.load()
    assert told[0].filename == str(kitchen.path)
    assert told[0].lineno == 9


def test_a_function_of_another_file_is_told_of(kitchen: Kitchen) -> None:
    """Its module has the same name, so workers cannot tell which is meant."""
    kitchen.write("from fleche.runtime import App\ndef cook(x):\n    return x\n")
    app, module = App("other file"), kitchen.load()
    app.task(module.cook)
    place = {"__name__": "namesakes_kitchen"}
    exec(compile("def cook(x): return 2 * x", "elsewhere.py", "exec"), place)
    with pytest.warns(FlecheWarning, match=r"kitchen\.py:2 and at elsewhere\.py:1"):
        app.task(place["cook"])  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [ONE, "\n\n" + ONE, ONE.replace("return x", "return 2 * x")])
def test_a_module_can_be_reloaded(kitchen: Kitchen, text: str) -> None:
    """As it was, or edited: with a function at another line, or of another body."""
    shared = HEAD.replace('App("namesakes")', 'globals().get("app") or App("namesakes")')
    kitchen.write(shared + ONE)
    module = kitchen.load()
    before = module.cook
    kitchen.write(shared + text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        importlib.reload(module)
    assert module.cook is not before
    assert module.app.get_task(before.task_id) is module.cook


def test_the_same_function_can_be_made_a_task_again() -> None:
    """With other options, such as in a notebook."""
    from tests.runtime import functions

    app = App("again")
    for options in ({}, {"effect": True}):
        app.task(**options)(functions.double)  # type: ignore[arg-type]
    assert app.get_task(app.task(functions.double).task_id).options == {}


def test_what_was_made_by_code_without_a_file_can_be_made_again() -> None:
    """Whether there are two cannot be told, so nothing is said."""
    app = App("no file")
    place = {"__name__": "namesakes_nowhere"}
    for lines in ("", "\n\n"):
        exec(compile(lines + "def cook(x): return x", "<cell>", "exec"), place)
        app.task(place["cook"])  # type: ignore[arg-type]
    assert len(app.tasks) == 1
