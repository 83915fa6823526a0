"""`PickleSerializer`: whatever pickle takes, for stores that only trusted people can write to."""

from __future__ import annotations

import base64
import pickle
from typing import Any

from fleche.runtime.serializer.base_serializer import BaseSerializer

__all__ = ["PickleSerializer"]


class PickleSerializer(BaseSerializer):
    """Pickles values, as base64 text. Reading runs whatever the text says: for stores that only you can write to."""

    @staticmethod
    def serialize(obj: Any) -> str:
        """Return a value as text; see `BaseSerializer.serialize`."""
        try:
            return base64.encodebytes(pickle.dumps(obj, 5)).decode("ascii")
        except (pickle.PicklingError, AttributeError) as error:
            raise TypeError(f"{type(obj).__qualname__} cannot be pickled: {error}") from error

    @staticmethod
    def deserialize(obj: str) -> Any:
        """Return the value of a text; see `BaseSerializer.deserialize`."""
        return pickle.loads(base64.decodebytes(obj.encode("ascii")))
