"""What differs between two code trees, beyond the corpus of edits."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fleche.digest.code import CodeWatch
from fleche.memo.explain.code import CodeGraph, alike, code_changes, source_diff
from fleche.storage.base import CodeRecord


def helper(x: int) -> int:
    return x + 1


def first(x: int) -> int:
    return helper(x)


def second(x: int) -> int:
    return helper(x)


def third(x: int) -> int:
    return helper(x) + 1


def graph(function: Callable[..., Any]) -> CodeGraph:
    return CodeGraph.of_tree(CodeWatch(function).tree())


def test_a_renamed_function_is_alike() -> None:
    """Whatever it is called; not if it says something else."""
    assert alike(graph(first), graph(first))
    assert alike(graph(first), graph(second))
    assert not alike(graph(first), graph(third))
    assert not alike(graph(first), graph(helper))


def test_a_tree_of_an_earlier_version_says_what_it_can() -> None:
    """Without the root's own digest, its source tells whether it changed."""
    old = json.loads(CodeWatch(first).tree().to_json())
    del old["nodes"][0]["own"]
    source = CodeWatch(first).tree().source_json()
    before = CodeGraph(json.dumps(old), source)
    (change,) = code_changes(before, CodeGraph(CodeWatch(third).tree().to_json().replace("third", "first"), source))
    assert change.text.endswith("first was edited")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"nodes": []}', '{"nodes": [{}]}', "null"])
def test_what_is_no_tree_is_refused(text: str) -> None:
    """With one kind of error, whatever others wrote."""
    with pytest.raises(ValueError, match=r".*"):
        CodeGraph.of_record(CodeRecord(CodeWatch(first).current(), "deep", text, "{}"))


def test_source_diffs_are_small() -> None:
    """Lines that differ, or a few around them; never more than a screen."""
    old = "    def f(x):\n        return x\n"
    assert source_diff(old, old.replace("return x", "return -x")) == "-    return x\n+    return -x"
    assert source_diff(old, old) == ""
    long = "def f():\n" + "".join(f"    x{n} = {n}\n" for n in range(200))
    lines = source_diff(long, long.replace(" = ", " = -")).splitlines()
    assert len(lines) <= 25
    assert lines[-1].endswith("more lines")
