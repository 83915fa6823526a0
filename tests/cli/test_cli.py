"""The command line, as a person and as a program use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fleche

Run = Callable[..., subprocess.CompletedProcess[str]]

FIELDS = {"key", "module", "name", "version", "code", "outcome", "arguments", "result", "at", "walltime"}
FIELDS |= {"parent", "metadata"}

SCRIPT = """
from fleche import cached, tags

@cached
def fit(lr, epochs=3):
    if lr < 0:
        raise ValueError("lr is negative")
    return {"loss": lr * epochs}

@cached
def load(name):
    return [name] * 2

with tags(phase="train"):
    fit(0.1), fit(0.2)
fit(0.3, epochs=5)
load("a")
try:
    fit(-1)
except ValueError:
    pass
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the command in a directory of its own."""

    def run(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "fleche", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"COLUMNS": "140", "NO_COLOR": "1"},
            input="",
        )
        assert done.returncode == code, done.stderr + done.stdout
        return done

    return run


@pytest.fixture
def filled(run: Run, tmp_path: Path) -> Run:
    """The same, with five calls stored."""
    (tmp_path / "script.py").write_text(SCRIPT)
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True)
    return run


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_ls_lists_the_latest_first(filled: Run) -> None:
    """Tables for people, one JSON object a line for programs."""
    text = filled("ls").stdout
    assert "fit" in text
    assert "lr=0.3, epochs=5" in text
    found = rows(filled("ls", "--json"))
    assert [row["name"] for row in found] == ["load", "fit", "fit", "fit"]
    assert found[1]["arguments"]["lr"]["value"] == 0.3
    assert set(found[0]) == FIELDS


def test_ls_filters_sorts_and_limits(filled: Run) -> None:
    """By function, pattern, argument, tag, age, outcome."""
    for words, count in (
        (["fit"], 3),
        (["__main__.fit"], 3),
        (["lo*"], 1),
        (["-a", "lr=0.1"], 1),
        (["-a", "name=a"], 1),
        (["-t", "phase=train"], 2),
        (["--since", "1h"], 4),
        (["--where", "arg.lr < 0.2"], 1),
        (["--where", "arg.lr > 0 and meta.tags.phase == 'train'", "--where", "name == 'fit'"], 2),
        (["--failed"], 1),
        (["--all"], 5),
        (["--limit", "2"], 2),
    ):
        assert len(rows(filled("ls", "--json", *words))) == count, words
    names = [row["name"] for row in rows(filled("ls", "--sort", "name", "-r", "--json"))]
    assert names == ["fit", "fit", "fit", "load"]
    assert "2 of 4" in filled("ls", "--limit", "2").stdout


def test_ls_of_nothing_is_code_1(filled: Run) -> None:
    """And wrong usage is code 2."""
    assert "no calls" in filled("ls", "nothing", code=1).stdout
    assert filled("ls", "nothing", "--json", code=1).stdout == ""
    filled("ls", "--sort", "size", code=2)
    assert "NAME=VALUE" in filled("ls", "-a", "lr", code=2).stderr
    assert "not an age" in filled("ls", "--since", "yesterday", code=2).stderr
    filled("frobnicate", code=2)


def test_show_opens_a_call_and_a_value(filled: Run) -> None:
    """By the first characters."""
    row = rows(filled("ls", "load", "--json"))[0]
    shown = filled("show", row["key"][:10]).stdout
    assert "['a', 'a']" in shown
    assert "__main__.load" in shown
    assert "['a', 'a']" not in filled("show", "--no-values", row["key"][:10]).stdout
    value = json.loads(filled("show", "--json", row["result"][:10]).stdout)
    assert value == {"value": row["result"], "type": "list", "preview": "['a', 'a']"}
    failed = rows(filled("ls", "--failed", "--json"))[0]
    assert "lr is negative" in filled("show", failed["key"]).stdout


def test_wrong_prefixes_are_one_line(filled: Run) -> None:
    """Too short is wrong usage, unknown is nothing found."""
    for prefix, code, message in (("abc", 2, "too short"), ("0000000", 1, "starts with")):
        done = filled("show", prefix, code=code)
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr


def test_forget_asks(filled: Run) -> None:
    """Without a terminal it needs --yes."""
    key = rows(filled("ls", "load", "--json"))[0]["key"]
    assert "--yes" in filled("forget", key[:12], code=2).stderr
    assert "forgot 1 call" in filled("forget", key[:12], "--yes").stdout
    filled("ls", "load", code=1)
    filled("forget", key[:12], "--yes", code=1)


def test_info_and_path_say_where(filled: Run, tmp_path: Path) -> None:
    """And why."""
    place = str(tmp_path / "default-store")
    assert filled("path").stdout == place + "\n"
    facts = json.loads(filled("info", "--json").stdout)
    assert facts["place"] == place
    assert facts["why"] == "FLECHE_DIR"
    assert facts["calls"] == 5
    assert "FLECHE_DIR" in filled("info").stdout


def test_init_keeps_results_beside_the_project(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fleche.toml that puts the store into .fleche; it never overwrites one."""
    monkeypatch.delenv("FLECHE_DIR")
    run("init")
    assert run("path").stdout.strip() == str(tmp_path / ".fleche")
    assert "there already" in run("init", code=2).stderr
    (tmp_path / "script.py").write_text(SCRIPT)
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True)
    assert (tmp_path / ".fleche" / "FORMAT").is_file()
    assert not (tmp_path / ".fleche" / "CACHEDIR.TAG").exists()
    run("ls")


