"""A client data store over any value storage of the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleche.digest import Digest, digest
from fleche.errors import DamagedError
from fleche.runtime.client_data_store.base_client_data_store import BaseClientDataStore

if TYPE_CHECKING:
    from fleche.runtime.app import App
    from fleche.storage.base import ValueStorage

__all__ = ["StorageClientDataStore"]


class StorageClientDataStore(BaseClientDataStore):
    """Keeps texts as values, each under the digest of its reference.

    Args:
        app: The app whose serializer and settings it uses.
        storage: Where the texts are kept; of this app alone, since `purge` empties it.
    """

    def __init__(self, app: App, storage: ValueStorage) -> None:
        super().__init__(app)
        self._storage = storage

    def _store(self, key: str, value: str) -> None:
        self._storage.save(value, digest(key))

    def _retrieve(self, key: str) -> str:
        try:
            text = self._storage.load(digest(key))
        except DamagedError as error:
            raise KeyError(key) from error
        return str(text)

    def _purge(self) -> None:
        for key in list(self._storage.list()):
            self._storage.evict(Digest(key))
