"""The keys of a database's two faces, by index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import Connection, Executable

from fleche.digest import Digest
from fleche.digest.algorithm import chosen
from fleche.storage.base import KeyManagement

if TYPE_CHECKING:
    from fleche.storage.sql.connections import Connections
    from fleche.storage.sql.store import SqlStore

__all__ = ["SqlKeys"]


class SqlKeys(KeyManagement):
    """The keys of one face, looked up by index.

    Args:
        store: The store that this is a face of.
        connections: Its connections.
    """

    _FACE: ClassVar[str]
    _STATEMENTS: ClassVar[Mapping[str, tuple[Executable, ...]]]

    def __init__(self, store: SqlStore, connections: Connections) -> None:
        self.store = store
        self._connections = connections

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self.store, self._FACE)

    def list(self) -> Iterable[Digest]:
        """Return every key."""
        return self._some("keys", {})

    def _candidates(self, prefix: str) -> Sequence[Digest]:
        length = chosen().length
        try:
            ends = {"low": bytes.fromhex(prefix.ljust(length, "0")), "high": bytes.fromhex(prefix.ljust(length, "f"))}
        except ValueError:
            return []
        return sorted({*self._some("candidates", ends)})[:2]

    def _neighbours(self, key: Digest) -> Sequence[Digest]:
        known = {"key": key.raw}
        return [*sorted(self._some("below", known))[-1:], *sorted(self._some("above", known))[:1]]

    def _some(self, what: str, parameters: Mapping[str, bytes]) -> Sequence[Digest]:
        return self._connections.read(_Keys(self._STATEMENTS[what], parameters))


class _Keys:
    def __init__(self, statements: tuple[Executable, ...], parameters: Mapping[str, bytes]) -> None:
        self._statements = statements
        self._parameters = parameters

    def __call__(self, connection: Connection) -> Sequence[Digest]:
        rows = [key for each in self._statements for (key,) in connection.execute(each, self._parameters)]
        return [Digest.from_bytes(bytes(key)) for key in rows if key is not None]


def whole_key(key: str) -> bytes | None:
    """Return a key as bytes; None for what is no hexadecimal text, so no key."""
    try:
        return bytes.fromhex(key)
    except ValueError:
        return None
