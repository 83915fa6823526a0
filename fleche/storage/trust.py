"""Whether a store can be trusted: whether only its owner, who is us or root, can have written to it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Trust", "assess", "assess_part"]

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Trust:
    """Whether pickles in a folder or file may build any type.

    Attributes:
        trusted: Whether they may.
        reason: Why, or why not, for people.
    """

    trusted: bool
    reason: str


def assess(path: Path | str) -> Trust:
    """Look at who can write to a file or folder, or put another in its place.

    Trusted is what belongs to the current user or root and not even its group can write to, in folders that belong to
    one of them too and that others cannot write to, except where the sticky bit keeps them from renaming (``/tmp``).
    Symbolic links are followed, and the folders on both ways count. Mode and owner are what is looked at: access lists
    beyond them are not, and on Windows nothing is known, so nothing is trusted. Things inside of a trusted folder are
    trusted with it only if they were written under it: look at a file that came from elsewhere by itself.

    Args:
        path: What to look at. If it does not exist yet, the nearest existing ancestor decides.

    >>> assess("/").reason
    'only root can write to /'
    """
    if not hasattr(os, "getuid"):
        return Trust(False, "owners and permissions of files are not known on this system")
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - links are followed below, one way at a time
    try:
        for way in {absolute, absolute.resolve()}:
            reason = _fault(way)
            if reason:
                return Trust(False, reason)
    except OSError as error:
        return Trust(False, f"{absolute} cannot be looked at: {error}")
    owner = "root" if os.getuid() == 0 else "the current user or root"
    return Trust(True, f"only {owner} can write to {absolute}")


def assess_part(path: Path) -> Trust:
    """Look at one file or folder of a folder that is trusted: its own owner and mode are all that is left to look at.

    A symbolic link leads elsewhere, and is assessed in full. What is not there is trusted: it will be made here.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return Trust(True, f"{path} is not there")
    if stat.S_ISLNK(status.st_mode):
        return assess(path)
    fault = _fault_of(path, status)
    return Trust(not fault, fault or f"only its owner can write to {path}")


def _fault_of(path: Path, status: os.stat_result) -> str:
    if status.st_uid not in (0, os.getuid()):
        return f"{path} belongs to user {status.st_uid}, not to the current user or root"
    if status.st_mode & _OTHERS:
        who = "everyone" if status.st_mode & stat.S_IWOTH else f"group {status.st_gid}"
        return f"{who} can write to {path}"
    return ""


def _fault(path: Path) -> str:
    found = False
    for place in (path, *path.parents):
        try:
            status = place.stat()
        except FileNotFoundError:
            continue
        ancestor, found = found, True
        fault = _fault_of(place, status)
        sticky = ancestor and stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        if fault and not (sticky and status.st_uid in (0, os.getuid())):
            return fault
    return ""
