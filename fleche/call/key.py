"""The lookup key of a call: one pure function of a record's own fields, used by every record class."""

from __future__ import annotations

from collections.abc import Mapping

from fleche.digest import Digest
from fleche.digest.algorithm import FORMAT, chosen

__all__ = ["call_prefix", "lookup_key"]

_DOMAIN = f"{FORMAT} call".encode() + b"\x00"  # no encoding of a value starts with these bytes


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return len(data).to_bytes(8, "little") + data


def _version(version: str | int | None) -> bytes:
    if version is None:
        return b"n"
    return (b"i" + _text(str(int(version)))) if isinstance(version, int) else (b"s" + _text(version))


def call_prefix(module: str, name: str, version: str | int | None, code: Digest | None) -> bytes:
    """Return the part of a call's encoding that its arguments do not change."""
    return b"".join((_DOMAIN, _text(module), _text(name), _version(version), b"n" if code is None else b"c" + code.raw))


def lookup_key(prefix: bytes, arguments: Mapping[str, Digest]) -> Digest:
    """Return the key of a call: the digest of its function's identity and its arguments, in order.

    The encoding is given in ``docs/formats/digest.md``, under "Calls".

    Args:
        prefix: What `call_prefix` returns for the function.
        arguments: The digest of each argument by name, in the order of the signature.
    """
    parts = [prefix, len(arguments).to_bytes(8, "little")]
    for name, digest in arguments.items():
        parts.append(_text(name))
        parts.append(digest.raw)
    return Digest.from_bytes(chosen().hash(b"".join(parts)))
