"""The frozen bytes of ``fleche/1``: tags, and how frames are built. ``docs/formats/digest.md`` is the specification.

A *frame* is the encoding of one element inside another value and says itself where it ends. Below `COUNTED` the tag
fixes the length; from there up to `NODES` eight bytes of length follow. From `NODES` on a tag begins a *node*, which is
never a frame: elsewhere only its digest appears, after `REF`. No tag is 0x66 (``f``): what begins with it is hashed
for another purpose.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

__all__ = ["Frame", "Inline", "back", "bits", "counted", "elements", "integer", "order", "reference", "text", "word"]

# Frames of a fixed length.
NONE = b"\x01"
FALSE = b"\x02"
TRUE = b"\x03"
INT = b"\x04"
FLOAT = b"\x05"
COMPLEX = b"\x06"
ELLIPSIS = b"\x07"
NOT_IMPLEMENTED = b"\x08"
REF = b"\x09"
BACK = b"\x0a"

# Frames with a length.
COUNTED = 0x20
STR = b"\x20"
BYTES = b"\x21"
BIG_INT = b"\x22"
DECIMAL = b"\x23"
FRACTION = b"\x24"
DATE = b"\x25"
TIME = b"\x26"
DATETIME = b"\x27"
TIMEDELTA = b"\x28"
TIMEZONE = b"\x29"
ZONE_INFO = b"\x2a"
UUID = b"\x2b"
PATH = b"\x2c"
ENUM = b"\x2d"
IP = b"\x2e"
PATTERN = b"\x2f"
RANGE = b"\x30"
SLICE = b"\x31"
MODULE = b"\x32"
GLOBAL = b"\x33"
CLASS = b"\x34"
NUMPY_SCALAR = b"\x35"
PANDAS_SCALAR = b"\x36"

# Nodes.
NODES = 0x80
LIST = b"\x80"
TUPLE = b"\x81"
DICT = b"\x82"
SET = b"\x83"
FROZENSET = b"\x84"
ORDERED_DICT = b"\x85"
DEFAULT_DICT = b"\x86"
COUNTER = b"\x87"
CHAIN_MAP = b"\x88"
DEQUE = b"\x89"
MAPPING_PROXY = b"\x8a"
NAMESPACE = b"\x8b"
NAMED_TUPLE = b"\x8c"
RECORD = b"\x8d"
SUBCLASS = b"\x8e"
OBJECT = b"\x8f"
CUSTOM = b"\x90"
PARTIAL = b"\x91"
METHOD = b"\x92"
BYTE_ARRAY = b"\x98"
MEMORY_VIEW = b"\x99"
ARRAY = b"\x9a"
DTYPE = b"\xa0"
ND_ARRAY = b"\xa1"
PANDAS = b"\xa8"
LIBRARY = b"\xa9"

# How a sequence is given.
ELEMENTS = b"\x00"
BOOL_RUN = b"\x02"
INT_RUN = INT
FLOAT_RUN = FLOAT
STR_RUN = STR
BYTES_RUN = BYTES

NAN = b"\x00\x00\x00\x00\x00\x00\xf8\x7f"

Frame = bytes

_double = struct.Struct("<d").pack
_offset = 1 << 63


class Inline:
    """An element that is already a frame."""

    __slots__ = ("frame",)

    def __init__(self, frame: Frame) -> None:
        self.frame = frame


def word(number: int) -> bytes:
    """Return an unsigned 64-bit word, little-endian."""
    return number.to_bytes(8, "little")


def text(value: str) -> bytes:
    """Return the length in bytes, then UTF-8; lone surrogates pass."""
    data = value.encode("utf-8", "surrogatepass")
    return len(data).to_bytes(8, "little") + data


def counted(tag: bytes, content: bytes) -> Frame:
    """Return a frame whose tag is at least `COUNTED`."""
    return tag + len(content).to_bytes(8, "little") + content


def integer(value: int) -> Frame:
    """Return the frame of an int. Content of 64-bit ints sorts as their numbers do."""
    try:
        return INT + (value + _offset).to_bytes(8, "big")
    except OverflowError:
        return counted(BIG_INT, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def bits(value: float) -> bytes:
    """Return the IEEE 754 double, little-endian; every NaN is the same one."""
    return _double(value) if value == value else NAN


def reference(raw: bytes) -> Frame:
    """Return the frame that stands for a node by its digest."""
    return REF + raw


def back(distance: int) -> Frame:
    """Return the frame that stands for an enclosing node: 1 is the node that holds this frame."""
    return BACK + distance.to_bytes(8, "little")


def elements(frames: Iterable[Frame], count: int) -> bytes:
    """Return a sequence given element by element."""
    return ELEMENTS + count.to_bytes(8, "little") + b"".join(frames)


def order(frame: Frame) -> bytes:
    """Return what the elements of a set or the keys of a dict are sorted by: tag, then content, without the length."""
    return frame if frame[0] < COUNTED else frame[:1] + frame[9:]
