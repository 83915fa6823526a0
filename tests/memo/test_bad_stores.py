"""Stores that cannot be used: one clear warning with path, reason and way out, and the call still returns."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import warnings
from pathlib import Path

import pytest

import fleche
from fleche import cached
from fleche.caches import Cache
from fleche.errors import ConfigError, DamagedWarning, FormatError, MissError, UncachedWarning
from fleche.storage.embedded import EmbeddedStore


def double(x: int) -> int:
    return 2 * x


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with one call."""
    return filled(tmp_path)


def filled(directory: Path) -> Path:
    root = directory / "a store"
    with fleche.cache(str(root)):
        cached(double)(1)
        fleche.cache().close()
    return root


def changed(root: Path, **fields: object) -> Path:
    """Change the FORMAT file of a store."""
    path = root / "FORMAT"
    path.chmod(0o600)
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return root


def run(store: Path, body: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a script that uses a store in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(body)],
        capture_output=True,
        text=True,
        env=os.environ | {"FLECHE_DIR": str(store)},
        timeout=60,
        check=False,
        **options,  # type: ignore[call-overload]
    )


SCRIPT = """
from fleche import cached
@cached
def f(x): return 2 * x
print(f(21), f(21))
"""


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"format": 99}, "99"),
        ({"digest": "fleche/7"}, "fleche/7"),
        ({"algorithm": "sha256"}, "sha256"),
        ({"program": "other"}, "other"),
    ],
)
def test_a_store_of_another_format_hash_or_program(root: Path, fields: dict[str, object], reason: str) -> None:
    """The call returns uncached, with one warning; strict raises; nothing in the store is changed."""
    changed(root, **fields)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    done = run(root, SCRIPT)
    assert done.stdout == "42 42\n"
    assert done.stderr.count("UncachedWarning") == 1
    assert str(root) in done.stderr
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    strict = run(root, SCRIPT.replace("@cached", "@cached(strict=True)"))
    assert "FormatError" in strict.stderr


def test_a_directory_that_is_not_a_store_is_left_alone(tmp_path: Path) -> None:
    """Somebody's files are not adopted."""
    (tmp_path / "thesis.tex").write_text("x")
    done = run(tmp_path, SCRIPT)
    assert done.stdout == "42 42\n"
    assert done.stderr.count("UncachedWarning") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_frozen_mode_and_wrong_configuration_still_raise(root: Path) -> None:
    """Where going on would be wrong, nothing goes on."""
    changed(root, format=99)
    frozen = run(root, "import os; os.environ['FLECHE_MODE'] = 'frozen'" + SCRIPT)
    assert "MissError" in frozen.stderr
    wrong = run(root, "import os; os.environ['FLECHE_STORE'] = 'nowhere'" + SCRIPT)
    assert "ConfigError" in wrong.stderr
    assert MissError is not ConfigError
    assert issubclass(FormatError, OSError)


AS_NOBODY = """
import os, sys, fleche
from fleche import cached
@cached
def f(x): return 2 * x
with fleche.cache(os.environ["FLECHE_DIR"] + "-other"):
    f(1), f(1)  # imports what is imported when it is first needed
os.setgid(65534)
os.setuid(65534)
print(f(1), f(5), f(1), f._memo.statistics.hits)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_a_store_without_permission(public: Path) -> None:
    """Somebody else may not look in: the call returns, with one warning."""
    root = filled(public)
    root.chmod(0o700)
    done = run(root, AS_NOBODY)
    assert done.stdout == "2 10 2 1\n", done.stderr
    assert done.stderr.count("Warning:") == 1
    assert str(root) in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_a_store_that_can_only_be_read(public: Path) -> None:
    """Hits are hits; what cannot be written is said once."""
    root = filled(public)
    run(root, AS_NOBODY.replace("os.set", "os.get").replace("(65534)", "()"))
    for path in (root, *root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    done = run(root, AS_NOBODY.replace("f(5)", "f(7)"))
    assert done.stdout == "2 14 2 4\n", done.stderr
    assert done.stderr.count("Warning:") == 1, done.stderr


def test_a_full_disk(tmp_path: Path) -> None:
    """The result that does not fit is returned, with one warning; what fits is stored."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))

    body = """
    from fleche import cached
    @cached
    def big(n): return bytes(n)
    small, large = big(10), big(5_000_000)
    print(len(small), len(large), len(big(5_000_000)), big.contains(10), big.contains(5_000_000))
    """
    done = run(tmp_path / "s", body, preexec_fn=limit)
    assert done.stdout == "10 5000000 5000000 True False\n", done.stderr
    assert done.stderr.count("UncachedWarning") == 1
    assert "too large" in done.stderr or "No space" in done.stderr


@pytest.fixture
def large(disk: Cache, store: EmbeddedStore) -> Path:
    """The file of one large result."""
    calls = cached(make_large)
    calls(1)
    (file,) = [path for path in (Path(store.describe()["path"]) / "values").rglob("*") if path.is_file()]
    return file


def make_large(n: int) -> bytes:
    return bytes([n]) * 300_000


@pytest.mark.parametrize("damage", ["truncated", "flipped", "not ours", "empty", "gone"])
def test_a_damaged_value_file_is_a_miss(large: Path, damage: str, disk: Cache, store: EmbeddedStore) -> None:
    """It is set aside, one warning says so, and the next call hits again."""
    content = large.read_bytes()
    large.chmod(0o600)
    if damage == "gone":
        large.unlink()
    else:
        flipped = content[:200] + bytes([content[200] ^ 1]) + content[201:]
        large.write_bytes({"truncated": content[:1000], "flipped": flipped, "not ours": b"hello", "empty": b""}[damage])
    f = cached(make_large)
    with pytest.warns(DamagedWarning):
        assert f(1) == make_large(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f(1) == make_large(1)
    assert (f.info().hits, f.info().misses) == (1, 1)
    aside = list((Path(store.describe()["path"]) / "quarantine").iterdir())
    assert bool(aside) == (damage != "gone")


def test_an_untouched_store_warns_of_nothing(large: Path, disk: Cache) -> None:
    """A hit on an intact file is silent."""
    f = cached(make_large)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f(1) == make_large(1)
    assert f.info().hits == 1
    assert UncachedWarning is not DamagedWarning


def test_info_tells_of_a_store_that_cannot_be_opened(tmp_path: Path) -> None:
    """A script that prints its counts goes on where the cache cannot."""
    (tmp_path / "file").write_text("not a directory")
    f = cached(cache=str(tmp_path / "file"))(double)
    with pytest.warns(UncachedWarning, match="cannot be opened"):
        assert f(1) == 2
    info = f.info()
    assert (info.uncached, info.stored) == (1, None)
    assert "cannot be opened" in info.cache


def test_a_result_without_a_digest_is_told_as_a_result(root: Path) -> None:
    """The ways out of an argument are none for a result."""
    f = cached(cache=str(root))(lambda: threading.Lock())
    with pytest.warns(UncachedWarning, match=r"(?s)result is a _thread.lock.*Return its content") as caught:
        f()
    assert "ignore=" not in str(caught[0].message)
