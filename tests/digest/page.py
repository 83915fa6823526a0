"""The core of ``docs/formats/digest.md`` once more, written from the page and sharing no code with fleche."""

from __future__ import annotations

import struct
from typing import Any

import xxhash

NODE_TAGS = {list: 0x80, tuple: 0x81, dict: 0x82, set: 0x83, frozenset: 0x84}


def digest(value: Any) -> str:
    return xxhash.xxh3_128_hexdigest(encoding(value))


def encoding(value: Any) -> bytes:
    kind = type(value)
    if kind in (list, tuple):
        return bytes([NODE_TAGS[kind]]) + sequence(list(value))
    if kind in (set, frozenset):
        return bytes([NODE_TAGS[kind]]) + sequence(sorted(value, key=sort_key))
    if kind is dict:
        keys = sorted(value, key=lambda key: (sort_key(key), sort_key(value[key])))
        return bytes([0x82]) + sequence(keys) + sequence([value[key] for key in keys])
    if value is None:
        return b"\x01"
    if kind is bool:
        return b"\x03" if value else b"\x02"
    if kind is int and -(2**63) <= value < 2**63:
        return b"\x04" + struct.pack(">Q", value + 2**63)
    if kind is int:
        return sized(0x22, value.to_bytes(abs(value).bit_length() // 8 + 1, "big", signed=True))
    if kind is float:
        return b"\x05" + double(value)
    if kind is complex:
        return b"\x06" + double(value.real) + double(value.imag)
    if kind is str:
        return sized(0x20, value.encode("utf-8", "surrogatepass"))
    if kind is bytes:
        return sized(0x21, value)
    raise NotImplementedError(kind)


def frame(value: Any) -> bytes:
    return b"\x09" + bytes.fromhex(digest(value)) if type(value) in NODE_TAGS else encoding(value)


def sort_key(value: Any) -> tuple[int, bytes]:
    encoded = frame(value)
    return encoded[0], encoded[9:] if 0x20 <= encoded[0] < 0x80 else encoded[1:]


def sized(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + struct.pack("<Q", len(content)) + content


def double(value: float) -> bytes:
    return bytes.fromhex("000000000000f87f") if value != value else struct.pack("<d", value)


def sequence(values: list[Any]) -> bytes:
    kinds = {type(value) for value in values}
    count = struct.pack("<Q", len(values))
    if kinds == {bool}:
        return b"\x02" + count + b"".join(b"\x01" if value else b"\x00" for value in values)
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in values):
        return b"\x04" + count + b"".join(struct.pack("<q", value) for value in values)
    if kinds == {float}:
        return b"\x05" + count + b"".join(map(double, values))
    if kinds == {str}:
        lengths = b"".join(struct.pack("<Q", len(value)) for value in values)
        return b"\x20" + count + lengths + b"".join(value.encode("utf-8", "surrogatepass") for value in values)
    if kinds == {bytes}:
        return b"\x21" + count + b"".join(struct.pack("<Q", len(value)) for value in values) + b"".join(values)
    return b"\x00" + count + b"".join(map(frame, values))
