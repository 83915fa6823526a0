"""Signatures: HMAC-SHA256 with keys that may be rotated, so that what others could have written is told from ours."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Sequence
from typing import Any

from fleche.errors import ConfigError

__all__ = ["SCHEME", "VARIABLE", "Keyring", "read_keys"]

VARIABLE = "FLECHE_SECRET_KEY"
SCHEME = 2
"""HMAC-SHA256 over what the envelope page names, the address of the content first."""

_ID_SIZE = 8
_SIGNATURE_SIZE = 32

Keys = str | bytes | Sequence[str | bytes]


def read_keys(keys: Keys) -> list[bytes]:
    r"""Return secret keys as bytes.

    Args:
        keys: One key or several. Bytes are a key as they are; text is hexadecimal, with colons between several keys.

    Raises:
        TypeError: A key is something else.
        ValueError: Text is not hexadecimal.

    >>> read_keys("00ff:0102")
    [b'\x00\xff', b'\x01\x02']
    """
    if isinstance(keys, bytes):
        return [keys]
    if isinstance(keys, str):
        return [_of_text(part.strip()) for part in keys.split(":") if part.strip()]
    if not isinstance(keys, Sequence):
        raise TypeError(f"a secret key is text in hexadecimal, or bytes, not {type(keys).__qualname__}")
    return [key for each in keys for key in read_keys(_one(each))]


def _one(key: object) -> str | bytes:
    if not isinstance(key, str | bytes):
        raise TypeError(f"a secret key is text in hexadecimal, or bytes, not {type(key).__qualname__}")
    return key


def _of_text(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError(
            "a secret key is not hexadecimal text; make one with: "
            "python -c 'import secrets; print(secrets.token_hex(32))'"
        ) from None


class Keyring:
    """The secret keys of a store: the first signs, any of them verifies, so that keys can be rotated.

    To rotate, put the new key first and leave the old one behind it until nothing signed by it is needed; what is read
    stays trusted meanwhile. Never printed; when it is pickled only the ids of its keys are, and another process takes
    the keys from its own environment (``FLECHE_SECRET_KEY``).

    Args:
        keys: The keys, each of 16 bytes at least; better 32 random ones.

    Raises:
        ConfigError: A key is shorter.

    >>> ring = Keyring([b"an old key, or a new one" * 2])
    >>> signature = ring.sign([b"content"])
    >>> ring.verifies([b"content"], signature), ring.verifies([b"other"], signature)
    (True, False)
    """

    __slots__ = ("_keys", "ids")

    size = 2 + _ID_SIZE + _SIGNATURE_SIZE
    """Bytes of a whole signature: scheme, length of the key id, key id, HMAC."""

    def __init__(self, keys: Iterable[bytes] = ()) -> None:
        self._keys = tuple(keys)
        if any(len(key) < 16 for key in self._keys):
            raise ConfigError("a secret key has at least 16 bytes (32 hexadecimal characters); 32 random ones are good")
        self.ids = tuple(hashlib.sha256(b"fleche key id\x00" + key).digest()[:_ID_SIZE] for key in self._keys)

    @classmethod
    def from_environment(cls) -> Keyring:
        """Return the keys of ``FLECHE_SECRET_KEY``; none if it is not set.

        Raises:
            ConfigError: It holds no keys in hexadecimal, or one that is too short.
        """
        try:
            return cls(read_keys(os.environ.get(VARIABLE, "")))
        except ValueError as error:
            raise ConfigError(f"{VARIABLE}: {error}") from None

    def sign(self, pieces: Iterable[bytes | bytearray | memoryview]) -> bytes:
        """Return the signature of bytes, given in pieces, by the first key: scheme, key id, HMAC."""
        return bytes((SCHEME, _ID_SIZE)) + self.ids[0] + _code(self._keys[0], pieces)

    def verifies(self, pieces: Iterable[bytes | bytearray | memoryview], signature: bytes) -> bool:
        """Whether a signature of bytes, given in pieces, is by one of the keys."""
        if len(signature) != self.size or signature[:2] != bytes((SCHEME, _ID_SIZE)):
            return False
        name, code = signature[2 : 2 + _ID_SIZE], signature[2 + _ID_SIZE :]
        pieces = list(pieces)
        return any(
            hmac.compare_digest(_code(key, pieces), code)
            for key, known in zip(self._keys, self.ids, strict=True)
            if known == name
        )

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Keyring) and other.ids == self.ids

    def __hash__(self) -> int:
        return hash(self.ids)

    def __repr__(self) -> str:
        return f"<Keyring of {', '.join(name.hex() for name in self.ids) or 'no keys'}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _of_ids, (self.ids,)


def _of_ids(ids: tuple[bytes, ...]) -> Keyring:
    """Return a keyring of those keys that this process's own environment holds."""
    if not ids:
        return Keyring()
    known = Keyring.from_environment()
    by_id = dict(zip(known.ids, known._keys, strict=True))  # noqa: SLF001 - of the same class
    return Keyring(by_id[name] for name in ids if name in by_id)


def _code(key: bytes, pieces: Iterable[bytes | bytearray | memoryview]) -> bytes:
    made = hmac.new(key, digestmod="sha256")
    for piece in pieces:
        made.update(piece)
    return made.digest()
