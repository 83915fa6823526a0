"""A call with its values: what is about to run, and the right to file what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from fleche.call.key import call_prefix, lookup_key
from fleche.call.records import NO_ITEMS, DigestedCall, Metadata, Outcome, Version
from fleche.call.scalars import kind_of, scalar_fits
from fleche.digest import Digest, digest

__all__ = ["ABSENT", "Call", "PreparedCall"]


class _Absent:
    """There is no result (yet); None is one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"

    def __reduce__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


@dataclass(frozen=True, kw_only=True)
class Call:
    """A function's identity and its bound arguments, as values.

    Attributes:
        module: Where the function was defined; ``__main__`` for a script or notebook.
        name: The function's qualified name.
        version: The version given to the decorator, or None.
        code: The fingerprint of its code, or None where code is not in the key.
        arguments: The arguments by name, in the order of the signature; a `Digest` among them stands for its value.
        result: What the call returned, or ``ABSENT``.
        metadata: Namespaces of JSON values.
    """

    module: str
    name: str
    version: Version = None
    code: Digest | None = None
    arguments: Mapping[str, Any] = field(default_factory=lambda: NO_ITEMS)
    result: Any = ABSENT
    metadata: Metadata = field(default_factory=lambda: NO_ITEMS)

    @property
    def key(self) -> Digest:
        """The lookup key.

        Raises:
            Indigestible: An argument has no digest.
        """
        prefix = call_prefix(self.module, self.name, self.version, self.code)
        return lookup_key(prefix, digests(self.arguments))

    @property
    def code_digest(self) -> Digest | None:
        """The earlier name of `code`."""
        return self.code

    def digested(self) -> DigestedCall:
        """Return the record of this call: digests instead of values, and those values that live in its row.

        Raises:
            Indigestible: An argument or the result has no digest.
        """
        return DigestedCall(
            module=self.module,
            name=self.name,
            version=self.version,
            code=self.code,
            arguments=digests(self.arguments),
            scalars={name: value for name, value in self.arguments.items() if scalar_fits(value)},
            kinds={name: "" if isinstance(value, Digest) else kind_of(value) for name, value in self.arguments.items()},
            result=None if self.result is ABSENT else digest(self.result, name="result"),
            metadata=self.metadata,
        )

    def returned(self, result: Any) -> Call:
        """Return the same call with its result."""
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__, result=result)
        return copy


class PreparedCall:
    """A call whose key is sealed, and whose result is awaited: exactly one of `commit`, `fail` or `abandon`.

    What the body does to its arguments afterwards changes nothing here. As a context manager it abandons the call
    if the block ends with neither.

    Args:
        record: The record so far, without a result.
        file: Called once with ``(outcome, value, metadata)``; it stores and returns the key.
        drop: Called once if nothing is to be stored.
    """

    def __init__(
        self,
        record: DigestedCall,
        file: Callable[[Outcome, Any, Metadata], Digest],
        drop: Callable[[], None],
    ) -> None:
        self.record = record
        self.key = record.key
        self._file = file
        self._drop = drop
        self._open = True

    def commit(self, result: Any, metadata: Metadata | None = None, *, outcome: Outcome = Outcome.RESULT) -> Digest:
        """File the record with its result, in one transaction, and return its key.

        Args:
            result: What the call returned (or, for ``Outcome.ERROR``, the exception; ``ABSENT`` keeps no value).
            metadata: Namespaces to add to those that were there.
            outcome: How the call ended.

        Raises:
            Indigestible: The result has no digest.
            SaveError: The result cannot be stored.
            StoreError: The store cannot be written.
            RuntimeError: The call was committed or abandoned before.
        """
        self._close()
        return self._file(outcome, result, metadata or NO_ITEMS)

    def abandon(self) -> None:
        """File nothing. Calling it after `commit` or `abandon` changes nothing."""
        if self._open:
            self._open = False
            self._drop()

    def _close(self) -> None:
        if not self._open:
            raise RuntimeError(f"call {self.key} was already committed or abandoned; prepare it anew")
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.abandon()


def digests(arguments: Mapping[str, Any]) -> dict[str, Digest]:
    """Return the digest of each argument by name.

    Raises:
        Indigestible: One has none; the path starts with its name.
    """
    return {name: digest(value, name=name) for name, value in arguments.items()}
