"""Asking a cache for calls."""

from fleche.query.expression import q
from fleche.query.iterator import Findable, QueryIterator
from fleche.query.parse import parse

__all__ = ["Findable", "QueryIterator", "parse", "q"]
