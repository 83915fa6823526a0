"""Values and records in plain directories, under the names and with the options that existing code uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from fleche.storage import serializers
from fleche.storage.envelope import Envelope
from fleche.storage.file.calls import FileCalls
from fleche.storage.file.values import FileValues
from fleche.storage.packing import PART, Packing
from fleche.storage.signing import Keyring, read_keys

__all__ = ["CallPickleFile", "ValuePickleFile"]


class ValuePickleFile(FileValues):
    """Values in a directory, signed if there is a key.

    In a directory that others can write to, what one of the keys signed is built in full, and all else by the safe
    loader.

    Args:
        root: The directory; made when something is saved.
        remaining_depth: Of how many levels of containers large children are stored in parts; 0 stores values whole.
        secret_key: One key or several, see `read_keys`: the first signs, any of them verifies. Empty: none.
        serializer: ``"pickle"``, ``"cloudpickle"`` or ``"dill"``. All three store with ``pickle``, and with
            ``cloudpickle`` what that refuses, so each reads what the others wrote.
        compress: Whether each part that shrinks by it is compressed, with zstd.

    Raises:
        ConfigError: The serializer is not known, a key is too short, or compressing needs a package that is missing.
        ValueError: A key is not hexadecimal text.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     values = ValuePickleFile(folder, secret_key="8f" * 32)
    ...     values.load(values.save([1, 2]))
    [1, 2]
    """

    def __init__(
        self,
        root: Path | str,
        remaining_depth: int = 1,
        *,
        secret_key: str | bytes | Sequence[str | bytes] = (),
        serializer: str = "pickle",
        compress: bool = False,
    ) -> None:
        packing = _packing(secret_key, serializer, compress=compress)
        super().__init__(root, packing=replace(packing, parts=PART, depth=remaining_depth))
        self.remaining_depth = remaining_depth
        self.serializer = serializer

    @classmethod
    def with_pickle(cls, root: Path | str, remaining_depth: int = 1, **options: Any) -> Self:
        """Return a storage with this serializer; see the class."""
        return cls(root, remaining_depth, serializer="pickle", **options)

    @classmethod
    def with_cloudpickle(cls, root: Path | str, remaining_depth: int = 1, **options: Any) -> Self:
        """Return a storage with this serializer; see the class."""
        return cls(root, remaining_depth, serializer="cloudpickle", **options)

    @classmethod
    def with_dill(cls, root: Path | str, remaining_depth: int = 1, **options: Any) -> Self:
        """Return a storage with this serializer; see the class."""
        return cls(root, remaining_depth, serializer="dill", **options)

    def __reduce__(self) -> tuple[Any, ...]:
        return _values, (type(self), str(self.root), self._packing, self.remaining_depth, self.serializer)


class CallPickleFile(FileCalls):
    """Records in a directory, signed if there is a key.

    In a directory that others can write to, a record that none of the keys signed counts as missing.

    Args:
        root: The directory; made when something is saved.
        secret_key: One key or several; see `ValuePickleFile`.
        serializer: As for `ValuePickleFile`; records are text, whatever it says.
        compress: As for `ValuePickleFile`; records are too small for it.

    Raises:
        ConfigError: The serializer is not known, or a key is too short.
        ValueError: A key is not hexadecimal text.

    >>> from fleche.call.records import DigestedCall
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     calls = CallPickleFile(folder)
    ...     calls.load(calls.save(DigestedCall(module="m", name="f"))).name
    'f'
    """

    def __init__(
        self,
        root: Path | str,
        *,
        secret_key: str | bytes | Sequence[str | bytes] = (),
        serializer: str = "pickle",
        compress: bool = False,
    ) -> None:
        super().__init__(root, packing=_packing(secret_key, serializer, compress=compress))
        self.serializer = serializer

    def __reduce__(self) -> tuple[Any, ...]:
        return _calls, (type(self), str(self.root), self._packing, self.serializer)


def _packing(secret_key: str | bytes | Sequence[str | bytes], serializer: str, *, compress: bool) -> Packing:
    keys = read_keys(secret_key)
    return _BySerializer(
        compress=compress, keys=Keyring(keys) if keys else None, serializer=serializers.SERIALIZERS.check(serializer)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _BySerializer(Packing):
    """Packs what a serializer of the user's makes of a value.

    Attributes:
        serializer: Its name; ``pickle``, ``cloudpickle`` and ``dill`` are the envelope's own way.
    """

    serializer: str

    def pack(self, value: Any) -> Envelope:
        """Return a value's envelope; see `Packing.pack`."""
        return Packing.pack(self, serializers.serialized(self.serializer, value))


def _values(kind: type[ValuePickleFile], root: str, packing: Packing, depth: int, serializer: str) -> ValuePickleFile:
    values = kind.__new__(kind)
    FileValues.__init__(values, root, packing=packing)
    values.remaining_depth, values.serializer = depth, serializer
    return values


def _calls(kind: type[CallPickleFile], root: str, packing: Packing, serializer: str) -> CallPickleFile:
    calls = kind.__new__(kind)
    FileCalls.__init__(calls, root, packing=packing)
    calls.serializer = serializer
    return calls
