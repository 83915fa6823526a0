"""The tree of a fingerprint, for people: text, rows, data frame, JSON."""

from __future__ import annotations

import json
import linecache
import sys
from typing import Any

import pytest

from fleche.digest.code import CodeTree, CodeWatch

pytestmark = pytest.mark.portable

CELL = """
import threading, math, json
RATE = 2
SMALL = [1, 2]
LARGE = list(range(5000))
LOCK = threading.Lock()
LOG = []
STEPS = {"a": lambda x: x}
class Model:
    width = 3
    def run(self): return self.width
def helper(x):
    LOG.append(x)
    return RATE + math.sqrt(x)
def f(x, many=7):
    with LOCK: return helper(x), helper(-x), SMALL, LARGE, STEPS, Model().run(), later, json, len(SMALL)
"""


@pytest.fixture
def tree(monkeypatch: pytest.MonkeyPatch) -> CodeTree:
    """The tree of a function that reaches something of every kind."""
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)  # with `python -m pytest` main is `pytest.__main__`
    name = "<tree>"
    linecache.cache[name] = (len(CELL), None, CELL.splitlines(keepends=True), name)
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(CELL, name, "exec", dont_inherit=True), space)
    return CodeWatch(space["f"]).tree()


def test_each_part_says_why_it_counts(tree: CodeTree) -> None:
    """In words, which begin with how it was taken."""
    why = {row["name"]: row["why"] for row in tree.rows()}
    assert why["__main__.f"] == "source: its code, without comments, docstrings and layout"
    assert why["RATE"] == "by value: a value that cannot change in place"
    assert why["SMALL"] == "by value: a small mutable value, looked at again at each call"
    assert why["LARGE"].startswith("by binding: a large value, looked at when the name was bound")
    assert why["LOCK"] == "by type: it has no digest, so that only its type counts"
    assert why["LOG"] == "by name: the code changes it itself, so that its value does not count"
    assert why["STEPS"] == "by value: a container with code in it; each item counts below"
    assert why["later"] == "by name: nothing has this name yet"
    assert why["math.sqrt"].startswith("by name: a module")
    assert why["len"] == "by name: of Python itself, or compiled"
    assert why["__main__.Model"].startswith("by value: its fields")
    assert all(words.startswith(row["how"]) and ": " in words for row in tree.rows() if (words := row["why"]))


def test_rows_are_the_lines_of_the_text(tree: CodeTree) -> None:
    """Each node once, in the same order, with how it is reached and from where."""
    rows = tree.rows()
    assert rows[0] == {
        "depth": 0,
        "name": "__main__.f",
        "kind": "function",
        "how": "source",
        "why": rows[0]["why"],
        "digest": tree.digest,
        "via": "",
        "reached_from": "",
    }
    helper = next(row for row in rows if row["name"] == "__main__.helper")
    assert (helper["via"], helper["reached_from"], helper["depth"]) == ("global helper", "__main__.f", 1)
    lines = str(tree).splitlines()
    assert len(lines) >= len(rows)
    places = [next(at for at, line in enumerate(lines) if f"{row['kind']} {row['name']} " in line) for row in rows]
    assert places == sorted(places)


def test_a_data_frame(tree: CodeTree) -> None:
    """The rows as pandas has them."""
    frame = tree.df()
    assert list(frame.columns) == ["depth", "name", "kind", "how", "why", "digest", "via", "reached_from"]
    assert len(frame) == len(tree.rows())


def test_the_text_says_what_one_would_not_expect(tree: CodeTree) -> None:
    """Sources and constants are short; what is special has its reason."""
    text = str(tree)
    assert "function __main__.helper" in text
    assert "(source)" in text
    assert "(by value: a small mutable value, looked at again at each call)" in text
    assert "base 0: " in text


def test_the_root_has_the_digest_of_its_own_content(tree: CodeTree) -> None:
    """So that an edit of the function itself is told from one of what it reaches, also in what a store keeps."""
    nodes = json.loads(tree.to_json())["nodes"]
    assert nodes[0]["own"] == tree.own != tree.digest == nodes[0]["digest"]
    assert not any("own" in node for node in nodes[1:])


def test_names_say_where_code_was_written() -> None:
    """A wrapper is named for where it is written, not for what it wraps; an attribute for its class."""
    cell = (
        "import functools\ndef twice(g):\n    @functools.wraps(g)\n    def w(x): return g(x)\n    return w\n"
        "@twice\ndef h(x): return x\nclass A:\n    width = 3\ndef f(x): return h(x), A.width\n"
    )
    linecache.cache["<names>"] = (len(cell), None, cell.splitlines(keepends=True), "<names>")
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(cell, "<names>", "exec", dont_inherit=True), space)
    tree = CodeWatch(space["f"]).tree()
    names = {row["name"] for row in tree.rows()}
    assert {"__main__.twice.<locals>.w", "__main__.h", "A.width"} <= names
    assert {"__main__.twice.<locals>.w", "__main__.h"} <= dict(tree.source).keys()


def test_functions_in_a_value_are_shown_below_it() -> None:
    """Though they are part of the value's digest; each once, and one that holds itself ends."""
    cell = (
        "class Box: pass\nBOX = Box()\ndef g(x): return BOX.steps[1]\n"
        "BOX.steps = {0: lambda x: 0, 1: g, 2: lambda x: 2}\ndef f(x): return BOX\n"
    )
    linecache.cache["<held>"] = (len(cell), None, cell.splitlines(keepends=True), "<held>")
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(cell, "<held>", "exec", dont_inherit=True), space)
    watch = CodeWatch(space["f"])
    labels = [row["via"] for row in watch.tree().rows() if row["via"].startswith("holds ")]
    assert labels == ["holds __main__.<lambda>", "holds __main__.<lambda> 000000002", "holds __main__.g"]
    assert watch.tree().to_json() == CodeWatch(space["f"]).tree().to_json()
    assert watch.current() == CodeWatch(space["f"]).current()
