"""The records of a call that hold digests only: what call storage keeps, and the template that asks for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fleche.call.key import call_prefix, lookup_key
from fleche.digest import Digest, digest

if TYPE_CHECKING:
    from fleche.call.conditions import Condition, Values

__all__ = ["NO_ITEMS", "DigestedCall", "Metadata", "Outcome", "QueryCall", "Scalar", "Version"]

Scalar = None | bool | int | float | str | date | datetime
"""A value that lives in the row of its record."""

Version = str | int | None
Metadata = Mapping[str, Mapping[str, Any]]
"""Namespace to entries, such as ``{"runtime": {"walltime": 0.2}}``; entries are JSON values."""

NO_ITEMS: Mapping[str, Any] = MappingProxyType({})


class Outcome(StrEnum):
    """How a call ended.

    ``result``: it returned. ``error``: it raised. ``partial``: a generator that was not read to its end.
    """

    RESULT = "result"
    ERROR = "error"
    PARTIAL = "partial"


@dataclass(frozen=True, kw_only=True, slots=True)
class DigestedCall:
    """What call storage keeps of a call.

    Attributes:
        module: Where the function was defined; ``__main__`` for a script or notebook.
        name: The function's qualified name.
        version: The version given to the decorator, or None.
        code: The fingerprint of the code that ran, or None where code is not in the key.
        arguments: The digest of each argument by name, in the order of the signature.
        scalars: Those arguments that live in the row, by name, as values.
        kinds: The type of each argument by name: ``int``, ``str``, ``numpy.ndarray``; for people, not in the key.
        result: The digest of the result, or of the exception where ``outcome`` is ``error`` and it was kept;
            None only where there is none. A call that returned None has ``digest(None)``.
        form: Which byte representation of the result is this call's own (8 characters), or None for any.
        outcome: How the call ended.
        metadata: Namespaces of JSON values.
        at: When the body started, aware, in UTC, to the microsecond.
        expires: When the record stops being a hit, or None for never.
        parent: The key of the cached call inside which this one ran, or None.
        inputs: Keys of the calls whose results this call took as arguments (lineage).
    """

    module: str
    name: str
    version: Version = None
    code: Digest | None = None
    arguments: Mapping[str, Digest] = field(default_factory=lambda: NO_ITEMS)
    scalars: Mapping[str, Scalar] = field(default_factory=lambda: NO_ITEMS)
    kinds: Mapping[str, str] = field(default_factory=lambda: NO_ITEMS)
    result: Digest | None = None
    form: str | None = None
    outcome: Outcome = Outcome.RESULT
    metadata: Metadata = field(default_factory=lambda: NO_ITEMS)
    at: datetime | None = None
    expires: datetime | None = None
    parent: Digest | None = None
    inputs: tuple[Digest, ...] = ()
    _key: Digest | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def keyed(cls, key: Digest, **values: Any) -> DigestedCall:
        """Return a record whose key is known already: the one that its fields give."""
        draft = _Draft(key)
        for name in _FIELDS:
            setattr(draft, name, values[name] if name in values else _DEFAULTS[name])
        return draft.frozen(cls)

    @property
    def key(self) -> Digest:
        """The lookup key: the digest of module, name, version, code and arguments."""
        known: Digest | None = getattr(self, "_key", None)  # one that was pickled earlier has no such slot
        if known is None:
            prefix = call_prefix(self.module, self.name, self.version, self.code)
            known = lookup_key(prefix, self.arguments)
            object.__setattr__(self, "_key", known)
        return known

    @property
    def code_digest(self) -> Digest | None:
        """The earlier name of `code`."""
        return self.code

    def evolve(self, **changes: Any) -> DigestedCall:
        """Return a copy with some fields changed.

        Raises:
            TypeError: There is no such field.
        """
        draft = _Draft(None if changes.keys() & _KEYED else getattr(self, "_key", None))
        for name in _FIELDS:
            setattr(draft, name, changes.pop(name) if name in changes else getattr(self, name))
        if changes:
            raise TypeError(f"a record has no field {next(iter(changes))!r}")
        return draft.frozen(type(self))

    def replaces(self, old: DigestedCall) -> bool:
        """Whether filing this record over an older one of the same key changes anything.

        A result is left alone by an equal result that came before it expired and does not expire sooner, and is never
        replaced by an error or a partial outcome.
        """
        if old.outcome is not Outcome.RESULT:
            return True
        return self.outcome is Outcome.RESULT and (self.result != old.result or self._renews(old))

    def _renews(self, old: DigestedCall) -> bool:
        """Whether an older record had expired when this call began, or would outlive this one.

        It does where the function was given a time to live since, or a shorter one, by which only this can be a hit.
        """
        if self.expires is not None and (old.expires is None or self.expires < old.expires):
            return True
        return old.expires is not None and self.at is not None and self.at >= old.expires


_KEYED = frozenset({"module", "name", "version", "code", "arguments"})
_FIELDS = tuple(each.name for each in fields(DigestedCall) if each.init)
_DEFAULTS: Mapping[str, Any] = {
    each.name: NO_ITEMS if each.default is MISSING else each.default
    for each in fields(DigestedCall)
    if not (each.default is MISSING and each.default_factory is MISSING)
}


class _Draft:
    """A record that is being filled: to set a field of one that is frozen takes five times as long."""

    __slots__ = DigestedCall.__slots__

    def __init__(self, key: Digest | None) -> None:
        self._key: Digest | None = key

    def frozen(self, kind: type[DigestedCall]) -> DigestedCall:
        """Return this very object as a record."""
        self.__class__ = kind  # type: ignore[assignment]
        return self  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryCall:
    """A template: which records to find. A field that is None, and an argument that is None, matches anything.

    Attributes:
        name: The function's qualified name.
        module: Its module.
        version: Its version.
        code: The fingerprint of its code.
        arguments: Values or digests by name. ``digest(None)`` asks for None itself.
        result: A value or a digest.
        metadata: Entries by namespace, matched exactly and by JSON type (``1`` is not ``1.0``). An empty or None
            namespace, or None for an entry, asks only that it is there.
        outcomes: Which outcomes count.
        where: A condition beyond these; see `fleche.call.conditions`.
    """

    name: str | None = None
    module: str | None = None
    version: Version = None
    code: Digest | None = None
    arguments: Mapping[str, Any] = field(default_factory=lambda: NO_ITEMS)
    result: Any = None
    metadata: Mapping[str, Mapping[str, Any] | None] = field(default_factory=lambda: NO_ITEMS)
    outcomes: frozenset[Outcome] = frozenset({Outcome.RESULT})
    where: Condition | None = None

    def digested(self) -> QueryCall:
        """Return the same template with every value replaced by its digest.

        Raises:
            Indigestible: A value in the template has no digest.
        """
        arguments = {name: _digest(value) for name, value in self.arguments.items() if value is not None}
        return replace(self, arguments=arguments, result=None if self.result is None else _digest(self.result))

    def matches(self, record: DigestedCall, values: Values | None = None) -> bool:
        """Whether a record matches: the meaning that every backend's query agrees with.

        Args:
            record: The record.
            values: Where values that the record does not hold are loaded from, if the condition needs any. Without
                it, a record whose values would decide counts as a match, and who has the values decides.
        """
        template = self.digested()
        if self.where is not None and self.where.decide(record, values) is False:
            return False
        if record.outcome not in template.outcomes:
            return False
        fields = ("name", "module", "code", "result")
        if any(getattr(template, f) not in (None, getattr(record, f)) for f in fields):
            return False
        if template.version is not None and not _same_json(template.version, record.version):
            return False
        if any(record.arguments.get(name) != digest for name, digest in template.arguments.items()):
            return False
        return all(_has(record.metadata.get(space), wanted) for space, wanted in template.metadata.items())


def _digest(value: Any) -> Digest:
    return value if isinstance(value, Digest) else digest(value)


def _has(entries: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> bool:
    if entries is None:
        return False
    return all(
        name in entries and (value is None or _same_json(value, entries[name]))
        for name, value in (wanted or NO_ITEMS).items()
    )


def _same_json(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
