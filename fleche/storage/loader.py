"""From a verified pickle stream to a value: all types, or only those that are known to be harmless."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any, Protocol, runtime_checkable

from fleche.storage.pickling import Serializer
from fleche.storage.safe_types import MOVED

__all__ = ["TRUSTED", "Buffer", "Loader", "PartsLoader", "TrustedLoader"]

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


@runtime_checkable
class PartsLoader(Protocol):
    """Builds the value of a pickle stream that names parts. An ability: loaders of users need not have it."""

    def load_parts(self, stream: Buffer, buffers: Iterable[Buffer], part: Callable[[Any], Any]) -> Any:
        """Return the value.

        Args:
            stream: A pickle, whose checksum was verified.
            buffers: Its out-of-band buffers in order.
            part: Returns the part that a persistent id names, built by its own rules; the same one for the same id.

        Raises:
            UntrustedError: The stream asks for something that this loader does not build.
            Exception: Whatever building the value raises.
        """


class TrustedLoader:
    """Builds whatever the stream says, which may run any code: for a store that only its owner can write to."""

    def load(self, stream: Buffer, buffers: Iterable[Buffer], serializer: Serializer) -> Any:  # noqa: ARG002
        """Return the value; see `Loader.load`."""
        buffers = list(buffers)
        try:
            return pickle.loads(stream, buffers=buffers)
        except ModuleNotFoundError:
            return _Moved(BytesIO(stream), buffers=buffers).load()

    def load_parts(self, stream: Buffer, buffers: Iterable[Buffer], part: Callable[[Any], Any]) -> Any:
        """Return the value; see `PartsLoader.load_parts`."""
        return _Composing(stream, buffers, part).load()


class _Moved(pickle.Unpickler):
    """Finds types in modules that have another name in the version that reads than in the one that wrote."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return super().find_class(module, name)
        except ModuleNotFoundError:
            other = MOVED.get(module) or next((old for old, new in MOVED.items() if new == module), None)
            if other is None:
                raise
            return super().find_class(other, name)


class _Composing(_Moved):
    def __init__(self, stream: Buffer, buffers: Iterable[Buffer], part: Callable[[Any], Any]) -> None:
        super().__init__(BytesIO(stream), buffers=list(buffers))
        self._part = part

    def persistent_load(self, pid: Any) -> Any:
        return self._part(pid)


TRUSTED: Loader = TrustedLoader()
