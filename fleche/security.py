"""Signed bytes and secret keys, where existing code imports them from."""

from fleche.errors import SignatureError
from fleche.storage.signed_bytes import SignedBytes
from fleche.storage.signed_bytes import read_environment as get_secret_key
from fleche.storage.signing import read_keys as normalize_secret_key

__all__ = ["SignatureError", "SignedBytes", "get_secret_key", "normalize_secret_key"]
