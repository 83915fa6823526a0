"""The records of an embedded store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any, ClassVar

from fleche.call.records import DigestedCall, QueryCall
from fleche.digest import Digest
from fleche.errors import UnknownDigestError
from fleche.storage.acceptances import Forgotten
from fleche.storage.base import CallStorage, Intent, Variant
from fleche.storage.embedded import said
from fleche.storage.embedded.keys import EmbeddedKeys
from fleche.storage.sql import records, statements

if TYPE_CHECKING:
    from fleche.storage.overview import FunctionTotal, Glance

__all__ = ["EmbeddedCalls"]

_BATCH = 200  # records that are loaded at once


class EmbeddedCalls(EmbeddedKeys, CallStorage):
    """The records of an embedded store.

    Args:
        store: The store that this is a face of.
        database: Its index.
    """

    _FACE = "calls"
    _STATEMENTS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "keys": (statements.CALL_KEYS,),
        "candidates": (statements.CALL_CANDIDATES,),
        "below": (statements.CALL_BELOW,),
        "above": (statements.CALL_ABOVE,),
    }

    def save(self, call: DigestedCall) -> Digest:
        """File a record under its lookup key; see `CallStorage.save`."""
        key = call.key
        with self._operation_context(key, intent=Intent.WRITE):
            self.store.record(call, {})
        return key

    def load(self, key: Digest | str) -> DigestedCall:
        """Return a record; see `CallStorage.load`."""
        whole = self._normalize_key(key)
        with self._operation_context(whole, intent=Intent.READ):
            with suppress(ValueError):
                known = (bytes.fromhex(whole),)
                for _, _, record in self._database.read(partial(_found, known)):
                    return record
            raise UnknownDigestError(f"{self.store.root} holds no call {whole}", digest=str(whole))

    def query(self, template: QueryCall) -> Iterator[DigestedCall]:
        """Return the records that a template matches; see `CallStorage.query`.

        Which records there are is decided at once; each is loaded when it is reached, and left out if it was evicted
        meanwhile.
        """
        template = template.digested()
        text, values = records.find(template)
        return filter(template.matches, self._records(self._numbers(text, values)))

    def columns(self, template: QueryCall) -> Mapping[str, list[Any]] | None:
        """Return the records that a template matches as columns; see `Tabular.columns`."""
        from fleche.storage.sql.columns import columns  # what asks is not imported for a hit

        return self._database.read(partial(columns, template.digested()))

    def forget(self, key: Digest | str, why: str = "forgotten") -> None:
        """Remove a record, and leave a trace of it; see `CallStorage.forget`."""
        with self._operation_context(key, intent=Intent.WRITE):
            said.forget(self._database, self._normalize_key(key), why)

    def forgotten(self, key: Digest) -> Forgotten | None:
        """Return the trace of a record that was removed, or None; see `CallStorage.forgotten`."""
        return said.forgotten(self._database, key)

    def totals(self, limit: int) -> Sequence[FunctionTotal]:
        """Return what is held of each function; see `Surveyed.totals`."""
        from fleche.storage.sql import survey

        return self._database.read(partial(survey.functions, limit))

    def glance(self, template: QueryCall, first: int, limit: int) -> Glance | None:
        """Return the first records that a template matches and count them; see `Surveyed.glance`."""
        from fleche.storage.sql import survey

        return self._database.read(partial(survey.glance, template.digested(), first, limit))

    def recent(self, limit: int) -> Iterator[DigestedCall]:
        """Return at most so many records, newest first; see `CallStorage.recent`."""
        return self._records(self._numbers(statements.RECENT_IDS, [limit]))

    def latest(self, template: QueryCall, limit: int) -> Iterable[DigestedCall]:
        """Return the records that a template matches which were filed last; see `CallStorage.latest`."""
        if template.where is not None or template.metadata:
            return super().latest(template, limit)
        template = template.digested()
        return filter(template.matches, self._records(self._numbers(*records.latest(template, limit))))

    def present(self, keys: Iterable[Digest]) -> set[Digest]:
        """Return which of several full keys have a record; see `CallStorage.present`."""
        from fleche.storage.sql import survey

        return self._database.read(partial(survey.present, list(keys)))

    def variants(self, module: str, name: str) -> Sequence[Variant]:
        """Return the versions and codes under which calls were filed; see `CallStorage.variants`."""
        from fleche.storage.sql import survey

        return self._database.read(partial(survey.variants, module, name))

    def oldest(self, limit: int) -> Iterator[DigestedCall]:
        """Return at most so many records, oldest first; see `CallStorage.oldest`."""
        return self._records(self._numbers(statements.OLDEST_IDS, [limit]))

    def count(self) -> int:
        """Return how many records there are."""
        row = self._database.one(statements.CALL_COUNT)
        return 0 if row is None else int(row[0])

    def transform(self, func: Callable[[DigestedCall], DigestedCall] | None = None) -> None:
        """Replace every record, in one transaction; see `CallStorage.transform`.

        All records are in memory meanwhile. Records that are filed by others while it runs stay as they are.
        """
        from fleche.storage.sql.replanning import planned

        old = list(self._rows(self._numbers(statements.CALL_IDS, [])))
        signatures = self._database.read(lambda connection: connection.execute(statements.SIGNATURES).fetchall())
        signing = self.store.authenticity.signing(signatures)
        gone, new = planned(old, func, signing)
        rows = [records.Prepared(record, signing.of(record)) for record in new]
        self._database.write(partial(_refile, gone, list(zip(new, rows, strict=True))))

    def makers(self, digests: Sequence[Digest], but: Digest | None = None) -> Mapping[Digest, Digest]:
        """Return the key of the call that was filed last, for each of several results; see `CallStorage.makers`."""
        return self._database.read(partial(records.makers, digests, but))

    def takers(self, key: Digest, limit: int) -> Iterator[DigestedCall]:
        """Return records that have a key among their inputs; see `CallStorage.takers`."""
        return self._records(self._numbers(statements.TAKERS, [key.raw, limit]))

    def users(self, digest: Digest, limit: int) -> Iterator[DigestedCall]:
        """Return records that have a value as an argument; see `CallStorage.users`."""
        return self._records(self._numbers(statements.USERS, [digest.raw, limit]))

    def _numbers(self, text: str, values: list[object]) -> list[int]:
        rows = self._database.read(lambda connection: connection.execute(text, values).fetchall())
        return [number for (number,) in rows]

    def _records(self, numbers: list[int]) -> Iterator[DigestedCall]:
        return (record for _, _, record in self._rows(numbers))

    def _rows(self, numbers: list[int]) -> Iterator[records.Loaded]:
        for start in range(0, len(numbers), _BATCH):
            yield from self._database.read(partial(records.load, numbers[start : start + _BATCH]))

    def _contains(self, key: Digest) -> bool:
        try:
            return self._database.one(statements.CALL_ID, (bytes.fromhex(key),)) is not None
        except ValueError:
            return False

    def _evict(self, key: Digest) -> None:
        with suppress(ValueError):
            known = (bytes.fromhex(key),)
            self._database.write(partial(_drop, known))


def _found(known: tuple[bytes], connection: Connection) -> list[records.Loaded]:
    row = connection.execute(statements.CALL_ID, known).fetchone()
    return [] if row is None else records.load(row, connection)


def _drop(known: tuple[bytes], connection: Connection) -> None:
    row = connection.execute(statements.CALL_ID, known).fetchone()
    if row is not None:
        records.drop(connection, row[0])


def _refile(gone: Sequence[int], new: Sequence[tuple[DigestedCall, records.Prepared]], connection: Connection) -> None:
    """Delete records, then file others; where someone filed one of these keys meanwhile, the usual rule decides."""
    for number in gone:
        records.drop(connection, number)
    for record, rows in new:
        old = records.filed(connection, record, rows.key)
        if old is None or record.replaces(old.call):
            if old is not None:
                records.drop(connection, old.id)
            records.file(connection, rows, None)