def test_another_store_can_be_named(filled: Run, tmp_path: Path) -> None:
    """By path."""
    assert "there is no store" in filled("ls", "--store", "./empty", code=1).stderr
    assert filled("path", "--store", "./empty").stdout.strip() == str(tmp_path / "empty")


def test_looking_makes_no_store(run: Run, tmp_path: Path) -> None:
    """A mistyped path is an answer, not a new directory."""
    for words in (["ls"], ["show", "abcd"], ["forget", "abcd", "--yes"], ["ls", "--json"]):
        done = run(*words, "--store", "./mistyped", code=1)
        assert "there is no store" in done.stderr, words
        assert done.stdout == "", words
    assert "no store yet" in run("info", "--store", "./mistyped").stdout
    assert json.loads(run("info", "--store", "./mistyped", "--json").stdout)["calls"] == 0
    assert not (tmp_path / "mistyped").exists()


def test_a_pipe_gets_whole_lines(run: Run, tmp_path: Path) -> None:
    """One line a call, whatever its length, without padding or an ellipsis."""
    names = ", ".join(f"a_rather_long_name_{i}=1.25" for i in range(10))
    (tmp_path / "script.py").write_text(f"import fleche\n@fleche.cached\ndef f(**kw): pass\nf({names})\n")
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True)
    head, line = run("ls").stdout.splitlines()
    assert names in line
    assert head == head.rstrip()
    assert line == line.rstrip()


def test_show_says_what_is_not_stored(run: Run, tmp_path: Path) -> None:
    """By type and digest, in one line."""
    script = "import fleche\n@fleche.cached(store_arguments='none')\ndef f(xs): pass\nf([1, 2])\n"
    (tmp_path / "script.py").write_text(script)
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True)
    key = rows(run("ls", "--json"))[0]["key"]
    assert "<list " in (shown := run("show", key).stdout)
    assert "whose value is not stored" in shown


def test_show_says_what_cannot_be_built_here(run: Run, tmp_path: Path) -> None:
    """A value that is stored is never said not to be, whether or not its class is at hand."""
    script = "import fleche\nclass P:\n    n = 1\n@fleche.cached\ndef f(p): pass\nf(P())\n"
    (tmp_path / "script.py").write_text(script)
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True)
    shown = run("show", rows(run("ls", "--json"))[0]["key"]).stdout
    assert "not stored" not in shown
    assert "cannot be built here" in shown


