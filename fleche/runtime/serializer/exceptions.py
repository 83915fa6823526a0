"""Exceptions as text: what comes back can always be raised, and tells where it was raised first."""

from __future__ import annotations

import builtins
import json
import sys
import traceback
from importlib import import_module
from typing import Any

from fleche.frames import is_ours
from fleche.runtime.exceptions import FlecheRuntimeError, RemoteError
from fleche.runtime.serializer.base_serializer import BaseSerializer

__all__ = ["ExceptionCodec", "text_of"]

_CAUSES = 8  # how far a chain of causes is followed
_TRACEBACK = 20_000  # characters of a traceback that are kept, the last ones


class ExceptionCodec:
    """Turns exceptions into text and back.

    An exception comes back as its own type with its arguments and attributes where that can be, else as a `RemoteError`
    that names it; with its notes, its cause, and the text of its traceback as a last note.

    Args:
        serializer: Writes arguments and attributes.
        trusted: Whether modules may be imported to find a type; else only those that are imported already count.
    """

    def __init__(self, serializer: BaseSerializer, *, trusted: bool) -> None:
        self._serializer = serializer
        self._trusted = trusted

    def encode(self, error: BaseException) -> str:
        """Return an exception as JSON; this never fails."""
        try:
            return json.dumps(self._told(error, 0))
        except Exception as failure:
            kind = type(error)
            told = {
                "error_name": f"{kind.__module__}.{kind.__qualname__}",
                "pynenc_error": False,
                "error_data": None,
                "message": f"{text_of(error)} (it cannot be told whole: {text_of(failure)})",
            }
            return json.dumps(told)

    def decode(self, text: str) -> BaseException:
        """Return the exception of a JSON text; it can be raised."""
        return self._revived(json.loads(text))

    def _told(self, error: BaseException, depth: int) -> dict[str, Any]:
        kind = type(error)
        told: dict[str, Any] = {
            "error_name": f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."),
            "pynenc_error": False,
            "message": text_of(error),
            "notes": [str(note) for note in getattr(error, "__notes__", ())],
            "traceback": _trace(error),
        }
        if isinstance(error, FlecheRuntimeError):
            told |= {"error_name": kind.__name__, "pynenc_error": True, "error_data": error.to_json()}
        else:
            told["error_data"] = self._content(error)
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is not None and depth < _CAUSES:
            told["cause"] = self._told(cause, depth + 1)
            told["direct"] = error.__cause__ is not None
        return told

    def _content(self, error: BaseException) -> dict[str, str] | None:
        """Return what the exception is built from again, if it can be."""
        state = {name: value for name, value in vars(error).items() if name != "__notes__"}
        content = {}
        for name, value in (("args", tuple(error.args)), ("state", state)):
            try:
                content[name] = self._serializer.serialize(value)
                self._serializer.deserialize(content[name])
            except Exception:
                content.pop(name, None)
        return content if "args" in content else None

    def _revived(self, told: dict[str, Any]) -> BaseException:
        error = self._built(told)
        if error is None:
            name, message = told["error_name"], told.get("message", "")
            error = RemoteError(f"{name}: {message}", type_name=name)
        for note in told.get("notes", ()):
            error.add_note(note)
        if told.get("traceback"):
            error.add_note("It was raised by a worker:\n" + told["traceback"].rstrip())
        if "cause" in told:
            cause = self._revived(told["cause"])
            if told.get("direct"):
                error.__cause__ = cause
            else:
                error.__context__ = cause
        return error

    def _built(self, told: dict[str, Any]) -> BaseException | None:
        try:
            if told.get("pynenc_error"):
                return FlecheRuntimeError.from_json(told["error_name"], told["error_data"])
            kind = self._type(told["error_name"])
            content = told["error_data"]
            if kind is None or content is None:
                return None
            args = tuple(self._serializer.deserialize(content["args"]))
            error = kind.__new__(kind, *args)
            error.args = args
            if "state" in content:
                error.__dict__.update(self._serializer.deserialize(content["state"]))
            str(error)
        except Exception:
            return None
        return error

    def _type(self, name: str) -> type[BaseException] | None:
        module, _, _ = name.rpartition(".")
        if not module:
            found: Any = getattr(builtins, name, None)
        else:
            found = self._imported(name)
        return found if isinstance(found, type) and issubclass(found, BaseException) else None

    def _imported(self, name: str) -> Any:
        parts = name.split(".")
        for cut in range(len(parts) - 1, 0, -1):
            module = ".".join(parts[:cut])
            found: Any = sys.modules.get(module)
            if found is None and self._trusted:
                try:
                    found = import_module(module)
                except ImportError:
                    continue
            if found is not None:
                for attribute in parts[cut:]:
                    found = getattr(found, attribute, None)
                return found
        return None


def text_of(error: BaseException) -> str:
    """Return the text of an exception; one whose text cannot be had has a text that says so."""
    try:
        return str(error)
    except Exception as failure:
        return f"<its text cannot be had: {failure!r}>"


def _trace(error: BaseException) -> str:
    if error.__traceback__ is None:
        return ""
    frames = error.__traceback__
    while frames.tb_next is not None and is_ours(frames.tb_frame):
        frames = frames.tb_next
    try:
        return "".join(traceback.format_tb(frames, limit=-50))[-_TRACEBACK:]
    except Exception:
        return ""
