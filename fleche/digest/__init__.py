"""What a value is: its canonical encoding, and the digest of that."""

from fleche.digest.text import Digest

__all__ = ["Digest"]
