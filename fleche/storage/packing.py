"""How a store packs values: what is done to them between the caller and the bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleche.digest import Digest
from fleche.storage.envelope import Envelope
from fleche.storage.loader import TRUSTED, Loader

if TYPE_CHECKING:
    from fleche.call.records import DigestedCall
    from fleche.storage.signing import Keyring

__all__ = ["PART", "PLAIN", "Packing", "links"]

PART = 4096
"""Bytes of the smallest part, where existing code asks for parts and says no size."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Packing:
    """How a store packs values, signs them, and tells its own from others'. Picklable; secret keys stay behind.

    Attributes:
        compress: Whether each part that shrinks by it is compressed, with zstd.
        keys: What signs values and records, and verifies them; None signs nothing.
        parts: Of a container, children of at least so many bytes are stored under digests of their own, so that equal
            ones are stored once. None stores every value whole.
        depth: How many levels of children are so stored.
    """

    compress: bool = False
    keys: Keyring | None = None
    parts: int | None = None
    depth: int = 1

    def pack(self, value: Any) -> Envelope:
        """Return a value's envelope; it refers to the value's own buffers.

        Raises:
            SaveError: The value cannot be pickled.
            ConfigError: Compressing needs the extra ``fleche[zstd]``, which is not installed.
        """
        if self.parts is not None:
            from fleche.storage.destructuring import split

            envelope = split(value, self, self.depth)
            if envelope is not None:
                return envelope
        return Envelope.pack(value, compress=self.compress)

    def signed(self, envelope: Envelope, address: Digest) -> Envelope:
        """Return an envelope as it is written under a digest: signed, where there are keys."""
        return envelope if not self.keys else envelope.signed(self.keys, address)

    def all_signed(self, values: Mapping[Digest, Envelope]) -> Mapping[Digest, Envelope]:
        """Return envelopes by digest as they are written; see `signed`."""
        return {name: self.signed(each, name) for name, each in values.items()} if self.keys else values

    def parts_of(self, values: Iterable[tuple[Digest, Envelope]]) -> list[tuple[Digest, Envelope]]:
        """Return the parts of values, and theirs, as they are written: each before what names it, each form once."""
        found: dict[tuple[Digest, str], tuple[Digest, Envelope]] = {}
        for name, envelope in _spread(values):
            if (name, envelope.form) not in found:
                found[name, envelope.form] = name, self.signed(envelope, name)
        return [*found.values()]

    def load(
        self, envelope: Envelope, address: Digest, loader: Loader, part: Callable[[Any], Any] | None = None
    ) -> Any:
        """Return the value of an envelope that lies under a digest.

        What one of the keys signed, for this digest, is built in full; all else by the store's loader.

        Args:
            envelope: The envelope.
            address: The digest.
            loader: The store's loader.
            part: Returns the parts that the envelope names.

        Raises:
            UntrustedError: The loader does not build a type in it.
            DamagedError: It cannot be built.
        """
        if self.keys and loader is not TRUSTED and envelope.is_signed(self.keys, address):
            return envelope.load(TRUSTED, verify=True, part=part)
        return envelope.load(loader, part=part)

    def sign_record(self, call: DigestedCall) -> bytes | None:
        """Return the signature of a record: of its key, outcome, result and form. None where there are no keys."""
        return None if not self.keys else self.keys.sign(_covered(call.key, call.outcome, call.result, call.form))

    def is_record_signed(
        self, key: Digest, outcome: str, result: str | None, form: str | None, signature: bytes
    ) -> bool:
        """Whether one of the keys signed a record."""
        return self.keys is not None and self.keys.verifies(_covered(key, outcome, result, form), signature)


def links(values: Iterable[tuple[Digest, Envelope]]) -> list[tuple[bytes, bytes]]:
    """Return which value names which parts directly, as pairs of raw digests, each once and in order."""
    return sorted({(name.raw, child.raw) for name, envelope in values for child, _ in envelope.children})


def _spread(values: Iterable[tuple[Digest, Envelope]]) -> Iterator[tuple[Digest, Envelope]]:
    for _, envelope in values:
        yield from _spread(envelope.children)
        yield from envelope.children


def _covered(key: str, outcome: str, result: str | None, form: str | None) -> list[bytes]:
    return [f"fleche record\n{key}\n{outcome}\n{result or ''}\n{form or ''}\n".encode()]


PLAIN = Packing()
"""Neither compressed nor signed."""
