"""Records and digests that know their store, and load when they are touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

from fleche.call.diffing import DIFFING
from fleche.call.forgetting import Forgetting
from fleche.call.lineage import LINEAGE
from fleche.call.records import DigestedCall, Metadata, Outcome, Version
from fleche.call.related import Lineage
from fleche.digest import Digest
from fleche.errors import ConfigError, DamagedError, ValueNotStored

if TYPE_CHECKING:
    Diff = Any  # fleche.memo.explain.Diff, of a layer above

__all__ = ["BRINGS", "HIDDEN", "SKETCHES", "CallSource", "Handle", "LazyArguments", "LazyCall"]

_LINE = 160  # characters of the arguments in a call's repr
_NOT_STORED = "it was larger than store_arguments, holds handles, or was evicted; only its digest is known"

BRINGS = "brings"
"""The namespace under which a record names the types in its result that may bring code of a project."""

SKETCHES = "sketches"
"""The namespace under which a record names the sketches of its arguments: digests of values, by argument."""

HIDDEN = frozenset({BRINGS, LINEAGE, SKETCHES})
"""Namespaces that are not for people."""


class CallSource(Protocol):
    """What a lazy call asks of its cache."""

    def load_value(self, key: Digest | str, form: str | None = None) -> Any:
        """Return a stored value."""

    def open_result(self, record: DigestedCall) -> Any:
        """Return the result of a record, in its own form."""

    def draw(self, call: LazyCall) -> str:
        """Return a record as HTML."""

    def find_key(self, key: Digest) -> Iterable[LazyCall]:
        """Return the call of a full key, whatever its outcome, or nothing."""

    def takers(self, key: Digest, limit: int = ...) -> list[LazyCall]:
        """Return the calls that took the result of a call, or made it in their body, oldest first."""

    def evict(self, key: Digest | str) -> None:
        """Remove a record."""

    def glimpse(self, key: Digest, form: str | None, limit: int) -> Any:
        """Return a stored value at a glance, with its ``size``, or None where it is gone."""

    def tell_lineage(self, call: LazyCall) -> str:
        """Return what a call depends on, as a tree of text."""

    def draw_lineage(self, call: LazyCall) -> str:
        """Return the calls around one as HTML."""


class Handle(Digest):
    """A digest that knows its store: it stands for its value as an argument, and loads it on demand."""

    _source: CallSource
    origin: Digest | None
    """The key of the call whose result this is, where that is known."""
    plain: bool
    """Whether the value is known to hold no object of a class that could bring code of a project."""

    @classmethod
    def of(cls, text: Digest, source: CallSource, origin: Digest | None = None, *, plain: bool = False) -> Handle:
        """Return a handle on a value of a store."""
        handle = str.__new__(cls, text)
        handle.__dict__.update(_source=source, origin=origin, plain=plain)
        return handle

    def load(self) -> Any:
        """Return the value; each call returns a fresh one.

        Raises:
            ValueNotStored: The store no longer holds it.
        """
        return self._source.load_value(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _handle, (Digest(self), self._source, self.origin, self.plain)


def _handle(text: Digest, source: CallSource, origin: Digest | None, plain: bool) -> Handle:
    return Handle.of(text, source, origin, plain=plain)


class LazyArguments(Mapping[str, Any]):
    """The arguments of a stored call by name; each is loaded when it is read."""

    def __init__(self, record: DigestedCall, source: CallSource) -> None:
        self._record = record
        self._source = source

    def __getitem__(self, name: str) -> Any:
        record = self._record
        if name in record.scalars:
            return record.scalars[name]
        digest = record.arguments[name]
        try:
            return self._source.load_value(digest)
        except ValueNotStored as missing:
            what = f"{record.kinds.get(name) or 'a value'}, digest {digest[:12]}"
            damage = missing.__cause__ if isinstance(missing.__cause__, DamagedError) else None
            why = f"cannot be read: {damage}" if damage else f"was not stored: {_NOT_STORED}"
            raise ValueNotStored(
                f"argument {name!r} ({what}) of call {record.key[:12]} {why}", digest=str(digest)
            ) from damage or missing

    def __iter__(self) -> Iterator[str]:
        return iter(self._record.arguments)

    def __len__(self) -> int:
        return len(self._record.arguments)

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{name!r}: {text}' for name, text in labels(self._record).items())}}}"


class LazyCall:
    """A stored call: its record, with the values loaded when they are touched.

    Args:
        record: What the call storage keeps.
        source: The cache that it came from.
    """

    __slots__ = ("_key", "_source", "record")

    def __init__(self, record: DigestedCall, source: CallSource) -> None:
        self.record = record
        self._key: Digest | None = None
        self._source = source

    @property
    def key(self) -> Digest:
        """The lookup key, derived from the record's fields when it is first asked for."""
        if self._key is None:
            self._key = self.record.key
        return self._key

    @property
    def source(self) -> CallSource:
        """The cache that it came from."""
        return self._source

    @property
    def module(self) -> str:
        """Where the function was defined."""
        return self.record.module

    @property
    def name(self) -> str:
        """The function's qualified name."""
        return self.record.name

    @property
    def version(self) -> Version:
        """The version given to the decorator."""
        return self.record.version

    @property
    def code(self) -> Digest | None:
        """The fingerprint of the code that ran."""
        return self.record.code

    @property
    def code_digest(self) -> Digest | None:
        """The earlier name of `code`."""
        return self.record.code

    @property
    def arguments(self) -> LazyArguments:
        """The arguments by name, loaded when read."""
        return LazyArguments(self.record, self._source)

    @property
    def metadata(self) -> Metadata:
        """Namespaces of JSON values."""
        return self.record.metadata

    @property
    def outcome(self) -> Outcome:
        """How the call ended."""
        return self.record.outcome

    @property
    def at(self) -> datetime | None:
        """When the body started, aware, in UTC."""
        return self.record.at

    @property
    def walltime(self) -> float | None:
        """How long the body took, in seconds, or None where that was not noted."""
        return self.record.metadata.get("runtime", {}).get("walltime")

    @property
    def result(self) -> Any:
        """What the call returned, loaded anew each time, in its own form.

        Raises:
            ValueNotStored: The value is gone.
            Exception: What the body raised, where the call failed and its exception was kept.
        """
        return self._source.open_result(self.record)

    def ref(self) -> Handle:
        """Return a handle on the result, without loading it.

        Raises:
            ValueNotStored: There is no result.
        """
        if self.record.result is None:
            raise ValueNotStored(f"call {self.key[:12]} has no result: its outcome is {self.outcome}", digest="")
        return Handle.of(self.record.result, self._source, self.key, plain=BRINGS not in self.record.metadata)

    def diff(self, other: LazyCall) -> Diff:
        """Return what differs between this call and another: arguments, version, code and result, place by place.

        Args:
            other: The call that this one is compared with; it counts as the later one.

        Raises:
            ConfigError: ``fleche`` itself was not imported.
        """
        if DIFFING.calls is None:
            raise ConfigError("import fleche, so that calls can be compared")
        found: Diff = DIFFING.calls(self, other)
        return found

    # -- where it came from, and went ----------------------------------------------------------------------------

    @property
    def lineage(self) -> Lineage:
        """What came from what: printed, a tree of all that this call depends on; in a notebook, a graph around it."""
        return Lineage(self, self._source)

    def parents(self) -> list[LazyCall]:
        """Return the calls whose results this one took as arguments, in the order of its arguments.

        An argument's origin is recorded when the call is filed: where it came as a handle or a `Digest`, and where its
        value, or one inside it, is another call's result and is no mere number, flag or short text. Calls that are not
        stored any more are left out; ``lineage.missing()`` names them.

        Raises:
            StoreError: The store cannot be read.

        >>> import fleche
        >>> @fleche.cached(cache="memory")
        ... def numbers(count):
        ...     return list(range(count))
        >>> @fleche.cached(cache="memory")
        ... def total(values):
        ...     return sum(values)
        >>> total(numbers(100))
        4950
        >>> call = total.calls.only()
        >>> [parent.name for parent in call.parents()]
        ['numbers']
        >>> [child.name for child in call.parents()[0].children()]
        ['total']
        """
        return self.lineage.parents()

    def children(self, *, limit: int | None = 10_000) -> list[LazyCall]:
        """Return the calls that took this one's result as an argument, oldest first.

        Args:
            limit: How many calls are looked at most; None is all.

        Raises:
            StoreError: The store cannot be read.
        """
        return self.lineage.children(limit=limit)

    def inner(self) -> list[LazyCall]:
        """Return the cached calls that this one made while it ran, in the order in which it first made each.

        Those that were stored already count too, and those that failed.

        Raises:
            StoreError: The store cannot be read.
        """
        return self.lineage.inner()

    def outer(self, *, limit: int | None = 10_000) -> list[LazyCall]:
        """Return the calls that made this one while they ran, oldest first.

        Args:
            limit: How many calls are looked at most; None is all.

        Raises:
            StoreError: The store cannot be read.
        """
        return self.lineage.outer(limit=limit)

    def upstream(self, *, depth: int | None = None, limit: int | None = 10_000) -> list[LazyCall]:
        """Return every call that this one depends on: parents and inner calls, theirs, and so on.

        Args:
            depth: How many steps to go; None is all the way.
            limit: How many calls to return at most; None is all.

        Returns:
            The nearest first, each once, without this one.

        Raises:
            StoreError: The store cannot be read.
        """
        return self.lineage.upstream(depth=depth, limit=limit)

    def downstream(self, *, depth: int | None = None, limit: int | None = 10_000) -> list[LazyCall]:
        """Return every call that depends on this one: children and outer calls, theirs, and so on.

        Args:
            depth: How many steps to go; None is all the way.
            limit: How many calls to return at most; None is all.

        Returns:
            The nearest first, each once, without this one.

        Raises:
            StoreError: The store cannot be read.
        """
        return self.lineage.downstream(depth=depth, limit=limit)

    @overload
    def forget(self, *, downstream: Literal[False] = False) -> bool: ...
    @overload
    def forget(self, *, downstream: Literal[True]) -> Forgetting: ...
    def forget(self, *, downstream: bool = False) -> bool | Forgetting:
        """Remove this call's record, so that it is computed anew; its values stay in the store.

        Args:
            downstream: Whether every call that depends on it goes too. Then nothing is removed yet: what would be is
                returned, and its `confirm` does it.

        Returns:
            Whether the record was there; with ``downstream``, what would go.

        Raises:
            Rejected: The cache is read-only.
            StoreError: The store cannot be written.
        """
        forgetting = Forgetting([self], self._source, downstream=downstream)
        return forgetting if downstream else forgetting.confirm() > 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LazyCall) and other.record == self.record

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={text}" for name, text in labels(self.record).items())
        ending = "" if self.outcome is Outcome.RESULT else f" [{self.outcome}]"
        return f"<call {self.key[:8]} {self.name}({_short(arguments, _LINE)}){ending}>"

    def _repr_html_(self) -> str:
        return self._source.draw(self)


def labels(record: DigestedCall) -> dict[str, str]:
    """Return each argument of a record as short text: scalars as they are, others by type and digest."""
    return {
        name: _short(repr(record.scalars[name]))
        if name in record.scalars
        else f"<{(record.kinds.get(name) or 'value').rpartition('.')[2]} {digest[:8]}>"
        for name, digest in record.arguments.items()
    }


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
