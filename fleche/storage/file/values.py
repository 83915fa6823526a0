"""Values as files of one directory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleche.digest import Digest, digest
from fleche.errors import DamagedError, SaveError, StoreError, UnknownDigestError, UnreadableError
from fleche.storage.base import Intent, ValueStorage, check_key
from fleche.storage.builder import Builder
from fleche.storage.envelope import Envelope
from fleche.storage.file.shards import ShardedKeys, entries, is_key, shard_names
from fleche.storage.loader import Loader
from fleche.storage.network import is_network
from fleche.storage.packing import PLAIN, Packing
from fleche.storage.trust import Trust, assess, assess_part
from fleche.storage.value_files import ValueFiles

if TYPE_CHECKING:
    from fleche.storage.file.store import FileStore

__all__ = ["FileValues"]

_STEP = 1_000_000  # nanoseconds by which a form is made newer than the others
_FORM = 8  # characters


class FileValues(ShardedKeys, ValueStorage):
    """Values in every form that was saved, each a file ``ab/<digest>.<form>``; a plain directory, or a part of a store.

    It may be used by many threads, processes and hosts, and pickled (its address is).

    Args:
        root: The directory; made when something is saved.
        quarantine: Where what is damaged is moved to; by default a folder in the directory.
        sync: Whether a value is on the disk, not only in the system's memory, when `save` returns.
        verify: Whether large buffers are verified at every read, and not only once per process.
        mapped: Whether large buffers are mapped; by default they are, except on network file systems and Windows.
        loader: What builds values; by default `TRUSTED` in a directory that only its owner can write to, else `SAFE`.
        packing: How values are packed.
        trust: Looks at who can write to the directory.
        store: The record store that this is a face of, if any.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     values = FileValues(folder)
    ...     values.load(values.save([1, 2])[:8])
    [1, 2]
    """

    def __init__(
        self,
        root: Path | str,
        *,
        quarantine: Path | None = None,
        sync: bool = False,
        verify: bool = False,
        mapped: bool | None = None,
        loader: Loader | None = None,
        packing: Packing = PLAIN,
        trust: Callable[[], Trust] | None = None,
        store: FileStore | None = None,
    ) -> None:
        super().__init__(Path(root).absolute())
        self.store = store
        self._packing = packing
        self.builder = Builder(loader, trust or partial(_assess, self.root))
        self._options = {"sync": sync, "verify": verify, "mapped": mapped, "loader": loader, "packing": packing}
        if mapped is None:
            mapped = os.name != "nt" and not is_network(self.root)
        quarantine = quarantine or self.root / "quarantine"
        self.files = ValueFiles(self.root, quarantine, sync=sync, verify=verify, mapped=mapped)
        self.unreadable: set[tuple[Digest, str | None]] = set()

    def save(self, value: Any, key: Digest | None = None) -> Digest:
        """Store a value under a key, or under its digest; see `ValueStorage.save`."""
        if key is None:
            key = digest(value)
            if isinstance(value, Digest):
                return key
        self.put_envelope(key, self._packing.pack(value) if self.store is None else self.store.pack(value))
        return key

    def load(self, key: Digest | str) -> Any:
        """Return a value; see `ValueStorage.load`."""
        whole = self._normalize_key(key)
        return self.decode(whole, self.get_envelope(whole))

    def put_envelope(self, key: Digest, envelope: Envelope) -> None:
        """Keep one form of a value beside the others; see `EnvelopeStorage.put_envelope`."""
        check_key(key)
        with self._operation_context(key, intent=Intent.WRITE):
            self.keep(key, envelope)
            others = [written for form, written in self._forms(key).items() if form != envelope.form]
            if others:
                self._make_newest(key, envelope, max(others))

    def get_envelope(self, key: Digest, form: str | None = None) -> Envelope:
        """Return a value's bytes in one form, or in any; see `EnvelopeStorage.get_envelope`.

        Of several forms the one that was saved last is returned. With a form nothing is listed.

        Raises:
            StoreError: The file is there and cannot be read.
        """
        with self._operation_context(key, intent=Intent.READ):
            try:
                return self.envelope(key, form)
            except FileNotFoundError:
                shape = "" if form is None else f" in the form {form}"
                raise UnknownDigestError(f"{self.root} holds no value {key}{shape}", digest=str(key)) from None

    def peek(self, key: Digest, form: str | None, limit: int) -> tuple[int, Envelope | None]:
        """Return the size of a value, and its envelope where little must be read; see `Peekable.peek`."""
        with self._operation_context(key, intent=Intent.READ):
            forms = self._forms(key) if form is None else {form: 0}
            name = max(forms, key=forms.__getitem__, default="")
            try:
                size = self.files.path_of(key, name).stat().st_size
                return size, self.files.peek(key, name, limit)
            except FileNotFoundError:
                raise UnknownDigestError(f"{self.root} holds no value {key}", digest=str(key)) from None

    def envelope(self, key: Digest, form: str | None) -> Envelope:
        """Return a value's bytes in one form, or in any.

        Raises:
            FileNotFoundError: It is not here in this form.
            DamagedError: The bytes are not what was written; they were set aside.
            StoreError: They cannot be read.
        """
        if form is None:
            forms = self._forms(key)
            if not forms:
                raise FileNotFoundError
            form = max(forms, key=forms.__getitem__)
        try:
            return self.files.read(key, form, None)
        except DamagedError as error:
            self.note(key, form, error)
            raise
        except FileNotFoundError:
            raise
        except OSError as error:
            path = str(self.files.path_of(key, form))
            raise StoreError(f"{path} cannot be read: {error.strerror or error}", path=path) from error

    def keep(self, key: Digest, envelope: Envelope) -> None:
        """Store one form of a value, unless it is there and is what was written; nothing is listed.

        Raises:
            SaveError: It cannot be stored.
            ValueError: The key is not a whole digest.
        """
        check_key(key)
        if self.has(key, envelope.form):
            return
        self.files.write(key, envelope)

    def has(self, key: Digest, form: str | None) -> bool:
        """Whether a value is here in one form, or in any, whole; what is damaged is set aside."""
        try:
            self.envelope(key, form)
        except UnreadableError:
            return True
        except (DamagedError, OSError):
            return False
        return True

    def decode(self, key: Digest, envelope: Envelope) -> Any:
        """Return the value in an envelope; see `RecordStore.decode`."""
        try:
            return envelope.load(self.builder.loader)
        except DamagedError as error:
            self.note(key, envelope.form, error)
            raise

    def note(self, key: Digest, form: str, error: DamagedError) -> None:
        """Set aside what is damaged; remember what is whole and cannot be read here, so that it can be replaced."""
        if isinstance(error, UnreadableError):
            self.unreadable.add((key, form))
            return
        try:  # again: another process may have replaced it meanwhile by a whole one
            self.files.check(key, form)
        except UnreadableError:
            pass
        except DamagedError:
            self.files.set_aside(key, form)
        except OSError:
            pass

    def sizes(self) -> dict[Digest, int]:
        """Return the bytes of each value, all forms together."""
        found: dict[Digest, int] = {}
        for name in shard_names(self.root):
            for entry in entries(self.root / name):
                key = entry.name.partition(".")[0]
                if is_key(key):
                    with suppress(FileNotFoundError):
                        found[Digest(key)] = found.get(Digest(key), 0) + entry.stat().st_size
        return found

    def _make_newest(self, key: Digest, envelope: Envelope, other: int) -> None:
        """Let the file of a form be younger than those of the others, also where its clock ticks slowly."""
        path = self.files.path_of(key, envelope.form)
        try:
            if path.stat().st_mtime_ns > other:
                return
            try:
                os.utime(path, ns=(other + _STEP, other + _STEP))
            except PermissionError:  # another user's file
                self.files.write(key, envelope)
                os.utime(path, ns=(other + _STEP, other + _STEP))
        except OSError as error:
            raise SaveError(f"{path} cannot be touched: {error.strerror or error}", path=str(path)) from error

    def _forms(self, key: Digest) -> dict[str, int]:
        """Return when each form of a value was written, by its file system's clock."""
        found = {}
        for entry in entries(self.root / key[:2]):
            name, _, form = entry.name.partition(".")
            if name == key and len(form) == _FORM:
                with suppress(FileNotFoundError):
                    found[form] = entry.stat().st_mtime_ns
        return found

    def _keys_in(self, folder: Path) -> Iterable[Digest]:
        names = {entry.name.partition(".")[0] for entry in entries(folder)}
        return {Digest(name) for name in names if is_key(name)}

    def _contains(self, key: Digest) -> bool:
        return bool(self._forms(key))

    def _evict(self, key: Digest) -> None:
        for form in self._forms(key):
            path = self.files.path_of(key, form)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(f"{path} cannot be removed: {error.strerror or error}", path=str(path)) from error

    def __reduce__(self) -> tuple[Any, ...]:
        if self.store is not None:
            return getattr, (self.store, "values")
        return _values, (type(self), str(self.root), self._options)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"


def _assess(root: Path) -> Trust:
    found = assess(root)
    for name in shard_names(root) if found.trusted else ():
        if not (of_part := assess_part(root / name)).trusted:
            return of_part
    return found


def _values(kind: type[FileValues], root: str, options: dict[str, Any]) -> FileValues:
    return kind(root, **options)
