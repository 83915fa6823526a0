"""Where values and calls are kept, and what all kinds of storage share."""

from typing import TYPE_CHECKING

from fleche.lazy import face

if TYPE_CHECKING:
    from fleche.errors import AmbiguousDigestError, SaveError
    from fleche.storage.bagofholding_file import (
        BagOfHoldingH5FileBackend,
        CallBagOfHoldingH5File,
        ValueBagOfHoldingH5File,
    )
    from fleche.storage.base import (
        CallMixin,
        CallStorage,
        Intent,
        KeyManagement,
        OperationContext,
        StorageBackend,
        ValueMixin,
        ValueStorage,
    )
    from fleche.storage.digested import (
        DestructuringMixin,
        Digested,
        DigestedAttrs,
        DigestedDataclass,
        DigestedDict,
        DigestedIterable,
        register_destructurer,
    )
    from fleche.storage.file import CallPickleFile, FileStorage, PickleFileBackend, ValuePickleFile
    from fleche.storage.locks import PerKeyLockMixin, SerializingMixin
    from fleche.storage.memory import CallMemory, MemoryBackend, ValueMemory
    from fleche.storage.registry import get_storage_constructor, is_registered_storage, register_storage
    from fleche.storage.serializers import register_serializer
    from fleche.storage.sql import Sql
    from fleche.storage.void import CallVoid, ValueVoid, VoidBackend

__all__ = [
    "AmbiguousDigestError",
    "BagOfHoldingH5FileBackend",
    "CallBagOfHoldingH5File",
    "CallMemory",
    "CallMixin",
    "CallPickleFile",
    "CallStorage",
    "CallVoid",
    "DestructuringMixin",
    "Digested",
    "DigestedAttrs",
    "DigestedDataclass",
    "DigestedDict",
    "DigestedIterable",
    "FileStorage",
    "Intent",
    "KeyManagement",
    "MemoryBackend",
    "OperationContext",
    "PerKeyLockMixin",
    "PickleFileBackend",
    "SaveError",
    "SerializingMixin",
    "Sql",
    "StorageBackend",
    "ValueBagOfHoldingH5File",
    "ValueMemory",
    "ValueMixin",
    "ValuePickleFile",
    "ValueStorage",
    "ValueVoid",
    "VoidBackend",
    "get_storage_constructor",
    "is_registered_storage",
    "register_destructurer",
    "register_serializer",
    "register_storage",
]

if not TYPE_CHECKING:
    _BASE = """AmbiguousDigestError CallMixin CallStorage Intent KeyManagement OperationContext SaveError StorageBackend
        ValueMixin ValueStorage"""
    _PARTS = """DestructuringMixin Digested DigestedAttrs DigestedDataclass DigestedDict DigestedIterable
        register_destructurer"""
    __getattr__ = face(
        __name__,
        {
            **dict.fromkeys(_BASE.split(), "base"),
            **dict.fromkeys(_PARTS.split(), "digested"),
            **dict.fromkeys(
                ("BagOfHoldingH5FileBackend", "CallBagOfHoldingH5File", "ValueBagOfHoldingH5File"), "bagofholding_file"
            ),
            **dict.fromkeys(("PerKeyLockMixin", "SerializingMixin"), "locks"),
            **dict.fromkeys(("CallMemory", "MemoryBackend", "ValueMemory"), "memory"),
            **dict.fromkeys(("CallPickleFile", "PickleFileBackend", "ValuePickleFile"), "file"),
            "FileStorage": "file",
            **dict.fromkeys(("get_storage_constructor", "is_registered_storage", "register_storage"), "registry"),
            "register_serializer": "serializers",
            "Sql": "sql",
            **dict.fromkeys(("CallVoid", "ValueVoid", "VoidBackend"), "void"),
        },
    )
