"""Records and values as files of their own, for directories that hosts share over a network file system."""

from fleche.storage.file.backend import PickleFileBackend
from fleche.storage.file.calls import FileCalls
from fleche.storage.file.pickle_files import CallPickleFile, ValuePickleFile
from fleche.storage.file.shards import ShardedKeys as FileStorage
from fleche.storage.file.store import FileStore
from fleche.storage.file.values import FileValues

__all__ = [
    "CallPickleFile",
    "FileCalls",
    "FileStorage",
    "FileStore",
    "FileValues",
    "PickleFileBackend",
    "ValuePickleFile",
]
