"""What a store finds when it looks itself over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

__all__ = ["Checkable", "Fault", "Finding"]


class Fault(StrEnum):
    """What can be wrong with something that is stored.

    ``damaged``: its bytes are not what was written. ``missing``: a record names it, and it is not there.
    ``orphan``: it is there, and nothing names it. ``unreadable``: it is whole, but cannot be built here.
    ``misfiled``: its content does not have the digest under which it is filed. ``index``: an index disagrees with
    what it is an index of.
    """

    DAMAGED = "damaged"
    MISSING = "missing"
    ORPHAN = "orphan"
    UNREADABLE = "unreadable"
    MISFILED = "misfiled"
    INDEX = "index"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong with a store.

    Attributes:
        fault: What kind of thing.
        what: ``call`` or ``value`` or ``store``.
        digest: The key or digest that it concerns; empty where it concerns the store.
        place: Where it is, for people: a path, a table.
        message: What is wrong, in a sentence.
        mended: What was done about it; empty where nothing was.
    """

    fault: Fault
    what: str
    digest: str = ""
    place: str = ""
    message: str
    mended: str = ""


@runtime_checkable
class Checkable(Protocol):
    """A store that can look itself over. An ability: stores that others write need not have it."""

    def check(self, *, repair: bool = False) -> Iterable[Finding]:
        """Read everything that is stored, and yield what is wrong, as it is found.

        Every checksum is verified, those of large buffers too. No value is built, so nothing stored is executed. Safe
        beside processes that read and write.

        Args:
            repair: Whether to mend what can be: damaged values are set aside (never deleted), what nothing names is
                adopted where it can be, an index is made to agree with what it is an index of.

        Raises:
            StoreError: The store cannot be read, or not be written where it is to be repaired.
        """
