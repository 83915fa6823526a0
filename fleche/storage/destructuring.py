"""Containers stored in parts: a skeleton that names its large children, each under its own digest.

Equal children of many containers are so stored once. Which objects are one object is kept: a child that shares a
mutable object with anything outside of it stays in the skeleton, and a child that occurs twice is one object again.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta, tzinfo
from enum import Enum
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any

from fleche.digest import Digest
from fleche.digest.walk import stored_digest
from fleche.errors import DamagedError, FlecheError
from fleche.storage.envelope import Envelope, named
from fleche.storage.pickling import Serializer, Tracked

if TYPE_CHECKING:
    from fleche.storage.authenticity import Authenticity
    from fleche.storage.base import EnvelopeStorage
    from fleche.storage.builder import Builder
    from fleche.storage.loader import Loader
    from fleche.storage.packing import Packing

_ELSEWHERE = (
    "DestructuringMixin Digested DigestedAttrs DigestedDataclass DigestedDict DigestedIterable register_destructurer"
)

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:  # existing code imports these from here
        if name not in _ELSEWHERE.split():
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from fleche.storage import digested

        return getattr(digested, name)


__all__ = ["Parts", "parts_of", "split"]

_SCALARS = frozenset({type(None), bool, int, float, complex})
_TEXTS = frozenset({str, bytes})
_ATOMS = _SCALARS | _TEXTS
_NAMED = frozenset({("decimal", "Decimal"), ("fractions", "Fraction")})  # not imported here, which takes milliseconds
_IMMUTABLE = (type, FunctionType, BuiltinFunctionType, Enum, date, time, timedelta, tzinfo)
_REFUSED = (pickle.PicklingError, AttributeError, TypeError, RecursionError)


def split(value: Any, packing: Packing, depth: int) -> Envelope | None:
    """Return a container's envelope that names its large children, which are its `Envelope.children`.

    Args:
        value: A list, tuple, dict, named tuple, dataclass or attrs instance; anything else has no parts.
        packing: Says how large a child must be, and how it is packed.
        depth: How many levels of children are split.

    Returns:
        None where nothing is to be split off, or cannot be exactly.
    """
    size = packing.parts
    if size is None or depth < 1:
        return None
    candidates = {id(child): child for child in _children(value) if child is not value and not _is_below(child, size)}
    try:
        return _Split(value, candidates, packing, depth).envelope() if candidates else None
    except _REFUSED:
        return None  # and the plain way says what is wrong, or manages


class _Split:
    """One container on its way into parts.

    Args:
        value: The container.
        candidates: Children that may become parts, by id.
        packing: Says how.
        depth: How many levels.
    """

    def __init__(self, value: Any, candidates: dict[int, Any], packing: Packing, depth: int) -> None:
        self._value = value
        self._packing = packing
        self._depth = depth
        self._children: dict[int, tuple[Any, Tracked]] = {}
        for number, child in candidates.items():
            pickler = _pickled(child)
            if pickler is not None and _size(pickler) >= (packing.parts or 0):
                self._children[number] = child, pickler

    def envelope(self) -> Envelope | None:
        """Return the envelope of the skeleton, or None where no child is a part."""
        self._keep_whole_what_is_shared()
        named: dict[tuple[Digest, str], Envelope] = {}
        references: dict[int, bytes] = {}
        for number, (child, pickler) in self._children.items():
            try:
                digest, _ = stored_digest(child)
            except FlecheError:
                continue
            part = split(child, self._packing, self._depth - 1)
            if part is None:
                pickled = Serializer.PICKLE, *pickler.parts()
                part = Envelope.of_pickle(child, pickled, compress=self._packing.compress)
            named[digest, part.form] = part
            references[number] = digest.raw + bytes.fromhex(part.form) + len(references).to_bytes(4, "little")
        if not references:
            return None
        skeleton = Tracked(references)
        skeleton.dump(self._value)
        pickled = Serializer.PARTS, *skeleton.parts()
        children = tuple((digest, part) for (digest, _), part in named.items())
        return Envelope.of_pickle(self._value, pickled, compress=self._packing.compress, children=children)

    def _keep_whole_what_is_shared(self) -> None:
        """Take out children that share an object with the skeleton or with each other."""
        skeleton = Tracked(dict.fromkeys(self._children, b"-"))
        skeleton.dump(self._value)
        picklers = [skeleton, *(pickler for _, pickler in self._children.values())]
        found = [{number for number, kept in pickler.objects().items() if not _is_atom(kept)} for pickler in picklers]
        count = Counter(number for numbers in found for number in numbers)
        for number, numbers in zip([*self._children], found[1:], strict=True):
            if any(count[each] > 1 for each in numbers):
                del self._children[number]


class Parts:
    """Gives the parts of one value while it is built: the same object for the same reference.

    Args:
        values: Where the parts lie.
        packing: How they are packed.
        loader: What builds them, each by its own rules.
        authenticity: What is believed.
    """

    def __init__(
        self, values: EnvelopeStorage, packing: Packing, loader: Loader, authenticity: Authenticity | None = None
    ) -> None:
        self._values = values
        self._packing = packing
        self._loader = loader
        self._authenticity = authenticity
        self._built: dict[bytes, Any] = {}

    def __call__(self, reference: Any) -> Any:
        """Return the part that a reference names.

        Raises:
            DamagedError: It is missing, damaged, or not signed where it has to be.
            UntrustedError: The loader does not build a type in it.
        """
        if not isinstance(reference, bytes):
            raise TypeError(f"a reference to a part is bytes, not {type(reference).__name__}")
        if reference not in self._built:
            self._built[reference] = self._load(*named(reference))
        return self._built[reference]

    def _load(self, digest: Digest, form: str) -> Any:
        try:
            envelope = self._values.get_envelope(digest, form)
        except KeyError:
            raise DamagedError(f"the part {digest} is gone, so that the whole counts as missing") from None
        if self._authenticity is not None and not self._authenticity.of_value(digest, envelope):
            raise DamagedError(
                f"the part {digest} is not signed by one of our keys, so that the whole counts as missing"
            )
        parts = Parts(self._values, self._packing, self._loader, self._authenticity)
        return self._packing.load(envelope, digest, self._loader, part=parts)


def parts_of(
    envelope: Envelope, values: EnvelopeStorage, packing: Packing, builder: Builder, authenticity: Authenticity
) -> Parts | None:
    """Return what gives the parts of an envelope, or None where it names none."""
    if envelope.serializer is not Serializer.PARTS:
        return None
    return Parts(values, packing, builder.loader, authenticity)


def _children(value: Any) -> Iterable[Any]:
    kind = type(value)
    if kind is list or kind is tuple or (isinstance(value, tuple) and hasattr(kind, "_fields")):
        return value  # type: ignore[no-any-return]
    if kind is dict:
        return value.values()  # type: ignore[no-any-return]
    if is_dataclass(kind):
        return _attributes(value, [field.name for field in fields(kind)])
    return _attributes(value, [field.name for field in getattr(kind, "__attrs_attrs__", ())])


def _attributes(value: Any, names: Iterable[str]) -> list[Any]:
    return [getattr(value, name, None) for name in names]


def _is_below(value: Any, size: int) -> bool:
    """Whether a value is surely smaller than so many bytes, told without pickling it, in as many steps at most."""
    if type(value) is Digest or type(value) in _SCALARS:
        return True
    waiting, bytes_ = [value], 0
    while waiting:
        one = waiting.pop()
        kind = type(one)
        if kind in _SCALARS:
            bytes_ += 9 if kind is not int else 9 + one.bit_length() // 8
        elif kind in _TEXTS:
            bytes_ += 9 + len(one) * (4 if kind is str else 1)
        elif kind is list or kind is tuple:
            bytes_ += 9 * len(one)
            waiting.extend(one if bytes_ < size else ())
        elif kind is dict:
            bytes_ += 18 * len(one)
            waiting.extend(one if bytes_ < size else ())
            waiting.extend(one.values() if bytes_ < size else ())
        else:
            return False
        if bytes_ >= size:
            return False
    return True


def _pickled(child: Any) -> Tracked | None:
    pickler = Tracked({})
    try:
        pickler.dump(child)
    except _REFUSED:
        return None
    return pickler


def _size(pickler: Tracked) -> int:
    stream, buffers = pickler.parts()
    return len(stream) + sum(buffer.nbytes for buffer in buffers)


def _is_atom(value: Any) -> bool:
    """Whether it makes no difference if there are one or two of it."""
    kind = type(value)
    known = kind in _ATOMS or (kind.__module__, kind.__qualname__) in _NAMED
    return known or isinstance(value, _IMMUTABLE) or _is_dtype(kind)


def _is_dtype(kind: type) -> bool:
    return kind.__module__ in ("numpy", "numpy.dtypes") and any(base.__name__ == "dtype" for base in kind.__mro__)
