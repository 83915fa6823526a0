"""The sessions of this project: ``nox -l`` lists them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.sessions = ["lint", "typing", "tests", "docs"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_external_run = True
nox.options.error_on_missing_interpreters = False  # not every machine has every Python

PROJECT = nox.project.load_toml("pyproject.toml")
OLDEST = "3.11"
NEWER = [python for python in nox.project.python_versions(PROJECT) if python != OLDEST]
PORTABLE = ["tests", "-m", "portable"]  # what every interpreter must agree on
GOLDEN = ["tests/digest", "tests/call", "--ignore=tests/digest/code/test_edits.py", "-m", "portable"]  # the quick part


def install(session: nox.Session, *groups: str) -> None:
    """Install the package itself, not a link to it, and what the groups name."""
    session.install(
        "-q", ".", *(package for group in groups for package in nox.project.dependency_groups(PROJECT, group))
    )


@nox.session
def tests(session: nox.Session) -> None:
    """Run the whole suite here, servers too, and the vectors on every newer interpreter that this machine has."""
    install(session, "test", "services")
    workers = ["-n", "auto"] if not session.posargs else []
    environment = _clean() | {"FLECHE_REQUIRE_SERVICES": "1"}
    session.run("python", "-m", "pytest", *workers, *(session.posargs or ["tests"]), env=environment)
    if session.posargs:
        return
    for version in NEWER:
        session.notify(f"portable-{version}", GOLDEN)


@nox.session(python=NEWER)
def portable(session: nox.Session) -> None:
    """Golden vectors, digest, call, memo and typing on a newer interpreter."""
    install(session, "test")
    session.run("python", "-m", "pytest", "-n", "auto", *(session.posargs or PORTABLE), env=_clean())


@nox.session
def demo(session: nox.Session) -> None:
    """Measure Python's own standard library, twice: the second time from the cache."""
    session.install("-q", ".")
    store = Path(session.create_tmp()) / "store"
    shutil.rmtree(store, ignore_errors=True)
    environment = _clean() | {"FLECHE_DIR": str(store)}
    command = Path(os.path.relpath(session.bin)) / "fleche"
    hint = {"CENSUS_COMMAND": f"{command} {{}} --store {os.path.relpath(store)}"}
    session.run("python", "examples/census.py", env=environment | hint)
    session.run("fleche", "ls", "--limit", "10", env=environment)


@nox.session
def stateful(session: nox.Session) -> None:
    """Run the state machines for longer than CI does."""
    install(session, "test")
    machines = ["-k", "Machine or test_machine", "-n", "auto", "--hypothesis-profile=long"]
    session.run("python", "-m", "pytest", *machines, *(session.posargs or ["tests"]), env=_clean())


@nox.session
def edits(session: nox.Session) -> None:
    """Edit a million random values once each; no edit goes unseen, and hash seeds agree."""
    install(session, "test")
    session.run("python", "-m", "tests.digest.many_edits", *(session.posargs or ["--count", "1000000"]), env=_clean())


@nox.session
def lint(session: nox.Session) -> None:
    """Style, spelling, layers, and a note of each change."""
    session.install("-q", *nox.project.dependency_groups(PROJECT, "lint"), ".")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("codespell", "fleche", "tests", "docs", "examples", "README.md", "CONTRIBUTING.md", "CHANGELOG.md")
    session.run("lint-imports", "--no-cache")


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types of the package, strictly, and what type checkers see of decorated functions."""
    install(session, "typing")
    session.run("mypy")
    session.run("mypy", "--strict", "tests/typing")


@nox.session
def docs(session: nox.Session) -> None:
    """Run every code block of README, docs and docstrings, then build the documentation strictly."""
    install(session, "docs")
    session.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/docs", env=_clean())
    session.run("sphinx-build", "-q", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")


@nox.session
def bench(session: nox.Session) -> None:
    """Compare with peers in the same run, and print ratios."""
    install(session, "bench")
    peers = Path(session.create_tmp()) / "peers"  # what must not share an environment with ours
    session.run("python", "-m", "venv", str(peers), silent=True)
    python = str(peers / "bin" / "python")
    session.run(python, "-m", "pip", "install", "-q", "pynenc", external=True)
    session.run("python", "-m", "benchmarks", *session.posargs, env=_clean() | {"PEER_PYTHON": python})


@nox.session
def package(session: nox.Session) -> None:
    """Build the wheel, look into it, and import it without extras."""
    session.install("-q", "build", "twine")
    target = Path(session.create_tmp()) / "dist"
    shutil.rmtree(target, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(target), silent=True)
    session.run("python", "tools/check_wheel.py", str(target))
    session.run("twine", "check", "--strict", *map(str, target.iterdir()))


def _clean() -> dict[str, str | None]:
    """The environment of tests: without the settings of whoever runs them."""
    return {name: None for name in os.environ if name.startswith("FLECHE_")}
