"""Where code lies and how its process was started does not count; what is walked is decided by names."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fleche.digest.code import always_fingerprinted, function_identity

pytestmark = pytest.mark.portable

ROOT = Path(__file__).resolve().parents[3]
PRINT = "from fleche.digest.code import CodeWatch, function_identity\n"


def run(directory: Path, *arguments: str, path: tuple[Path, ...] = ()) -> str:
    """Run Python in a directory and return what it prints."""
    places = os.pathsep.join(map(str, (ROOT, *path)))
    done = subprocess.run(
        [sys.executable, "-B", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": places},
        cwd=directory,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def put(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text))
    return file


def test_a_package_has_one_key_wherever_it_is_installed(tmp_path: Path) -> None:
    """A checkout and an installed copy, with their helpers, give one fingerprint."""
    found = set()
    for place in ("checkout", "env/lib/python3/site-packages"):
        package = tmp_path / place / "lab"
        put(package / "__init__.py", "")
        put(package / "tools.py", "def clean(x): return x\n")
        put(package / "fit.py", "from lab.tools import clean\ndef f(x): return clean(x)\n")
        code = (
            PRINT + "import lab.fit; w = CodeWatch(lab.fit.f); print(w.current(), 'lab.tools.clean' in str(w.tree()))"
        )
        found.add(run(tmp_path, "-c", code, path=(tmp_path / place,)))
    assert len(found) == 1
    assert found.pop().endswith("True")


def test_other_packages_count_by_name_unless_named(tmp_path: Path) -> None:
    """An edit of another package is seen exactly if that package is one of the roots."""

    def of(body: str, roots: str) -> str:
        put(tmp_path / "other/__init__.py", f"def h(x): return {body}\n")
        put(tmp_path / "mine/__init__.py", "import other\ndef f(x): return other.h(x)\n")
        code = PRINT + f"import mine; print(CodeWatch(mine.f, roots={roots}).current())"
        return run(tmp_path, "-c", code, path=(tmp_path,))

    assert of("1", "()") == of("2", "()")
    assert of("1", "('other',)") != of("2", "('other',)")


def test_modules_beside_a_module_that_is_one_file_count(tmp_path: Path) -> None:
    """Files side by side are one project; where they are installed, each is known by its name."""

    def of(body: str, place: str) -> str:
        put(tmp_path / place / "other.py", f"def h(x): return {body}\n")
        put(tmp_path / place / "mine.py", "import other\ndef f(x): return other.h(x)\n")
        code = PRINT + "import mine; print(CodeWatch(mine.f).current())"
        return run(tmp_path, "-c", code, path=(tmp_path / place,))

    assert of("1", "work") != of("2", "work")
    assert of("1", "env/site-packages") == of("2", "env/site-packages")


def test_a_script_walks_its_project(tmp_path: Path) -> None:
    """For a script, modules of its project count, below the directory that is marked as one; installed ones do not."""
    put(tmp_path / "project/pyproject.toml", "")
    put(
        tmp_path / "project/scripts/main.py",
        PRINT + "import near, far\ndef f(x): return near.h(x), far.h(x)\nprint(CodeWatch(f).current())\n",
    )
    paths = (tmp_path / "project", tmp_path / "project/env/site-packages")

    def of(near: int, far: int) -> str:
        put(paths[0] / "near.py", f"def h(x): return {near}\n")
        put(paths[1] / "far.py", f"def h(x): return {far}\n")
        return run(tmp_path, str(tmp_path / "project/scripts/main.py"), path=paths)

    assert of(1, 1) == of(1, 2)
    assert of(1, 1) != of(2, 1)


def test_a_module_named_as_one_of_the_library(tmp_path: Path) -> None:
    """A script's own ``statistics.py`` is the script's, whatever the library has."""
    main = put(
        tmp_path / "main.py",
        PRINT + "import statistics\ndef f(x): return statistics.mean(x)\nprint(CodeWatch(f).current())\n",
    )

    def of(body: int) -> str:
        put(tmp_path / "statistics.py", f"def mean(x): return {body}\n")
        return run(tmp_path, str(main))

    assert of(1) != of(2)


def test_a_script_that_moves_is_the_same(tmp_path: Path) -> None:
    """A script's fingerprint, from any directory and by any path, is one."""
    text = PRINT + "def h(x): return x\ndef f(x): return h(x)\nprint(CodeWatch(f).current(), *function_identity(f))\n"
    put(tmp_path / "a/main.py", text)
    put(tmp_path / "b/c/other.py", "# moved\n" + text)
    found = {
        run(tmp_path / "a", "main.py"),
        run(tmp_path, "a/main.py"),
        run(tmp_path, str(tmp_path / "b/c/other.py")),
    }
    assert len(found) == 1
    assert found.pop().endswith("__main__ f")


def test_run_as_a_module_is_the_module(tmp_path: Path) -> None:
    """``python -m pkg.mod`` gives its functions the identity and fingerprint that importing them gives."""
    put(tmp_path / "lab/__init__.py", "")
    put(tmp_path / "lab/tools.py", "def clean(x): return x\n")
    put(
        tmp_path / "lab/fit.py",
        PRINT + "from .tools import clean\ndef f(x): return clean(x)\n"
        "def show(): print(CodeWatch(f).current(), *function_identity(f))\n"
        "if __name__ == '__main__': show()\n",
    )
    ran = run(tmp_path, "-m", "lab.fit", path=(tmp_path,))
    assert ran == run(tmp_path, "-c", "import lab.fit; lab.fit.show()", path=(tmp_path,))
    assert ran.endswith("lab.fit f")


def test_a_spawned_child_is_main(tmp_path: Path) -> None:
    """In a spawned child, functions of the script are those of ``__main__``, with the same fingerprint."""
    put(
        tmp_path / "main.py",
        PRINT
        + """
import multiprocessing
N = 3
def f(x): return x + N
def show(*_): return CodeWatch(f).current(), *function_identity(f)
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply(show)
    print(there == show(), *there)
""",
    )
    assert run(tmp_path, "main.py").startswith("True")
    assert run(tmp_path, "main.py").endswith("__main__ f")


def test_always_fingerprinted() -> None:
    """Functions whose name says too little always carry their fingerprint."""
    import json

    assert always_fingerprinted(lambda: None)
    assert always_fingerprinted(eval("lambda: None", {"__name__": "some.module"}))

    def inner() -> None:
        pass

    assert always_fingerprinted(inner)
    assert not always_fingerprinted(json.dumps)
    space = {"__name__": "__mp_main__"}
    exec("def f(): pass", space)
    assert always_fingerprinted(space["f"])
    assert function_identity(space["f"]) == ("__main__", "f")