def test_import_names_what_is_left_out_once(run: Run, tmp_path: Path) -> None:
    """However many calls have it, and before it is done as after it."""
    script = "import fleche\nclass P:\n    n = 1\n@fleche.cached\ndef f(p, n): pass\nf(P(), 1), f(P(), 2)\n"
    (tmp_path / "script.py").write_text(script)
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True)
    run("export", "a.fleche")
    line, end = run("import", "a.fleche", "--dry-run", "--store", "./other").stdout.splitlines()
    assert line.startswith("would not be imported: argument ")
    assert "FLECHE_SECRET_KEY" in line
    assert end.startswith("2 would be imported")
    assert run("import", "a.fleche", "--store", "./other").stdout.startswith("not imported: argument ")


def test_import_of_no_archive_makes_no_store(run: Run, tmp_path: Path) -> None:
    """A mistake leaves nothing behind."""
    run("import", "a.fleche", "--store", "./other", code=2)
    assert not (tmp_path / "other").exists()


def test_info_says_whether_a_store_is_trusted(run: Run, tmp_path: Path) -> None:
    """As its table says, where that says it; else by who can write there."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    (tmp_path / "fleche.toml").write_text('[default]\nroot = true\n[s]\nroot = "shared"\ntrust = true\n')
    (tmp_path / "script.py").write_text("import fleche\nwith fleche.cache('s'):\n    fleche.cached(abs)(1)\n")
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True)
    assert json.loads(run("info", "--json", "--store", "./shared").stdout)["trusted"] is False
    told = json.loads(run("info", "--json", "--store", "s").stdout)
    assert told["trusted"] is True
    assert "trust" in told["reason"]


def test_the_version_can_be_asked(run: Run) -> None:
    """As of other commands."""
    assert run("--version").stdout == f"fleche {fleche.__version__}\n"
    assert run("-h").stdout == run("--help").stdout


def test_config_show_says_what_holds_and_why(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, where they are from, the active cache and variables; never a secret."""
    monkeypatch.delenv("FLECHE_DIR")
    monkeypatch.setenv("FLECHE_SECRET_KEY", "ab" * 32)
    (tmp_path / "fleche.toml").write_text(
        '[default]\ncache = "mine"\nroot = true\n[mine]\nroot = "r"\nsecret_key = "cdcdcdcd"\n'
        '[db]\ntype = "sql"\nurl = "postgresql://ada:geheim@host/db"\n[s]\ntype = "stack"\n'
        'caches = ["mine", {type = "directory", root = "x", secret_key = "cdcdcdcd"}]\n'
    )
    told = json.loads(run("config", "show", "--json").stdout)
    assert told["active"]["place"] == str(tmp_path / "r")
    assert told["environment"] == {"FLECHE_SECRET_KEY": "(set)"}
    assert told["files"] == [str(tmp_path / "fleche.toml")]
    text = run("config", "show", "--origin").stdout
    assert f"[mine] root in {tmp_path}/fleche.toml" in text
    for secret in ("abab", "cdcd", "geheim"):
        assert secret not in text + json.dumps(told) + run("info", "--store", "mine").stdout
    assert "[mine] root" in run("config", "show").stdout


