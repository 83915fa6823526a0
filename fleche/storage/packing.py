"""How a store packs values: what is done to them between the caller and the bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fleche.storage.envelope import Envelope

__all__ = ["PLAIN", "Packing"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Packing:
    """How a store packs values. Picklable, as the store that carries it is.

    Attributes:
        compress: Whether each part that shrinks by it is compressed, with zstd.
    """

    compress: bool = False

    def pack(self, value: Any) -> Envelope:
        """Return a value's envelope; it refers to the value's own buffers.

        Raises:
            SaveError: The value cannot be pickled.
            ConfigError: Compressing needs the extra ``fleche[zstd]``, which is not installed.
        """
        return Envelope.pack(value, compress=self.compress)


PLAIN = Packing()
"""Neither compressed nor signed."""
