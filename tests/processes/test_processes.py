"""What holds between processes: the second run computes nothing, one of many computes, edits miss."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

pytestmark = pytest.mark.portable

HERE = Path(__file__).parent
EVERY_TYPE = HERE / "every_type.py"
STORES = sorted(path for path in (HERE / "stores").iterdir() if path.is_dir())


def run(script: Path, store: Path, *words: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a script in a process of its own, warnings as errors, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"FLECHE_DIR": str(store)} | dict(environment or {}),
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def write(path: Path, text: str) -> Path:
    path.write_text(textwrap.dedent(text))
    return path


def test_the_second_run_computes_nothing_under_any_hash_seed(tmp_path: Path) -> None:
    """Every type of argument and result, in five processes with five seeds."""
    first = json.loads(run(EVERY_TYPE, tmp_path / "s", environment={"PYTHONHASHSEED": "0"}))
    assert first["wrong"] == []
    assert len(first["ran"]) == first["values"] + 8
    for seed in ("1", "2", "3", "4"):
        again = json.loads(run(EVERY_TYPE, tmp_path / "s", environment={"PYTHONHASHSEED": seed}))
        assert again == {"values": first["values"], "ran": [], "wrong": []}


@pytest.mark.parametrize("stored", STORES, ids=lambda path: path.name)
def test_a_store_of_another_version_and_interpreter_is_read(stored: Path, tmp_path: Path) -> None:
    """Stores that past versions wrote answer every call of their script, on every interpreter."""
    copy = tmp_path / "store"
    shutil.copytree(stored, copy)
    os.chmod(copy, 0o700)
    found = json.loads(run(stored.with_suffix(".py"), copy))
    assert found["ran"] == []
    assert found["wrong"] == []


EDITS = {
    "own body": ("return helper(x) + CONSTANT", "return helper(x) + CONSTANT + 1000"),
    "helper": ("return x * 2", "return x * 3"),
    "constant": ("CONSTANT = 1", "CONSTANT = 7"),
    "constant of another module": ("OTHER = 1", "OTHER = 5"),
}

MODULE = """
from fleche import cached
import settings

CONSTANT = 1
log = []

def helper(x):
    return x * 2

@cached
def f(x):
    log.append(x)
    return helper(x) + CONSTANT + settings.OTHER
"""


@pytest.mark.parametrize("edit", EDITS)
def test_a_file_edited_after_import_misses_in_the_next_process(edit: str, tmp_path: Path) -> None:
    """The call that ran the old code is never the answer of the new code."""
    write(tmp_path / "pyproject.toml", "")
    write(tmp_path / "settings.py", "OTHER = 1\n")
    write(tmp_path / "module.py", MODULE)
    before, after = EDITS[edit]
    editing = write(
        tmp_path / "editing.py",
        f"""
        from pathlib import Path
        import module, settings
        for name in ("module.py", "settings.py"):
            path = Path(__file__).with_name(name)
            path.write_text(path.read_text().replace({before!r}, {after!r}))
        print(module.f(10), len(module.log))
        """,
    )
    calling = write(tmp_path / "calling.py", "import module\nprint(module.f(10), len(module.log))\n")
    store = tmp_path / "store"
    environment = {"PYTHONDONTWRITEBYTECODE": "1"}
    assert run(editing, store, environment=environment).split() == ["22", "1"]
    expected = {"own body": "1022", "helper": "32", "constant": "28", "constant of another module": "26"}[edit]
    assert run(calling, store, environment=environment).split() == [expected, "1"]
    assert run(calling, store, environment=environment).split() == [expected, "0"]


def test_state_and_loggers_do_not_count(tmp_path: Path) -> None:
    """A function that appends to a global list, or logs through a module's logger, hits in the next process."""
    script = write(
        tmp_path / "script.py",
        """
        import logging
        from fleche import cached
        log = logging.getLogger(__name__)
        seen = []
        counts = {}

        @cached
        def f(x):
            seen.append(x)
            counts["f"] = counts.get("f", 0) + 1
            log.info("computing %s", x)
            return x

        for x in (1, 2, 1):
            f(x)
        print(len(seen))
        """,
    )
    assert run(script, tmp_path / "s") == "2\n"
    assert run(script, tmp_path / "s") == "0\n"


