"""The directory of a store: made once, by one process, and sealed with a ``FORMAT`` that every opening checks.

``docs/formats/store.md`` describes it whole.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fleche.digest.algorithm import FORMAT as DIGEST_FORMAT
from fleche.digest.algorithm import chosen
from fleche.errors import FormatError, StoreError
from fleche.faults import reach
from fleche.storage.trust import Trust, assess, assess_part
from fleche.storage.whole import TEMPORARY, make_folder, temporary_sibling, write_whole
from fleche.version import VERSION

__all__ = ["FILES", "FORMAT", "LAYOUT", "Seal", "StoreDirectory"]

FORMAT = 1
"""The major format that is written and read."""

LAYOUT = "index"
"""The layout where ``index.db`` is the truth for records and small values."""

FILES = "files"
"""The layout where a file per record and per value is the truth, for network file systems."""

_READERS = {LAYOUT: "fleche.storage.embedded.EmbeddedStore", FILES: "fleche.storage.file.FileStore"}

_MINOR = 1
_PROGRAM = "fleche"
_CACHEDIR_TAG = """\
Signature: 8a477f597d28d172789f06886806bc55
# This file marks a cache directory of fleche, which backups may leave out.
# See https://bford.info/cachedir/
"""
_OURS = frozenset(
    {"FORMAT", "index.db", "usage.db", "values", "calls", "code", "locks", "quarantine", "CACHEDIR.TAG", ".gitignore"}
    | {"accepted", "forgotten"}
)


@dataclass(frozen=True, kw_only=True)
class Seal:
    """What ``FORMAT`` says.

    Attributes:
        program: ``fleche``.
        format: The major format; another one is another store.
        minor: The minor format, which only adds.
        algorithm: The hash of all keys.
        digest: The format of digests.
        layout: ``index`` or ``files``.
        id: A random name of this store.
        written_by: The version that made the store.
        readable_from: The oldest version that can use it.
    """

    program: str = _PROGRAM
    format: int = FORMAT
    minor: int = _MINOR
    algorithm: str
    digest: str = DIGEST_FORMAT
    layout: str = LAYOUT
    id: str
    written_by: str = VERSION
    readable_from: str = "0.1.0"


class StoreDirectory:
    """One store's directory.

    Args:
        root: Where.
        cachedir_tag: Whether a new directory is marked as a cache, so that backups leave it out.
        layout: `LAYOUT` or `FILES`.
    """

    def __init__(self, root: Path, *, cachedir_tag: bool = True, layout: str = LAYOUT) -> None:
        self.root = root
        self.layout = layout
        self.index = root / "index.db"
        self.calls = root / "calls"
        self.code = root / "code"
        self.values = root / "values"
        self.locks = root / "locks"
        self.quarantine = root / "quarantine"
        self.accepted = root / "accepted"
        self.forgotten = root / "forgotten"
        self._seal = root / "FORMAT"
        self._cachedir_tag = cachedir_tag

    def ensure(self, make_index: Callable[[Path], None], *, create: bool) -> Seal:
        """Return the seal of the store; make the store, or what is missing of it, if there is none.

        Of any number of processes one makes it, and the others wait.

        Args:
            make_index: Makes the index at a path that does not exist yet.
            create: Whether to make anything.

        Raises:
            FormatError: It is of another format, algorithm or program, or the directory holds other things.
            StoreError: It cannot be made or read.
        """
        try:
            seal = self._read()
            if seal is not None and (self.index.exists() or not create):
                return seal
            if create:
                return self._make(make_index)
        except StoreError:
            raise
        except OSError as error:
            raise self._unopened(error) from error
        raise StoreError(f"there is no store at {self.root}", path=str(self.root))

    def ensure_files(self, *, create: bool) -> Seal:
        """Return the seal of a store of the layout `FILES`; make the store if there is none.

        Nothing is locked: any number of hosts may do it at once, and the first seal that is linked counts. Folders
        are as open as the directory itself, so that one that was made for a group serves the group.

        Raises:
            FormatError: It is of another format, layout, algorithm or program, or the directory holds other things.
            StoreError: It cannot be made or read.
        """
        try:
            seal = self._read()
            if seal is None and create:
                seal = self._make_files()
        except StoreError:
            raise
        except OSError as error:
            raise self._unopened(error) from error
        if seal is None:
            raise StoreError(f"there is no store at {self.root}", path=str(self.root))
        return seal

    def _make_files(self) -> Seal:
        self._refuse_foreign()
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.calls, self.code, self.values, self.locks, self.quarantine):
            make_folder(folder)
        self._write(".gitignore", "*\n")
        if self._cachedir_tag:
            self._write("CACHEDIR.TAG", _CACHEDIR_TAG)
        seal = Seal(algorithm=chosen().name, id=secrets.token_hex(8), layout=self.layout)
        made = temporary_sibling(self._seal)
        write_whole(made, [_sealed(seal)], sync=True, mode=0o644)
        reach("store:before-seal")
        try:
            self._seal.hardlink_to(made)
        except FileExistsError:
            pass
        except OSError:  # no links there
            write_whole(self._seal, [_sealed(seal)], sync=True, mode=0o644)
        finally:
            made.unlink(missing_ok=True)
        return self._read() or seal

    def trust(self) -> Trust:
        """Return whether values may be built in full: whether others can write to the store or to a part of it."""
        parts = [self.values, *_folders(self.values)]
        if self.layout == LAYOUT:
            parts += [self.index, self.index.with_name("index.db-wal")]
        else:
            parts += [self.calls, *_folders(self.calls), self.accepted, *_folders(self.accepted)]
        found = assess(self.root)
        for part in parts if found.trusted else ():
            if not (of_part := assess_part(part)).trusted:
                return of_part
        return found

    def _make(self, make_index: Callable[[Path], None]) -> Seal:
        from filelock import FileLock

        self._refuse_foreign()
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.locks.mkdir(mode=0o700, exist_ok=True)
        with FileLock(self.locks / "create"):
            for folder in (self.values, self.quarantine):
                folder.mkdir(mode=0o700, exist_ok=True)
            self._write(".gitignore", "*\n")
            if self._cachedir_tag:
                self._write("CACHEDIR.TAG", _CACHEDIR_TAG)
            if not self.index.exists():
                self._make_index(make_index)
            seal = self._read()
            if seal is None:
                seal = Seal(algorithm=chosen().name, id=secrets.token_hex(8))
                reach("store:before-seal")
                self._write("FORMAT", _sealed(seal).decode())
            return seal

    def replace_index(self, fill: Callable[[Path, Path], None]) -> Path:
        """Move the index into the quarantine, and make another one of what it held.

        Whoever has it open meets the new one at the next use; whoever wants to make one meanwhile waits.

        Args:
            fill: Given the old index, where it is now, makes the new one at a path that does not exist yet.

        Returns:
            Where the old one is.

        Raises:
            OSError: Something cannot be moved or written; then the old one is where it was.
        """
        from filelock import FileLock

        self.quarantine.mkdir(mode=0o700, exist_ok=True)
        with FileLock(self.locks / "create"):
            mark = secrets.token_hex(4)
            old, made = self.quarantine / f"index.db.{mark}", self.locks / f".index.{mark}{TEMPORARY}"
            self._move_index(self.index, old)
            try:
                fill(old, made)
                made.rename(self.index)
            except BaseException:
                made.unlink(missing_ok=True)
                self._move_index(old, self.index)
                raise
            return old

    @staticmethod
    def _move_index(old: Path, new: Path) -> None:
        """Move an index, with what SQLite keeps beside it."""
        for end in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                old.with_name(old.name + end).rename(new.with_name(new.name + end))
        old.rename(new)

    def _make_index(self, make_index: Callable[[Path], None]) -> None:
        """Make the index elsewhere: nobody sees it, or what SQLite puts beside it, before it is whole."""
        made = self.locks / f".index.{secrets.token_hex(4)}{TEMPORARY}"
        try:
            make_index(made)
            for left in (
                "index.db-wal",
                "index.db-shm",
            ):  # of an index that was deleted; never to be applied to a new one
                (self.root / left).unlink(missing_ok=True)
            made.rename(self.index)
        finally:
            made.unlink(missing_ok=True)

    def _write(self, name: str, text: str) -> None:
        path = self.root / name
        if not path.exists():
            write_whole(path, [text.encode()], sync=False, mode=0o644)

    def _refuse_foreign(self) -> None:
        with suppress(FileNotFoundError):
            foreign = sorted(path.name for path in self.root.iterdir() if not _is_ours(path.name))
            if foreign and not self._seal.exists():
                raise FormatError(
                    f"{self.root} is not a fleche store and not empty (it holds {foreign[0]!r}); a store is "
                    f"made only in a new or empty directory. Choose another place.",
                    path=str(self.root),
                )

    def _read(self) -> Seal | None:
        try:
            text = self._seal.read_text()
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            raise self._not_ours("FORMAT is not text") from None
        try:
            found = json.loads(text)
        except ValueError:
            raise self._not_ours("FORMAT is not JSON") from None
        if not isinstance(found, dict) or found.get("program") != _PROGRAM:
            raise self._not_ours("FORMAT was written by another program")
        return self._checked(found)

    def _checked(self, found: Mapping[str, Any]) -> Seal:
        if found.get("format") != FORMAT or found.get("digest") != DIGEST_FORMAT:
            raise FormatError(
                f"the store at {self.root} has format {found.get('format')} (digests {found.get('digest')}), written "
                f"by fleche {found.get('written_by')}; this is fleche {VERSION}, which reads format {FORMAT} (digests "
                f"{DIGEST_FORMAT}). Use fleche {found.get('readable_from')} or later, or another store.",
                path=str(self.root),
            )
        layout = str(found.get("layout"))
        if layout != self.layout:
            way = f"open it with {_READERS[layout]}" if layout in _READERS else "use a later fleche, or another store"
            raise FormatError(
                f"the store at {self.root} has the layout {layout!r}, which {_READERS[self.layout]} does not read; "
                f"{way}.",
                path=str(self.root),
            )
        if found.get("algorithm") != chosen().name:
            raise FormatError(
                f"the keys of the store at {self.root} are {found.get('algorithm')} digests, those of this process "
                f"{chosen().name}: set FLECHE_DIGEST={found.get('algorithm')}, or use another store.",
                path=str(self.root),
            )
        try:
            return Seal(**{name: found[name] for name in Seal.__dataclass_fields__})
        except KeyError as missing:
            raise self._not_ours(f"FORMAT has no {missing}") from None

    def _unopened(self, error: OSError) -> StoreError:
        return StoreError(
            f"the store at {self.root} cannot be opened: {error.strerror or error}. "
            f"Look at the path and its permissions, or choose another place with FLECHE_DIR.",
            path=str(self.root),
        )

    def _not_ours(self, why: str) -> FormatError:
        return FormatError(f"{self.root} is not a fleche store: {why}. Choose another place.", path=str(self.root))


def _sealed(seal: Seal) -> bytes:
    return (json.dumps(asdict(seal), indent=2) + "\n").encode()


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir()]
    except OSError:  # what cannot be listed is not read from either
        return []


def _is_ours(name: str) -> bool:
    return name in _OURS or name.startswith(("index.db-", "usage.db-")) or name.endswith(TEMPORARY)
