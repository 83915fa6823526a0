"""Runs: sequences whose elements are all of one plain type, encoded by loops in C."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from fleche.digest import _format as f

__all__ = ["run"]

_SWAP = sys.byteorder == "big"
_NAN: float = struct.unpack("<d", f.NAN)[0]


def run(items: Sequence[Any]) -> bytes | None:
    """Return the encoding of a sequence as a run, or None if it is given element by element.

    A run is not empty, and all its elements are exactly ``bool``, exactly ``int`` in 64 bits, exactly ``float``,
    exactly ``str`` or exactly ``bytes``. The choice depends on the elements alone.

    Args:
        items: A list or tuple that nobody else changes.
    """
    if not items:
        return None
    encode = _RUNS.get(type(items[0]))
    if encode is None or type(items[-1]) is not type(items[0]) or len(set(map(type, items))) != 1:
        return None
    return encode(items)


def _words(words: array[Any]) -> bytes:
    if _SWAP:
        words.byteswap()
    return words.tobytes()


def _bools(items: Sequence[bool]) -> bytes:
    return b"".join((f.BOOL_RUN, f.word(len(items)), bytes(items)))


def _ints(items: Sequence[int]) -> bytes | None:
    try:
        words = array("q", items)
    except OverflowError:
        return None
    return b"".join((f.INT_RUN, f.word(len(items)), _words(words)))


def _floats(items: Sequence[float]) -> bytes:
    total = sum(items)
    if total != total:  # some element is NaN, or infinities of both signs met
        items = [item if item == item else _NAN for item in items]
    return b"".join((f.FLOAT_RUN, f.word(len(items)), _words(array("d", items))))


def _strs(items: Sequence[str]) -> bytes:
    lengths = _words(array("Q", list(map(len, items))))
    data = "".join(items).encode("utf-8", "surrogatepass")
    return b"".join((f.STR_RUN, f.word(len(items)), lengths, data))


def _bytes(items: Sequence[bytes]) -> bytes:
    lengths = _words(array("Q", list(map(len, items))))
    return b"".join((f.BYTES_RUN, f.word(len(items)), lengths, *items))


_RUNS: dict[type, Callable[[Any], bytes | None]] = {
    bool: _bools,
    int: _ints,
    float: _floats,
    str: _strs,
    bytes: _bytes,
}
