"""The store: opened, looked up, written to and described."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fleche.call.records import DigestedCall, Outcome
from fleche.clock import to_micros
from fleche.digest import Digest
from fleche.errors import DamagedError, StoreError, UntrustedError
from fleche.faults import reach
from fleche.storage.acceptances import Acceptance
from fleche.storage.base import CodeRecord, Hit, Intent, OperationContext
from fleche.storage.call_text import call_text, seal, unseal
from fleche.storage.canonical import canonical
from fleche.storage.checking import Finding
from fleche.storage.directory import FILES, Seal, StoreDirectory
from fleche.storage.envelope import Envelope
from fleche.storage.file.call_files import CallFiles
from fleche.storage.file.calls import FileCalls
from fleche.storage.file.index import HostIndex, index_place
from fleche.storage.file.said import AcceptedFiles, TraceFiles
from fleche.storage.file.transform import Moves
from fleche.storage.file.values import FileValues
from fleche.storage.leases import Lease, Leases
from fleche.storage.leases_soft import SoftLeases
from fleche.storage.loader import Loader
from fleche.storage.packing import PLAIN, Packing

__all__ = ["FileStore"]


class FileStore(OperationContext):
    """Values and calls in one directory, shared by threads, processes and hosts over a network file system.

    Every record and every value is a file of its own, written under another name and renamed: the files are the truth,
    and nothing is locked to read or to file them. A hit opens two files and lists none; a miss opens none. Questions
    over many records are answered with the help of an index on a local disk of each host, which may be deleted at any
    moment.

    It may be used by many threads, forked, and pickled (its address is). If others can write to the directory, only
    plain types are loaded from it; see ``docs/formats/safe-types.md``.

    Args:
        root: The directory; made if it is not there. A group shares a directory that was made for the group.
        create: Whether it may be made.
        cachedir_tag: Whether a new directory is marked as a cache, which backups leave out.
        verify: Whether large values are verified at every read, and not only once per process.
        sync: Whether what is filed is on the disk, not only in a system's memory, when `record` returns.
        mapped: Whether large values are mapped; by default they are, except on network file systems and Windows.
        loader: What builds values; by default `TRUSTED` in a directory that only its owner can write to, else `SAFE`.
        packing: How values are packed.
        index: Where this host's index lies, on a local disk; by default below the user's cache directory.
        lease_duration: Seconds after which the right to compute a call is taken over from a host that fell silent. The
            same for everyone who uses the directory.

    Raises:
        FormatError: The store is of another format, layout, algorithm or program, or the directory holds other things.
        StoreError: It cannot be opened.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = FileStore(folder + "/store")
    ...     key = store.values.save([1, 2])
    ...     again = FileStore(folder + "/store").values.load(key[:8])
    ...     store.close()
    >>> again
    [1, 2]
    """

    def __init__(
        self,
        root: Path | str,
        *,
        create: bool = True,
        cachedir_tag: bool = True,
        verify: bool = False,
        sync: bool = False,
        mapped: bool | None = None,
        loader: Loader | None = None,
        packing: Packing = PLAIN,
        index: Path | str | None = None,
        lease_duration: float = 30.0,
    ) -> None:
        self._options: dict[str, Any] = {
            "create": create,
            "cachedir_tag": cachedir_tag,
            "verify": verify,
            "sync": sync,
            "mapped": mapped,
            "loader": loader,
            "packing": packing,
            "index": None if index is None else str(index),
            "lease_duration": lease_duration,
        }
        self._build(Path(root).absolute())
        self._open()
        moves = Moves(self.files)
        if moves.pending:
            with suppress(StoreError), moves.alone():  # of a store that is read-only here
                moves.finish()

    def _build(self, root: Path) -> None:
        options = self._options
        self.root = root
        self._directory = StoreDirectory(root, cachedir_tag=options["cachedir_tag"], layout=FILES)
        self.files = CallFiles(self._directory.calls, self._directory.quarantine, self._open, sync=options["sync"])
        self.index = HostIndex(self._index_place, self.files)
        self.leases: Leases = SoftLeases(self._directory.locks, duration=options["lease_duration"])
        self.values = FileValues(
            self._directory.values,
            quarantine=self._directory.quarantine,
            trust=self._directory.trust,
            store=self,
            **{name: options[name] for name in ("sync", "verify", "mapped", "loader", "packing")},
        )
        self.authenticity = self.values.authenticity
        self._accepted = AcceptedFiles(self._directory.accepted, self.files, self.authenticity)
        self.traces = TraceFiles(self._directory.forgotten, self.files)
        self.calls = FileCalls(self._directory.calls, files=self.files, index=self.index, store=self)
        self.packing: Packing = options["packing"]
        self._direct = self._is_plain()

    def _open(self) -> Seal:
        return self._directory.ensure_files(create=self._options["create"])

    def _index_place(self) -> Path:
        place = self._options["index"]
        return index_place(self._open().id) if place is None else Path(place)

    @property
    def signs(self) -> bool:
        """Whether what is filed here is signed, so that whoever has the key will build it in full."""
        return bool(self.packing.keys)

    @property
    def trusted(self) -> bool:
        """Whether only its owner can have written what is stored; see `RecordStore.trusted`."""
        return self.values.builder.trusted

    def pack(self, value: Any) -> Envelope:
        """Return a value's bytes as this store keeps them; see `RecordStore.pack`."""
        return self.packing.pack(value)

    def lookup(self, key: Digest) -> Hit | None:
        """Return what is known of a call, from at most two files; see `RecordStore.lookup`."""
        if self._direct:
            return self._lookup(key)
        with self._operation_context(key, intent=Intent.READ):
            return self._lookup(key)

    def _lookup(self, key: Digest) -> Hit | None:
        found = self.files.read_signed(key)
        if found is None:
            return None
        call, signature = found
        envelope, damage = None, None  # no damage where the file is gone: that is how a value is evicted
        authentic = self.authenticity
        if not authentic.of_record(key, call.outcome, call.result, call.form, signature):
            damage = authentic.disowned(key, call.result, call.form)
        elif call.result is not None:
            try:
                envelope = self.values.envelope(call.result, call.form)
            except DamagedError as error:
                damage = error.with_traceback(None)  # which would keep the file mapped
            except FileNotFoundError:
                pass
            if envelope is not None and not authentic.of_value(call.result, envelope):
                envelope, damage = None, authentic.disowned(key, call.result, call.form)
        return Hit(
            outcome=call.outcome,
            at=None if call.at is None else to_micros(call.at),
            expires=None if call.expires is None else to_micros(call.expires),
            result=call.result,
            form=call.form,
            envelope=envelope,
            damage=damage,
        )

    def record(
        self,
        call: DigestedCall,
        values: Mapping[Digest, Envelope],
        lease: Lease | None = None,
        *,
        code: CodeRecord | None = None,
    ) -> None:
        """File a call with its values; see `RecordStore.record`.

        Values are written first, then the record: who finds the record finds everything. What is interrupted leaves
        values that no record names.
        """
        own = None if call.result is None else values.get(call.result)
        call = canonical(call if own is None else call.evolve(form=own.form))
        text = call_text(call, self.packing.sign_record(call))
        if self._direct:
            self._record(call, text, own, values, lease, code)
        else:
            with self._operation_context(call.key, intent=Intent.WRITE):
                self._record(call, text, own, values, lease, code)

    def _record(
        self,
        call: DigestedCall,
        text: bytes,
        own: Envelope | None,
        values: Mapping[Digest, Envelope],
        lease: Lease | None,
        code: CodeRecord | None,
    ) -> None:
        found = self.files.read_signed(call.key)
        old = None if found is None else found[0]
        if found is not None and old is not None:
            if lease is not None and lease.lost:
                return
            if not self._replaces(call, own, *found):
                if old.result == call.result:
                    self._keep(values)
                return
        self._keep(values)
        if code is not None:
            self._keep_code(code)
        reach("record:before-commit")
        self.files.write(call, text, old)
        reach("record:after-commit")
        if call.result is not None and call.outcome is Outcome.RESULT:
            self.index.note(call.result, call.key)

    def _replaces(self, call: DigestedCall, own: Envelope | None, old: DigestedCall, signature: bytes | None) -> bool:
        if call.replaces(old):
            return True
        if not self.authenticity.of_record(call.key, old.outcome, old.result, old.form, signature):
            if call.outcome is not Outcome.RESULT:
                self.files.remove(call.key)  # what is no result is written beside it, and would not be seen
            return True
        if own is None or call.outcome is not old.outcome or old.result is None:
            return False
        return self.authenticity.is_unusable(old.result, old.form) or not self.values.has(old.result, old.form)

    def _keep(self, values: Mapping[Digest, Envelope]) -> None:
        for digest, envelope in values.items():
            self.values.keep(digest, envelope)

    def _keep_code(self, code: CodeRecord) -> None:
        path = self._directory.code / code.digest[:2] / code.digest
        if path.exists():
            return
        body = {"digest": code.digest, "kind": code.kind, "tree": code.tree, "source": code.source}
        try:
            self.files.write_file(path, seal(b"fleche-code", body))
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{path} cannot be written: {error.strerror or error}", path=str(path)) from error

    def code_record(self, digest: Digest) -> CodeRecord | None:
        """Return what stands behind a code fingerprint, or None where it is not there or damaged."""
        path = self._directory.code / digest[:2] / digest
        try:
            body = unseal(b"fleche-code", path.read_bytes(), str(path))
        except (OSError, DamagedError):
            return None
        return CodeRecord(digest=digest, kind=body["kind"], tree=body["tree"], source=body["source"])

    def decode(self, digest: Digest, envelope: Envelope) -> Any:
        """Return the value in an envelope; see `RecordStore.decode`."""
        return self.values.decode(digest, envelope)

    def refuses(self, value: Any) -> UntrustedError | None:
        """Return why this store will not build a value that it keeps; None where it will: always, if it is trusted."""
        return self.values.builder.refuses(value, self.packing)

    def accept(self, acceptance: Acceptance) -> None:
        """Keep an acceptance, signed where there are keys; see `Accepting.accept`."""
        self._accepted.accept(self.authenticity.sealed(acceptance))

    def acceptances(self, new: Digest | None = None) -> Sequence[Acceptance]:
        """Return the acceptances that can be believed; see `Accepting.acceptances`."""
        return self._accepted.acceptances(new)

    def withdraw(self, old: Digest, new: Digest) -> bool:
        """Remove an acceptance; see `Accepting.withdraw`."""
        return self._accepted.withdraw(old, new)

    def check(self, *, repair: bool = False) -> Iterable[Finding]:
        """Read everything that is stored, and yield what is wrong; see `Checkable.check`.

        Files in the making that are older than a day, by the clock of the file system, are counted as left by the dead.
        """
        from fleche.storage.file.check import Check

        return Check(self._directory, self.files, self.values, self.index, repair=repair).findings()

    def close(self) -> None:
        """Close the index and give leases back. The store opens again when it is used again."""
        self.index.close()
        self.leases.close()

    def describe(self) -> Mapping[str, Any]:
        """Return what the store is and holds, for people: place, format, counts, bytes, trust; by listing."""
        seal, trust = self._open(), self.values.builder.trust()
        sizes = self.values.sizes()
        return {
            "path": str(self.root),
            "format": f"{seal.format}.{seal.minor}",
            "algorithm": seal.algorithm,
            "layout": seal.layout,
            "calls": self.calls.count(),
            "values": len(sizes),
            "bytes": sum(sizes.values()),
            "trusted": trust.trusted,
            "reason": trust.reason,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (type(self), str(self.root), self._options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"


def _unpickled(kind: type[FileStore], root: str, options: dict[str, Any]) -> FileStore:
    """Return the store of an address; it is opened when it is first used, so that a lost store fails no unpickling."""
    store = kind.__new__(kind)
    store._options = options  # noqa: SLF001
    store._build(Path(root))  # noqa: SLF001
    return store
