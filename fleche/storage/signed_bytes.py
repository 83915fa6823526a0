"""`SignedBytes`: bytes with their signature behind them, as version 0 wrote its pickles."""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence

from fleche.errors import SignatureError
from fleche.storage.signing import VARIABLE, read_keys

__all__ = ["SIZE", "SignedBytes", "read_environment"]

SIZE = 64
"""Bytes of a signature: HMAC-SHA256 as hexadecimal text."""


class SignedBytes:
    """Signs bytes and verifies them; several keys let keys be rotated.

    What fleche stores itself is signed in its envelopes, by `fleche.storage.signing`, where a signature holds for one
    address only. This is for code that signs bytes of its own.

    Args:
        keys: The first signs, any of them verifies. Without keys nothing is signed and nothing verified.

    >>> signer = SignedBytes([b"a key of thirty-two bytes or more"])
    >>> signer.loads(signer.dumps(b"content"))
    b'content'
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self.keys = list(keys)

    def dumps(self, content: bytes) -> bytes:
        """Return bytes with the signature of the first key behind them; unchanged where there are no keys."""
        return content + _signature(content, self.keys[0]) if self.keys else content

    def loads(self, content: bytes) -> bytes:
        """Return bytes without the signature behind them; unchanged where there are no keys.

        Raises:
            SignatureError: None of the keys signed them.
        """
        if not self.keys:
            return content
        data, signature = content[:-SIZE], content[-SIZE:]
        if not any(hmac.compare_digest(_signature(data, key), signature) for key in self.keys):
            raise SignatureError(
                f"these {len(content)} bytes are not signed by one of {len(self.keys)} keys: they were changed, or "
                "written without a key or with another one. Do not load them; add the key that signed them, or write "
                "them again."
            )
        return data

    def __repr__(self) -> str:
        return f"<SignedBytes of {len(self.keys)} keys>"


def read_environment() -> list[bytes]:
    """Return the keys of ``FLECHE_SECRET_KEY``; none if it is not set.

    Raises:
        ValueError: It holds no keys in hexadecimal.
    """
    return read_keys(os.environ.get(VARIABLE, ""))


def _signature(content: bytes, key: bytes) -> bytes:
    return hmac.new(key, content, "sha256").hexdigest().encode()
