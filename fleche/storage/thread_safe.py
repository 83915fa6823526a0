"""The lock mixins, where existing code imports them from."""

from fleche.storage.locks import PerKeyLockMixin, SerializingMixin

__all__ = ["PerKeyLockMixin", "SerializingMixin"]
