"""Files that are written whole or not at all: a temporary sibling, flushed, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from fleche.faults import reach
from fleche.storage.host import host_name

__all__ = ["TEMPORARY", "make_folder", "put_back", "temporary_sibling", "write_whole"]

TEMPORARY = ".tmp~"
"""How the name of a file ends that is still being written, or whose writer died."""


def temporary_sibling(path: Path) -> Path:
    """Return a new name beside ``path``, carrying host, process and a random part, for a file in the making.

    >>> temporary_sibling(Path("values/ab/cd")).name.endswith(TEMPORARY)
    True
    """
    host = host_name().split(".")[0]
    return path.with_name(f".{path.name}.{host}.{os.getpid()}.{os.urandom(4).hex()}{TEMPORARY}")


def make_folder(folder: Path) -> None:
    """Make a folder, if it is not there, that is as open as the one it is in.

    Raises:
        OSError: It cannot be made.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    mode = folder.parent.stat().st_mode & 0o3777
    if mode != 0o700:
        folder.chmod(mode)


def write_whole(path: Path, parts: Iterable[bytes | memoryview], *, sync: bool, mode: int = 0o444) -> None:
    """Write a file so that a reader sees all of it or none: an existing file is replaced in one step.

    Parts are written without being joined. If anything fails the temporary file is removed and ``path`` is as it was.
    A process that is killed leaves only a file whose name ends with `TEMPORARY`.

    Args:
        path: Where; its folder must exist.
        parts: What, in order.
        sync: Whether file and folder are on the disk, not only in the system's memory, when this returns.
        mode: The permissions, less the umask.

    Raises:
        OSError: The folder is missing, the disk is full, permission is denied.
    """
    temporary = temporary_sibling(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(temporary, flags, mode)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            reach("whole:opened")
            for part in parts:
                _write_all(file.fileno(), part)
            reach("whole:written")
            if sync:
                os.fsync(file.fileno())
        reach("whole:before-rename")
        os.replace(temporary, path)  # noqa: PTH105 - a fault point stands on each side
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    reach("whole:after-rename")
    if sync:
        _sync_folder(path.parent)


def put_back(taken: Path, path: Path) -> None:
    """Give a file that was moved away its name again, unless something has taken that meanwhile; then it goes.

    Raises:
        OSError: It cannot be given its name, and keeps the other.
    """
    try:
        path.hardlink_to(taken)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        if not path.exists():
            taken.rename(path)
            return
    taken.unlink(missing_ok=True)


def _write_all(descriptor: int, part: bytes | memoryview) -> None:
    rest = memoryview(part).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there; the rename is journalled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
