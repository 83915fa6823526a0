"""A working directory without settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[[str], Path]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory below a home, with nothing set."""
    home = tmp_path / "home"
    here = home / "a" / "b"
    here.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.delenv("FLECHE_DIR")
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def write(here: Path) -> Write:
    """Write the ``fleche.toml`` of the working directory."""

    def write(text: str) -> Path:
        path = here / "fleche.toml"
        path.write_text(text)
        return path

    return write
