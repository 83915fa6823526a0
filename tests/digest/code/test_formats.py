"""The bytes of ``docs/formats/code.md``: golden vectors, and equality between interpreters."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleche.digest.code import CodeWatch
from fleche.digest.code.frames import constant
from fleche.digest.code.graph import Node, graph_digest
from fleche.digest.code.normal import normalise
from tests.digest.code.projects import edits, imported, write

pytestmark = pytest.mark.portable

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE / "golden.json").read_text())
CASES = {case.title: case for case in edits(HERE / "edits.txt")}

CONSTANTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text() | st.binary()
    | st.just(...),
    lambda inner: st.lists(inner).map(tuple) | st.frozensets(inner),
)  # fmt: skip


def shape(value: Any) -> Any:
    """Return what tells two constants apart: type and content, NaNs being one."""
    if isinstance(value, tuple):
        return "tuple", tuple(map(shape, value))
    if isinstance(value, frozenset):
        return "frozenset", frozenset(map(shape, value))
    if isinstance(value, complex):
        return "complex", shape(value.real), shape(value.imag)
    if isinstance(value, float):
        return "float", "nan" if value != value else value.hex()
    return type(value).__name__, value


@given(CONSTANTS, CONSTANTS)
def test_constants_are_injective(one: Any, other: Any) -> None:
    """Two constants have one encoding exactly if they are equal and of one type."""
    assert (constant(one) == constant(other)) == (shape(one) == shape(other))


@pytest.mark.parametrize(
    "values",
    [
        (1, 1.0, True, "1", b"1", 1 + 0j),
        (0.0, -0.0, 0, False, 0j, complex(0, -0.0)),
        (None, ..., "", b"", (), frozenset()),
        ((1, 2), (1, (2,)), frozenset({1, 2}), ((1, 2),)),
        (10**5000, 10**5000 + 1, -(10**5000)),
        ("a", "\ud800", "a\0", "\0a"),
    ],
)
def test_confusable_constants(values: tuple[Any, ...]) -> None:
    """Constants that Python calls equal, or that look alike, are not one."""
    assert len({constant(value) for value in values}) == len(values)


def test_golden_constants() -> None:
    """The encoding of constants is frozen."""
    for text, encoded in GOLDEN["constants"].items():
        assert constant(eval(text)).hex() == encoded, text


def test_golden_sources() -> None:
    """The encoding of normalised source is frozen."""
    for text, encoded in GOLDEN["sources"].items():
        assert normalise(ast.parse(text).body[0], optimised=False).hex() == encoded, text


def test_golden_graph() -> None:
    """The digest of a graph with a cycle is frozen."""
    assert graph_digest(graph()) == GOLDEN["graph"]


def test_golden_fingerprints(tmp_path: Path) -> None:
    """The fingerprints of whole packages are frozen."""
    for number, (title, digest) in enumerate(GOLDEN["fingerprints"].items()):
        write(tmp_path / str(number), CASES[title].before)
        with imported(tmp_path / str(number)) as module:
            assert CodeWatch(module.f).current() == digest, title


def graph() -> Node:
    leaf = Node("builtin", "len", b"l", "by name")
    helper = Node("function", "h", b"h", "source", {"global len": leaf})
    root = Node("function", "f", b"f", "source", {"global h": helper, "global len": leaf})
    helper.edges["global f"] = root
    return root


def test_a_graph_is_told_by_its_edges() -> None:
    """Labels, targets and kinds count; names for people do not."""
    before = graph_digest(graph())
    renamed = graph()
    renamed.name = "g"
    assert graph_digest(renamed) == before
    other = graph()
    other.edges["global h"].edges["global f"] = other.edges["global len"]
    assert graph_digest(other) != before
    kind = graph()
    kind.kind = "class"
    assert graph_digest(kind) != before


MODULES = [
    "abc",
    "argparse",
    "ast",
    "base64",
    "bisect",
    "calendar",
    "cmd",
    "codecs",
    "collections/__init__",
    "configparser",
    "contextlib",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "difflib",
    "dis",
    "enum",
    "fileinput",
    "fnmatch",
    "fractions",
    "functools",
    "gettext",
    "glob",
    "gzip",
    "heapq",
    "inspect",
    "json/decoder",
    "json/encoder",
    "keyword",
    "linecache",
    "locale",
    "logging/__init__",
    "mailbox",
    "ntpath",
    "operator",
    "optparse",
    "os",
    "pathlib",
    "pickle",
    "pprint",
    "queue",
    "random",
    "re/_compiler",
    "shlex",
    "statistics",
    "string",
    "tarfile",
    "textwrap",
    "threading",
    "timeit",
    "tokenize",
    "traceback",
    "typing",
    "unittest/mock",
    "urllib/parse",
    "uuid",
    "weakref",
    "zipfile",
]

SCRIPT = """
import ast, hashlib, json, sys, warnings
warnings.simplefilter("ignore")
from fleche.digest.code.normal import normalise
found = {}
for file in json.load(sys.stdin):
    try:
        tree = ast.parse(open(file, encoding="utf-8").read())
    except SyntaxError:
        continue  # the library of a newer Python
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            found[f"{file}:{node.lineno}:{node.col_offset}"] = hashlib.sha256(normalise(node)).hexdigest()
print(json.dumps(found))
"""


def files() -> list[str]:
    library = Path(sysconfig.get_path("stdlib"))
    paths = [library / f"{name}.py" for name in MODULES] + [HERE / "syntax.py"]
    return [str(path) for path in paths if path.exists()]


def normalised_by(python: str) -> dict[str, str]:
    done = subprocess.run(
        [python, "-c", SCRIPT],
        input=json.dumps(files()),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parents[2])},
        check=False,
    )
    if done.returncode and "No module named 'xxhash" in done.stderr:
        pytest.skip(f"{python} cannot import xxhash")
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def python_of(minor: int) -> str | None:
    if sys.version_info[1] == minor:
        return sys.executable
    return os.environ.get(f"FLECHE_TEST_PYTHON3{minor}") or shutil.which(f"python3.{minor}")


@pytest.mark.parametrize("minor", [11, 12, 13])
def test_interpreters_agree_on_source(minor: int) -> None:
    """Every function of a corpus is encoded alike by each Python that can be found."""
    python = python_of(minor)
    if python is None or minor == sys.version_info[1]:
        pytest.skip(f"Python 3.{minor} is not found, or is this one")
    here = {}
    for file in files():
        for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                place = f"{file}:{node.lineno}:{node.col_offset}"
                here[place] = hashlib.sha256(normalise(node)).hexdigest()
    there = normalised_by(python)
    assert len(there) > 1000
    assert there == {place: here[place] for place in there}
