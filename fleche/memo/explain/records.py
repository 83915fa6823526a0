"""What differs between two calls: argument by argument, from values where they are kept, else from sketches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleche.call import CallSource, DigestedCall, LazyCall
from fleche.call.sketch import Sketch, sketches_of
from fleche.digest import Digest
from fleche.memo.explain.differences import Difference, Differences, Kind
from fleche.memo.explain.sketches import against_sketch, between_sketches
from fleche.memo.explain.texts import digest_text, value_text
from fleche.memo.explain.values import LIMIT, difference

__all__ = ["GONE", "Told", "argument_differences", "differing"]


class _Gone:
    """Stands for a value that is not stored."""

    def __repr__(self) -> str:
        return "<not stored>"


GONE = _Gone()


class Told:
    """One call, as far as is known of it: its record, and its values where they are at hand or stored.

    Args:
        record: The record.
        source: Where its values and sketches may be.
        values: Values that are at hand, by argument.
    """

    def __init__(self, record: DigestedCall, source: CallSource, values: Mapping[str, Any] | None = None) -> None:
        self.record = record
        self._source = source
        self._values = values or {}

    @classmethod
    def of(cls, call: LazyCall) -> Told:
        """Return what is known of a stored call."""
        return cls(call.record, call.source)

    def value(self, name: str) -> Any:
        """Return the value of an argument, or ``GONE``."""
        found = self._values.get(name, GONE)
        if found is not GONE and not isinstance(found, Digest):
            return found
        if name in self.record.scalars:
            return self.record.scalars[name]
        return self._loaded(self.record.arguments[name])

    def sketch(self, name: str) -> Sketch | None:
        """Return the sketch of an argument, or None where none was kept."""
        for known, text in sketches_of(self.record):
            if known == name:
                found = self._loaded(Digest(text))
                return found if isinstance(found, dict) else None
        return None

    def label(self, name: str) -> str:
        """Return an argument in a few words."""
        if name in self.record.scalars:
            return value_text(self.record.scalars[name])
        value = self._values.get(name, GONE)
        if value is not GONE and not isinstance(value, Digest):
            return value_text(value)
        kind = (self.record.kinds.get(name) or "value").rpartition(".")[2]
        return f"<{kind} {digest_text(self.record.arguments[name])}>"

    def _loaded(self, key: Digest) -> Any:
        try:
            return self._source.load_value(key)
        except Exception:  # gone, damaged, or refused by the safe loader
            return GONE


def differing(old: DigestedCall, new: DigestedCall) -> list[str]:
    """Return the names of the arguments that differ, those of the new call first."""
    names = dict.fromkeys([*new.arguments, *old.arguments])
    return [name for name in names if old.arguments.get(name) != new.arguments.get(name)]


def argument_differences(old: Told, new: Told, *, limit: int = LIMIT) -> dict[str, Differences]:
    """Return what differs between the arguments of two calls, by name; only those that differ.

    Args:
        old: The stored call.
        new: The other.
        limit: How many differences are told of each argument.
    """
    return {name: _argument(name, old, new, limit) for name in differing(old.record, new.record)}


def _argument(name: str, old: Told, new: Told, limit: int) -> Differences:
    if name not in old.record.arguments:
        return _one(name, Kind.ADDED, f"is a new parameter, {new.label(name)}")
    if name not in new.record.arguments:
        return _one(name, Kind.REMOVED, f"was {old.label(name)}, and is no parameter any more")
    before, after = old.value(name), new.value(name)
    # What is stored under a digest need not be what it was: another library, or another version, built it.
    if before is not GONE and after is not GONE:
        found = difference(before, after, name=name, limit=limit)
        return found or _unequal(name, old, new)
    kept = old.sketch(name)
    if kept is not None and after is not GONE:
        return against_sketch(kept, after, name=name, limit=limit)
    other = new.sketch(name)
    if kept is not None and other is not None:
        return between_sketches(kept, other, name=name, limit=limit)
    if before is not GONE and other is not None:
        return _turned(against_sketch(other, before, name=name, limit=limit))
    return _unequal(name, old, new)


def _unequal(name: str, old: Told, new: Told) -> Differences:
    return _one(name, Kind.CONTENT, f"{old.label(name)} -> {new.label(name)}")


def _turned(found: Differences) -> Differences:
    """Return differences whose old side is the new one, without pretending to know more."""
    paths = dict.fromkeys(item.path for item in found)
    items = tuple(Difference(path=path, kind=Kind.CONTENT, text="differs") for path in paths)
    return Differences(items, found.more, found.whole)


def _one(name: str, kind: Kind, text: str) -> Differences:
    return Differences((Difference(path=name, kind=kind, text=text),))
