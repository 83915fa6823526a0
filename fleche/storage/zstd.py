"""Compression of the parts of an envelope; ``zstandard`` is imported when it is needed."""

from __future__ import annotations

from collections.abc import Sequence

from fleche.errors import ConfigError, UnreadableError

__all__ = ["GAIN", "SMALL", "expanded", "shrunk"]

SMALL = 256  # bytes; below, compressing takes 30 us and expanding as long, for at most 70 bytes [measured]
GAIN = 32  # bytes; less would go into the table of sizes


def shrunk(parts: Sequence[bytes | memoryview]) -> list[bytes | memoryview]:
    """Return each part compressed if it gets smaller by that, and that is worth it, else as it is.

    Raises:
        ConfigError: ``zstandard`` is not installed.
    """
    try:
        import zstandard
    except ImportError as error:
        raise ConfigError("compressing values needs zstandard: pip install 'fleche[zstd]'") from error
    compressor = zstandard.ZstdCompressor()
    found: list[bytes | memoryview] = []
    for part in parts:
        packed = part if len(part) < SMALL else compressor.compress(part)
        found.append(packed if len(packed) <= len(part) - GAIN else part)
    return found


def expanded(part: bytes | bytearray | memoryview, size: int, place: str) -> bytes:
    """Return a compressed part as it was.

    Args:
        part: The compressed bytes.
        size: How many bytes they stand for.
        place: Where they came from, for messages.

    Raises:
        ValueError: The bytes are not a whole zstd frame of that size.
        UnreadableError: ``zstandard`` is not installed.
    """
    try:
        import zstandard
    except ImportError as error:
        raise UnreadableError(f"{place} is compressed: pip install 'fleche[zstd]' to read it", place=place) from error
    try:
        if zstandard.frame_content_size(part) != size:
            raise ValueError(f"its frame does not hold {size} bytes")
        whole: bytes = zstandard.ZstdDecompressor().decompress(part, max_output_size=size)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    return whole
