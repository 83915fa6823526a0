"""`File`: an argument that counts by the content of a file."""

from __future__ import annotations

import io
import os
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from fleche.digest import _format as f
from fleche.digest.algorithm import chosen
from fleche.digest.plan import Plan, silent
from fleche.digest.refusals import Refusal
from fleche.digest.text import Digest
from fleche.errors import FileChanged, FileMissing, FileUnreadable

__all__ = ["LOOKS", "MEMO", "NAMED", "File", "Look", "Stamp", "pinned"]

_BLOCK = 1 << 20  # bytes that are read at once
_ATTEMPTS = 3  # how often a file is read that changes meanwhile
_MARGIN = 2_500_000_000  # nanoseconds; no file system's times are coarser than the 2 s of FAT
_MOST = 10_000  # files that a process remembers
_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_HEAD = f.CUSTOM + f.counted(f.CLASS, f.text("fleche") + f.text("File"))  # as of any type with a digest function


class Stamp(NamedTuple):
    """What tells, without reading it, whether a file is the one that was read: its place on the disk, and its times."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        """Return the stamp of a file."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def is_settled(self, moment: int) -> bool:
        """Whether a change after a moment, in nanoseconds since 1970, is sure to give another stamp.

        A file can change twice within one tick of its clock: then only the content tells. Times in the future, which
        were set by hand, tell nothing.
        """
        past = [each for each in (self.modified, self.changed) if each <= moment]
        return bool(past) and max(past) < moment - _MARGIN


class Look(NamedTuple):
    """What a file was when it was looked at.

    Attributes:
        path: The file.
        stamp: Its stamp; None where it was not looked at, since the content that counts is known.
        raw: The digest of its content.
    """

    path: str
    stamp: Stamp | None
    raw: bytes

    def still_holds(self) -> bool:
        """Whether the file has this content, and had no other since: it was not written to, not even with the same."""
        try:
            now = _look(self.path)
        except (OSError, Refusal):
            return False
        return now.raw == self.raw and self.stamp in (None, now.stamp)


class Looks(threading.local):
    """The files that this thread looked at for digests; whoever seals a key takes them."""

    def __init__(self) -> None:
        self.taken: deque[Look] = deque(maxlen=_MOST)


LOOKS = Looks()


class Remembers(Protocol):
    """Remembers digests of contents beyond this process."""

    def get(self, algorithm: str, stamp: Stamp) -> bytes | None:
        """Return the digest of the content of a file with this stamp, if it is known."""

    def put(self, algorithm: str, stamp: Stamp, raw: bytes) -> None:
        """Remember it. Nothing is raised."""


