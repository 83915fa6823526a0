"""Every error and warning that fleche raises.

The tree::

    FlecheError
    ├── Indigestible            (TypeError)     a value has no digest
    ├── AmbiguousDigestError    (ValueError)    a prefix names more than one key
    ├── UnknownDigestError      (KeyError)      a prefix or digest names nothing
    │   └── ValueNotStored      (KeyError)      the digest of a value that no store holds
    ├── MissError               (LookupError)   frozen mode met a call that is not stored
    ├── AlreadyRunning          (RuntimeError)  another holder computes the key, and waiting was refused
    │   └── WaitTimeout         (TimeoutError)  another holder computes the key, and the wait limit passed
    ├── SaveError                               a value or record could not be stored
    ├── Rejected                (PermissionError) a cache that is a view or a union refused to be written to
    ├── DamagedError            (ValueError)    stored bytes are not what was written
    │   └── UnreadableError     (ValueError)    stored bytes are whole, and this process cannot read them
    ├── UntrustedError          (ValueError)    stored bytes would build a type that is not on the safe list
    ├── SignatureError          (ValueError)    bytes are not signed by a key that is known
    ├── FileUnreadable          (OSError)       a file that is an argument cannot be read
    │   ├── FileMissing         (FileNotFoundError) it is not there
    │   └── FileChanged                         it changes while it is read, or is not what was stored
    ├── StoreError              (OSError)       a store cannot be opened or used
    │   └── FormatError                         a store has another format, algorithm or program
    └── ConfigError             (ValueError)    a configuration file, option or variable is wrong

    FlecheWarning (UserWarning)
    ├── UncachedWarning         the call ran, and was not stored or looked up
    ├── DamagedWarning          a damaged or missing value was set aside and counts as a miss
    └── StoreWarning            a store works, but not as it should

Each error is also the builtin that a caller would catch, keeps its facts as attributes, and pickles.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AlreadyRunning",
    "AmbiguousDigestError",
    "ConfigError",
    "DamagedError",
    "DamagedWarning",
    "FileChanged",
    "FileMissing",
    "FileUnreadable",
    "FlecheError",
    "FlecheWarning",
    "FormatError",
    "Indigestible",
    "MissError",
    "Rejected",
    "SaveError",
    "SignatureError",
    "StoreError",
    "StoreWarning",
    "UncachedWarning",
    "UnknownDigestError",
    "UnreadableError",
    "UntrustedError",
    "ValueNotStored",
    "WaitTimeout",
]


class FlecheError(Exception):
    """The root of all errors of fleche.

    Args:
        message: What happened, where, why, and what to do now.
        **facts: Kept as attributes under the same names, and through pickling.
    """

    def __init__(self, message: str = "", /, **facts: Any) -> None:
        super().__init__(message)
        self.__dict__.update(facts)

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, dict(self.__dict__)


class Indigestible(FlecheError, TypeError):
    """A value has no digest: nothing about it identifies its content.

    Attributes:
        path: Where in the value, such as ``cfg.client._lock``; empty for the value itself.
        type_name: The qualified name of the type that was refused.
        reason: Why, in a few words.
        ways: What to do now: ways out, each a sentence with what to type.
    """

    path: str
    type_name: str
    reason: str
    ways: tuple[str, ...]


class AmbiguousDigestError(FlecheError, ValueError):
    """A prefix names more than one key.

    Attributes:
        candidates: The keys, or a description of each, that the prefix could mean.
    """

    candidates: tuple[str, ...]


class UnknownDigestError(FlecheError, KeyError):
    """A prefix or digest names nothing in this store."""


class ValueNotStored(UnknownDigestError):
    """No store at hand holds the value of this digest.

    Attributes:
        digest: The digest that was asked for.
    """

    digest: str


class MissError(FlecheError, LookupError):
    """Frozen mode met a call that is not stored; the message says the cause.

    Attributes:
        key: The key of the call; empty where it has none.
        why: The whole answer, as a `fleche.memo.explain.Why`; text where it could not be found out.
    """

    key: str
    why: Any


class AlreadyRunning(FlecheError, RuntimeError):
    """Another thread, process or host computes this key, and ``on_wait="raise"`` refused to wait.

    Attributes:
        key: The key of the call.
        holder: Who computes it.
    """

    key: str
    holder: Any


class WaitTimeout(AlreadyRunning, TimeoutError):
    """Another holder computes this key, and ``wait_limit`` passed before it was done."""


class SaveError(FlecheError):
    """A value or record could not be stored; the cause is chained."""


class Rejected(FlecheError, PermissionError):
    """A cache refused to be written to, since it is read-only: a view of another one, or a union of several."""


class DamagedError(FlecheError, ValueError):
    """Stored bytes are not what was written: truncated, flipped, or of another program.

    Attributes:
        place: The file or row.
    """

    place: str


class UnreadableError(DamagedError):
    """Stored bytes are what was written, but this process cannot read them: a miss, and not a reason to set them aside.

    A class was moved, a package is missing, another minor version of Python pickled by value, the format is newer.
    """


class UntrustedError(FlecheError, ValueError):
    """Stored bytes would build a type that the safe loader does not build.

    Attributes:
        type_name: The qualified name that the bytes ask for.
        place: The file or row.
    """

    type_name: str
    place: str


class SignatureError(FlecheError, ValueError):
    """Bytes are not signed by a key that is known: changed, unsigned, or signed with another key."""


class FileUnreadable(FlecheError, OSError):
    """A `fleche.File` cannot be read: no permission, a folder, no plain file.

    Attributes:
        path: The file.
    """

    path: str


class FileMissing(FileUnreadable, FileNotFoundError):
    """A `fleche.File` is not there."""


class FileChanged(FileUnreadable):
    """A `fleche.File` changes while it is read, or is pinned and holds something else than when it was stored."""


class StoreError(FlecheError, OSError):
    """A store cannot be opened or used: permission, full disk, lock, network.

    Attributes:
        path: The store's place.
    """

    path: str


class FormatError(StoreError):
    """A store was written in a format, with an algorithm, or by a program that this version does not know."""


class ConfigError(FlecheError, ValueError):
    """A configuration file, option or environment variable is wrong."""


class FlecheWarning(UserWarning):
    """The root of all warnings of fleche. A warning never costs a result."""


class UncachedWarning(FlecheWarning):
    """The call ran and its result was returned, but it was not looked up or not stored."""


class DamagedWarning(FlecheWarning):
    """A damaged or missing value was set aside and counts as a miss."""


class StoreWarning(FlecheWarning):
    """A store works, but not as it should."""
