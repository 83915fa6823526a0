"""Serializers: values to text and back."""

from fleche.runtime.serializer.base_serializer import BaseSerializer
from fleche.runtime.serializer.exceptions import ExceptionCodec
from fleche.runtime.serializer.fleche_serializer import FlecheSerializer
from fleche.runtime.serializer.json_serializer import DefaultJSONEncoder, JsonSerializer, ReservedKeys
from fleche.runtime.serializer.pickle_serializer import PickleSerializer

__all__ = [
    "BaseSerializer",
    "DefaultJSONEncoder",
    "ExceptionCodec",
    "FlecheSerializer",
    "JsonSerializer",
    "PickleSerializer",
    "ReservedKeys",
]
