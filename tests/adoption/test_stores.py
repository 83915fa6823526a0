"""Acceptances and traces on disk: shared by processes, in stores that were made before there were any, and bounded."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fleche import cache
from fleche.caches import Cache, SizeLimitedCache
from fleche.call import Call
from fleche.digest import digest
from fleche.storage import acceptances
from fleche.storage.embedded import EmbeddedStore
from fleche.storage.file import FileStore
from fleche.storage.file import said as file_said
from fleche.storage.memory import MemoryStore
from fleche.storage.sql import SqlStore
from tests.adoption.test_accept import CLEANER, FIRST, edited, load

OLD_STORE = Path(__file__).parent.parent / "processes" / "stores" / "schema-1-python-311"


def opened(kind, place):
    """Return a cache on a store of a kind."""
    store = {"embedded": EmbeddedStore, "file": FileStore}.get(kind, lambda path: SqlStore(f"sqlite:///{path}.db"))(
        place
    )
    return store, Cache(store.values, store.calls)


@pytest.mark.parametrize("kind", ["embedded", "file", "sql"])
def test_what_another_process_accepts_is_seen_at_once(project, tmp_path, kind):
    """And what it withdraws: nothing is remembered between two misses."""
    one, here = opened(kind, tmp_path / "shared")
    two, there = opened(kind, tmp_path / "shared")
    with cache(here):
        load(project, FIRST).fit(1)
        fit = load(project, edited(FIRST, CLEANER)).fit
        assert not fit.contains(1)
        report = fit.accept()
    (said,) = [*report.confirm()]
    with cache(there):
        assert fit(1) == "first"
        assert fit.info().misses == 0
    there.withdraw(said.old, said.new)
    with cache(here):
        assert not fit.contains(1)
    one.close(), two.close()


def test_a_store_that_was_made_before(tmp_path):
    """A table that an older version did not make is made when it is first needed."""
    shutil.copytree(OLD_STORE, tmp_path / "old")
    store = EmbeddedStore(tmp_path / "old")
    kept = Cache(store.values, store.calls)
    key = next(iter(kept.query())).key
    assert kept.forgotten(key) is None
    assert kept.acceptances() == []
    kept.evict(key)
    left = kept.forgotten(key)
    assert left is not None
    assert left.why == "forgotten"
    again = kept.save(Call(module="m", name="f", result=1))
    kept.evict(again)
    assert kept.forgotten(again) is not None
    store.close()


def test_a_database_that_was_made_before(tmp_path):
    """The same of a store that is one database."""
    store = SqlStore(f"sqlite:///{tmp_path}/calls.db")
    store.connections.write(lambda connection: connection.exec_driver_sql("DROP TABLE forgotten"))
    kept = Cache(store.values, store.calls)
    key = kept.save(Call(module="m", name="f", result=1))
    assert kept.forgotten(key) is None
    kept.evict(key)
    assert kept.forgotten(key) is not None
    store.close()


def test_a_server_that_was_set_up_before(server):
    """The same of PostgreSQL."""
    store = SqlStore(server.url, schema="forgotten_before")
    store.connections.write(lambda connection: connection.exec_driver_sql("DROP TABLE forgotten_before.forgotten"))
    kept = Cache(store.values, store.calls)
    key = kept.save(Call(module="m", name="f", result=1))
    assert kept.forgotten(key) is None
    kept.evict(key)
    left = kept.forgotten(key)
    assert left is not None
    assert "forgotten on 2" in str(left)
    store.close()


def test_traces_are_bounded(tmp_path, monkeypatch):
    """Of the latest removals only."""
    for module in (acceptances, file_said):
        monkeypatch.setattr(module, "TRACES", 3, raising=False)
    monkeypatch.setattr("fleche.storage.embedded.said.TRACES", 3)
    monkeypatch.setattr("fleche.storage.sql.said.TRACES", 3)
    monkeypatch.setattr("fleche.storage.memory.TRACES", 3)
    monkeypatch.setattr(file_said, "_PER_FOLDER", 1)
    for kind in ("embedded", "file"):
        store, kept = opened(kind, tmp_path / kind)
        keys = [kept.save(Call(module="m", name="f", arguments={"x": x}, result=x)) for x in range(300)]
        for key in keys:
            kept.evict(key)
        left = [key for key in keys if kept.forgotten(key) is not None]
        assert left == keys[-3:] if kind == "embedded" else 3 < len(left) <= 256
        store.close()
    memory = MemoryStore()
    kept = Cache(memory.values, memory.calls)
    keys = [kept.save(Call(module="m", name="f", arguments={"x": x}, result=x)) for x in range(5)]
    for key in keys:
        kept.evict(key)
    assert [key for key in keys if kept.forgotten(key) is not None] == keys[-3:]


def test_what_a_limit_evicts_says_so():
    """It was not somebody who forgot it."""
    memory = MemoryStore()
    kept = SizeLimitedCache(memory.values, memory.calls, 1)
    first, second = (kept.save(Call(module="m", name="f", arguments={"x": x}, result=x)) for x in range(2))
    left = kept.forgotten(first)
    assert left is not None
    assert left.why == "evicted"
    assert kept.forgotten(second) is None


def test_an_acceptance_that_cannot_be_read_is_none(tmp_path):
    """A damaged file, or one of a later version, counts as not there."""
    store, kept = opened("file", tmp_path / "store")
    said = acceptances.Acceptance(old=digest(1), new=digest(2), who="ada", at=acceptances.SYSTEM.now())
    kept.accept(said)
    path = store.root / "accepted" / digest(2) / digest(1)
    other = path.with_name(str(digest(3)))
    other.write_bytes(path.read_bytes())
    assert [each.old for each in kept.acceptances(digest(2))] == [digest(1)]
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-3])
    assert list(kept.acceptances(digest(2))) == []
    store.close()


SCRIPT = """
from dataclasses import dataclass
from fleche import cached
from helpers import clean

@dataclass
class Config:
    units: int = 2

    def double(self):
        return self.units * 2

def scale(x):
    return 2 * x

@cached{options}
def fit(x, cfg=Config()):
    return ("ran", scale(clean(x)), cfg.double())

if __name__ == "__main__":
    import sys
    fit(1), fit(2, Config(5))
    print(fit.info().misses)
"""


@pytest.mark.parametrize("target", ["analysis.py", "study/analysis.py"])
def test_a_script_becomes_a_module(project, tmp_path, target):
    """What a script or a notebook computed is found when its function is moved into a module."""
    project.write({"script.py": SCRIPT.format(options=""), "helpers.py": "def clean(x):\n    return x + 1\n"})
    command = [sys.executable, "script.py"]
    run = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
    assert run.stdout == "2\n", run.stderr
    name = target.removesuffix(".py").replace("/", ".")
    project.write({target: SCRIPT.format(options='(was="__main__.fit")')})
    use = f"from {name} import fit, Config\nprint(fit.contains(1), fit.contains(2, Config(5)), fit.contains(3))\n"
    use += "print(fit(1), fit.info().misses)\n"
    run = subprocess.run([sys.executable, "-c", use], cwd=project.root, capture_output=True, text=True, check=False)
    assert run.stdout == "True True False\n('ran', 4, 4) 0\n", run.stdout + run.stderr
    project.write({target: SCRIPT.format(options='(was="__main__.fit")').replace("2 * x", "3 * x")})
    run = subprocess.run([sys.executable, "-c", use], cwd=project.root, capture_output=True, text=True, check=False)
    assert run.stdout.startswith("False False False\n"), run.stdout + run.stderr
