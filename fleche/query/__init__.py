"""Asking a cache for calls."""

from fleche.query.iterator import Findable, QueryIterator

__all__ = ["Findable", "QueryIterator"]
