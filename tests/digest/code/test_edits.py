"""Editing code that matters misses, for a cause that a person would name; editing what does not matter hits."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import pytest

from fleche import cached
from fleche.digest.code import CodeTree, CodeWatch
from fleche.digest.walk import examine
from fleche.memo import CachedFunction
from tests.digest.code.causes import causes
from tests.digest.code.projects import Edit, Files, edits, imported, write

pytestmark = pytest.mark.portable

CASES = edits(Path(__file__).with_name("edits.txt"))


def taken(directory: Path, files: Files, edit: Edit) -> tuple[str, CodeTree, list[str]]:
    """Return the key of the case's call (without one, the fingerprint), the code tree and the arguments' digests."""
    write(directory, files)
    module_name, name = edit.function.split()
    with imported(directory, module_name) as module:
        function: Any = operator.attrgetter(name)(module)
        function = getattr(function, "__func__", function)
        plain = function.__wrapped__ if isinstance(function, CachedFunction) else function
        watch = CodeWatch(plain)
        if edit.call is None:
            return watch.current(), watch.tree(), []
        if not isinstance(function, CachedFunction):
            function = cached(function, cache="void")
        args, kwargs = eval(f"(lambda *a, **k: (a, k))({edit.call})", vars(module))
        arguments = function.call(*args, **kwargs).arguments
        looked = [examine(value) for value in arguments.values()]
        types = frozenset[type]().union(*(each[2] for each in looked))
        return function.key(*args, **kwargs), watch.tree(types), [each[0] for each in looked]


@pytest.mark.parametrize("edit", CASES, ids=lambda edit: edit.title)
def test_edit(edit: Edit, tmp_path: Path) -> None:
    """A hit if and only if the edit changes nothing that runs; a miss by the cause that the case names."""
    before, tree, arguments = taken(tmp_path / "one", edit.before, edit)
    assert before == taken(tmp_path / "two", edit.before, edit)[0]  # where it lies does not count
    after, other, given = taken(tmp_path / "three", edit.after, edit)
    found = causes(tree, other) | ({"arguments"} if arguments != given else set())
    assert (before == after) == edit.hit, f"{found or 'nothing'} changed"
    assert found == edit.because


def test_there_are_many_cases() -> None:
    """The corpus holds both kinds in numbers, and no title twice."""
    assert len(CASES) >= 150
    assert sum(case.hit for case in CASES) >= 60
    assert len({case.title for case in CASES}) == len(CASES)
