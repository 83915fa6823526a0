"""The embedded default: one directory with an SQLite index and files for large values, as one record store."""

from fleche.storage.embedded.calls import EmbeddedCalls
from fleche.storage.embedded.store import EmbeddedStore
from fleche.storage.embedded.values import EmbeddedValues

__all__ = ["EmbeddedCalls", "EmbeddedStore", "EmbeddedValues"]
