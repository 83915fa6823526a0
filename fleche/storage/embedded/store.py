"""The store: opened, looked up, written to and described."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fleche.call.records import DigestedCall
from fleche.digest import Digest
from fleche.errors import DamagedError, FlecheError, StoreError, UnreadableError, UntrustedError
from fleche.storage.acceptances import Acceptance
from fleche.storage.authenticity import Authenticity
from fleche.storage.base import CodeRecord, Hit, Intent, OperationContext
from fleche.storage.builder import Builder
from fleche.storage.checking import Finding
from fleche.storage.destructuring import Parts, parts_of
from fleche.storage.directory import Seal, StoreDirectory
from fleche.storage.embedded import said
from fleche.storage.embedded.calls import EmbeddedCalls
from fleche.storage.embedded.filing import Filing, SettingAside
from fleche.storage.embedded.values import EmbeddedValues
from fleche.storage.envelope import Envelope
from fleche.storage.forks import FORKS
from fleche.storage.leases import Lease, Leases
from fleche.storage.leases_local import LocalLeases
from fleche.storage.loader import Loader
from fleche.storage.packing import PLAIN, Packing
from fleche.storage.sql import database, statements
from fleche.storage.sql.rows import OUTCOMES
from fleche.storage.value_files import ValueFiles

__all__ = ["EmbeddedStore"]

_LATEST = 50_000  # values whose size a sketch looks at


class EmbeddedStore(OperationContext):
    """Values and calls in one directory, shared by threads and processes of one machine.

    A hit is one statement, a miss one transaction. Small results live in the row of their call, other small values in
    the index, large ones in files that are mapped when they are loaded. What `record` has filed survives the death of
    the process at any instruction; a power failure may lose the last moments.

    It may be used by many threads, forked, and pickled (its address is). If others can write to the directory, only
    plain types are loaded from it; see ``docs/formats/safe-types.md``.

    Args:
        root: The directory; made if it is not there.
        create: Whether it may be made.
        cachedir_tag: Whether a new directory is marked as a cache, which backups leave out.
        verify: Whether large values are verified at every read, and not only where their file changed.
        loader: What builds values; by default `TRUSTED` in a directory that only its owner can write to, else `SAFE`.
        packing: How values are packed.

    Raises:
        FormatError: The store is of another format, algorithm or program, or the directory holds other things.
        StoreError: It cannot be opened.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = EmbeddedStore(folder + "/store")
    ...     key = store.values.save([1, 2])
    ...     again = EmbeddedStore(folder + "/store").values.load(key[:8])
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
        loader: Loader | None = None,
        packing: Packing = PLAIN,
    ) -> None:
        self._options: dict[str, Any] = {
            "create": create,
            "cachedir_tag": cachedir_tag,
            "verify": verify,
            "loader": loader,
            "packing": packing,
        }
        self._build(Path(root).absolute())
        self._open()

    def _build(self, root: Path) -> None:
        self.root = root
        self._directory = StoreDirectory(root, cachedir_tag=self._options["cachedir_tag"])
        self._database = database.Database(self._directory.index, self._open)
        self._files = ValueFiles(self._directory.values, self._directory.quarantine, verify=self._options["verify"])
        self._index = str(self._directory.index)
        self._builder = Builder(self._options["loader"], self._directory.trust)
        self.packing: Packing = self._options["packing"]
        self.authenticity = Authenticity(self.packing, self._builder, str(root))
        self._unreadable = self.authenticity.unreadable
        self._direct = self._is_plain()
        self.leases: Leases = LocalLeases(self._directory.locks)
        self.values = EmbeddedValues(self, self._database, self._files)
        self.calls = EmbeddedCalls(self, self._database)

    def _open(self) -> Seal:
        return self._directory.ensure(_make_index, create=self._options["create"])

    @property
    def trusted(self) -> bool:
        """Whether only its owner can have written what is stored; see `RecordStore.trusted`."""
        return self._builder.trusted

    @property
    def signs(self) -> bool:
        """Whether what is filed here is signed, so that whoever has the key will build it in full."""
        return bool(self.packing.keys)

    def pack(self, value: Any) -> Envelope:
        """Return a value's bytes as this store keeps them; see `RecordStore.pack`."""
        return self.packing.pack(value)

    def lookup(self, key: Digest) -> Hit | None:
        """Return what is known of a call, by one statement; see `RecordStore.lookup`."""
        if self._direct:
            return self._lookup(key)
        with self._operation_context(key, intent=Intent.READ):
            return self._lookup(key)

    def _lookup(self, key: Digest) -> Hit | None:
        try:
            row = self._database.one(statements.LOOKUP, (bytes.fromhex(key),))
        except ValueError:  # no hexadecimal text, so it is no key
            return None
        if row is None:
            return None
        number, result, form, at, expires, own, signature, *stored = row
        known = None if result is None else Digest.from_bytes(result)
        form = None if form is None else form.hex()
        envelope, damage = None, None
        keys, authentic = self.packing.keys, self.authenticity
        if keys and not authentic.of_record(key, OUTCOMES[number], known, form, signature):
            damage = authentic.disowned(key, known, form)
        elif known is not None:
            try:
                if own is not None:
                    envelope = Envelope.parse(own, place=self._index)
                elif stored[0] is not None:
                    envelope = self._stored(known, *stored)
                else:
                    envelope = self.values.inline(known, form)
            except DamagedError as error:
                self._note(known, form, error)
                damage = error.with_traceback(None)  # which would keep the file mapped
            if envelope is not None and keys and not authentic.of_value(known, envelope):
                envelope, damage = None, authentic.disowned(key, known, form)
        return Hit(OUTCOMES[number], at, expires, known, form, envelope, damage)

    def _stored(self, digest: Digest, form: bytes, size: int, stat: str | None, envelope: bytes | None) -> Envelope:
        """Return a value's bytes from its row or file.

        Raises:
            DamagedError: They are damaged or missing; they are still where they were.
        """
        if envelope is not None:
            return Envelope.parse(envelope, place=self._index)
        name = form.hex()
        try:
            return self._files.read(digest, name, stat)
        except FileNotFoundError as error:
            path = str(self._files.path_of(digest, name))
            raise DamagedError(
                f"{path}, a value of {size} bytes, is gone. It counts as missing.", place=path
            ) from error
        except OSError as error:
            path = str(self._files.path_of(digest, name))
            raise StoreError(f"{path} cannot be read: {error.strerror or error}", path=path) from error

    def open_value(self, digest: Digest, form: bytes, size: int, stat: str | None, envelope: bytes | None) -> Envelope:
        """Return the bytes of a value whose row was read.

        Raises:
            DamagedError: They are damaged or missing, and were set aside.
            StoreError: They cannot be read.
        """
        try:
            return self._stored(digest, form, size, stat, envelope)
        except DamagedError as error:
            self._note(digest, form.hex(), error)
            raise

    def record(
        self,
        call: DigestedCall,
        values: Mapping[Digest, Envelope],
        lease: Lease | None = None,
        *,
        code: CodeRecord | None = None,
    ) -> None:
        """File a call with its values, in one transaction; see `RecordStore.record`."""
        values = self.packing.all_signed(values)
        own = None if call.result is None else values.get(call.result)
        if own is not None:
            call = call.evolve(form=own.form)
        signature = self.packing.sign_record(call)
        parts = self.packing.parts_of(values.items())
        filing = Filing(
            call, own, values, self._files, self._database, lease, code, self.authenticity, signature, parts
        )
        if self._direct:
            self._database.write(filing)
        else:
            with self._operation_context(call.key, intent=Intent.WRITE):
                self._database.write(filing)

    def decode(self, digest: Digest, envelope: Envelope) -> Any:
        """Return the value in an envelope; see `RecordStore.decode`."""
        try:
            return self.packing.load(envelope, digest, self._builder.loader, self._parts(envelope))
        except DamagedError as error:
            form = envelope.form if isinstance(error, UnreadableError) else None
            self._note(digest, form, error)
            raise
        except UntrustedError:
            self.authenticity.refused(digest)
            raise

    def code_record(self, digest: Digest) -> CodeRecord | None:
        """Return what stands behind a code fingerprint, or None."""
        row = self._database.one(statements.CODE, (digest.raw,))
        return None if row is None else CodeRecord(digest=digest, kind=row[0], tree=row[1], source=row[2])

    def accept(self, acceptance: Acceptance) -> None:
        """Keep an acceptance, signed where there are keys; see `Accepting.accept`."""
        said.accept(self._database, self.authenticity.sealed(acceptance))

    def acceptances(self, new: Digest | None = None) -> Sequence[Acceptance]:
        """Return the acceptances that can be believed; see `Accepting.acceptances`."""
        return said.acceptances(self._database, self.authenticity, new)

    def withdraw(self, old: Digest, new: Digest) -> bool:
        """Remove an acceptance; see `Accepting.withdraw`."""
        return said.withdraw(self._database, old, new)

    def check(self, *, repair: bool = False) -> Iterator[Finding]:
        """Look the index, the values and the directory over; see `Checkable.check`."""
        from fleche.storage.embedded.inspection import Inspection  # rarely needed

        return Inspection(self._directory, self._database, self._files, _make_index).findings(repair=repair)

    def _parts(self, envelope: Envelope) -> Parts | None:
        return parts_of(envelope, self.values, self.packing, self._builder, self.authenticity)

    def refuses(self, value: Any) -> UntrustedError | None:
        """Return why this store will not build a value that it keeps; None where it will: always, if it is trusted."""
        return self._builder.refuses(value, self.packing)

    def close(self) -> None:
        """Close the connections of all threads. The store opens again when it is used again."""
        self._database.close()
        self.leases.close()

    def describe(self) -> Mapping[str, Any]:
        """Return what the store is and holds, for people: place, format, counts, bytes, trust."""
        seal, trust = self._open(), self._builder.trust()
        calls = self._database.one(statements.CALL_COUNT) or (0,)
        stored = self._database.one(statements.VALUE_TOTALS) or (0, 0)
        inline = self._database.one(statements.INLINE_TOTALS) or (0, 0)
        return {
            "path": str(self.root),
            "format": f"{seal.format}.{seal.minor}",
            "algorithm": seal.algorithm,
            "layout": seal.layout,
            "calls": calls[0],
            "values": stored[0] + inline[0],
            "bytes": int(stored[1] + inline[1]),
            "trusted": trust.trusted,
            "reason": trust.reason,
        }

    def sketch(self) -> Mapping[str, Any]:
        """Return what the store is and holds, as far as that is told at once however much it holds.

        ``bytes`` is the index, and the files of the latest values.
        """
        seal, trust = self._open(), self._builder.trust()
        calls = self._database.one(statements.CALL_COUNT) or (0,)
        files = self._database.one(statements.LATEST_FILES, (_LATEST,)) or (0,)
        return {
            "kind": "directory",
            "path": str(self.root),
            "calls": calls[0],
            "bytes": int(files[0]) + self._directory.index.stat().st_size,
            "format": f"{seal.format}.{seal.minor}",
            "algorithm": seal.algorithm,
            "trusted": trust.trusted,
            "reason": trust.reason,
        }

    def _note(self, digest: Digest, form: str | None, error: DamagedError) -> None:
        """Set aside what is damaged; remember what is whole and cannot be read here, so that it can be replaced."""
        if isinstance(error, UnreadableError):
            self._unreadable.add((digest, form))
            return
        with suppress(FlecheError):  # of a read-only store; that is no failure of the read that noticed
            self._database.write(SettingAside(self._files, digest))

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (type(self), str(self.root), self._options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"


def _unpickled(kind: type[EmbeddedStore], root: str, options: dict[str, bool]) -> EmbeddedStore:
    """Return the store of an address; it is opened when it is first used, so that a lost store fails no unpickling."""
    store = kind.__new__(kind)
    store._options = options  # noqa: SLF001
    store._build(Path(root))  # noqa: SLF001
    return store


def _make_index(path: Path) -> None:
    with FORKS.still():
        database.create(path, statements.SCHEMA)
