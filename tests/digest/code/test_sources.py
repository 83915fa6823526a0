"""Source counts only where it is proven to be the code that runs."""

from __future__ import annotations
import __future__

import linecache
import os
import pickle
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from fleche.digest.code import CodeWatch, fingerprint
from tests.digest.code.projects import imported, write

pytestmark = pytest.mark.portable

ROOT = Path(__file__).resolve().parents[3]


def how(function: Callable[..., Any]) -> str:
    return CodeWatch(function).tree().how


def run(directory: Path, script: str, *flags: str, **environment: str) -> str:
    """Run a script in a fresh process and return what it prints."""
    file = directory / "script.py"
    file.write_text(textwrap.dedent(script))
    variables = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{directory}", **environment}
    done = subprocess.run(
        [sys.executable, *flags, str(file)], capture_output=True, text=True, env=variables, cwd=directory, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def cell(name: str, text: str, namespace: dict[str, Any], flags: int = 0) -> None:
    """Run a notebook cell: its source is in `linecache`, without a time."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec", flags, dont_inherit=True), namespace)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"main.py": "def f(x):\n    return x + 1\n"}, {"main.py": "def f(x):\n    return x + 2\n"}),
        (
            {"main.py": "from pkg.h import h\ndef f(x):\n    return h(x)\n", "h.py": "def h(x):\n    return 1\n"},
            {"h.py": "def h(x):\n    return 2\n"},
        ),
        ({"main.py": "N = 1\ndef f(x):\n    return N\n"}, {"main.py": "N = 2\ndef f(x):\n    return N\n"}),
    ],
    ids=["own body", "helper", "constant"],
)
def test_edit_after_import(tmp_path: Path, before: dict[str, str], after: dict[str, str]) -> None:
    """A file that is edited between import and call counts as what was imported; a new process misses."""
    script = """
        import sys
        from pathlib import Path
        import pkg.main
        from fleche.digest.code import CodeWatch
        for name, text in %r.items():
            Path("pkg", name).write_text(text)
        print(CodeWatch(pkg.main.f).current())
    """
    write(tmp_path, before)
    edited = run(tmp_path, script % (after,), "-B")
    fresh = run(tmp_path, script % ({},), "-B")
    assert edited != fresh


def test_comment_after_import_still_proves_the_source(tmp_path: Path) -> None:
    """An edit that leaves the code object alone leaves the fingerprint alone, wherever the lines went."""
    write(tmp_path, {"main.py": "def f(x):\n    return x + 1\n"})
    with imported(tmp_path) as module:
        before = CodeWatch(module.f).current()
        (tmp_path / "pkg/main.py").write_text("# new\n\n\ndef f(x):\n    # here\n    return x + 1\n")
        assert how(module.f) == "source"
        assert CodeWatch(module.f).current() == before


def test_deleted_and_broken_files_give_bytecode(tmp_path: Path) -> None:
    """Without a file, or with one that no longer parses, the code object is what counts."""
    write(tmp_path, {"main.py": "def f(x):\n    return x + 1\n"})
    with imported(tmp_path) as module:
        source = CodeWatch(module.f).current()
        (tmp_path / "pkg/main.py").write_text("def f(x:\n")
        watch = CodeWatch(types.FunctionType(module.f.__code__.replace(co_name="f"), module.f.__globals__, "f"))
        assert watch.tree().how == "bytecode"
        assert watch.current() != source


def test_exec_and_command_line_give_bytecode(tmp_path: Path) -> None:
    """Code without source is fingerprinted, the same in each process, and never as source would be."""
    script = """
        from fleche.digest.code import CodeWatch
        space = {"__name__": "made"}
        exec("def f(x):\\n    '''%s'''\\n    return x + %d", space)
        watch = CodeWatch(space["f"])
        print(watch.tree().how, watch.current())
    """
    first = run(tmp_path, script % ("doc", 1))
    assert first.startswith("bytecode")
    assert first == run(tmp_path, script % ("other doc", 1), PYTHONHASHSEED="7")
    assert first != run(tmp_path, script % ("doc", 2))


def test_bytecode_ignores_docstring_and_place() -> None:
    """Without source too, neither a docstring nor a line counts."""
    texts = ["def f(x):\n    return x in {'a', 'b'}", "\n\ndef f(x):\n    'Say.'\n    return x in {'b', 'a'}"]
    made = []
    for text in texts:
        space: dict[str, Any] = {"__name__": "made"}
        exec(text, space)
        made.append(CodeWatch(space["f"]).current())
    assert made[0] == made[1]


def test_rewritten_assertions_give_bytecode() -> None:
    """This very module was changed by an import hook; its functions with assertions do not pass for their source."""
    assert how(test_rewritten_assertions_give_bytecode) == "bytecode"
    assert how(run) == "bytecode"
    assert how(how) == "source"


def test_optimised_code_is_other_code(tmp_path: Path) -> None:
    """Under -O assertions do not run: they do not count, and code with them is not the same code."""
    script = """
        from fleche.digest.code import CodeWatch
        def f(x):
            %s
            return x
        print(CodeWatch(f).tree().how, CodeWatch(f).current())
    """
    asserting, plain = script % "assert x > 0", script % "pass"
    assert run(tmp_path, asserting) != run(tmp_path, plain)
    assert run(tmp_path, asserting, "-O") == run(tmp_path, plain, "-O") == run(tmp_path, plain)


def test_notebook_cells_are_source() -> None:
    """A cell is source; defining a function again in another cell, with a comment, is the same function."""
    space: dict[str, Any] = {"__name__": "__main__"}
    cell("<cell-1>", "def f(x):\n    return x + 1\n", space)
    first = CodeWatch(space["f"])
    assert first.tree().how == "source"
    cell("<cell-2>", "import os\n\ndef f(x):\n    # again\n    return x + 1\n", space)
    assert CodeWatch(space["f"]).current() == first.current()
    cell("<cell-3>", "def f(x):\n    return x + 2\n", space)
    assert CodeWatch(space["f"]).current() != first.current()


def test_notebook_cells_inherit_future_imports() -> None:
    """A cell that runs under a future import of an earlier cell is still proven."""
    space: dict[str, Any] = {"__name__": "__main__"}
    flag = __future__.annotations.compiler_flag
    cell("<cell-4>", "def f(x: int) -> int:\n    return x + 1\n", space, flag)
    assert how(space["f"]) == "source"


def test_notebook_cells_with_await() -> None:
    """A cell that awaits at its top defines functions like any other."""
    import ast

    space: dict[str, Any] = {"__name__": "__main__"}
    text = "def f(x):\n    return x\nawait g()\n"
    linecache.cache["<cell-5>"] = (len(text), None, text.splitlines(keepends=True), "<cell-5>")
    code = compile(text, "<cell-5>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    inner = next(const for const in code.co_consts if isinstance(const, types.CodeType))
    assert how(types.FunctionType(inner, space)) == "source"


def test_lambdas_on_one_line_differ() -> None:
    """Each lambda of a line has its own source, nested ones too."""
    space: dict[str, Any] = {"__name__": "__main__"}
    cell("<cell-6>", "a, b, c = lambda x: x + 1, lambda x: x + 2, lambda x: (lambda y: x + y)\n", space)
    watches = [CodeWatch(space[name]) for name in "abc"]
    assert {watch.tree().how for watch in watches} == {"source"}
    assert len({watch.current() for watch in watches}) == 3
    assert [watch.tree().source[0][1] for watch in watches][:2] == ["lambda x: x + 1", "lambda x: x + 2"]
    assert CodeWatch(space["c"](1)).tree().how == "source"
    assert CodeWatch(space["c"](1)).current() != CodeWatch(space["c"](2)).current()


def test_specialised_bytecode_is_the_same_code() -> None:
    """What the interpreter learns about a function while it runs does not count."""
    space: dict[str, Any] = {"__name__": "made"}
    exec("def f(x):\n    for i in range(3):\n        x = x + i\n    return x", space)
    before = CodeWatch(space["f"]).current()
    for _ in range(2000):
        space["f"](1)
    assert CodeWatch(space["f"]).current() == before


def test_pickled_functions(tmp_path: Path) -> None:
    """A function that comes back by name, or by value within one interpreter, has the fingerprint that it had."""
    write(tmp_path, {"main.py": "N = 3\ndef h(x):\n    return x * N\ndef f(x):\n    return h(x) + 1\n"})
    with imported(tmp_path) as module:
        assert fingerprint(pickle.loads(pickle.dumps(module.f))) == fingerprint(module.f)
    space: dict[str, Any] = {"__name__": "__main__"}
    cell("<cell-7>", "N = 3\ndef h(x):\n    return x * N\ndef f(x):\n    return h(x) + 1\n", space)
    back = cloudpickle.loads(cloudpickle.dumps(space["f"]))
    assert back is not space["f"]
    assert fingerprint(back) == fingerprint(space["f"])


def test_seeds_do_not_count(tmp_path: Path) -> None:
    """Every hash seed gives one fingerprint, from source and from bytecode."""
    script = """
        from fleche.digest.code import CodeWatch
        import enum
        KINDS = frozenset({"a", "b", "c", "d"})
        WORDS = {"x", "y", "z", "w"}
        TABLE = {"f": lambda x: x, "g": lambda x: -x}
        class E(enum.Enum):
            A = "a"
            B = "b"
        class C:
            names = {"p", "q", "r"}
            def m(self): return E.A
        def f(x): return x in KINDS or x in WORDS or x in {"a", "b", "c"} or TABLE[x](C())
        space = dict(globals())
        exec("def g(x): return x in KINDS or x in WORDS or x in {'a', 'b', 'c'} or TABLE[x](C())", space)
        print(CodeWatch(f).current(), CodeWatch(space["g"]).current())
    """
    assert len({run(tmp_path, script, PYTHONHASHSEED=seed) for seed in ("0", "1", "2", "3", "4")}) == 1
