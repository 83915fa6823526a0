"""Code as a value: the fingerprint of a function and of all that it reaches by name."""

from fleche.digest.code.identity import always_fingerprinted, function_identity
from fleche.digest.code.tree import CodeTree
from fleche.digest.code.watch import CodeWatch, fingerprint

__all__ = ["CodeTree", "CodeWatch", "always_fingerprinted", "fingerprint", "function_identity"]
