"""The storage contract: what an operation is about to do, and the context that surrounds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from fleche.digest import Digest

__all__ = ["Intent", "OperationContext"]


class Intent(StrEnum):
    """What an operation is about to do, so that a lock can be shared or exclusive."""

    READ = "read"
    WRITE = "write"


class OperationContext:
    """What surrounds every operation on a key. Mixins put a resource around it and chain with ``super()``."""

    @contextmanager
    def _operation_context(self, key: Digest | str, *, intent: Intent = Intent.WRITE) -> Iterator[None]:  # noqa: ARG002
        """Surround one operation on a key; reentrant in one thread. Here: nothing.

        Args:
            key: The key that is operated on.
            intent: What the operation is about to do.
        """
        yield
