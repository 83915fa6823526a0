"""`JsonSerializer`: JSON, with envelopes for exceptions, enum members and objects that know their JSON."""

from __future__ import annotations

import builtins
import json
import sys
from collections.abc import Mapping
from enum import Enum, StrEnum
from importlib import import_module
from typing import Any

from fleche.runtime.serializer.base_serializer import BaseSerializer

__all__ = ["DefaultJSONEncoder", "JsonSerializer", "ReservedKeys"]

_SHOWN = 200  # characters of a value in a message


class ReservedKeys(StrEnum):
    """The keys that mark an envelope: an object with one of them and nothing else."""

    ERROR = "__fleche__std_py_exc__"
    CLIENT_DATA = "__fleche__client_data__"
    JSON_SERIALIZABLE = "__fleche__json_serializable__"
    ENUM = "__fleche__enum__"
    CLIENT_EXCEPTION = "__fleche__client_exception__"
    ESCAPED = "__fleche__escaped__"

    @classmethod
    def read(cls, key: str) -> ReservedKeys | None:
        """Return the envelope that a key marks, in this spelling or that of the reference system, or None."""
        return _KEYS.get(key)


_KEYS = {key.value: key for key in ReservedKeys} | {
    key.value.replace("__fleche__", "__pynenc__", 1): key for key in ReservedKeys if key is not ReservedKeys.ESCAPED
}


class DefaultJSONEncoder(json.JSONEncoder):
    """Writes what JSON has no form for as an envelope."""

    def default(self, o: Any) -> Any:
        """Return the envelope of a value.

        Raises:
            TypeError: It has none; the message tells the ways out.
        """
        if isinstance(o, BaseException):
            return _exception(o)
        if isinstance(o, Enum):
            return _enum(o)
        kind = type(o)
        if callable(getattr(o, "to_json", None)) and callable(getattr(kind, "from_json", None)):
            data = {"module": kind.__module__, "qualname": kind.__qualname__, "data": o.to_json()}
            return {ReservedKeys.JSON_SERIALIZABLE.value: data}
        shown = repr(o)
        shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "..."
        raise TypeError(
            f"{kind.__module__}.{kind.__qualname__} is not JSON: {shown}. Give it to_json() and a classmethod "
            f"from_json(), or choose another serializer, such as serializer_cls = 'FlecheSerializer'."
        )


class JsonSerializer(BaseSerializer):
    """JSON text. Tuples come back as lists and keys as text, since JSON knows no others."""

    @staticmethod
    def serialize(obj: Any) -> str:
        """Return a value as text; see `BaseSerializer.serialize`."""
        try:
            return json.dumps(_prepared(obj), cls=DefaultJSONEncoder)
        except RecursionError as error:
            raise ValueError("it is nested too deeply for JSON") from error

    @staticmethod
    def deserialize(obj: str) -> Any:
        """Return the value of a text; see `BaseSerializer.deserialize`."""
        return json.loads(obj, object_hook=_revived)


def _prepared(value: Any) -> Any:
    """Return a value in which enum members are envelopes: JSON would take those of int and str for their values."""
    if isinstance(value, Enum):
        return _enum(value)
    if isinstance(value, dict):
        plain = {key: _prepared(item) for key, item in value.items()}
        if len(plain) == 1 and isinstance(key := next(iter(plain)), str) and ReservedKeys.read(key):
            return {ReservedKeys.ESCAPED.value: [[key, plain[key]]]}
        return plain
    if isinstance(value, (list, tuple)):
        return [_prepared(item) for item in value]
    return value


def _enum(value: Enum) -> dict[str, Any]:
    kind = type(value)
    return {
        ReservedKeys.ENUM.value: {
            "module": kind.__module__,
            "qualname": kind.__qualname__,
            "value": _prepared(value.value),
        }
    }


def _exception(error: BaseException) -> dict[str, Any]:
    kind = type(error)
    args = [_plain_or_text(argument) for argument in error.args]
    if kind.__module__ == "builtins":
        return {ReservedKeys.ERROR.value: {"type": kind.__name__, "args": args, "message": str(error)}}
    told = {"module": kind.__module__, "qualname": kind.__qualname__, "args": args, "message": str(error)}
    return {ReservedKeys.CLIENT_EXCEPTION.value: told}


def _plain_or_text(value: Any) -> Any:
    try:
        JsonSerializer.serialize(value)
    except (TypeError, ValueError):
        return repr(value)
    return _prepared(value)


def _revived(content: dict[str, Any]) -> Any:
    if len(content) != 1:
        return content
    name, told = next(iter(content.items()))
    key = ReservedKeys.read(name)
    if key is ReservedKeys.ESCAPED and isinstance(told, list):
        return {name: value for name, value in told}  # noqa: C416 - pairs of lists
    if key is None or not isinstance(told, Mapping):
        return content
    if key is ReservedKeys.ERROR:
        return _builtin_error(told)
    if key is ReservedKeys.CLIENT_EXCEPTION:
        return _client_error(told)
    if key is ReservedKeys.ENUM:
        return _found(told)(told["value"])
    if key is ReservedKeys.JSON_SERIALIZABLE:
        return _found(told).from_json(told["data"])
    return content


def _builtin_error(told: Mapping[str, Any]) -> BaseException:
    kind = getattr(builtins, str(told.get("type")), None)
    if isinstance(kind, type) and issubclass(kind, BaseException):
        try:
            return kind(*told.get("args", ()))
        except Exception:  # noqa: S110 - whatever its constructor raises, the result can be raised
            pass
    return RuntimeError(f"{told.get('type')}: {told.get('message')}")


def _client_error(told: Mapping[str, Any]) -> BaseException:
    try:
        kind = _found(told)
        if issubclass(kind, BaseException):
            error: BaseException = kind(*told.get("args", ()))
            return error
    except Exception:  # noqa: S110
        pass
    return RuntimeError(f"{told.get('qualname')}: {told.get('message')}")


def _found(told: Mapping[str, Any]) -> Any:
    module = str(told["module"])
    found: Any = sys.modules.get(module) or import_module(module)
    for name in str(told["qualname"]).split("."):
        found = getattr(found, name)
    return found
