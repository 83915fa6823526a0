"""The header of an envelope: sizes, places and checksums of its parts, as ``docs/formats/envelope.md`` specifies."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any

import xxhash

from fleche.errors import DamagedError, UnreadableError
from fleche.storage.pickling import Serializer

__all__ = ["ALIGNMENT", "MAGIC", "MAJOR", "MINOR", "Header", "damaged"]

MAGIC = b"\x8fflv"
MAJOR = 1
MINOR = 0
ALIGNMENT = 64

_FIXED = struct.Struct("<4sBBBBBBHIQ")
_SECTION = struct.Struct("<BI")
_SIZE = struct.Struct("<Q")
_SUM = struct.Struct("<Q")
_BUFFERS, _COMPRESSED, _WRITERS, _SIGNATURE = 1, 2, 3, 4
_XXH3, _SHA256 = 1, 2
_SERIALIZERS = {int(s): s for s in Serializer}

Bytes = bytes | bytearray | memoryview


_xxh3: Callable[[Bytes], bytes] = xxhash.xxh3_64_digest


def _sha256(data: Bytes) -> bytes:
    import hashlib  # costs 4 ms, and only envelopes that were checked by it need it

    return hashlib.sha256(data).digest()


_ALGORITHMS: dict[int, tuple[int, Callable[[Bytes], bytes]]] = {_XXH3: (8, _xxh3), _SHA256: (32, _sha256)}


def damaged(place: str, why: str) -> DamagedError:
    """Return the error that says what is wrong with the bytes at a place."""
    return DamagedError(f"{place} is not what was written: {why}. Set aside and recomputed.", place=place)


class Header:
    """What an envelope says of itself.

    Attributes:
        encoded: The header as bytes.
        serializer: What wrote the stream.
        python: The minor version of the Python that wrote it.
        raw_sizes: The size of each part, the stream first, in bytes, before compression.
        stored_sizes: The same as stored; a part that is smaller there is compressed.
        sums: The checksum of each part before compression.
        writers: The packages that wrote it, such as ``numpy=2.4.6``; may be empty.
        signature: Scheme, key id and signature, or None.
    """

    __slots__ = (
        "_algorithm",
        "encoded",
        "python",
        "raw_sizes",
        "serializer",
        "signature",
        "stored_sizes",
        "sums",
        "writers",
    )

    def __init__(
        self,
        encoded: bytes,
        serializer: Serializer,
        python: int,
        algorithm: int,
        raw_sizes: Sequence[int],
        stored_sizes: Sequence[int],
        sums: Sequence[bytes],
        writers: str,
        signature: bytes | None = None,
    ) -> None:
        self.encoded = encoded
        self.serializer = serializer
        self.python = python
        self._algorithm = algorithm
        self.raw_sizes = raw_sizes
        self.stored_sizes = stored_sizes
        self.sums = sums
        self.writers = writers
        self.signature = signature

    @classmethod
    def describe(cls, serializer: Serializer, raw: Sequence[Bytes], stored: Sequence[Bytes], writers: str) -> Header:
        """Return the header of these parts: as they are, and as they will be stored."""
        sums = tuple(map(_xxh3, raw))
        python = sys.version_info.minor
        raw_sizes = tuple(map(len, raw))
        stored_sizes = raw_sizes if stored is raw else tuple(map(len, stored))
        sections = b""
        if len(raw) > 1:
            sections += _section(_BUFFERS, b"".join(map(_entry, raw_sizes[1:], sums[1:])))
        if stored_sizes != raw_sizes:
            sections += _section(_COMPRESSED, b"".join(map(_SIZE.pack, stored_sizes)))
        if writers:
            sections += _section(_WRITERS, writers.encode())
        size = _FIXED.size + 8 + len(sections) + _SUM.size
        fixed = _FIXED.pack(MAGIC, MAJOR, MINOR, serializer, python, _XXH3, 0, 0, size, raw_sizes[0])
        body = fixed + sums[0] + sections
        return cls(body + _xxh3(body), serializer, python, _XXH3, raw_sizes, stored_sizes, sums, writers)

    def covered(self) -> bytes:
        """Return what of a signed header its signature covers: all up to the signature's section."""
        return self.encoded[: len(self.encoded) - _SUM.size - _SECTION.size - len(self.signature or b"")]

    def signed(self, raw: Sequence[Bytes], sign: Callable[[bytes], bytes], size: int) -> Header:
        """Return the same header with SHA-256 for its checksums and a signature as its last section.

        Args:
            raw: The parts before compression.
            sign: Returns the signature of what it covers of the header.
            size: Bytes of a signature.
        """
        sums = [_sha256(part) for part in raw]
        sections = self._tables(sums)
        whole = _FIXED.size + len(sums[0]) + len(sections) + _SECTION.size + size + _SUM.size
        fixed = _FIXED.pack(MAGIC, MAJOR, MINOR, self.serializer, self.python, _SHA256, 0, 0, whole, self.raw_sizes[0])
        covered = fixed + sums[0] + sections
        signature = sign(covered)
        body = covered + _section(_SIGNATURE, signature)
        sizes = self.raw_sizes, self.stored_sizes
        return Header(body + _xxh3(body), self.serializer, self.python, _SHA256, *sizes, sums, self.writers, signature)

    def _tables(self, sums: Sequence[bytes]) -> bytes:
        """Return the sections of sizes, checksums and writers."""
        sections = b""
        if len(sums) > 1:
            sections += _section(_BUFFERS, b"".join(map(_entry, self.raw_sizes[1:], sums[1:])))
        if list(self.stored_sizes) != list(self.raw_sizes):
            sections += _section(_COMPRESSED, b"".join(map(_SIZE.pack, self.stored_sizes)))
        return sections + _section(_WRITERS, self.writers.encode()) if self.writers else sections

    @classmethod
    def parse(cls, data: Bytes, place: str) -> Header:
        """Read the header at the start of ``data``, which may go on after it.

        Raises:
            DamagedError: It is truncated, flipped or not an envelope.
            UnreadableError: It is whole, and of a later format.
        """
        if len(data) < _FIXED.size:
            raise damaged(place, f"only {len(data)} bytes are left")
        magic, major, _, serializer, python, algorithm, _, _, size, stream = _FIXED.unpack_from(data)
        if magic != MAGIC:
            raise damaged(place, "it does not start as an envelope does")
        if not _FIXED.size + _SUM.size <= size <= len(data):
            raise damaged(place, f"its header has {size} bytes, and {len(data)} are left")
        encoded, end = bytes(data[:size]), size - 8
        body = encoded[:end]
        if _xxh3(body) != encoded[end:]:
            raise damaged(place, "the checksum of its header differs")
        if major != MAJOR or serializer not in _SERIALIZERS or algorithm not in _ALGORITHMS:
            raise UnreadableError(
                f"{place} has envelope format {major} (serializer {serializer}, checksum {algorithm}), and this "
                f"version reads format {MAJOR}: upgrade fleche to read it; it counts as a miss here",
                place=place,
            )
        width = _ALGORITHMS[algorithm][0]
        start = _FIXED.size + width
        raw_sizes, sums, stored_sizes, writers = [stream], [body[_FIXED.size : start]], [stream], ""
        signature = None
        if start != end:
            sections = _sections(body, start, place)
            table = sections.get(_BUFFERS, b"")
            for at in range(0, len(table), _SIZE.size + width):
                raw_sizes += _SIZE.unpack_from(table, at)
                sums.append(table[at + _SIZE.size : at + _SIZE.size + width])
            packed = sections.get(_COMPRESSED)
            stored_sizes = raw_sizes if packed is None else [s for (s,) in _SIZE.iter_unpack(packed)]
            writers = sections.get(_WRITERS, b"").decode("utf-8", "replace")
            signature = sections.get(_SIGNATURE)
            if len(stored_sizes) != len(raw_sizes):
                raise damaged(place, "its tables of sizes disagree")
        known = _SERIALIZERS[serializer]
        return cls(encoded, known, python, algorithm, raw_sizes, stored_sizes, sums, writers, signature)

    @property
    def parts(self) -> int:
        """How many parts there are, the stream included."""
        return len(self.raw_sizes)

    @property
    def size(self) -> int:
        """The whole envelope in bytes."""
        if len(self.stored_sizes) == 1:
            return len(self.encoded) + self.stored_sizes[0]
        return self.spans()[-1][1]

    def spans(self) -> list[tuple[int, int]]:
        """Return where each part starts and stops: the stream after the header, each buffer at a multiple of 64."""
        end = len(self.encoded) + self.stored_sizes[0]
        found = [(len(self.encoded), end)]
        for size in self.stored_sizes[1:]:
            start = -(-end // ALIGNMENT) * ALIGNMENT
            end = start + size
            found.append((start, end))
        return found

    def verify(self, index: int, part: Bytes, place: str) -> None:
        """Compare a part, decompressed, with its checksum.

        Raises:
            DamagedError: They differ.
        """
        if len(part) != self.raw_sizes[index] or _ALGORITHMS[self._algorithm][1](part) != self.sums[index]:
            raise damaged(place, f"the checksum of its {f'buffer {index}' if index else 'pickle stream'} differs")

    def representation(self, raw: Callable[[], Sequence[Bytes]]) -> bytes:
        """Return what the envelope's checksum is taken of; ``raw`` gives the parts where their xxh3 is not at hand."""
        sums = self.sums if self._algorithm == _XXH3 else [_xxh3(part) for part in raw()]
        python = self.python if self.serializer is Serializer.CLOUDPICKLE else 0
        return bytes((self.serializer, python)) + b"".join(map(_entry, self.raw_sizes, sums))


def _entry(size: int, checksum: bytes) -> bytes:
    return _SIZE.pack(size) + checksum


def _section(tag: int, content: bytes) -> bytes:
    return _SECTION.pack(tag, len(content)) + content


def _sections(body: bytes, start: int, place: str) -> dict[int, bytes]:
    found: dict[int, Any] = {}
    while start < len(body):
        if start + _SECTION.size > len(body):
            raise damaged(place, "a section of its header is cut short")
        tag, length = _SECTION.unpack_from(body, start)
        start += _SECTION.size
        if start + length > len(body):
            raise damaged(place, "a section of its header is cut short")
        found[tag] = body[start : start + length]
        start += length
    return found
