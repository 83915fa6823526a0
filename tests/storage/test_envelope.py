"""The envelope keeps a value, and notices every change to its bytes."""

from __future__ import annotations

import pytest

from fleche.errors import DamagedError
from fleche.storage.envelope import Envelope
from fleche.storage.loader import TRUSTED

pytestmark = pytest.mark.portable


@pytest.mark.parametrize("value", [None, 1, 2.5, "text", b"bytes", [1, {"a": (2, 3)}], {1, 2}, ...])
def test_a_value_comes_back(value):
    """What was packed is what is loaded, in type and value."""
    loaded = Envelope.parse(Envelope.pack(value).to_bytes(), place="here").load(TRUSTED)
    assert type(loaded) is type(value)
    assert loaded == value


def test_every_flipped_bit_is_noticed():
    """No single flipped bit passes."""
    stored = Envelope.pack({"a": 1.5}).to_bytes()
    for position in range(len(stored) * 8):
        flipped = bytearray(stored)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(DamagedError):
            Envelope.parse(flipped, place="here")
