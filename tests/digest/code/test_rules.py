"""The six rules of what a fingerprint counts, each both ways: what must hit, and what must miss."""

from __future__ import annotations

import linecache
import os
import subprocess
import sys
import textwrap
import threading
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

import fleche
from fleche import cached
from fleche.caches import Cache
from fleche.storage.memory import CallMemory, ValueMemory

ROOT = Path(fleche.__file__).resolve().parents[1]


class Cells:
    """A namespace that cells run in, with a cached function ``f`` that counts how often its body ran."""

    def __init__(self, *cells: str) -> None:
        self.space: dict[str, Any] = {"__name__": "__main__", "RAN": [], "cached": self._cached}
        self._cache = Cache(ValueMemory({}), CallMemory({}))
        for cell in cells:
            self.run(cell)

    def _cached(self, function: Any) -> Any:
        return cached(function, cache=self._cache)

    def run(self, cell: str) -> None:
        """Run a cell, whose source is known as a notebook's is."""
        name = f"<rules-{id(self)}-{len(linecache.cache)}>"
        linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
        exec(compile(cell, name, "exec", dont_inherit=True), self.space)

    def hits(self, x: int = 1) -> bool:
        """Whether a call is a hit."""
        f = self.space["f"]
        before = f.info().hits
        f(x)
        return bool(f.info().hits > before)


class TestState:
    """Rule 1: what reached code changes itself counts by its name only."""

    def test_state_hits(self) -> None:
        """A counter, a memo and a log change from call to call, and every later call hits."""
        cells = Cells(
            "LOG, MEMO, N = [], {}, 0\ndef note(x):\n    global N\n    N += 1\n    LOG.append(x)\n    MEMO[x] = N\n"
        )
        cells.run("@cached\ndef f(x):\n    note(x)\n    return x\n")
        assert not cells.hits()
        cells.run("note(5); LOG.clear(); MEMO.update(a=1)")
        assert cells.hits()

    def test_what_is_only_read_misses(self) -> None:
        """The same names are constants where no reached code changes them."""
        cells = Cells("LOG, N = [], 0\n@cached\ndef f(x): return x, LOG, N\n")
        assert not cells.hits()
        assert cells.hits()
        cells.run("LOG.append(1)")
        assert not cells.hits()
        cells.run("N += 1")
        assert not cells.hits()


class TestMutable:
    """Rule 2: a small mutable value is looked at again at each call, a large one when its name is bound."""

    def test_small(self) -> None:
        """Up to 4 KiB a change in place is seen, and so is its undoing."""
        cells = Cells("T = {'a': [1, 2]}\n@cached\ndef f(x): return T\n")
        assert not cells.hits()
        cells.run("T['a'].append(3)")
        assert not cells.hits()
        cells.run("T['a'].pop()")
        assert cells.hits()

    def test_large(self) -> None:
        """Above it a change in place is not seen, which the tree says; a new binding is."""
        cells = Cells("T = list(range(5000))\n@cached\ndef f(x): return len(T)\n")
        assert not cells.hits()
        cells.run("T[0] = 7")
        assert cells.hits()
        assert "by binding" in str(cells.space["f"].code.tree())
        cells.run("T = list(T)")
        assert not cells.hits()


class TestOpaque:
    """Rule 3: what has no digest counts by its type and refuses nothing."""

    def test_another_of_the_type_hits(self) -> None:
        """A lock or logger made anew is the same."""
        cells = Cells("import threading, logging\nL = threading.Lock()\nlog = logging.getLogger('a')\n")
        cells.run("@cached\ndef f(x):\n    log.debug('x')\n    with L: return x\n")
        assert not cells.hits()
        cells.run("L = threading.Lock()\nlog = logging.getLogger('b')")
        assert cells.hits()

    def test_another_type_misses(self) -> None:
        """Another kind of lock is another."""
        cells = Cells("import threading\nL = threading.Lock()\n@cached\ndef f(x):\n    with L: return x\n")
        assert not cells.hits()
        cells.run("L = threading.RLock()")
        assert not cells.hits()
        assert isinstance(cells.space["L"], type(threading.RLock()))


