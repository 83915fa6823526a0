"""The canonical form of a record: what comes back from every store, so that all of them agree."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fleche.call.records import DigestedCall
from fleche.call.scalars import scalar_fits
from fleche.digest import Digest
from fleche.errors import SaveError
from fleche.storage.base import check_key

__all__ = ["canonical", "check_text", "copied", "from_json", "to_json"]


def canonical(call: DigestedCall) -> DigestedCall:
    """Return a record as a store gives it back.

    Times are in UTC, metadata is what JSON keeps of it, scalars are those that fit a row and belong to an argument,
    and digests are plain digests (a handle's store is not part of a record).

    Raises:
        SaveError: Something in it is not a digest, or not a JSON value.
    """
    names = call.arguments
    try:
        check_text(call)
        return call.evolve(
            code=_plain(call.code),
            arguments={name: _checked(digest) for name, digest in names.items()},
            scalars={n: call.scalars[n] for n in names if n in call.scalars and scalar_fits(call.scalars[n])},
            kinds={name: call.kinds[name] for name in names if name in call.kinds},
            result=_plain(call.result),
            form=None if call.form is None else bytes.fromhex(call.form).hex(),
            metadata={space: copied(entries) for space, entries in call.metadata.items()},
            at=_utc(call.at),
            expires=_utc(call.expires),
            parent=_plain(call.parent),
            inputs=tuple(map(_checked, call.inputs)),
        )
    except ValueError as error:
        raise SaveError(f"the record of {call.module}.{call.name} cannot be stored: {error}") from error


def check_text(call: DigestedCall) -> None:
    """Refuse names that no store can write: those with a lone surrogate.

    Raises:
        UnicodeEncodeError: There is one.
    """
    "".join((call.module, call.name, *call.arguments, *call.kinds.values(), *call.metadata)).encode()


_SCALARS = frozenset({str, int, bool, type(None)})
_PLAIN_BITS = 10_000  # Python writes no number of very many digits


def copied(entries: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what comes back of the entries of one namespace: what JSON keeps of them.

    Raises:
        SaveError: One is not a JSON value.
    """
    plain = _copied(entries) if type(entries) is dict else None
    return from_json(to_json(entries)) if plain is None else plain


def _copied(entries: dict[Any, Any]) -> dict[str, Any] | None:
    """Return a copy of entries that JSON keeps as they are; None where there may be others. It need not be written."""
    copy = {}
    for name, value in entries.items():
        kind = type(value)
        if type(name) is not str:
            return None
        if kind is int and value.bit_length() > _PLAIN_BITS:
            return None
        if kind in _SCALARS or (kind is float and value - value == 0.0):
            copy[name] = value
        elif kind is dict and (inner := _copied(value)) is not None:
            copy[name] = inner
        else:
            return None
    return copy


def to_json(entries: Mapping[str, Any]) -> str:
    """Return the entries of one namespace as text, in ASCII.

    Raises:
        SaveError: One is not a JSON value.
    """
    try:
        return json.dumps(dict(entries), separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise SaveError(f"metadata must be JSON values: {error}") from error


def from_json(text: str) -> Mapping[str, Any]:
    """Return the entries of one namespace."""
    entries: Mapping[str, Any] = json.loads(text)
    return entries


def _plain(key: Digest | None) -> Digest | None:
    return None if key is None else _checked(key)


def _checked(key: Digest) -> Digest:
    return check_key(key if type(key) is Digest else Digest(key))


def _utc(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo is UTC else moment.astimezone(UTC)
