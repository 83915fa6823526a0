"""`Origins`: which call gave this process a value, so that who takes it next is known to have it from there."""

from __future__ import annotations

from typing import Any

from fleche.digest import Digest

__all__ = ["Origins"]

_MOST = 4096  # values that are remembered; then all are forgotten, and the store is asked
_SCALARS = frozenset({type(None), bool, int, float, complex})  # what never makes an edge by its value


class Origins:
    """The calls that gave this process the values that it got last, by digest and by identity.

    No value is kept alive. An identity may have passed to another object since; it decides only between calls that
    returned equal values, so at worst it names another call of which the same is true.

    Thread-safe. Pickled it is empty.
    """

    def __init__(self) -> None:
        self._by_digest: dict[bytes, Digest] = {}
        self._by_identity: dict[int, tuple[bytes, Digest]] = {}

    def note(self, value: Any, digest: Digest | None, key: Digest) -> None:
        """Note that a call gave a value.

        Args:
            value: The value, as it was handed out.
            digest: Its digest.
            key: The key of the call.
        """
        if digest is None or type(value) in _SCALARS:
            return
        if len(self._by_identity) >= _MOST or len(self._by_digest) >= _MOST:
            self._by_identity.clear()
            self._by_digest.clear()
        raw = digest.raw
        self._by_digest[raw] = key
        self._by_identity[id(value)] = raw, key

    def note_part(self, raw: bytes, key: Digest) -> None:
        """Note that a call gave a value inside its result, unless a call is known that returned it."""
        if len(self._by_digest) < _MOST:
            self._by_digest.setdefault(raw, key)

    def of(self, raw: bytes, identity: int | None = None, *, but: Digest | None = None) -> Digest | None:
        """Return the key of the call that gave a value to this process, or None where that is not known.

        Args:
            raw: The value's digest.
            identity: Its ``id``, which decides between several calls that returned equal values.
            but: A key that is not meant.
        """
        exact = None if identity is None else self._by_identity.get(identity)
        if exact is not None and exact[0] == raw and exact[1] != but:
            return exact[1]
        key = self._by_digest.get(raw)
        return None if key == but else key

    def __reduce__(self) -> tuple[type[Origins], tuple[()]]:
        return Origins, ()
