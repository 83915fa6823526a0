"""Only what nobody else can have written is trusted."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from fleche.storage.trust import assess

pytestmark = [pytest.mark.portable, pytest.mark.skipif(os.name == "nt", reason="no owners and modes")]
root_only = pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="changes owners")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "project" / "store"
    folder.mkdir(parents=True, mode=0o700)
    return folder


def test_ones_own_folder_is_trusted(store: Path):
    """A folder that only its owner can write to is trusted, also below a sticky folder like /tmp."""
    assert assess(store).trusted
    assert "only" in assess(store).reason
    store.parent.parent.chmod(0o1777)
    assert assess(store).trusted


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720, 0o702, 0o775])
def test_a_folder_that_others_write_to_is_not(store: Path, mode: int):
    """Group or others can write to it, or to a folder above it: not trusted, and the place is named."""
    store.chmod(mode)
    assert not assess(store).trusted
    assert str(store) in assess(store).reason
    store.chmod(0o700)
    store.parent.chmod(mode)
    assert not assess(store).trusted
    assert assess(store).reason.endswith(str(store.parent))


def test_a_sticky_folder_itself_is_not(store: Path):
    """The sticky bit keeps others from renaming, not from adding."""
    store.chmod(0o1777)
    assert not assess(store).trusted


def test_a_file_is_looked_at(store: Path):
    """A file is judged like a folder."""
    file = store / "value"
    file.touch(0o600)
    assert assess(file).trusted
    file.chmod(0o620)
    assert not assess(file).trusted


def test_what_does_not_exist_yet_is_judged_by_its_folder(store: Path):
    """A store that is still to be created is judged by where it will be."""
    assert assess(store / "a" / "b").trusted
    store.chmod(0o777)
    assert not assess(store / "a" / "b").trusted
    store.chmod(stat.S_ISVTX | 0o777)
    assert not assess(store / "a" / "b").trusted


def test_both_ends_of_a_link_count(store: Path, tmp_path: Path):
    """A trusted link to an open folder is not trusted, nor is a link in an open folder."""
    link = tmp_path / "link"
    link.symlink_to(store)
    assert assess(link).trusted
    store.parent.chmod(0o777)
    assert not assess(link).trusted
    store.parent.chmod(0o700)
    open_folder = tmp_path / "open"
    open_folder.mkdir()
    (open_folder / "link").symlink_to(store)
    open_folder.chmod(0o777)
    assert not assess(open_folder / "link").trusted


@root_only
def test_the_folder_of_another_user_is_not(store: Path):
    """Another user owns it, or a folder above it: not trusted."""
    os.chown(store, 12345, -1)
    assert not assess(store).trusted
    assert "12345" in assess(store).reason
    os.chown(store, 0, -1)
    os.chown(store.parent, 12345, -1)
    assert not assess(store).trusted
