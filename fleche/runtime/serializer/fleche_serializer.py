"""`FlecheSerializer`: everything that the cache stores, as it stores it."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from typing import Any

from fleche.errors import FlecheError
from fleche.runtime.serializer.base_serializer import BaseSerializer
from fleche.storage.envelope import Envelope
from fleche.storage.loader import TRUSTED, Loader

__all__ = ["FlecheSerializer"]

_MARK = "~"  # no JSON text begins so
_DUMPS: dict[type, Callable[[Any], str]] = {
    type(None): json.dumps,
    bool: json.dumps,
    int: int.__repr__,
    str: encode_basestring_ascii,
    float: float.__repr__,
}
"""What `json.dumps` does with plain scalars, without its detours."""
_SCAN = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


class FlecheSerializer(BaseSerializer):
    """The default: plain scalars as JSON, everything else as the cache's own envelope, in base64.

    What comes back is equal, of the same types all the way down: tuples stay tuples, keys stay integers, arrays arrays.

    Args:
        trusted: Whether texts may build any type, since only people who may run code here can have written them. Else
            only the types on the safe list are built.

    >>> serializer = FlecheSerializer()
    >>> serializer.serialize("abc"), serializer.deserialize(serializer.serialize({1: (2, 3.5)}))
    ('"abc"', {1: (2, 3.5)})
    """

    def __init__(self, *, trusted: bool = False) -> None:
        self.trusted = trusted
        self._made: Loader | None = TRUSTED if trusted else None

    def serialize(self, obj: Any) -> str:
        """Return a value as text; see `BaseSerializer.serialize`."""
        dumps = _DUMPS.get(type(obj))
        if dumps is not None and (type(obj) is not float or math.isfinite(obj)):
            try:
                return dumps(obj)
            except ValueError:  # an integer of more digits than Python writes
                pass
        try:
            return _MARK + base64.b64encode(Envelope.pack(obj).to_bytes()).decode("ascii")
        except FlecheError as error:
            raise TypeError(str(error)) from error

    def deserialize(self, obj: str) -> Any:
        """Return the value of a text; see `BaseSerializer.deserialize`.

        Raises:
            UntrustedError: It asks for a type that is not on the safe list.
        """
        if not obj.startswith(_MARK):
            return _loaded(obj)
        try:
            data = base64.b64decode(obj[1:], validate=True)
        except binascii.Error as error:
            raise ValueError(f"{obj[:40]!r} is no serialized value: {error}") from error
        return Envelope.parse(data, place="a serialized value").load(self._loader)

    @property
    def _loader(self) -> Loader:
        if self._made is None:
            from fleche.storage.safe_loader import SafeLoader

            self._made = SafeLoader()
        return self._made


def _loaded(text: str) -> Any:
    """Return the value of a JSON text; as `json.loads`, which looks for blanks first."""
    try:
        value, end = _SCAN(text, 0)
    except StopIteration:
        return json.loads(text)  # which tells what is wrong
    return value if end == len(text) else json.loads(text)
