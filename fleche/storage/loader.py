"""From a verified pickle stream to a value: all types, or only those that are known to be harmless."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from typing import Any, Protocol

from fleche.storage.pickling import Serializer

__all__ = ["TRUSTED", "Buffer", "Loader", "TrustedLoader"]

Buffer = bytes | bytearray | memoryview


class Loader(Protocol):
    """Builds the value of a pickle stream."""

    def load(self, stream: Buffer, buffers: Iterable[Buffer], serializer: Serializer) -> Any:
        """Return the value.

        Args:
            stream: A pickle, whose checksum was verified.
            buffers: Its out-of-band buffers in order, which the value may keep and write to.
            serializer: What wrote the stream.

        Raises:
            UntrustedError: The stream asks for something that this loader does not build.
            Exception: Whatever building the value raises; `Envelope.load` translates it.
        """


class TrustedLoader:
    """Builds whatever the stream says, which may run any code: for a store that only its owner can write to."""

    def load(self, stream: Buffer, buffers: Iterable[Buffer], serializer: Serializer) -> Any:  # noqa: ARG002
        """Return the value; see `Loader.load`."""
        return pickle.loads(stream, buffers=buffers)


TRUSTED: Loader = TrustedLoader()