class Memo:
    """The digests of the contents of files that have not changed since they were read.

    Thread-safe. Only stamps that are settled are remembered, so that what is remembered of a stamp stays true.

    Attributes:
        beyond: Returns what remembers beyond this process, or None; asked for large files.
        large: Bytes of the smallest file for which that is worth while.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, Stamp], bytes] = {}
        self.beyond: Callable[[], Remembers | None] = _nobody
        self.large = 1 << 20

    def get(self, stamp: Stamp) -> bytes | None:
        """Return the digest of the content of a file with this stamp, if it is known."""
        name = chosen().name
        known = self._known.get((name, stamp))
        if known is None and stamp.size >= self.large and (others := self.beyond()) is not None:
            known = others.get(name, stamp)
            if known is not None:
                self._keep(name, stamp, known)
        return known

    def put(self, stamp: Stamp, raw: bytes, moment: int) -> None:
        """Remember what a file with this stamp holds, if it was read long enough after it changed.

        Args:
            stamp: The same before and after it was read.
            raw: The digest of its content.
            moment: When reading it began, in nanoseconds since 1970.
        """
        if not stamp.is_settled(moment):
            return
        name = chosen().name
        self._keep(name, stamp, raw)
        if stamp.size >= self.large and (others := self.beyond()) is not None:
            others.put(name, stamp, raw)

    def _keep(self, name: str, stamp: Stamp, raw: bytes) -> None:
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[name, stamp] = raw

    def clear(self) -> None:
        """Forget what this process knows."""
        self._known.clear()


def _nobody() -> None:
    return None


MEMO = Memo()


class File(os.PathLike[str]):
    """A file as an argument: what counts is what is in it, not what it is called or where it lies.

    Two files of equal content are one value, and an edited file is another. The body gets the object itself, and reads
    it as any path: ``open(file)``, ``pandas.read_csv(file)``, ``file.read_text()``. A path alone (text or
    ``pathlib.Path``) counts as its name; whether the file changes is not noticed.

    A file is read once: after that its digest is remembered by device, inode, size and times, by this process and, if
    it is large, by those that follow. It is read again if one of these differs, or if it was changed within the last
    seconds. If it changes while a call runs, the result is returned and not stored.

    What is stored of such an argument is its path, its size and the digest of its content, never the content. What
    comes back from a store (``call.arguments["data"]``, or the result of a function that returns a `File`) is pinned:
    it stands for what the file held then, and reading it raises `FileChanged` if the file holds something else now.
    ``File(file)`` is the file as it is now.

    Two are equal, as Python compares them, if their paths are and both are pinned to one content or to none; their
    keys are equal if their contents are. A folder is refused: give its files, in a dict by name if their names count.

    Args:
        path: Where the file is; made absolute. It need not be there until the file is used.

    Raises:
        TypeError: It is no path.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from fleche import File
    >>> from fleche.digest import digest
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     one, other = Path(folder, "one.txt"), Path(folder, "other.txt")
    ...     for path in (one, other):
    ...         _ = path.write_text("the same")
    ...     digest(File(one)) == digest(File(other))
    True
    """

    __module__ = "fleche"  # where it is found, and what its digest names

    def __init__(self, path: str | os.PathLike[str]) -> None:
        text: object = str(path.path) if isinstance(path, File) else os.fspath(path)
        if not isinstance(text, str):
            raise TypeError(f"File({path!r}): give the path as text or as a pathlib.Path")
        self._path: str = text if os.path.isabs(text) else os.path.join(os.getcwd(), text)  # noqa: PTH109, PTH117, PTH118
        self._pin: tuple[bytes, int] | None = None
        self._seen: tuple[bytes, int] | None = None

    def __init_subclass__(cls) -> None:
        raise TypeError("File cannot be subclassed: its content is all that counts. Hold one in an attribute instead")

    @property
    def path(self) -> Path:
        """Where the file is, absolute."""
        return Path(self._path)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return os.path.basename(self._path)  # noqa: PTH119

    @property
    def is_pinned(self) -> bool:
        """Whether this stands for what the file held when it was stored."""
        return self._pin is not None

    @property
    def size(self) -> int:
        """How many bytes it holds; of a pinned one, what it held.

        Raises:
            FileUnreadable: It cannot be looked at.
        """
        if self._pin is not None:
            return self._pin[1]
        try:
            return os.stat(self._path).st_size  # noqa: PTH116
        except OSError as error:
            raise _unreadable(self._path, error) from error

    def digest(self) -> Digest:
        """Return the digest of the content: that of the bytes which the file holds.

        Raises:
            FileUnreadable: It cannot be read: missing, a folder, no permission.
            FileChanged: It changes while it is read.
        """
        if self._pin is not None:
            return Digest.from_bytes(self._pin[0])
        return Digest.from_bytes(_looked(self._path).raw)

    def is_unchanged(self) -> bool:
        """Whether the file is there and, if this is pinned, holds what it held then.

        ``valid_if=lambda call: call.result.is_unchanged()`` computes a call anew whose result was a file that is gone.
        """
        try:
            found = _look(self._path)
        except (OSError, Refusal):
            return False
        return self._pin is None or found.raw == self._pin[0]

    def open(
        self,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        """Open the file to read it, as ``open`` does.

        Raises:
            ValueError: The mode is one that writes.
            FileUnreadable: It cannot be read.
            FileChanged: This is pinned, and the file holds something else now.
        """
        if set(mode) & set("wax+"):
            raise ValueError(f"mode {mode!r} would write: a File is an input; to write, open its path")
        path = self.__fspath__()
        try:
            return io.open(path, mode, buffering, encoding, errors, newline)  # noqa: UP020 - not this method
        except OSError as error:
            raise _unreadable(path, error) from error

    def read_bytes(self) -> bytes:
        """Return the content.

        Raises:
            FileUnreadable: It cannot be read.
            FileChanged: This is pinned, and the file holds something else now.
        """
        with self.open("rb") as file:
            content: bytes = file.read()
        if self._pin is not None and _content(content) != self._pin[0]:
            raise self._changed()
        return content

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """Return the content as text.

        Raises:
            FileUnreadable: It cannot be read.
            FileChanged: This is pinned, and the file holds something else now.
        """
        return io.TextIOWrapper(io.BytesIO(self.read_bytes()), encoding=encoding, errors=errors).read()

    def __fspath__(self) -> str:
        if self._pin is not None and _looked(self._path).raw != self._pin[0]:
            raise self._changed()
        return self._path

    def _changed(self) -> FileChanged:
        return FileChanged(
            f"{self._path} holds something else than when it was stored. What is in it now is File({self._path!r}); "
            f"what it held then is not kept.",
            path=self._path,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, File) and (self._path, self._pin) == (other._path, other._pin)

    def __hash__(self) -> int:
        return hash((File, self._path))

    def __repr__(self) -> str:
        return f"File({self._path!r})"

    def __copy__(self) -> File:
        return self

    def __deepcopy__(self, memo: Any) -> File:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (File, (self._path,)) if self._pin is None else (pinned, (self._path, self._pin[1], self._pin[0].hex()))

    def recorded(self) -> tuple[str, int, str]:
        """Return what is stored of it: its path, its size, and the digest of its content as text.

        Raises:
            FileUnreadable: It was never looked at, and cannot be.
        """
        known = self._pin or self._seen
        if known is None:
            stamp, raw = _looked(self._path)[1:]
            known = raw, stamp.size
        return self._path, known[1], known[0].hex()


def pinned(path: str, size: int, content: str) -> File:
    """Return a file that stands for what it held when it was stored; see `File.recorded`.

    Raises:
        ValueError: These are not what that method gives.
    """
    raw = bytes.fromhex(content)
    if type(path) is not str or type(size) is not int or size < 0 or 2 * len(raw) != chosen().length:
        raise ValueError("this is no stored file")
    file = File(path)
    file._pin = raw, size  # noqa: SLF001 - made here only
    return file


class _Seen(NamedTuple):
    """What a file is now: a `Look` whose stamp is known."""

    path: str
    stamp: Stamp
    raw: bytes


def _look(path: str) -> _Seen:
    """Return what a file holds, without reading it where that is known.

    Raises:
        FileUnreadable: It cannot be read.
        Refusal: It changes while it is read.
    """
    try:
        number = os.open(path, _FLAGS)
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        # Of the open file: on NFS opening it is what asks the server.
        for _ in range(_ATTEMPTS):
            moment = time.time_ns()
            found = os.fstat(number)
            if not stat.S_ISREG(found.st_mode):
                raise _no_file(path, found.st_mode)
            stamp = Stamp.of(found)
            known = MEMO.get(stamp)
            if known is None:
                known = _read(number, stamp.size)
                if known is None or Stamp.of(os.fstat(number)) != stamp:
                    os.lseek(number, 0, os.SEEK_SET)
                    continue
                MEMO.put(stamp, known, moment)
            return _Seen(path, stamp, known)
    except OSError as error:
        if isinstance(error, FileUnreadable):
            raise
        raise _unreadable(path, error) from error
    finally:
        os.close(number)
    raise Refusal("changes while it is read", "Wait until it is complete, or give a copy")


def _looked(path: str) -> _Seen:
    """Return what a file holds.

    Raises:
        FileUnreadable: It cannot be read.
        FileChanged: It changes while it is read.
    """
    try:
        return _look(path)
    except Refusal as refusal:
        raise FileChanged(f"{path} {refusal.reason}. {refusal.advice}.", path=path) from None


def _read(number: int, size: int) -> bytes | None:
    """Return the digest of the content of an open file, or None if it has not so many bytes."""
    hasher = chosen().hasher()
    hasher.update(f.BYTES + f.word(size))
    block = memoryview(bytearray(min(_BLOCK, size + 1)))
    left = size
    with io.FileIO(number, closefd=False) as file:
        while count := file.readinto(block):
            left -= count
            if left < 0:
                return None
            hasher.update(block[:count])
    raw: bytes = hasher.digest()
    return raw if left == 0 else None


def _content(content: bytes) -> bytes:
    return chosen().hash(f.BYTES + f.word(len(content)) + content)


def _unreadable(path: str, error: OSError) -> FileUnreadable:
    kind = FileMissing if isinstance(error, FileNotFoundError | NotADirectoryError) else FileUnreadable
    return kind(f"{path} cannot be read as an input: {error.strerror or error}", path=path)


def _no_file(path: str, mode: int) -> FileUnreadable:
    if stat.S_ISDIR(mode):
        advice = "Give its files: {str(p.relative_to(d)): File(p) for p in d.rglob('*') if p.is_file()}"
        return FileUnreadable(f"{path} is a folder, and a File is one file. {advice}", path=path)
    return FileUnreadable(f"{path} is no plain file: it may give something else each time that it is read", path=path)


def _plan(value: File) -> Plan:
    """Take a file apart: its digest is that of an object whose digest function returns the digest of its content."""
    pin = value._pin  # noqa: SLF001 - one idea in one file
    if pin is not None:
        raw, size = pin
        LOOKS.taken.append(Look(value._path, None, raw))  # noqa: SLF001
    else:
        stamp, raw = _look(value._path)[1:]  # noqa: SLF001
        value._seen = raw, stamp.size  # noqa: SLF001
        size = stamp.size
        LOOKS.taken.append(Look(value._path, stamp, raw))  # noqa: SLF001
    return Plan(_HEAD, ((f.Inline(f.reference(raw)),),), label=silent, weight=size)


NAMED: dict[str, Callable[[File], Plan]] = {"fleche.File": _plan}
"""How files are encoded, by the canonical name of their type."""
