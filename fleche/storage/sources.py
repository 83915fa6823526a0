"""Where the parts of an envelope are: in memory, or in a file that is read or mapped."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from fleche.storage.header import Header, damaged
from fleche.storage.zstd import expanded

__all__ = ["FileSource", "MemorySource", "Source"]

Bytes = bytes | memoryview

_HEAD = 1 << 16  # bytes read at once: nearly every header and stream


class Source(Protocol):
    """The parts of one envelope."""

    def stored(self) -> Sequence[Bytes]:
        """Return all parts as they are stored, the stream first."""

    def fresh(self) -> Sequence[bytearray | memoryview]:
        """Return the buffers decompressed, writable, and at each call others."""


class MemorySource:
    """Parts that are in memory."""

    __slots__ = ("_header", "_place", "_stored")

    def __init__(self, stored: Sequence[Bytes], header: Header, place: str) -> None:
        self._stored = stored
        self._header = header
        self._place = place

    def stored(self) -> Sequence[Bytes]:
        """Return all parts as they are stored, the stream first."""
        return self._stored

    def fresh(self) -> list[bytearray | memoryview]:
        """Return a copy of each buffer."""
        return [bytearray(_raw(self._header, i, self._stored[i], self._place)) for i in range(1, self._header.parts)]

    def stream(self) -> bytes:
        """Return the stream, verified."""
        return _stream(self._header, self._stored[0], self._place)

    def verify(self) -> None:
        """Verify each buffer."""
        for index in range(1, self._header.parts):
            self._header.verify(index, _raw(self._header, index, self._stored[index], self._place), self._place)


class FileSource:
    """Parts that are in a file, opened anew for each value, except for the first."""

    __slots__ = ("_first", "_header", "_identity", "_mapped", "_path", "_start")

    def __init__(
        self,
        path: Path,
        mapped: bool,
        header: Header,
        start: bytes,
        identity: tuple[int, ...],
        first: memoryview | None,
    ) -> None:
        self._path = path
        self._mapped = mapped
        self._header = header
        self._start = start
        self._identity = identity
        self._first = [first] if first is not None else []

    @classmethod
    def open(cls, path: Path, *, mapped: bool) -> tuple[FileSource, Header]:
        """Open a file; its header is verified, and its size.

        Raises:
            OSError: It cannot be read.
            DamagedError: Its header or size is not what was written.
        """
        place = str(path)
        with path.open("rb", buffering=0) as file:
            identity = _identity(file)
            header, start = _header(file, identity[2], place)
            missing = header.spans()[0][1] - len(start)
            if missing > 0:
                start += _read(file, missing)
            first = _content(file, header, mapped) if header.parts > 1 else None
        return cls(path, mapped, header, start, identity, first), header

    @staticmethod
    def head(path: Path) -> Header:
        """Return the header of a file, verified.

        Raises:
            OSError: It cannot be read.
            DamagedError: It is not what was written, or the file has another size.
        """
        with path.open("rb", buffering=0) as file:
            return _header(file, _identity(file)[2], str(path))[0]

    def stream(self) -> bytes:
        """Return the stream, verified."""
        begin, end = self._header.spans()[0]
        return _stream(self._header, self._start[begin:end], str(self._path))

    def verify(self) -> None:
        """Verify each buffer."""
        if self._header.parts == 1:
            return
        place, content = str(self._path), self._first[0]
        for index, (begin, end) in enumerate(self._header.spans()):
            if index:
                self._header.verify(index, _raw(self._header, index, content[begin:end], place), place)

    def stored(self) -> list[Bytes]:
        """Return all parts as they are stored, the stream first."""
        begin, end = self._header.spans()[0]
        parts: list[Bytes] = [self._start[begin:end]]
        if self._header.parts > 1:
            content = self._content()
            parts += [content[begin:end] for begin, end in self._header.spans()[1:]]
        return parts

    def fresh(self) -> list[bytearray | memoryview]:
        """Return the buffers in memory of their own, or in a private mapping of their own."""
        content = self._content()
        found: list[bytearray | memoryview] = []
        for index, (begin, end) in enumerate(self._header.spans()):
            if index:
                raw = _raw(self._header, index, content[begin:end], str(self._path))
                found.append(raw if isinstance(raw, memoryview) else bytearray(raw))
        return found

    def _content(self) -> memoryview:
        try:
            return self._first.pop()  # atomic: one thread gets it
        except IndexError:
            pass
        try:
            with self._path.open("rb", buffering=0) as file:
                if _identity(file) != self._identity:
                    raise damaged(str(self._path), "it was replaced after it was opened")
                return _content(file, self._header, self._mapped)
        except FileNotFoundError as error:
            raise damaged(str(self._path), "it was removed after it was opened") from error


def _header(file: BinaryIO, size: int, place: str) -> tuple[Header, bytes]:
    """Return the header of a file, and what was read of the file for it."""
    start = file.read(_HEAD)
    header_size = int.from_bytes(start[12:16], "little")
    if _HEAD < header_size <= size:
        start += _read(file, header_size - len(start))
    header = Header.parse(start, place)
    if header.size != size:
        raise damaged(place, f"it has {size} bytes, its header says {header.size}")
    return header, start


def _content(file: BinaryIO, header: Header, mapped: bool) -> memoryview:
    if mapped:
        return memoryview(mmap.mmap(file.fileno(), header.size, access=mmap.ACCESS_COPY))
    content = bytearray(header.size)
    view = memoryview(content)
    start = header.spans()[1][0]
    file.seek(start)
    while start < len(view):
        count = file.readinto(view[start:])  # type: ignore[attr-defined]
        if not count:
            break
        start += count
    return view


def _read(file: BinaryIO, count: int) -> bytes:
    pieces = []
    while count > 0 and (piece := file.read(count)):
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def _identity(file: BinaryIO) -> tuple[int, ...]:
    stat = os.fstat(file.fileno())
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _raw(header: Header, index: int, stored: Bytes, place: str) -> Bytes:
    size = header.raw_sizes[index]
    if len(stored) == size:
        return stored
    try:
        return expanded(stored, size, place)
    except ValueError as error:
        raise damaged(place, f"part {index} cannot be decompressed: {error}") from error


def _stream(header: Header, stored: Bytes, place: str) -> bytes:
    stream = _raw(header, 0, stored, place)
    header.verify(0, stream, place)
    return bytes(stream)
