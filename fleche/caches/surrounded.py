"""Prepared calls whose filing is surrounded, or followed, by something more."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from fleche.call import Metadata, Outcome, PreparedCall
from fleche.digest import Digest

__all__ = ["followed", "surrounded"]


def followed(prepared: PreparedCall, then: Callable[[Digest], None]) -> PreparedCall:
    """Return a prepared call that, once it is filed, has a function called with its key."""
    return PreparedCall(prepared.record, _Followed(prepared, then), prepared.abandon)


def surrounded(prepared: PreparedCall, context: Callable[[Digest], AbstractContextManager[None]]) -> PreparedCall:
    """Return a prepared call that is filed within the context of its key."""
    return PreparedCall(prepared.record, _Surrounded(prepared, context), prepared.abandon)


class _Followed:
    def __init__(self, prepared: PreparedCall, then: Callable[[Digest], None]) -> None:
        self._prepared = prepared
        self._then = then

    def __call__(self, outcome: Outcome, value: Any, metadata: Metadata) -> Digest:
        key = self._prepared.commit(value, metadata, outcome=outcome)
        self._then(key)
        return key


class _Surrounded:
    def __init__(self, prepared: PreparedCall, context: Callable[[Digest], AbstractContextManager[None]]) -> None:
        self._prepared = prepared
        self._context = context

    def __call__(self, outcome: Outcome, value: Any, metadata: Metadata) -> Digest:
        with self._context(self._prepared.key):
            return self._prepared.commit(value, metadata, outcome=outcome)
