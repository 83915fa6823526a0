"""``fleche why`` and ``fleche diff``, as a person and as a program use them."""

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

RATE = 2

def scale(x):
    return x * RATE

@cached
def fit(cfg, lr=0.1):
    return scale(lr)

class Model:
    @staticmethod
    @cached
    def run(x):
        return x

def plain(x):
    return x
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the command beside a study whose calls are stored."""
    (tmp_path / "study.py").write_text(STUDY)

    def run(
        *words: str, code: int = 0, program: tuple[str, ...] = ("-m", "fleche")
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, *program, *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"COLUMNS": "140", "NO_COLOR": "1"},
            input="",
        )
        assert done.returncode == code, done.stderr + done.stdout
        return done

    calls = "study.fit({'layers': [64, 64]}), study.fit({'layers': [64, 64]}, lr=0.2), study.Model.run(1)"
    run("-c", f"import study; {calls}", program=())
    return run


def keys(run: Run) -> list[str]:
    return [json.loads(line)["key"] for line in run("ls", "study.fit", "--json").stdout.splitlines()]


def test_a_hit(run: Run) -> None:
    """Is said, with code 0."""
    assert run("why", "study:fit", "{'layers': [64, 64]}", "lr=0.2").stdout.startswith("hit: study.fit")
    assert run("why", "study:Model.run", "1").stdout.startswith("hit: study.Model.run")


def test_a_miss_by_an_argument(run: Run) -> None:
    """Names the place, with code 1; nothing runs and nothing is stored."""
    done = run("why", "study:fit", "{'layers': [64, 128]}", code=1)
    assert "cfg['layers'][1]: 64 -> 128" in done.stdout
    assert len(keys(run)) == 2


def test_a_miss_by_code(run: Run, tmp_path: Path) -> None:
    """Names what was edited, with a small diff."""
    (tmp_path / "study.py").write_text(STUDY.replace("x * RATE", "x + RATE"))
    told = run("why", "study:fit", "{'layers': [64, 64]}", code=1).stdout
    assert "study.scale was edited (study.fit -> study.scale)" in told
    assert "-    return x * RATE" in told
    assert "+    return x + RATE" in told


def test_stored_values_as_arguments(run: Run) -> None:
    """By the first characters of their digest, or of the call whose result they are."""
    call = json.loads(run("ls", "study.fit", "--json").stdout.splitlines()[0])
    digest = call["arguments"]["cfg"]["digest"]
    assert run("why", "study:fit", f"@{digest[:12]}", "0.2").stdout.startswith("hit: ")
    assert "Model.run" in run("why", "study:Model.run", f"@{call['key'][:12]}", code=1).stdout


def test_as_json(run: Run) -> None:
    """One object with stable fields."""
    told = json.loads(run("why", "study:fit", "{'layers': [64, 128]}", "--json", code=1).stdout)
    assert told["hit"] is False
    assert told["causes"][0]["kind"] == "argument"
    assert told["arguments"]["cfg"]["differences"][0]["path"] == "cfg['layers'][1]"
    assert set(told) == {
        "function",
        "hit",
        "key",
        "causes",
        "nearest",
        "arguments",
        "code",
        "version",
        "environment",
    }


def test_where_there_is_no_store(run: Run, tmp_path: Path) -> None:
    """None is made by asking."""
    assert "there is no store at" in run("why", "study:fit", "1", "--store", str(tmp_path / "nobody"), code=1).stderr
    assert not (tmp_path / "nobody").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("study.fit",), "names no function: give its module and its name"),
        (("nowhere:fit",), "there is no module 'nowhere' in"),
        (("study:nope",), "there is no 'nope' in study"),
        (("study:plain", "1"), "is no cached function, but a function"),
        (("study:fit", "1", "2", "3"), "too many positional arguments"),
        (("study:fit", "@0000"), "starts with"),
    ],
)
def test_wrong_usage(run: Run, words: tuple[str, ...], told: str) -> None:
    """One line that says what to write."""
    result = run("why", *words, code=1 if words[-1] == "@0000" else 2)
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_two_calls(run: Run) -> None:
    """What differs between them; with code 1, as ``diff`` has it."""
    one, other = keys(run)
    told = run("diff", other[:12], one[:12], code=1).stdout
    assert "  lr: 0.1 -> 0.2" in told
    assert "  result: 0.2 -> 0.4" in told
    data = json.loads(run("diff", other[:12], one[:12], "--json", code=1).stdout)
    assert data["arguments"]["lr"]["differences"][0]["text"] == "0.1 -> 0.2"
    assert "nothing differs" in run("diff", one[:12], one[:12]).stdout


def test_two_calls_of_other_code(run: Run, tmp_path: Path) -> None:
    """From what the store keeps: neither version has to be there any more."""
    (tmp_path / "study.py").write_text(STUDY.replace("x * RATE", "x + RATE"))
    run("-c", "import study; study.fit({'layers': [64, 64]}, lr=0.2)", program=())
    (tmp_path / "study.py").unlink()
    new, old = keys(run)[0], keys(run)[1]
    told = run("diff", old[:12], new[:12], code=1).stdout
    assert "study.scale was edited" in told
    assert "+    return x + RATE" in told


def test_two_values(run: Run) -> None:
    """By their digests; a call and a value are not compared."""
    call = json.loads(run("ls", "study.fit", "--json").stdout.splitlines()[0])
    value = call["arguments"]["cfg"]["digest"]
    assert "nothing differs" in run("diff", value[:12], value[:12]).stdout
    assert (
        "value: {'layers': [64, 64]} (dict) -> 0.4 (float)"
        in run("diff", value[:12], call["result"][:12], code=1).stdout
    )
    assert "give two calls, or two values" in run("diff", value[:12], call["key"][:12], code=2).stderr
