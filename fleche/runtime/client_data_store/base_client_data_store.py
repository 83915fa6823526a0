"""The client data store: large values are stored once, under the hash of their text, and sent by reference."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import warnings
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fleche.errors import FlecheError, UnknownDigestError
from fleche.runtime.conf.config_client_data_store import ConfigClientDataStore
from fleche.runtime.exceptions import SerializationError
from fleche.runtime.serializer.json_serializer import ReservedKeys

if TYPE_CHECKING:
    from fleche.runtime.app import App

__all__ = ["BaseClientDataStore"]

log = logging.getLogger("fleche.runtime")

_PREFIX = f"{ReservedKeys.CLIENT_DATA.value}:"
_PREFIXES = (_PREFIX, _PREFIX.replace("__fleche__", "__pynenc__", 1))
_REFERENCE = re.compile("(?:" + "|".join(map(re.escape, _PREFIXES)) + ")[0-9a-f]{64}")
_SHOWN = 200  # characters of a value in a message


def _generate_key(value: str) -> str:
    """Return the reference of a text: the reserved prefix and the SHA-256 of the text.

    >>> _generate_key("abc")[-8:]
    'f20015ad'
    """
    return _PREFIX + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


class BaseClientDataStore(ABC):
    """Turns arguments, results and exceptions into text. Safe for use by many threads.

    A text of at least ``min_size_to_cache`` characters is stored, and what travels is a reference to it. What comes
    back is always the caller's own: no object is shared between a sender, the tasks and the store.

    Args:
        app: The app whose serializer and settings it uses.
    """

    def __init__(self, app: App) -> None:
        self.conf = ConfigClientDataStore(app.config_values, app.config_filepath)
        self._serializer = app.serializer
        self._recent: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    @abstractmethod
    def _store(self, key: str, value: str) -> None:
        """Keep a text under a reference; keeping it again changes nothing."""

    @abstractmethod
    def _retrieve(self, key: str) -> str:
        """Return the text of a reference.

        Raises:
            KeyError: It is not here.
        """

    @abstractmethod
    def _purge(self) -> None:
        """Remove every text of this app."""

    def serialize_arguments(self, kwargs: Mapping[str, Any], disable_cache_args: Iterable[str] = ()) -> dict[str, str]:
        """Return arguments as texts by name.

        Args:
            kwargs: The arguments by name.
            disable_cache_args: Those that travel whole whatever their size; ``*`` for all.

        Raises:
            SerializationError: One cannot be serialized; the message names it, its type and its value.
        """
        inline = frozenset(disable_cache_args)
        everything = "*" in inline
        texts = {}
        for name, value in kwargs.items():
            try:
                texts[name] = self.serialize(value, disable_cache=everything or name in inline)
            except (TypeError, ValueError, RecursionError) as error:
                kind = f"{type(value).__module__}.{type(value).__qualname__}"
                raise SerializationError(
                    f"argument {name!r} of type {kind} cannot be serialized: {error} (its value: {_shown(value)})"
                ) from error
        return texts

    def deserialize_arguments(self, serialized_arguments: Mapping[str, str]) -> dict[str, Any]:
        """Return the arguments of texts, whole or by reference.

        Raises:
            KeyError: What a reference names is not stored any more.
        """
        return {name: self.resolve(text) for name, text in serialized_arguments.items()}

    def serialize(self, obj: Any, disable_cache: bool = False) -> str:
        """Return a value as text: the text itself, or a reference to it where it is long.

        A reference to something that is stored here is passed on as it is.

        Args:
            obj: The value.
            disable_cache: Return the text itself whatever its length.

        Raises:
            TypeError: The serializer does not take the value.
        """
        if disable_cache or self.conf.disable_client_data_store:
            return self._serializer.serialize(obj)
        if self.is_reference(obj) and self._is_stored(obj):
            return str(obj)
        return self._maybe_store(self._serializer.serialize(obj))

    def resolve(self, data: str) -> Any:
        """Return the value of a text or of a reference; the caller's own.

        Raises:
            KeyError: What the reference names is not stored any more.
        """
        return self._serializer.deserialize(self._resolve_reference(data) if self.is_reference(data) else data)

    def deserialize(self, data: str) -> Any:
        """Return the value of a text or of a reference; the earlier name of `resolve`."""
        warnings.warn("BaseClientDataStore.deserialize is called resolve now", DeprecationWarning, stacklevel=2)
        return self.resolve(data)

    @staticmethod
    def is_reference(value: Any) -> bool:
        """Whether a value is a reference: text of the reserved prefix and 64 hexadecimal characters."""
        return isinstance(value, str) and value.startswith(_PREFIXES) and _REFERENCE.fullmatch(value) is not None

    def purge(self) -> None:
        """Forget every stored text of this app."""
        with self._lock:
            self._recent.clear()
        self._purge()

    def _maybe_store(self, serialized: str) -> str:
        conf, size = self.conf, len(serialized)
        if size < conf.min_size_to_cache:
            return serialized
        if 0 < conf.max_size_to_cache < size:
            log.warning("a value of %d characters travels whole: max_size_to_cache is %d", size, conf.max_size_to_cache)
            return serialized
        if size > conf.warn_threshold:
            log.warning("a value of %d characters is stored, above warn_threshold (%d)", size, conf.warn_threshold)
        key = _generate_key(serialized)
        if self._known(key) is None:
            self._store(key, serialized)
            self._remember(key, serialized)
        return key

    def _resolve_reference(self, ref_key: str) -> str:
        """Return the text of a reference.

        Raises:
            KeyError: It is not stored.
        """
        known = self._known(ref_key)
        if known is None:
            try:
                known = self._retrieve(ref_key)
            except KeyError as error:
                raise UnknownDigestError(
                    f"{ref_key} is not in the client data store: it was purged, or belongs to another app",
                    digest=ref_key,
                ) from error
            self._remember(ref_key, known)
        return known

    def _is_stored(self, key: str) -> bool:
        try:
            self._resolve_reference(key)
        except (KeyError, FlecheError):
            return False
        return True

    def _known(self, key: str) -> str | None:
        with self._lock:
            text = self._recent.get(key)
            if text is not None:
                self._recent.move_to_end(key)
            return text

    def _remember(self, key: str, text: str) -> None:
        capacity = self.conf.local_cache_size
        with self._lock:
            if capacity <= 0:
                return
            self._recent[key] = text
            self._recent.move_to_end(key)
            while len(self._recent) > capacity:
                self._recent.popitem(last=False)

    def _cache_deserialized(self, key: str, obj: Any) -> None:
        """Remember the value of a reference, as text, so that no two of its users share an object."""
        self._remember(key, self._serializer.serialize(obj))


def _shown(value: Any) -> str:
    try:
        return repr(value)[:_SHOWN]
    except Exception as error:
        return f"<its repr failed: {error!r}>"
