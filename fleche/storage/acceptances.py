"""What people said of code and of calls: edits that change no result, and calls that were forgotten.

Accepting            an ability of record stores: acceptances are kept, read and withdrawn
Acceptance           one of them: calls of the old code count for the new
Forgotten            what is left of a record that was removed
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from fleche.clock import SYSTEM, from_micros, to_micros
from fleche.digest import Digest

__all__ = ["TRACES", "Acceptance", "Accepting", "Forgotten", "trace"]

TRACES = 10_000
"""Of how many removed records a trace is kept: of the latest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Acceptance:
    """One edit of which somebody said that it changes no result: calls of the old code count for the new.

    Attributes:
        old: The code fingerprint before the edit.
        new: The code fingerprint after it.
        function: The function that it was said of, for people.
        added: Arguments that calls of the old code may lack, by name, with the digest of the value that they meant.
        who: Who said so: user and host.
        at: When.
        signature: A signature of all this, or None.
    """

    old: Digest
    new: Digest
    function: str = ""
    added: Mapping[str, Digest] = field(default_factory=dict)
    who: str
    at: datetime
    signature: bytes | None = None

    def covered(self) -> list[bytes]:
        """Return what a signature covers, in pieces."""
        said = [self.old, self.new, self.function, sorted(self.added.items()), self.who, to_micros(self.at)]
        return [b"fleche acceptance\n" + json.dumps(said).encode()]

    def signed(self, signature: bytes | None) -> Acceptance:
        """Return it with a signature."""
        return replace(self, signature=signature)

    def told(self) -> dict[str, Any]:
        """Return, for JSON, what is neither one of the fingerprints nor the time."""
        told: dict[str, Any] = {"who": self.who, "function": self.function}
        if self.added:
            told["added"] = dict(sorted(self.added.items()))
        if self.signature is not None:
            told["signature"] = self.signature.hex()
        return told

    @classmethod
    def of(cls, old: Digest, new: Digest, told: Any, at: int) -> Acceptance | None:
        """Return the acceptance of what is stored, or None where that cannot be read: it counts as not there.

        Args:
            old: The fingerprint before.
            new: The fingerprint after.
            told: What `told` returned, as it came back.
            at: Microseconds since 1970, UTC.
        """
        try:
            signature = told.get("signature")
            return cls(
                old=old,
                new=new,
                function=str(told["function"]),
                added={str(name): Digest(digest) for name, digest in told.get("added", {}).items()},
                who=str(told["who"]),
                at=from_micros(at),
                signature=None if signature is None else bytes.fromhex(signature),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return None


@runtime_checkable
class Accepting(Protocol):
    """A record store that keeps acceptances. An ability: not all have it."""

    def accept(self, acceptance: Acceptance) -> None:
        """Keep an acceptance, in the place of one of the same two fingerprints; where there are keys it is signed.

        Raises:
            StoreError: The store cannot be written.
        """

    def acceptances(self, new: Digest | None = None) -> Sequence[Acceptance]:
        """Return the acceptances that can be believed, oldest first: all, or those of one new fingerprint.

        Where records have to be signed to count, so have these.

        Raises:
            StoreError: The store cannot be read.
        """

    def withdraw(self, old: Digest, new: Digest) -> bool:
        """Remove the acceptance of two fingerprints, and return whether there was one.

        Raises:
            StoreError: The store cannot be written.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Forgotten:
    """What is left of a record that was removed.

    Attributes:
        key: The key of the call.
        at: When it was removed.
        who: By whom: user and host.
        why: How: ``forgotten`` by somebody, or ``evicted`` by a limit.
    """

    key: Digest
    at: datetime
    who: str
    why: str

    def __str__(self) -> str:
        return f"{self.why} on {self.at:%Y-%m-%d %H:%M} UTC by {self.who}"


def trace(key: Digest, why: str = "forgotten") -> Forgotten:
    """Return the trace of a record that is removed now, by whoever runs this process."""
    from fleche.storage.host import user_at_host  # rarely needed

    return Forgotten(key=key, at=SYSTEM.now(), who=user_at_host(), why=why)
