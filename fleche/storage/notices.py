"""What the processes of one machine tell each other of their leases: who holds which key, and who waits for which.

Each process has one file of fixed lines, named by a random id, whose flight lock it holds as long as it lives. Nobody
but its owner writes to it; whoever finds it without its lock removes it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
import zlib
from dataclasses import dataclass
from pathlib import Path

from fleche.clock import from_micros
from fleche.storage.flight import Flight
from fleche.storage.forks import FORKS
from fleche.storage.host import host_name
from fleche.storage.leases import Holder

__all__ = ["Notices", "Wait"]

_LINE = 512
_HOLDS, _WAITS = "holds", "waits"


@dataclass(frozen=True, slots=True)
class Wait:
    """One computation waits for another.

    Attributes:
        held: The key that is being computed.
        wanted: The key that it waits for.
        id: Another for each wait, so that two sights of one wait can be told from two waits.
    """

    held: str
    wanted: str
    id: str


class Notices:
    """The board of one machine. All methods may be called by any thread; no notice is worth an error.

    Args:
        folder: Where the files are.
        flight: The locks that tell who lives.
    """

    def __init__(self, folder: Path, flight: Flight) -> None:
        self._folder = folder
        self._flight = flight
        self._lock = threading.Lock()
        self._mine: _Page | None = None
        FORKS.add(self)

    def holds(self, key: str, thread: str, function: str, micros: int) -> int | None:
        """Say that this process holds a key; return the line to `erase` later, or None if it could not be said."""
        return self._write(f"{_HOLDS}\t{key}\t{micros}\t{_short(thread, 40)}\t{_short(function, 80)}")

    def waits(self, held: str, wanted: str) -> int | None:
        """Say that the computation of one key waits for another; return the line to `erase` later, or None."""
        return self._write(f"{_WAITS}\t{held}\t{wanted}\t{os.urandom(8).hex()}")

    def erase(self, line: int | None) -> None:
        """Take one notice back."""
        with self._lock:
            if line is not None and self._mine is not None:
                with contextlib.suppress(OSError):
                    self._mine.erase(line)

    def holder(self, key: str) -> Holder | None:
        """Return who holds a key, or None where nobody says so."""
        for host, pid, notices in self._pages():
            for kind, *fields in notices:
                if kind == _HOLDS and fields[0] == key:
                    return Holder(host, pid, fields[2], fields[3], from_micros(int(fields[1])))
        return None

    def all_waits(self) -> list[Wait]:
        """Return all waits of all living processes."""
        return [Wait(*fields) for _, _, notices in self._pages() for kind, *fields in notices if kind == _WAITS]

    def close(self) -> None:
        """Take everything back."""
        with self._lock:
            page, self._mine = self._mine, None
            if page is not None:
                page.remove()
                self._flight.release(page.id)

    def after_fork_in_child(self) -> None:
        """Leave the parent's file to the parent."""
        self._lock = threading.Lock()
        page, self._mine = self._mine, None
        if page is not None:
            page.abandon()

    def _write(self, text: str) -> int | None:
        with self._lock, contextlib.suppress(OSError):
            if self._mine is None or self._mine.epoch != self._flight.epoch:
                page = os.urandom(16).hex()
                if self._flight.acquire(page) is None:
                    return None
                self._mine = _Page(self._folder, page, self._flight.epoch)
            return self._mine.write(text)
        return None

    def _pages(self) -> list[tuple[str, int, list[list[str]]]]:
        found = []
        mine = self._mine
        for path in sorted(self._folder.glob("*.notices")):
            with contextlib.suppress(OSError):
                if (mine is None or path.stem != mine.id) and not self._flight.elsewhere(path.stem):
                    path.unlink(missing_ok=True)
                    continue
                texts = [text for line in _lines(path.read_bytes()) if (text := _unsealed(line)) is not None]
                if texts:
                    host, pid = texts[0].split("\t")
                    found.append((host, int(pid), [text.split("\t") for text in texts[1:]]))
        return found


class _Page:
    """The file of this process."""

    def __init__(self, folder: Path, page: str, epoch: int) -> None:
        self.id = page
        self.epoch = epoch
        path = folder / f"{page}.notices"
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
        self._free: list[int] = []
        self._end = 0
        self._finalizer = weakref.finalize(self, _remove, path, self._descriptor)
        self.write(f"{_short(host_name(), 80)}\t{os.getpid()}")

    def write(self, text: str) -> int:
        line = self._free.pop() if self._free else self._end
        self._end = max(self._end, line + 1)
        self._put(line, _sealed(text))
        return line

    def erase(self, line: int) -> None:
        self._put(line, b" " * (_LINE - 1) + b"\n")
        self._free.append(line)

    def remove(self) -> None:
        self._finalizer()

    def abandon(self) -> None:
        self._finalizer.detach()
        os.close(self._descriptor)

    def _put(self, line: int, content: bytes) -> None:
        if hasattr(os, "pwrite"):
            os.pwrite(self._descriptor, content, line * _LINE)
        else:
            os.lseek(self._descriptor, line * _LINE, os.SEEK_SET)
            os.write(self._descriptor, content)


def _remove(path: Path, descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.close(descriptor)
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _short(text: str, limit: int) -> str:
    clean = text.replace("\t", " ").replace("\n", " ")
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _sealed(text: str) -> bytes:
    content = text.encode("utf-8", "replace")
    return (b"%08x" % zlib.crc32(content) + content).ljust(_LINE - 1) + b"\n"


def _unsealed(line: bytes) -> str | None:
    """Return the text of a line, or None for one that is empty or was read while it was written."""
    content = line[8:-1].rstrip(b" ")
    return content.decode("utf-8", "replace") if line[:8] == b"%08x" % zlib.crc32(content) else None


def _lines(content: bytes) -> list[bytes]:
    return [content[start : start + _LINE] for start in range(0, len(content), _LINE)]