def test_two_scripts_with_one_name_do_not_meet(tmp_path: Path) -> None:
    """F of one __main__ is not f of another, unless their code is the same."""
    text = "from fleche import cached\n@cached\ndef f(x):\n    print('ran')\n    return x + {}\nprint(f(1))\n"
    one, two = write(tmp_path / "one.py", text.format(1)), write(tmp_path / "two.py", text.format(2))
    same = write(tmp_path / "three.py", "# moved\n\n" + text.format(1))
    store = tmp_path / "s"
    assert run(one, store) == "ran\n2\n"
    assert run(two, store) == "ran\n3\n"
    assert run(same, store) == "2\n"


def test_eight_processes_compute_each_key_once(tmp_path: Path) -> None:
    """200 cold keys of a 20 ms function, asked for by 8 processes at once in different orders: 200 bodies run."""
    script = write(
        tmp_path / "script.py",
        """
        import os, random, sys, time
        from fleche import cached

        @cached
        def f(key):
            with open(os.environ["RAN"], "a") as ran:
                ran.write(f"{key}\\n")
            time.sleep(0.02)  # the work
            return key * key

        keys = list(range(200))
        random.Random(int(sys.argv[1])).shuffle(keys)
        sys.stdin.read()
        assert [f(key) for key in keys] == [key * key for key in keys]
        """,
    )
    ran = tmp_path / "ran"
    environment = os.environ | {"FLECHE_DIR": str(tmp_path / "s"), "RAN": str(ran)}
    command = [sys.executable, "-W", "error", str(script)]
    processes = [subprocess.Popen([*command, str(n)], stdin=subprocess.PIPE, env=environment) for n in range(8)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()  # the start signal
    assert [process.wait(100) for process in processes] == [0] * 8
    keys = ran.read_text().split()
    assert len(keys) == 200
    assert len(set(keys)) == 200


def test_a_waiter_takes_over_from_a_holder_that_was_killed(tmp_path: Path) -> None:
    """Kill -9 of the one that computes: the one that waits computes, and no lock is left."""
    script = write(
        tmp_path / "script.py",
        """
        import sys
        from fleche import cached

        @cached(ignore="role")
        def f(x, role):
            print("computing", flush=True)
            if role == "holder":
                sys.stdin.read()
            return x

        print(f(1, sys.argv[1]))
        """,
    )
    environment = os.environ | {"FLECHE_DIR": str(tmp_path / "s")}
    holder = subprocess.Popen(
        [sys.executable, script, "holder"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "computing\n"
    waiter = subprocess.Popen([sys.executable, script, "waiter"], stdout=subprocess.PIPE, text=True, env=environment)
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    assert waiter.communicate(timeout=60)[0] == "computing\n1\n"
    assert run(script, tmp_path / "s", "third") == "1\n"


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    """Neither by import, nor by a miss and a hit."""
    script = write(
        tmp_path / "script.py",
        """
        import sys
        from fleche import cached

        HEAVY = {"numpy", "pandas", "sqlalchemy", "typer", "rich", "cloudpickle", "asyncio", "multiprocessing"}
        print(sorted(HEAVY & set(sys.modules)))

        @cached
        def f(x):
            return {"x": x}

        f(1), f(1)
        print(sorted(HEAVY & set(sys.modules)))
        """,
    )
    for _ in range(2):
        assert run(script, tmp_path / "s") == "[]\n[]\n"


def test_nothing_is_printed(tmp_path: Path) -> None:
    """Neither on standard output nor on standard error."""
    script = write(tmp_path / "s.py", "from fleche import cached\n@cached\ndef f(): return 1\nf(), f()\n")
    environment = os.environ | {"FLECHE_DIR": str(tmp_path / "s")}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, env=environment, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
