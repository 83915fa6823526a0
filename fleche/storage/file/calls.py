"""Records as files of one directory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleche.call.lineage import traced_anew
from fleche.call.records import DigestedCall, QueryCall
from fleche.digest import Digest
from fleche.errors import UnknownDigestError
from fleche.storage.acceptances import Forgotten
from fleche.storage.authenticity import Authenticity
from fleche.storage.base import CallStorage, Intent, in_order
from fleche.storage.builder import Builder
from fleche.storage.call_text import call_text
from fleche.storage.canonical import canonical
from fleche.storage.file.call_files import CallFiles
from fleche.storage.file.shards import ShardedKeys, assess_folders
from fleche.storage.file.transform import Moves
from fleche.storage.packing import PLAIN, Packing

if TYPE_CHECKING:
    from fleche.storage.file.index import HostIndex
    from fleche.storage.file.store import FileStore

__all__ = ["FileCalls"]


class FileCalls(ShardedKeys, CallStorage):
    """Records of calls, each a file ``ab/<key>`` of text; a plain directory, or a part of a store.

    It may be used by many threads, processes and hosts, and pickled (its address is). Nothing is locked but
    `transform`.

    Args:
        root: The directory; made when something is saved.
        files: Its files, where they are part of a store.
        index: What finds records faster than reading all of them does.
        sync: Whether a record is on the disk, not only in the system's memory, when `save` returns.
        packing: Has the keys that sign records. With keys, in a directory that others can write to, a record that none
            of them signed is as good as none.
        store: The record store that this is a face of, if any.
    """

    def __init__(
        self,
        root: Path | str,
        *,
        files: CallFiles | None = None,
        index: HostIndex | None = None,
        sync: bool = False,
        packing: Packing = PLAIN,
        store: FileStore | None = None,
    ) -> None:
        super().__init__(Path(root).absolute())
        self._packing = packing
        builder = Builder(None, partial(assess_folders, self.root))
        self._authenticity = Authenticity(packing, builder, str(root)) if store is None else store.authenticity
        self.store = store
        self.files = files or CallFiles(self.root, self.root / "quarantine", sync=sync)
        self._index = index
        self._sync = sync

    def save(self, call: DigestedCall) -> Digest:
        """File a record under its lookup key; see `CallStorage.save`."""
        key = call.key
        with self._operation_context(key, intent=Intent.WRITE):
            if self.store is not None:
                self.store.record(call, {})
                return key
            text = call_text(call, self._packing.sign_record(canonical(call)))
            old = self._read(key)
            if old is None or call.replaces(old):
                self.files.write(call, text, old)
        return key

    def load(self, key: Digest | str) -> DigestedCall:
        """Return a record; see `CallStorage.load`."""
        whole = self._normalize_key(key)
        with self._operation_context(whole, intent=Intent.READ):
            record = self._read(whole)
        if record is None:
            raise UnknownDigestError(f"{self.root} holds no call {whole}", digest=str(whole))
        return record

    def query(self, template: QueryCall) -> Iterator[DigestedCall]:
        """Return the records that a template matches; see `CallStorage.query`.

        Which records there are is decided at once; each is compared with its file when it is reached, and left out if
        it was evicted meanwhile.
        """
        template = template.digested()
        found = None if self._index is None else self._index.find(template)
        if found is None:
            return iter(in_order(record for record in self._records() if template.matches(record)))
        return (record for record in found if template.matches(record))

    def forget(self, key: Digest | str, why: str = "forgotten") -> None:
        """Remove a record, and leave a trace of it; see `CallStorage.forget`."""
        with self._operation_context(key, intent=Intent.WRITE):
            whole = self._normalize_key(key)
            there = self.files.exists(whole)
            self.files.remove(whole)
            if there and self.store is not None:
                self.store.traces.leave(whole, why)

    def forgotten(self, key: Digest) -> Forgotten | None:
        """Return the trace of a record that was removed, or None; see `CallStorage.forgotten`."""
        return None if self.store is None else self.store.traces.of(key)

    def recent(self, limit: int) -> Iterable[DigestedCall]:
        """Return at most so many records, newest first; see `CallStorage.recent`."""
        found = None if self._index is None else self._index.recent(limit)
        return iter(in_order(self._records())[::-1][:limit]) if found is None else islice(found, limit)

    def latest(self, template: QueryCall, limit: int) -> Iterable[DigestedCall]:
        """Return the records that a template matches which came last; see `CallStorage.latest`."""
        template = template.digested()
        plain = template.where is None and not template.metadata
        found = self._index.latest(template, limit) if plain and self._index is not None else None
        return super().latest(template, limit) if found is None else filter(template.matches, found)

    def makers(self, digests: Sequence[Digest], but: Digest | None = None) -> Mapping[Digest, Digest] | None:
        """Return the key of the call that was filed last, for each of several results; see `CallStorage.makers`.

        What other hosts and processes filed within the last moments may be missing.
        """
        return None if self._index is None else self._index.makers(digests, but)

    def takers(self, key: Digest, limit: int) -> Iterable[DigestedCall] | None:
        """Return records that have a key among their inputs; see `CallStorage.takers`."""
        found = None if self._index is None else self._index.takers(key, limit)
        return None if found is None else (record for record in found if key in record.inputs)

    def users(self, digest: Digest, limit: int) -> Iterable[DigestedCall] | None:
        """Return records that have a value as an argument; see `CallStorage.users`."""
        found = None if self._index is None else self._index.users(digest, limit)
        return None if found is None else (record for record in found if digest in record.arguments.values())

    def count(self) -> int:
        """Return how many records there are: by listing, which opens no file."""
        return sum(1 for _ in self.list())

    def transform(self, func: Callable[[DigestedCall], DigestedCall] | None = None) -> None:
        """Replace every record; see `CallStorage.transform`.

        All records are in memory meanwhile. What is to be done is written down before the first file is touched: who
        is interrupted finds it finished when the store is opened next, or by the next `transform`. Records that are
        filed by others while it runs stay as they are. One process at a time.
        """
        moves = Moves(self.files)
        with moves.alone():
            moves.finish()
            found = {key: signed for key in self.list() if (signed := self.files.read_signed(key)) is not None}
            places = {id(record): key for key, (record, _) in found.items()}
            signing = self._authenticity.signing((key.raw, sign) for key, (_, sign) in found.items() if sign)
            new: dict[Digest, DigestedCall] = {}
            ordered = in_order(record for record, _ in found.values())
            steps = ((places[id(each)], each, each if func is None else canonical(func(each))) for each in ordered)
            for _, record, changed in traced_anew(steps):
                if changed.key not in new or changed.replaces(new[changed.key]):
                    new[changed.key] = changed
                    signing.note(changed, record, places[id(record)])
            moves.plan(found, {key: (record, signing.of(record)) for key, record in new.items()})
            moves.finish()

    def _records(self) -> Iterator[DigestedCall]:
        for key in self.list():
            record = self._read(key)
            if record is not None:
                yield record

    def _read(self, key: Digest) -> DigestedCall | None:
        """Return the record of a call; where these files are all there is, only one that is authentic."""
        found = self.files.read_signed(key)
        if found is None or self.store is not None:
            return None if found is None else found[0]
        call, signature = found
        believed = self._authenticity.of_record(key, call.outcome, call.result, call.form, signature)
        return call if believed else None

    def _keys_in(self, folder: Path) -> Iterable[Digest]:
        return self.files.keys(folder)

    def _contains(self, key: Digest) -> bool:
        return self.files.exists(key)

    def _evict(self, key: Digest) -> None:
        self.files.remove(key)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.store is not None:
            return getattr, (self.store, "calls")
        return _calls, (type(self), str(self.root), self._sync, self._packing)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"


def _calls(kind: type[FileCalls], root: str, sync: bool, packing: Packing) -> FileCalls:
    return kind(root, sync=sync, packing=packing)