def python(directory: Path, *arguments: str, executable: str = sys.executable, path: tuple[Path, ...] = ()) -> str:
    """Run Python in a directory and return what it prints."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "FLECHE_DIR": str(directory / "store")}
    command = [executable, "-B", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=directory, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def put(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text))
    return file


class TestEditedFile:
    """Rule 4: the code that runs counts, not the file that it came from."""

    SCRIPT = """
        import sys
        from pathlib import Path
        import lab
        text = Path("lab.py").read_text()
        Path("lab.py").write_text(text.replace(sys.argv[1], sys.argv[2]))
        print(lab.f.key(1), lab.f.contains(1), lab.f(1))
    """
    LAB = "from fleche import cached\n@cached\ndef f(x):\n    return x + 1\n"

    def test_an_edit_after_the_import_is_not_the_code_that_runs(self, tmp_path: Path) -> None:
        """What ran is filed under the code that ran; the edited file misses in the next process."""
        put(tmp_path / "run.py", self.SCRIPT)
        put(tmp_path / "lab.py", self.LAB)
        running = python(tmp_path, "run.py", "x + 1", "x + 2", path=(ROOT,))
        assert running.endswith("False 2")
        edited = python(tmp_path, "run.py", "-", "-", path=(ROOT,))
        assert edited.endswith("False 3")
        assert running.split()[0] != edited.split()[0]

    def test_a_comment_after_the_import_hits(self, tmp_path: Path) -> None:
        """An edit that changes nothing is nothing, before and after."""
        put(tmp_path / "run.py", self.SCRIPT)
        put(tmp_path / "lab.py", self.LAB)
        running = python(tmp_path, "run.py", "    return", "    # now\n    return", path=(ROOT,))
        assert running.endswith("False 2")
        again = python(tmp_path, "run.py", "-", "-", path=(ROOT,))
        assert again.endswith("True 2")
        assert running.split()[0] == again.split()[0]


class TestMain:
    """Rule 5: a spawned child's main module is main, and ``python -m pkg.mod`` is ``pkg.mod``."""

    def test_python_m(self, tmp_path: Path) -> None:
        """Run as a module or imported, a call has one key; as a script, of which the name says nothing, another."""
        put(tmp_path / "lab/__init__.py", "")
        put(
            tmp_path / "lab/fit.py",
            """
            from fleche import cached
            def h(x): return x
            @cached
            def f(x): return h(x)
            if __name__ == "__main__": print(f.key(1))
            """,
        )
        imported = python(tmp_path, "-c", "import lab.fit; print(lab.fit.f.key(1))", path=(ROOT, tmp_path))
        assert python(tmp_path, "-m", "lab.fit", path=(ROOT, tmp_path)) == imported
        assert python(tmp_path, "lab/fit.py", path=(ROOT, tmp_path)) != imported

    def test_a_spawned_child(self, tmp_path: Path) -> None:
        """What a child of multiprocessing computed is a hit in the script; another function of the child is not."""
        put(
            tmp_path / "run.py",
            """
            import multiprocessing
            from fleche import cached
            def h(x): return x
            @cached
            def f(x): return h(x)
            def g(x): return f(x), f.key(x)
            if __name__ == "__main__":
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    key = pool.apply(g, (1,))[1]
                print(key == f.key(1), f.contains(1), f.contains(2))
                h = lambda x: -x
                print(f.contains(1))
            """,
        )
        assert python(tmp_path, "run.py", path=(ROOT,)).split() == ["True", "True", "False", "False"]


PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "lab"
version = "1.0"
[tool.hatch.build.targets.wheel]
packages = ["src/lab"]
"""


class TestInstallLocation:
    """Rule 6: a package has one key wherever and however it is installed."""

    ASK = "import lab.fit; print(lab.fit.f.key(1), lab.__file__)"

    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        """A project with a package of two modules."""
        pytest.importorskip("hatchling", reason="hatchling builds the wheel: it is in the dependency group 'services'")
        pytest.importorskip("editables", reason="editables is in the dependency group 'services'")
        put(tmp_path / "lab/pyproject.toml", PROJECT)
        put(tmp_path / "lab/src/lab/__init__.py", "")
        put(tmp_path / "lab/src/lab/tools.py", "RATE = 2\ndef clean(x): return x * RATE\n")
        put(
            tmp_path / "lab/src/lab/fit.py",
            "from fleche import cached\nfrom .tools import clean\n@cached\ndef f(x): return clean(x)\n",
        )
        return tmp_path / "lab"

    def installed(self, checkout: Path, name: str, kind: str) -> str:
        """Build the project, install it into a new environment, and return that one's interpreter."""
        build = f"from hatchling.build import build_{kind} as b; print(b({str(checkout.parent)!r}))"
        wheel = checkout.parent / python(checkout, "-c", build).splitlines()[-1]
        environment = checkout.parent / name
        venv.create(environment, with_pip=False, symlinks=os.name != "nt")
        interpreter = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site = Path(python(checkout.parent, "-c", ask, executable=str(interpreter)))
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
        needed = [str(ROOT), *(place for place in sys.path if place.endswith("site-packages"))]
        (site / "needed.pth").write_text("\n".join(needed))
        return str(interpreter)

    def test_checkout_editable_and_wheel_are_one(self, checkout: Path) -> None:
        """A checkout on the path, an editable installation and a wheel give one key; an edit of a helper another."""
        wheel = self.installed(checkout, "plain", "wheel")
        editable = self.installed(checkout, "editable", "editable")
        here, there = checkout.parent, (ROOT, checkout / "src")
        first = python(here, "-c", self.ASK, path=there).split()
        second = python(here, "-c", self.ASK, executable=editable).split()
        third = python(here, "-c", self.ASK, executable=wheel).split()
        assert first[1] == second[1] != third[1]
        assert "site-packages" in third[1]
        assert first[0] == second[0] == third[0]
        put(checkout / "src/lab/tools.py", "RATE = 3\ndef clean(x): return x * RATE\n")
        edited = python(here, "-c", self.ASK, path=there).split()
        assert edited[0] != first[0]
        assert python(here, "-c", self.ASK, executable=editable).split()[0] == edited[0]
        assert python(here, "-c", self.ASK, executable=wheel).split()[0] == first[0]
        again = self.installed(checkout, "again", "wheel")
        assert python(here, "-c", self.ASK, executable=again).split()[0] == edited[0]
