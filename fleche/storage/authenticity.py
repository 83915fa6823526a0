"""What a store with secret keys believes: what only its owner can have written, and what one of its keys signed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from fleche.call.records import DigestedCall
from fleche.digest import Digest
from fleche.errors import DamagedError
from fleche.storage.builder import Builder
from fleche.storage.envelope import Envelope
from fleche.storage.packing import Packing

if TYPE_CHECKING:
    from fleche.storage.acceptances import Acceptance

__all__ = ["Authenticity", "Signing"]


class Authenticity:
    """Tells what is authentic in a store, for its lookups and its filings.

    Without keys, and in a store that only its owner can write to, everything is.

    Args:
        packing: How the store packs values; it has the keys.
        builder: What builds the store's values; it knows whether the store is trusted.
        place: Where the store is, for messages.
    """

    __slots__ = ("_builder", "_packing", "_place", "unreadable")

    unreadable: set[tuple[Digest, str | None]]
    """Forms of values that are there and cannot be used, so that what is computed anew replaces them; None: all."""

    def __init__(self, packing: Packing, builder: Builder, place: str) -> None:
        self._packing = packing
        self._builder = builder
        self._place = place
        self.unreadable = set()

    @property
    def asked(self) -> bool:
        """Whether anything has to be signed to be believed."""
        return bool(self._packing.keys) and not self._builder.trusted

    def of_record(
        self, key: Digest, outcome: str, result: str | None, form: str | None, signature: bytes | None
    ) -> bool:
        """Whether a record is authentic.

        Args:
            key: Its key.
            outcome: How the call ended.
            result: The digest of its result.
            form: The form of that.
            signature: What is filed with it as its signature.
        """
        if not self.asked:
            return True
        return signature is not None and self._packing.is_record_signed(key, outcome, result, form, signature)

    def of_value(self, digest: Digest, envelope: Envelope) -> bool:
        """Whether the bytes of a value are authentic: signed for this digest."""
        keys = self._packing.keys
        return not self.asked or (keys is not None and envelope.is_signed(keys, digest))

    def of_acceptance(self, acceptance: Acceptance) -> bool:
        """Whether an acceptance is authentic."""
        if not self.asked:
            return True
        keys, signature = self._packing.keys, acceptance.signature
        return keys is not None and signature is not None and keys.verifies(acceptance.covered(), signature)

    def sealed(self, acceptance: Acceptance) -> Acceptance:
        """Return an acceptance as it is written: signed, where there are keys."""
        keys = self._packing.keys
        return acceptance.signed(keys.sign(acceptance.covered()) if keys else None)

    def is_unusable(self, digest: Digest, form: str | None) -> bool:
        """Whether what is there of a value in a form was found to be of no use here."""
        return bool(self.unreadable) and ((digest, form) in self.unreadable or (digest, None) in self.unreadable)

    def refused(self, digest: Digest) -> None:
        """Remember that the loader refused a value, so that one that is signed replaces it, in any form."""
        if self._packing.keys:
            self.unreadable.add((digest, None))

    def disowned(self, key: Digest, result: Digest | None, form: str | None) -> DamagedError:
        """Return why a call misses that is there, and remember to replace it."""
        if result is not None:
            self.unreadable.add((result, form))
        return DamagedError(
            f"call {key[:12]} or its result is not signed by one of our keys, and others can write to {self._place}: "
            f"it counts as missing.",
            place=self._place,
        )

    def signing(self, signatures: Iterable[tuple[bytes, bytes]]) -> Signing:
        """Return what signs records that are made from those that are here.

        Args:
            signatures: The signatures that are filed, by key.
        """
        return Signing(self, self._packing, {Digest.from_bytes(key): signature for key, signature in signatures})


class Signing:
    """Signs records that are made from others: only where the other was authentic, so that nothing gains trust by it.

    Args:
        authenticity: What is believed.
        packing: Has the keys.
        signatures: The signatures of the others, by key.
    """

    __slots__ = ("_authenticity", "_ours", "_packing", "_signatures")

    def __init__(self, authenticity: Authenticity, packing: Packing, signatures: Mapping[Digest, bytes]) -> None:
        self._authenticity = authenticity
        self._packing = packing
        self._signatures = signatures
        self._ours: dict[Digest, bool] = {}

    def note(self, new: DigestedCall, old: DigestedCall, key: Digest) -> None:
        """Say that a record is made from one that is filed under a key."""
        signature = self._signatures.get(key)
        self._ours[new.key] = self._authenticity.of_record(key, old.outcome, old.result, old.form, signature)

    def of(self, new: DigestedCall) -> bytes | None:
        """Return the signature of a record that was noted, or None."""
        return self._packing.sign_record(new) if self._ours[new.key] else None
