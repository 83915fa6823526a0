"""What a value is: its canonical encoding, and the digest of that."""

from fleche.digest.text import Digest
from fleche.digest.walk import digest

__all__ = ["Digest", "digest"]
