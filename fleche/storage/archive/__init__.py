"""Records and values in one file, to be carried elsewhere."""

from fleche.storage.archive.store import ArchiveStore

__all__ = ["ArchiveStore"]
