"""Values and records as files, where existing code imports them from."""

from fleche.storage.file import CallPickleFile, PickleFileBackend, ValuePickleFile

__all__ = ["CallPickleFile", "PickleFileBackend", "ValuePickleFile"]
