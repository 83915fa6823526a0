"""The version of this package, as stores note it."""

__all__ = ["VERSION"]

VERSION = "0.1.0"
