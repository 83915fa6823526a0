"""What differs between two code trees, against the corpus of edits."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleche.memo.explain.code import CodeGraph, code_changes
from tests.digest.code.projects import Edit, edits
from tests.digest.code.test_edits import taken

CASES = edits(Path(__file__).parents[2] / "digest" / "code" / "edits.txt")
MISSES = [case for case in CASES if not case.hit]


@pytest.mark.parametrize("edit", MISSES, ids=lambda edit: edit.title)
def test_every_edit_is_named(edit: Edit, tmp_path: Path) -> None:
    """What changed is exactly what the corpus says, with a way to it and words."""
    _, before, arguments = taken(tmp_path / "one", edit.before, edit)
    _, after, given = taken(tmp_path / "two", edit.after, edit)
    found = code_changes(CodeGraph.of_tree(before), CodeGraph.of_tree(after))
    named = {f"{change.kind} {change.name}" for change in found if not change.follows}
    assert named | ({"arguments"} if arguments != given else set()) == edit.because
    for change in found:
        assert change.text
        assert change.chain
        assert str(change).isprintable()


@pytest.mark.parametrize("edit", [case for case in CASES if case.hit][:20], ids=lambda edit: edit.title)
def test_what_is_no_edit_changes_nothing(edit: Edit, tmp_path: Path) -> None:
    """Of equal code nothing differs."""
    _, before, _ = taken(tmp_path / "one", edit.before, edit)
    _, after, _ = taken(tmp_path / "two", edit.after, edit)
    assert code_changes(CodeGraph.of_tree(before), CodeGraph.of_tree(after)) == ()
