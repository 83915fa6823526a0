"""`Digest`: the text of a content address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

__all__ = ["Digest"]


class Digest(str):
    """The content address of a value: lowercase hexadecimal text.

    It stands for its value wherever a call takes one, and a prefix of at least 4 characters stands for the whole
    wherever a key is taken. Construction lower-cases; it checks nothing, so that prefixes are digests too.

    >>> Digest("3F9A")
    Digest('3f9a')
    """

    __slots__ = ()

    _default_cache: ClassVar[Callable[[], Any] | None] = None

    def __new__(cls, text: str = "") -> Self:
        """Return text as a digest, in lower case."""
        return super().__new__(cls, text.lower())

    @classmethod
    def from_bytes(cls, raw: bytes) -> Digest:
        """Return the digest of raw bytes, as a store keeps them."""
        return str.__new__(cls, raw.hex())

    @property
    def raw(self) -> bytes:
        """The digest as bytes, as a store keeps it. A prefix of odd length raises ``ValueError``."""
        return bytes.fromhex(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str.__repr__(self)})"

    def expand(self) -> Digest:
        """Return the full digest of this prefix, from the active cache.

        Raises:
            KeyError: Nothing there starts with this prefix, or it is shorter than 4 characters.
            AmbiguousDigestError: More than one key starts with it.
        """
        expanded: Digest = self._cache().expand(self)
        return expanded

    def shrink(self) -> Digest:
        """Return the shortest prefix, at least 4 characters, that names this digest alone in the active cache today.

        Raises:
            KeyError: The active cache does not hold this digest.
        """
        shrunk: Digest = self._cache().shrink(self)
        return shrunk

    @classmethod
    def set_default_cache(cls, source: Callable[[], Any]) -> None:
        """Set where the active cache is asked for; done once, when fleche is imported."""
        Digest._default_cache = staticmethod(source)

    def _cache(self) -> Any:
        source = Digest._default_cache
        if source is None:
            raise RuntimeError("import fleche, so that a digest knows the active cache")
        return source()
