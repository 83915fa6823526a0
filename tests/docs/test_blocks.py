"""Every code block of README and docs is executed, page by page, in order, in one namespace and one store.

A block that cannot run here says why in a comment before it: ``<!-- not run: reason -->``. One that is a file, which
later blocks run, says so: ``<!-- file: study.py -->``. What such a file prints is compared with what the page says; the
tables of the command line tell the time, so of them only the exit code is.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
import types
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path

import pytest

import fleche

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")])
BLOCK = re.compile(
    r"(?:<!-- (?:not run: (?P<why>[^>]+)|file: (?P<file>[^>]+)) -->\s*)?^```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^```",
    re.M | re.S,
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
NOT_CODE = {"text", "toml", "mermaid", "json", "sql", "bibtex"}


def blocks(page: Path) -> Iterator[tuple[int, str, str]]:
    """Return line, language and code of each block that runs; the language of a file is its name."""
    text = page.read_text("utf-8")
    for match in BLOCK.finditer(text):
        line = text[: match.start("code")].count("\n") + 1
        if match["file"] is not None:
            yield line, f"file {match['file']}", match["code"]
        elif match["why"] is None and match["language"] not in NOT_CODE:
            yield line, match["language"], match["code"]


def test_every_block_is_of_a_known_language() -> None:
    """A misspelt language would hide a block."""
    for page in PAGES:
        for line, language, _ in blocks(page):
            known = language in {"python", "pycon", "console"} or language.startswith("file ")
            assert known, f"{page}:{line}: {language}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order; what they share they share as a reader's session does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLECHE_DIR", str(tmp_path / "store"))
    module = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a page may edit a file within the clock's second
    before = set(sys.modules)
    try:
        copy_context().run(run_page, page, module)
    finally:
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
                del sys.modules[name]


def run_page(page: Path, module: types.ModuleType) -> None:
    """Run the blocks of a page; what they make active ends with it."""
    for line, language, code in blocks(page):
        where = f"{page.relative_to(ROOT)}:{line}"
        if language == "console":
            run_console(where, code)
        elif language == "pycon":
            run_session(where, line, code, module)
        elif language == "python":
            source = "\n" * (line - 1) + code
            exec(compile(source, str(page), "exec"), module.__dict__)
        else:
            Path(language.removeprefix("file ")).write_text(code, "utf-8")


def run_session(where: str, line: int, code: str, module: types.ModuleType) -> None:
    """Run a dialogue and compare what it prints."""
    test = doctest.DocTestParser().get_doctest(code, module.__dict__, where, where, line - 1)
    test.globs = module.__dict__
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test, out=report.append, clear_globs=False)
    assert not runner.failures, "".join(report)


def run_console(where: str, code: str) -> None:
    """Run the commands after ``$``; each must end as it should (0, or 1 for nothing found)."""
    tested = str(Path(fleche.__file__).parents[1])
    environment = os.environ | {"COLUMNS": "120", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": tested}
    for command, said in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", code, re.M):
        words = shlex.split(command, comments=True)
        given = {}
        while re.match(r"[A-Z_]+=", words[0]):
            name, _, value = words.pop(0).partition("=")
            given[name] = value
        if words[0] == "fleche":
            words = [sys.executable, "-m", "fleche", *words[1:]]
        elif words[0] == "python":
            words[0] = sys.executable
        done = subprocess.run(words, check=False, capture_output=True, text=True, env=environment | given, input="")
        ended = done.returncode in (0, 1) and "Traceback" not in done.stderr
        assert ended, f"{where}: {command}: {done.stderr}{done.stdout}"
        if command.startswith("python ") and said:
            same = doctest.OutputChecker().check_output(said, done.stdout, FLAGS)
            assert same, f"{where}: {command} printed\n{done.stdout}{done.stderr}"
