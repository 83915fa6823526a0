"""The keys of an embedded store's two faces, by index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any, ClassVar

from fleche.digest import Digest
from fleche.digest.algorithm import chosen
from fleche.storage.base import KeyManagement
from fleche.storage.sql.database import Database

if TYPE_CHECKING:
    from fleche.storage.embedded.store import EmbeddedStore

__all__ = ["EmbeddedKeys"]


class EmbeddedKeys(KeyManagement):
    """The keys of one face, looked up by index."""

    _FACE: ClassVar[str]
    _STATEMENTS: ClassVar[Mapping[str, tuple[str, ...]]]

    def __init__(self, store: EmbeddedStore, database: Database) -> None:
        self.store = store
        self._database = database

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self.store, self._FACE)

    def list(self) -> Iterable[Digest]:
        """Return every key."""
        return self._some("keys", ())

    def _candidates(self, prefix: str) -> Sequence[Digest]:
        length = chosen().length
        try:
            ends = bytes.fromhex(prefix.ljust(length, "0")), bytes.fromhex(prefix.ljust(length, "f"))
        except ValueError:
            return []
        return sorted({*self._some("candidates", ends)})[:2]

    def _neighbours(self, key: Digest) -> Sequence[Digest]:
        return [*sorted(self._some("below", (key.raw,)))[-1:], *sorted(self._some("above", (key.raw,)))[:1]]

    def _some(self, what: str, parameters: tuple[bytes, ...]) -> Sequence[Digest]:
        rows = [row for text in self._STATEMENTS[what] for row in self._database.read(partial(_rows, text, parameters))]
        return [Digest.from_bytes(key) for (key,) in rows if key is not None]


def _rows(text: str, parameters: tuple[bytes, ...], connection: Connection) -> list[tuple[bytes | None]]:
    return connection.execute(text, parameters).fetchall()
