"""`fleche.security`: keys, and bytes with a signature behind them."""

from __future__ import annotations

import hashlib
import hmac
import pickle
import secrets

import pytest

from fleche.errors import FlecheError
from fleche.security import SignatureError, SignedBytes, get_secret_key, normalize_secret_key

pytestmark = pytest.mark.portable

KEY, OTHER = b"k" * 32, b"o" * 32


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        (b"raw", [b"raw"]),
        ("0aff", [b"\x0a\xff"]),
        ("0aff:01", [b"\x0a\xff", b"\x01"]),
        ([b"a", b"b"], [b"a", b"b"]),
        (["0a:0b", "0c"], [b"\x0a", b"\x0b", b"\x0c"]),
        ([b"a", "0c"], [b"a", b"\x0c"]),
        ([], []),
    ],
)
def test_keys_are_given_in_many_ways(given, keys):
    """Bytes as they are, text as hexadecimal with colons between keys, and lists of both."""
    assert normalize_secret_key(given) == keys


@pytest.mark.parametrize("given", [7, None, [7], [None]])
def test_what_is_no_key_is_a_type_error(given):
    """Neither bytes nor text."""
    with pytest.raises(TypeError):
        normalize_secret_key(given)


@pytest.mark.parametrize("given", ["xyz", ["00", "zz"], "0"])
def test_text_that_is_not_hexadecimal_is_a_value_error(given):
    """It says how to make a key."""
    with pytest.raises(ValueError, match="secrets"):
        normalize_secret_key(given)


def test_keys_come_from_the_environment(monkeypatch):
    """``FLECHE_SECRET_KEY``, several with colons between; none where it is not set."""
    assert get_secret_key() == []
    text = secrets.token_hex(32)
    monkeypatch.setenv("FLECHE_SECRET_KEY", f"{text}:00ff")
    assert get_secret_key() == [bytes.fromhex(text), b"\x00\xff"] == normalize_secret_key(f"{text}:00ff")
    monkeypatch.setenv("FLECHE_SECRET_KEY", "not hex")
    with pytest.raises(ValueError):
        get_secret_key()


def test_signed_bytes_come_back_without_the_signature():
    """It is the HMAC-SHA256 in hexadecimal, behind the content."""
    content = pickle.dumps({"a": 1})
    signed = SignedBytes([KEY]).dumps(content)
    assert signed == content + hmac.new(KEY, content, hashlib.sha256).hexdigest().encode()
    assert SignedBytes([KEY]).loads(signed) == content
    assert pickle.loads(signed) == {"a": 1}  # what reads a pickle only does not see the signature


def test_without_keys_nothing_is_signed_or_verified():
    """Content goes through as it is."""
    assert SignedBytes([]).dumps(b"x") == SignedBytes([]).loads(b"x") == b"x"


@pytest.mark.parametrize("change", [b"", b"short", b"y" + b"0" * 64])
def test_what_nobody_signed_is_refused(change):
    """Unsigned, too short, or with another signature."""
    with pytest.raises(SignatureError, match="not signed"):
        SignedBytes([KEY]).loads(change)


def test_any_changed_byte_is_noticed():
    """In the content or in the signature."""
    signer = SignedBytes([KEY])
    signed = signer.dumps(b"content")
    for place in range(len(signed)):
        damaged = bytearray(signed)
        damaged[place] ^= 1
        with pytest.raises(SignatureError):
            signer.loads(bytes(damaged))


def test_keys_can_be_rotated():
    """The first key signs, all verify; a key that was dropped does not."""
    old = SignedBytes([KEY]).dumps(b"content")
    both = SignedBytes([OTHER, KEY])
    assert both.loads(old) == b"content"
    new = both.dumps(b"content")
    assert SignedBytes([OTHER]).loads(new) == b"content"
    with pytest.raises(SignatureError):
        SignedBytes([OTHER]).loads(old)


def test_keys_are_not_shown():
    """Neither by the object nor by its errors."""
    signer = SignedBytes([KEY])
    with pytest.raises(SignatureError) as refused:
        signer.loads(b"x")
    assert "kkk" not in repr(signer) + str(refused.value)
    assert isinstance(refused.value, FlecheError)
