"""Small projects that are written, imported, edited and imported again."""

import importlib
import linecache
import sys

import pytest

from fleche import cache
from fleche.caches import Cache
from fleche.storage.memory import MemoryStore


class Project:
    """A directory of modules; each `load` is as in a new process."""

    def __init__(self, root):
        self.root = root
        self.names = set()
        (root / "pyproject.toml").write_text("")

    def write(self, files):
        """Write files by name; None removes one."""
        for name, text in files.items():
            path = self.root / name
            self.names.add(name.partition("/")[0].removesuffix(".py"))
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            for folder in path.relative_to(self.root).parents:
                if folder.name:
                    (self.root / folder / "__init__.py").touch()
            path.write_text(text)

    def load(self, module, **files):
        """Import a module anew, after writing files."""
        self.write(files)
        self.unload()
        importlib.invalidate_caches()
        linecache.checkcache()
        return importlib.import_module(module)

    def unload(self):
        """Forget all modules of the project."""
        for name in list(sys.modules):
            if name.partition(".")[0] in self.names:
                del sys.modules[name]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project in a directory of its own, on the path."""
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = Project(root)
    yield made
    made.unload()


@pytest.fixture
def store():
    """A cache in memory, active."""
    memory = MemoryStore()
    kept = Cache(memory.values, memory.calls)
    with cache(kept):
        yield kept
