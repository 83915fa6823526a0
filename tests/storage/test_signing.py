"""Signatures: what others could have written is told from what one of our keys signed."""

from __future__ import annotations

import pickle
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from fleche.digest import digest
from fleche.errors import ConfigError, DamagedError
from fleche.storage.envelope import Envelope
from fleche.storage.loader import TRUSTED
from fleche.storage.signing import Keyring, read_keys

OLD, NEW = (Keyring([letter * 32]) for letter in (b"o", b"n"))
BOTH = Keyring([b"n" * 32, b"o" * 32])


class Model:
    """No type of the safe list."""

    def __init__(self, weights: Any) -> None:
        self.weights = weights


def test_keys_are_read_from_text_and_bytes() -> None:
    """Hexadecimal text with colons, bytes as they are, lists of both; anything else is refused."""
    assert read_keys("00ff:0102") == read_keys(["00ff", b"\x01\x02"]) == [b"\x00\xff", b"\x01\x02"]
    assert read_keys("") == read_keys([]) == []
    with pytest.raises(ValueError, match="token_hex"):
        read_keys("not hex")
    for wrong in (5, [5], None):
        with pytest.raises(TypeError):
            read_keys(wrong)  # type: ignore[arg-type]


def test_a_short_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name of the variable, and without the key."""
    with pytest.raises(ConfigError, match="16 bytes"):
        Keyring([b"short"])
    monkeypatch.setenv("FLECHE_SECRET_KEY", "zz-secret")
    with pytest.raises(ConfigError, match="FLECHE_SECRET_KEY") as caught:
        Keyring.from_environment()
    assert "zz-secret" not in str(caught.value)


def test_secret_keys_are_neither_shown_nor_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyring is pickled as the ids of its keys; the other process takes the keys from its own environment."""
    assert b"n" * 32 not in pickle.dumps(BOTH)
    assert "nnnn" not in repr(BOTH)
    assert not pickle.loads(pickle.dumps(BOTH))
    monkeypatch.setenv("FLECHE_SECRET_KEY", (b"o" * 32).hex() + ":" + (b"n" * 32).hex())
    assert pickle.loads(pickle.dumps(BOTH)) == BOTH


@pytest.mark.parametrize("compress", [False, True])
def test_a_signature_binds_content_and_digest(compress: bool) -> None:
    """Signed by any key of the ring for this digest: every other key, digest or byte is told apart; the form stays."""
    value = [Model(np.arange(3000.0)), "x" * 5000]
    packed = Envelope.pack(value, compress=compress)
    key, other = digest("one"), digest("other")
    data = packed.signed(OLD, key).to_bytes()
    read = Envelope.parse(data, place="here")
    assert read.form == packed.form
    assert read.is_signed(OLD, key)
    assert read.is_signed(BOTH, key)
    assert not read.is_signed(BOTH, other)
    assert not read.is_signed(NEW, key)
    assert not packed.is_signed(OLD, key)
    assert np.array_equal(read.load(TRUSTED, verify=True)[0].weights, value[0].weights)
    for place in range(0, len(data), max(1, len(data) // 199)):
        changed = bytearray(data)
        changed[place] ^= 1
        try:
            other_read = Envelope.parse(changed, place="here")
        except DamagedError:
            continue
        assert not other_read.is_signed(OLD, key) or other_read.to_bytes() == data or place in _padding(read)


def _padding(envelope: Envelope) -> set[int]:
    spans = envelope._header.spans()
    return {i for (_, end), (start, _) in pairwise(spans) for i in range(end, start)}
