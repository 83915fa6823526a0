"""Keys whose entries lie in one folder per first two characters: listed by folder, a prefix by one folder."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path

from fleche.digest import Digest
from fleche.digest.algorithm import chosen
from fleche.errors import StoreError
from fleche.storage.base import KeyManagement, _beside
from fleche.storage.trust import Trust, assess, assess_part
from fleche.storage.whole import TEMPORARY

__all__ = ["ShardedKeys", "assess_folders", "entries", "is_key", "shard_names"]

_HEX = frozenset("0123456789abcdef")


def shard_names(root: Path) -> list[str]:
    """Return the names of the folders below a root that hold entries.

    Raises:
        StoreError: The root cannot be listed.
    """
    try:
        return sorted(name for name in os.listdir(root) if len(name) == 2 and _HEX.issuperset(name))  # noqa: PTH208
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unlisted(root, error) from error


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return the finished files of one folder; hidden ones are left out: those in the making, and those of NFS.

    Raises:
        StoreError: The folder cannot be listed.
    """
    try:
        with os.scandir(folder) as found:
            return [entry for entry in found if not entry.name.startswith(".") and not entry.name.endswith(TEMPORARY)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _unlisted(folder, error) from error


def _unlisted(folder: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{folder} cannot be listed: {error.strerror or error}. Look at its permissions.", path=str(folder)
    )


def is_key(text: str) -> bool:
    """Whether a name is a whole key of this process's algorithm."""
    return len(text) == chosen().length and _HEX.issuperset(text)


class ShardedKeys(KeyManagement):
    """The keys of one face. A subclass says which keys a folder holds.

    Args:
        root: The folder of the folders.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @abstractmethod
    def _keys_in(self, folder: Path) -> Iterable[Digest]:
        """Return the keys of the entries in one folder, each once."""

    def list(self) -> Iterable[Digest]:
        """Return every key."""
        return [key for name in shard_names(self.root) for key in self._keys_in(self.root / name)]

    def _candidates(self, prefix: str) -> Sequence[Digest]:
        return sorted(key for key in self._keys_in(self.root / prefix[:2]) if key.startswith(prefix))[:2]

    def _neighbours(self, key: Digest) -> Sequence[Digest]:
        # Keys of other folders differ in the first two characters, so that no prefix has to be longer for them.
        return _beside(key, sorted(self._keys_in(self.root / key[:2])))


def assess_folders(root: Path) -> Trust:
    """Look at who can write to a folder of folders, or to one of these."""
    found = assess(root)
    for name in shard_names(root) if found.trusted else ():
        if not (of_part := assess_part(root / name)).trusted:
            return of_part
    return found
