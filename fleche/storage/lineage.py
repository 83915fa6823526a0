"""Where results went, asked of any call storage."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fleche.call.records import DigestedCall
from fleche.digest import Digest
from fleche.storage.base import CallStorage, in_order

__all__ = ["takers", "users"]


def takers(calls: CallStorage, key: Digest, limit: int) -> Iterable[DigestedCall]:
    """Return at most so many records that have a key among their inputs, oldest first; by listing, if need be."""
    found = calls.takers(key, limit)
    return _listed(calls, lambda record: key in record.inputs, limit) if found is None else found


def users(calls: CallStorage, digest: Digest, limit: int) -> Iterable[DigestedCall]:
    """Return at most so many records that have a value as an argument, oldest first; by listing, if need be."""
    found = calls.users(digest, limit)
    return _listed(calls, lambda record: digest in record.arguments.values(), limit) if found is None else found


def _listed(calls: CallStorage, wanted: Callable[[DigestedCall], bool], limit: int) -> list[DigestedCall]:
    return in_order(record for record in calls._whole() if wanted(record))[:limit]  # noqa: SLF001 - part of the contract
