"""What a value is: its canonical encoding, and the digest of that."""

from fleche.digest import code
from fleche.digest.text import Digest
from fleche.digest.walk import DEFAULT, digest

__all__ = ["Digest", "digest"]

# Code is read by `code`, which digests values: each needs the other, and they meet here.
DEFAULT.identity.value_fingerprint = code.fingerprint
DEFAULT.identity.class_fingerprint = lambda cls: code.fingerprint(cls).raw