def test_config_check_names_every_wrong_table(run: Run, tmp_path: Path) -> None:
    """A wrong key at once; what a table names and is not there, table by table."""
    assert "nothing is wrong" in run("config", "check").stdout
    path = tmp_path / "fleche.toml"
    path.write_text(
        '[default]\nroot = true\n[a]\ntemplate = "x"\n[b]\ntype = "readonly"\ncache = "y"\n[c]\nroot = "r"\n'
    )
    done = run("config", "check", code=2)
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["a", "b"]
    assert done.stderr == "fleche: 2 of the settings cannot be used\n"
    path.write_text("[a]\nrot = 1\n")
    assert "did you mean 'root'" in run("config", "check", code=2).stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[default]\nroot = true\ncache = "mine"', "fleche.toml: there is no cache 'mine'"),
        ('[default]\nroot = true\nmetadata = ["Runtim"]', "did you mean 'Runtime'?"),
        ('[default]\nroot = true\n[a]\nroot = "r"\nsecret_key = "xyz"', "a: secret_key: a secret key is not hexadec"),
        ('[default]\nroot = true\n[a]\ntype = "filtered"\ncache = "./r"\nwhere = "arg.x >"', "a: where = 'arg.x >'"),
    ],
)
def test_config_check_finds(run: Run, tmp_path: Path, text: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would fail when the cache is opened is found without opening it, and the place is named."""
    monkeypatch.delenv("FLECHE_DIR")
    (tmp_path / "fleche.toml").write_text(text)
    done = run("config", "check", code=2)
    assert told in done.stdout
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("FLECHE_MODE", "of"), ("FLECHE_DIGEST", "md5"), ("FLECHE_SECRET_KEY", "xyz"), ("FLECHE_STORE", "nonsense")],
)
def test_config_check_looks_at_variables(run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """A value that no process could use is named with its variable."""
    monkeypatch.setenv(variable, value)
    assert f"{variable}" in run("config", "check", code=2).stdout


def test_export_and_import_carry_calls(filled: Run, tmp_path: Path) -> None:
    """A selection, to one file, into another store; twice is as once."""
    assert filled("export", "a.fleche", "fit", "--arg", "lr=0.1").stdout == "1 exported, 0 already there, 0 failed\n"
    assert filled("export", "a.fleche").stdout == "4 exported, 1 already there, 0 failed\n"
    there = ("--store", "./other")
    assert filled("import", "a.fleche", "--dry-run", *there).stdout.startswith("5 would be imported")
    assert not (tmp_path / "other").exists()
    assert filled("import", "a.fleche", *there).stdout == "5 imported, 0 already there, 0 failed\n"
    assert json.loads(filled("import", "a.fleche", "--json", *there).stdout)["there"] == 5
    assert rows(filled("ls", "--json", "--all", *there)) == rows(filled("ls", "--json", "--all"))
    assert "there is no archive" in filled("import", "b.fleche", *there, code=2).stderr
    (tmp_path / "text").write_text("text" * 1000)
    assert "no archive of fleche" in filled("export", "text", code=2).stderr


def test_export_of_nothing_is_code_1(filled: Run, tmp_path: Path) -> None:
    """A mistyped name makes no empty archive."""
    assert "no calls" in filled("export", "a.fleche", "fti", code=1).stderr
    assert not (tmp_path / "a.fleche").exists()


def test_transfer_moves_calls(filled: Run) -> None:
    """To any store; with --pop they are gone here."""
    assert filled("transfer", "default", "sqlite:///x.db").stdout == "5 moved, 0 already there, 0 failed\n"
    assert filled("transfer", "default", "./y", "--pop").stdout == "5 moved, 0 already there, 0 failed\n"
    filled("ls", "--all", code=1)
    assert json.loads(filled("info", "--json", "--store", "./y").stdout)["calls"] == 5
    assert "there is no store" in filled("transfer", "./no", "./y", code=1).stderr


def test_verify_and_repair_find_and_mend(filled: Run, tmp_path: Path) -> None:
    """Code 1 where something is wrong, and 0 after it was mended."""
    assert filled("verify", "--values").stdout == "nothing is wrong\n"
    script = "from fleche import cached\n@cached\ndef big(): return b'x' * 5_000_000\nbig()\n"
    (tmp_path / "script.py").write_text(script)
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True)
    (value,) = [path for path in (tmp_path / "default-store" / "values").rglob("*") if path.is_file()]
    value.chmod(0o644)
    value.write_bytes(value.read_bytes()[:-9] + b"damage...")
    assert "damaged value" in filled("verify", code=1).stdout
    assert json.loads(filled("repair", "--dry-run", "--json", code=1).stdout.splitlines()[0])["fault"] == "damaged"
    assert value.exists()
    filled("repair")
    assert filled("verify").stdout == "nothing is wrong\n"


def test_looking_makes_no_member(filled: Run, tmp_path: Path) -> None:
    """Of a stack, what is there is looked at."""
    both = ("--store", "./nobody,default,memory")
    assert len(rows(filled("ls", "--all", "--json", *both))) == 5
    assert "5 calls" in filled("info", *both).stdout
    assert not (tmp_path / "nobody").exists()


def test_every_kind_of_store_can_be_asked(filled: Run, tmp_path: Path) -> None:
    """A stack, a pool, a database, a view."""
    (tmp_path / "fleche.toml").write_text(
        '[db]\ntype = "sql"\nurl = "sqlite:///x.db"\n[s]\ntype = "stack"\ncaches = ["default", "db"]\n'
        '[p]\ntype = "pool"\ncaches = ["default", "memory"]\n[v]\ntype = "readonly"\ncache = "default"\n'
    )
    filled("transfer", "default", "db")
    for name in ("db", "s", "p", "v", "memory", "default,db"):
        assert "calls" in filled("info", "--store", name).stdout
        json.loads(filled("info", "--json", "--store", name).stdout)
        assert "Traceback" not in filled("ls", "--store", name, code=1 if name == "memory" else 0).stderr


STUDY = """
from fleche import cached

def clean(x):
    return x + 1

@cached
def fit(x):
    return clean(x)

class Model:
    @cached
    def run(self, x):
        return clean(x)
"""


def test_an_edit_is_accepted_listed_and_withdrawn(run: Run, tmp_path: Path) -> None:
    """Nothing is recorded without --yes."""
    use = [sys.executable, "-c", "from study import fit; fit(1); print(fit.info().misses)"]

    def misses() -> str:
        return subprocess.run(use, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()

    (tmp_path / "study.py").write_text(STUDY)
    run("accepted", code=1)
    assert misses() == "1"
    assert "no stored call" in run("accept", "study:fit", code=1).stdout
    (tmp_path / "study.py").write_text(STUDY.replace("x + 1", "1 + x"))
    shown = run("accept", "study:fit")
    assert "brings back 1 stored call" in shown.stdout
    assert "study.clean" in shown.stdout
    assert "--yes records it" in shown.stdout
    assert run("accepted", code=1).stdout == "no edit is accepted\n"
    run("accept", "study:fit", "--only", "other", code=1)
    run("accept", "study:fit", "--code", "00", code=1)
    run("accept", "study:fit", "--since", "0.000001s", code=1)
    told = json.loads(run("accept", "study:fit", "--only", "clean", "--yes", "--json").stdout)
    assert (told["calls"], told["accepted"]) == (1, True)
    assert misses() == "0"
    said = rows(run("accepted", "--json"))
    assert [row["function"] for row in said] == ["study.fit"]
    assert "study.fit" in run("accepted", "study.*").stdout
    run("accepted", "other.*", code=1)
    assert "--yes" in run("withdraw", said[0]["old"][:8], code=2).stderr
    run("withdraw", said[0]["old"][:8], "--function", "other", "--yes", code=1)
    assert "too short" in run("withdraw", "3f", "--yes", code=2).stderr
    assert "withdrew 1 acceptance" in run("withdraw", said[0]["old"][:8], "--yes").stdout
    assert misses() == "1"


def test_a_function_is_named_by_module_and_name(run: Run, tmp_path: Path) -> None:
    """Anything else says how."""
    (tmp_path / "study.py").write_text(STUDY)
    run("info")
    run("init")
    subprocess.run([sys.executable, "-c", "from study import fit; fit(1)"], cwd=tmp_path, check=True)
    for name, told in [
        ("study.fit", "names no function"),
        ("nowhere:fit", "there is no module 'nowhere'"),
        ("study:clean", "is no cached function"),
        ("study:Model.nothing", "there is no 'nothing' in study.Model"),
    ]:
        assert told in run("accept", name, code=2).stderr
    run("accept", "study:Model.run", code=1)
