"""Editing code that matters misses; editing what does not matter hits."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleche.digest.code import CodeWatch
from tests.digest.code.projects import Edit, Files, edits, imported, write

pytestmark = pytest.mark.portable

CASES = edits(Path(__file__).with_name("edits.txt"))


def fingerprint_of(directory: Path, files: Files) -> str:
    write(directory, files)
    with imported(directory) as module:
        return CodeWatch(module.f).current()


@pytest.mark.parametrize("edit", CASES, ids=lambda edit: edit.title)
def test_edit(edit: Edit, tmp_path: Path) -> None:
    """A hit if and only if the edit changes nothing that runs; where the package lies does not count."""
    before = fingerprint_of(tmp_path / "one", edit.before)
    assert before == fingerprint_of(tmp_path / "two", edit.before)
    assert (before == fingerprint_of(tmp_path / "three", edit.after)) == edit.hit


def test_there_are_many_cases() -> None:
    """The corpus holds both kinds in numbers."""
    assert len(CASES) >= 60
    assert sum(case.hit for case in CASES) >= 20
