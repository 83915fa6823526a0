"""What a value is: its canonical encoding, and the digest of that."""

from typing import TYPE_CHECKING

from fleche.digest.algorithm import chosen
from fleche.digest.code.watch import class_fingerprint, fingerprint
from fleche.digest.ordered import ordered
from fleche.digest.text import Digest
from fleche.digest.walk import DEFAULT, D, digest, register_digest
from fleche.errors import Indigestible

if TYPE_CHECKING:
    DIGEST_LENGTH: int

__all__ = ["DIGEST_LENGTH", "D", "Digest", "Indigestible", "digest", "ordered", "register_digest"]

# Code is read by `code`, which digests values: each needs the other, and they meet here.
DEFAULT.identity.class_fingerprint = class_fingerprint
DEFAULT.identity.value_fingerprint = fingerprint


def __getattr__(name: str) -> int:
    if name == "DIGEST_LENGTH":  # asking for it chooses the algorithm of this process
        return chosen().length
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
