"""The envelope: how a value is kept in files, blobs and objects. ``docs/formats/envelope.md`` is its specification.

A header of 40 bytes and more, a pickle stream (protocol 5), and the stream's big buffers, each at a multiple of 64.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from fleche.digest import Digest
from fleche.digest.algorithm import chosen
from fleche.errors import UnreadableError, UntrustedError
from fleche.storage.header import ALIGNMENT, Header, damaged
from fleche.storage.loader import Buffer, Loader, PartsLoader
from fleche.storage.pickling import Pickled, Serializer, dump
from fleche.storage.sources import FileSource, MemorySource, Source
from fleche.storage.whole import write_whole
from fleche.storage.zstd import shrunk

if TYPE_CHECKING:
    from fleche.storage.signing import Keyring

__all__ = ["Envelope", "named"]

_PADDING = bytes(ALIGNMENT)


class Envelope:
    """A value in its stored form: packed from a value, or read from bytes or a file.

    Reading verifies: what is truncated, flipped or foreign raises here, and nothing is unpickled until `load`. An
    envelope is immutable and may be used by many threads; a packed one refers to the value's own buffers, so write or
    `seal` it before the value may change.

    >>> from fleche.storage.loader import TRUSTED
    >>> stored = Envelope.pack([1, 2.5]).to_bytes()
    >>> Envelope.parse(stored, place="here").load(TRUSTED)
    [1, 2.5]
    """

    __slots__ = ("_checksum", "_header", "_source", "_stream", "children", "place")

    place: str
    """Where it came from, for messages."""

    children: tuple[tuple[Digest, Envelope], ...]
    """Of an envelope that was just packed: the parts that it names, by digest, to be stored before it."""

    def __init__(
        self,
        header: Header,
        stream: bytes,
        source: Source,
        place: str,
        children: tuple[tuple[Digest, Envelope], ...] = (),
    ) -> None:
        self._header = header
        self._stream = stream
        self._source = source
        self.place = place
        self.children = children
        self._checksum: str | None = None

    @classmethod
    def pack(cls, value: Any, *, compress: bool = False) -> Envelope:
        """Pickle a value; big buffers are referred to, not copied.

        Args:
            value: Anything that ``pickle`` or ``cloudpickle`` takes. Instances of classes of ``__main__`` are pickled
                by reference: another process must have that class in its own ``__main__``.
            compress: Whether to compress, with zstd, each part that shrinks by it.

        Raises:
            SaveError: The value cannot be pickled.
            ConfigError: ``compress`` needs the extra ``fleche[zstd]``, which is not installed.
        """
        return cls.of_pickle(value, dump(value), compress=compress)

    @classmethod
    def of_pickle(
        cls, value: Any, pickled: Pickled, *, compress: bool, children: tuple[tuple[Digest, Envelope], ...] = ()
    ) -> Envelope:
        """Return the envelope of a value that is pickled already; see `pack`."""
        serializer, stream, buffers = pickled
        raw: tuple[bytes | memoryview, ...] = (stream, *buffers)
        stored = shrunk(raw) if compress else raw
        header = Header.describe(serializer, raw, stored, _writers(value, bool(buffers)))
        return cls(header, stream, MemorySource(stored, header, "memory"), "memory", children)

    @classmethod
    def parse(cls, data: bytes | bytearray | memoryview, *, place: str) -> Envelope:
        """Read an envelope from bytes, which it refers to and which must not change; everything is verified.

        Args:
            data: The whole envelope and nothing else.
            place: Where the bytes came from, for messages.

        Raises:
            DamagedError: The bytes are not what was written.
            UnreadableError: They are, but of a later format, or compressed and ``zstandard`` is missing.
        """
        header = Header.parse(data, place)
        if header.size != len(data):
            raise damaged(place, f"it has {len(data)} bytes, its header says {header.size}")
        view = memoryview(data)
        source = MemorySource([view[start:stop] for start, stop in header.spans()], header, place)
        stream = source.stream()
        source.verify()
        return cls(header, stream, source, place)

    @classmethod
    def open(cls, path: Path | str, *, mapped: bool, verify_buffers: bool) -> Envelope:
        """Read an envelope from a file; the header and the stream are verified.

        The file is kept under its name until the value is loaded.

        Args:
            path: The file, never to be changed in place.
            mapped: Whether big buffers are mapped copy-on-write instead of being read: writing to the loaded value
                changes neither the file nor any other value, and the mapping lives as long as the value does.
            verify_buffers: Whether the checksums of the buffers are verified too.

        Raises:
            FileNotFoundError: There is no such file.
            OSError: It cannot be read.
            DamagedError: The bytes are not what was written.
            UnreadableError: They are, but of a later format, or compressed and ``zstandard`` is missing.
        """
        place = str(path)
        source, header = FileSource.open(Path(path), mapped=mapped)
        stream = source.stream()
        if verify_buffers:
            source.verify()
        return cls(header, stream, source, place)

    @classmethod
    def peek(cls, path: Path | str, *, mapped: bool, limit: int) -> Envelope | None:
        """Read an envelope from a file to look at it, if little must be read; its buffers are not verified.

        Args:
            path: The file.
            mapped: Whether big buffers are mapped: those are not read, and do not count.
            limit: Bytes that may be read, and that compressed parts may come to.

        Returns:
            None where more would be read.

        Raises:
            OSError: It cannot be read.
            DamagedError: Its header or stream is not what was written.
        """
        header = FileSource.head(Path(path))
        is_packed = header.raw_sizes != header.stored_sizes
        counted = header.raw_sizes if is_packed or not mapped else header.raw_sizes[:1]
        if sum(counted) > limit:
            return None
        return cls.open(path, mapped=mapped, verify_buffers=False)

    def signed(self, keys: Keyring, address: Digest) -> Envelope:
        """Return the same envelope signed for a digest by the first of the keys; the buffers are not copied.

        The checksum, and so the form, stay as they are.
        """
        sign = partial(_signature, keys, address, self._stream)
        header = self._header.signed(self._raw_parts(), sign, keys.size)
        source = MemorySource(self._source.stored(), header, self.place)
        return Envelope(header, self._stream, source, self.place, self.children)

    def is_signed(self, keys: Keyring, address: Digest) -> bool:
        """Whether one of the keys signed this envelope for a digest. `load` must then verify the buffers."""
        signature = self._header.signature
        if signature is None:
            return False
        return keys.verifies(_pieces(address, self._header.covered(), self._stream), signature)

    def load(self, loader: Loader, *, verify: bool = False, part: Callable[[Any], Any] | None = None) -> Any:
        """Return the value: a new one at each call, the caller's to change.

        Args:
            loader: Which types are built; see `fleche.storage.loader`.
            verify: Whether the checksums of the very buffers that the value gets are verified.
            part: Returns a part that the stream names.

        Raises:
            UntrustedError: The loader does not build a type that the stream asks for.
            UnreadableError: The bytes are as they were written, but not for this process: a class has moved, a package
                is missing, or ``cloudpickle`` of another minor version of Python wrote them. The cause is chained.
            DamagedError: The file is gone or was replaced since it was opened.
        """
        header = self._header
        if header.serializer == Serializer.CLOUDPICKLE and header.python != sys.version_info.minor:
            raise UnreadableError(
                f"{self.place} was pickled by value under Python 3.{header.python}, which 3.{sys.version_info.minor} "
                f"cannot read; it counts as a miss here",
                place=self.place,
            )
        buffers: Sequence[bytearray | memoryview] = self._source.fresh() if header.parts > 1 else ()
        for index, buffer in enumerate(buffers if verify else (), start=1):
            header.verify(index, buffer, self.place)
        try:
            return self._build(loader, buffers, part)
        except UntrustedError as error:
            error.place = self.place
            raise
        except Exception as error:
            written = f" It was written with {header.writers}." if header.writers else ""
            raise UnreadableError(
                f"the value in {self.place} is whole, but cannot be built here: {type(error).__name__}: {error}."
                f"{written} Counts as a miss. Can its module be imported here (`python -m fleche` finds those of the "
                f"working directory)? If a class was moved or renamed, keep the old name as an alias.",
                place=self.place,
            ) from error

    def mentions(self, text: bytes) -> bool:
        """Whether some bytes occur in the pickle stream: a cheap look at what types a value may hold."""
        return text in self._stream

    def _build(self, loader: Loader, buffers: Sequence[Buffer], part: Callable[[Any], Any] | None) -> Any:
        if self._header.serializer is not Serializer.PARTS:
            return loader.load(self._stream, buffers, self._header.serializer)
        if part is None or not isinstance(loader, PartsLoader):
            raise TypeError("it is stored in parts, which only its store knows")
        return loader.load_parts(self._stream, buffers, part)

    @property
    def form(self) -> str:
        """Which representation of its value this is: the first 8 characters of `checksum`."""
        return self.checksum[:8]

    @property
    def checksum(self) -> str:
        """The checksum of the representation, 32 hexadecimal characters.

        It covers serializer, stream and buffers (and the Python that wrote it, where that matters), not compression,
        signature, writers or time.
        """
        if self._checksum is None:
            self._checksum = xxhash.xxh3_128_hexdigest(self._header.representation(self._raw_parts))
        return self._checksum

    @property
    def size(self) -> int:
        """The whole, in bytes."""
        return self._header.size

    @property
    def stream(self) -> bytes:
        """The pickle stream, verified."""
        return self._stream

    @property
    def total(self) -> int:
        """The whole and its `children`, in bytes."""
        return self.size + sum(child.total for _, child in self.children)

    @property
    def serializer(self) -> Serializer:
        """What wrote the stream."""
        return self._header.serializer

    def parts(self) -> list[bytes | memoryview]:
        """Return what to write, in order, without a copy of the buffers."""
        pieces: list[bytes | memoryview] = [self._header.encoded]
        end = len(self._header.encoded)
        for stored, (start, stop) in zip(self._source.stored(), self._header.spans(), strict=True):
            if start > end:
                pieces.append(_PADDING[: start - end])
            pieces.append(stored)
            end = stop
        return pieces

    def to_bytes(self) -> bytes:
        """Return the whole as one bytes object (a copy)."""
        return b"".join(self.parts())

    def seal(self) -> Envelope:
        """Return an envelope with its own copy of every buffer, which later changes of the value do not reach.

        Raises:
            DamagedError: A buffer was changed by another thread while it was packed.
        """
        if self._header.parts == 1 and not self.children:
            return self
        sealed = self if self._header.parts == 1 else Envelope.parse(self.to_bytes(), place=self.place)
        children = tuple((name, child.seal()) for name, child in self.children)
        return Envelope(sealed._header, sealed._stream, sealed._source, self.place, children)  # noqa: SLF001

    def alone(self) -> Envelope:
        """Return the same envelope without its `children`."""
        return Envelope(self._header, self._stream, self._source, self.place) if self.children else self

    def references(self) -> set[tuple[Digest, str]]:
        """Return digest and form of each part that the stream names; nothing is built."""
        if self._header.serializer is not Serializer.PARTS:
            return set()
        from pickletools import genops  # costs milliseconds, and only checks need it

        found: set[tuple[Digest, str]] = set()
        last = b""
        with suppress(ValueError):  # of what is no pickle
            for operation, argument, _ in genops(self._stream):
                if isinstance(argument, bytes):
                    last = argument
                elif operation.name == "BINPERSID" and last:
                    found.add(named(last))
                    last = b""
                elif operation.name != "MEMOIZE":
                    last = b""
        return found

    def write_to(self, path: Path | str, *, sync: bool) -> None:
        """Write the whole to a file, mode 0444, or nothing at all; a file of that name is replaced in one step.

        Args:
            path: Where; its folder must exist.
            sync: Whether the bytes are on the disk when this returns.

        Raises:
            OSError: It cannot be written; nothing is left behind.
        """
        write_whole(Path(path), self.parts(), sync=sync)

    def _raw_parts(self) -> Sequence[bytes | bytearray | memoryview]:
        return [self._stream, *self._source.fresh()]

    def __repr__(self) -> str:
        return f"<Envelope {self.form} of {self.size} bytes from {self.place}>"


def named(reference: bytes) -> tuple[Digest, str]:
    """Return digest and form of the part that a persistent id names: digest, form, and a number of any length."""
    size = chosen().length // 2
    return Digest.from_bytes(reference[:size]), reference[size : size + 4].hex()


def _signature(keys: Keyring, address: Digest, stream: bytes, covered: bytes) -> bytes:
    return keys.sign(_pieces(address, covered, stream))


def _pieces(address: Digest, covered: bytes, stream: bytes) -> list[bytes]:
    """Return what a signature is taken of."""
    return [f"fleche envelope\n{address}\n".encode(), covered, stream]


def _writers(value: Any, has_buffers: bool) -> str:
    root = type(value).__module__.partition(".")[0]
    if root == "builtins" and not has_buffers:
        return ""
    names = {root} if root not in sys.stdlib_module_names and root != "__main__" else set()
    if has_buffers:
        names.add("numpy")
    if not names:
        return ""
    found = {name: getattr(sys.modules.get(name), "__version__", None) for name in sorted({*names, "fleche"})}
    return " ".join(f"{name}={version}" for name, version in found.items() if isinstance(version, str))
