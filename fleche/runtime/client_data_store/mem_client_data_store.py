"""`MemClientDataStore`: texts in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleche.runtime.client_data_store.storage_client_data_store import StorageClientDataStore
from fleche.storage.memory import MemoryStore

if TYPE_CHECKING:
    from fleche.runtime.app import App

__all__ = ["MemClientDataStore"]


class MemClientDataStore(StorageClientDataStore):
    """Keeps texts in this process."""

    def __init__(self, app: App) -> None:
        super().__init__(app, MemoryStore().values)
