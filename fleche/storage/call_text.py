"""A record as text that notices damage: one line that seals it, and one of JSON.

``docs/formats/store.md`` is its specification. No pickle: whoever reads it executes nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import xxhash

from fleche.call.records import DigestedCall, Outcome, Scalar
from fleche.clock import from_micros, to_micros
from fleche.digest import Digest
from fleche.errors import DamagedError, SaveError, UnreadableError
from fleche.storage.canonical import canonical

__all__ = ["MAJOR", "call_of", "call_text", "seal", "signed_call_of", "unseal"]

MAJOR = 1
"""The major format that is written and read."""

_TOKEN = b"fleche-call"
_DATES = {"date": date.fromisoformat, "datetime": datetime.fromisoformat}


def seal(kind: bytes, body: Mapping[str, Any]) -> bytes:
    """Return a JSON object as sealed text.

    Args:
        kind: What it is, such as ``fleche-call``; without spaces.
        body: What JSON can keep.

    Raises:
        ValueError: It is not JSON.
    """
    text = json.dumps(body, separators=(",", ":")).encode() + b"\n"
    return b"%s %d %s\n%s" % (kind, MAJOR, _checksum(kind, b"%d" % MAJOR, text), text)


def unseal(kind: bytes, data: bytes, place: str) -> dict[str, Any]:
    """Return the JSON object of sealed text.

    Args:
        kind: What it should be.
        data: The whole text.
        place: Where it was, for messages.

    Raises:
        DamagedError: It is not what was written.
        UnreadableError: It is, but of a later format.
    """
    head, _, text = data.partition(b"\n")
    words = head.split(b" ")
    if len(words) != 3 or words[0] != kind or words[2] != _checksum(kind, words[1], text):
        raise DamagedError(
            f"{place} is not what was written: its checksum differs. It is set aside, and counts as missing.",
            place=place,
        )
    if words[1] != b"%d" % MAJOR:
        raise UnreadableError(
            f"{place} has format {words[1].decode('ascii', 'replace')}, and this version reads format {MAJOR}: "
            f"upgrade fleche to read it; it counts as missing here.",
            place=place,
        )
    try:
        body: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise DamagedError(f"{place} is sealed, but is not JSON. It counts as missing.", place=place) from error
    return body


def call_text(call: DigestedCall, signature: bytes | None = None) -> bytes:
    """Return a record as sealed text; it comes back as `canonical` says.

    Args:
        call: The record.
        signature: Its signature, if it has one.

    Raises:
        SaveError: Something in it cannot be stored.
    """
    call = canonical(call)
    try:
        return seal(_TOKEN, _body(call) | ({} if signature is None else {"signature": signature.hex()}))
    except (ValueError, OverflowError, UnicodeError) as error:
        raise SaveError(f"the record of {call.module}.{call.name} cannot be stored: {error}") from error


def call_of(data: bytes, key: Digest | str, place: str) -> DigestedCall:
    """Return the record in sealed text.

    Args:
        data: The whole text.
        key: The key under which it was found, which must be the one that it was written for.
        place: Where it was, for messages.

    Raises:
        DamagedError: It is not what was written, or was written for another key.
        UnreadableError: It is whole, but of a later format.
    """
    return signed_call_of(data, key, place)[0]


def signed_call_of(data: bytes, key: Digest | str, place: str) -> tuple[DigestedCall, bytes | None]:
    """Return the record in sealed text, and its signature if it has one, which is not verified; see `call_of`."""
    body = unseal(_TOKEN, data, place)
    if body.get("key") != key:
        raise DamagedError(
            f"{place} holds the record of another call ({body.get('key')}): it was renamed or copied. "
            f"It is set aside, and counts as missing.",
            place=place,
        )
    try:
        return _record(body), None if body.get("signature") is None else bytes.fromhex(body["signature"])
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableError(f"{place} is whole, but is no record: {error!r}", place=place) from error


def _body(call: DigestedCall) -> dict[str, Any]:
    arguments = []
    for name, digest in call.arguments.items():
        row: list[Any] = [name, digest, call.kinds.get(name)]
        if name in call.scalars:
            row.append(_scalar_text(call.scalars[name]))
        arguments.append(row)
    return {
        "key": call.key,
        "module": call.module,
        "name": call.name,
        "version": call.version,
        "code": call.code,
        "arguments": arguments,
        "outcome": str(call.outcome),
        "result": call.result,
        "form": call.form,
        "at": None if call.at is None else to_micros(call.at),
        "expires": None if call.expires is None else to_micros(call.expires),
        "parent": call.parent,
        "inputs": list(call.inputs),
        "metadata": {space: dict(entries) for space, entries in call.metadata.items()},
    }


def _record(body: Mapping[str, Any]) -> DigestedCall:
    rows = body["arguments"]
    return DigestedCall(
        module=body["module"],
        name=body["name"],
        version=body["version"],
        code=_digest(body["code"]),
        arguments={row[0]: Digest(row[1]) for row in rows},
        scalars={row[0]: _scalar(row[3]) for row in rows if len(row) > 3},
        kinds={row[0]: row[2] for row in rows if row[2] is not None},
        result=_digest(body["result"]),
        form=body["form"],
        outcome=Outcome(body["outcome"]),
        metadata=body["metadata"],
        at=None if body["at"] is None else from_micros(body["at"]),
        expires=None if body["expires"] is None else from_micros(body["expires"]),
        parent=_digest(body["parent"]),
        inputs=tuple(map(Digest, body["inputs"])),
    )


def _scalar_text(value: Scalar) -> Any:
    """Return a scalar as JSON; what JSON has no word for is an object of one entry, its type and its text."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if isinstance(value, datetime):
        return {"datetime": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    return value


def _scalar(value: Any) -> Scalar:
    if not isinstance(value, dict):
        scalar: Scalar = value
        return scalar
    ((kind, text),) = value.items()
    return float(text) if kind == "float" else _DATES[kind](text)


def _digest(text: str | None) -> Digest | None:
    return None if text is None else Digest(text)


def _checksum(kind: bytes, major: bytes, text: bytes) -> bytes:
    return xxhash.xxh3_128_hexdigest(b"%s %s\n%s" % (kind, major, text)).encode()
