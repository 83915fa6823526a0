"""The client data store: large values are stored once and sent by reference."""

from fleche.runtime.client_data_store.base_client_data_store import BaseClientDataStore
from fleche.runtime.client_data_store.mem_client_data_store import MemClientDataStore
from fleche.runtime.client_data_store.storage_client_data_store import StorageClientDataStore

__all__ = ["BaseClientDataStore", "MemClientDataStore", "StorageClientDataStore"]
