"""``fleche code``: what counts for a function, as text, table and JSON, and errors that tell the way out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]

STUDY = """
from fleche import cached
print("importing")
RATE = 2
LARGE = list(range(5000))
def helper(x): return x * RATE + len(LARGE)
@cached
def fit(x): return helper(x)
def plain(x): return helper(x)
@cached(code=None)
def free(x): return x
class Net:
    def run(self, x): return helper(x)
    @classmethod
    @cached
    def make(cls): return cls()
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the command in a directory with a module."""
    (tmp_path / "study.py").write_text(STUDY)
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "needs.py").write_text("import no_such_thing")

    def run(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fleche", "code", *words]
        variables = os.environ | {"COLUMNS": "160", "NO_COLOR": "1"}
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=variables)
        assert done.returncode == code, done.stderr + done.stdout
        return done

    return run


def test_text(run: Run) -> None:
    """A cached and a plain function print what they reach, and why it counts; what the import prints goes elsewhere."""
    done = run("study:fit")
    assert done.stderr == "importing\n"
    lines = done.stdout.splitlines()
    assert lines[0].startswith("function study.fit ")
    assert lines[1].startswith("  global helper: function study.helper ")
    assert lines[2].endswith(
        "(by binding: a large value, looked at when the name was bound; a change in place is not noticed)"
    )
    assert lines[3].startswith("    global RATE: constant RATE ")
    assert run("study:plain").stdout.splitlines()[1:] == lines[1:]
    assert "global helper" in run("study:Net.run").stdout
    assert run("study:Net.make").stdout.startswith("function study.Net.make ")


def test_table_and_json(run: Run) -> None:
    """A row for each part."""
    table = run("study:fit", "--table").stdout.splitlines()
    assert table[0].split() == ["name", "kind", "digest", "why", "it", "counts"]
    assert len(table) == 6
    told = json.loads(run("study:fit", "--json").stdout)
    assert told["function"] == "study.fit"
    assert told["nodes"][0]["digest"] == told["fingerprint"]
    assert [node["name"] for node in told["nodes"]] == ["study.fit", "study.helper", "LARGE", "RATE", "len"]
    assert set(told["nodes"][1]) == {"depth", "name", "kind", "how", "why", "digest", "via", "reached_from"}


@pytest.mark.parametrize(
    ("word", "code", "told"),
    [
        ("study.py:fit", 2, "'study.py' is a file; give the module that it is: study:fit"),
        ("study.py", 2, "give its module and its name, such as study:fit"),
        ("study", 2, "give its module and its name, such as study:fit"),
        ("stady:fit", 1, "there is no module 'stady'"),
        ("stady:fit", 1, "is it 'study'?"),
        ("study:fitt", 1, "there is no 'fitt' in study; is it 'fit'?"),
        ("study:Net.ran", 1, "there is no 'ran' in study.Net; is it 'run'?"),
        ("study:RATE", 2, "study:RATE is no Python function but of type int"),
        ("study:len", 1, "there is no 'len' in study"),
        ("math:sin", 2, "math:sin is no Python function but compiled"),
        ("study:Net", 2, "is a class; name a function or one of its methods, such as study:Net.run"),
        ("study:free", 1, "no code is in its key"),
        ("broken:f", 2, "module 'broken' cannot be imported: ZeroDivisionError: division by zero"),
        ("needs:f", 2, "module 'needs' cannot be imported: it needs 'no_such_thing', which is not installed here"),
    ],
)
def test_errors(run: Run, word: str, code: int, told: str) -> None:
    """Each mistake is one line that says what to do."""
    done = run(word, code=code)
    assert told in done.stderr.splitlines()[-1]
    assert done.stdout == ""
