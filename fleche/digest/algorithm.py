"""The hash under every digest: one algorithm per process, read once before the first digest.

``xxh3-128`` (32 hexadecimal characters, default) or ``sha256`` (64), by ``FLECHE_DIGEST`` or ``[default] digest``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import xxhash

from fleche.errors import ConfigError

__all__ = ["ALGORITHMS", "DEFAULT", "FORMAT", "Algorithm", "chosen", "set_configured"]

FORMAT = "fleche/1"
DEFAULT = "xxh3-128"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One hash function.

    Attributes:
        name: Its name in configuration and in a store's ``FORMAT`` file.
        hash: Bytes to the raw digest.
        hasher: A new incremental hasher with ``update`` and ``digest``, for buffers that are never copied.
        length: The length of a digest as text, in hexadecimal characters.
    """

    name: str
    hash: Callable[[Any], bytes]
    hasher: Callable[[], Any]
    length: int


def _sha256(data: Any) -> bytes:
    digest: bytes = _sha256_hasher(data).digest()
    return digest


def _sha256_hasher(*data: Any) -> Any:
    import hashlib  # costs 4 ms, and the default needs only xxhash

    return hashlib.sha256(*data)


ALGORITHMS = {
    "xxh3-128": Algorithm("xxh3-128", xxhash.xxh3_128_digest, xxhash.xxh3_128, 32),
    "sha256": Algorithm("sha256", _sha256, _sha256_hasher, 64),
}

_lock = threading.Lock()
_chosen: Algorithm | None = None
_configured: Callable[[], str | None] | None = None


def set_configured(source: Callable[[], str | None]) -> None:
    """Set where the configured algorithm is asked for when no environment variable names one."""
    global _configured
    _configured = source


def chosen() -> Algorithm:
    """Return the algorithm of this process; the first call decides it.

    Raises:
        ConfigError: ``FLECHE_DIGEST`` or the configuration names an algorithm that does not exist.
    """
    global _chosen
    if _chosen is None:
        with _lock:
            if _chosen is None:
                _chosen = _read()
    return _chosen


def _read() -> Algorithm:
    name = os.environ.get("FLECHE_DIGEST")
    origin = "FLECHE_DIGEST"
    if not name and _configured is not None:
        name, origin = _configured(), "[default] digest"
    found = ALGORITHMS.get(name or DEFAULT)
    if found is None:
        raise ConfigError(f"{origin} is {name!r}; the algorithms are {', '.join(map(repr, ALGORITHMS))}")
    return found
