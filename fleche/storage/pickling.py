"""A value as a pickle stream and the big buffers that stay outside of it."""

from __future__ import annotations

import pickle
import sys
import threading
from collections import ChainMap
from collections.abc import Callable, Mapping
from enum import IntEnum
from io import BytesIO
from typing import Any

from fleche.errors import SaveError
from fleche.storage.arrays import Reducers

__all__ = ["INLINE", "PROTOCOL", "Pickled", "Serializer", "Tracked", "dump"]

PROTOCOL = 5
INLINE = 4096
"""A buffer of fewer bytes stays in the stream: it would not repay its entry in the header and its alignment."""

_DEPTH = 200_000  # Python frames; four per level of nesting
_REFUSED = (pickle.PicklingError, AttributeError, TypeError)
_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes})

Pickled = tuple["Serializer", bytes, list[memoryview]]
"""Which pickler wrote the stream, the stream, and its out-of-band buffers in order."""


class Serializer(IntEnum):
    """What wrote a stream; the number is in the envelope's header."""

    PICKLE = 1
    CLOUDPICKLE = 2
    PARTS = 3
    """``pickle``, with persistent ids that name parts which lie elsewhere."""


def dump(value: Any) -> Pickled:
    """Pickle a value, protocol 5, without copying its big buffers.

    ``cloudpickle`` (functions and classes by value) serves only what ``pickle`` refuses. Nesting too deep for the C
    pickler is written by the one in Python, which needs no C stack.

    Args:
        value: Anything.

    Raises:
        SaveError: Neither can; the message names the type, the cause is chained.
    """
    if type(value) in _PLAIN:
        return Serializer.PICKLE, pickle.dumps(value, PROTOCOL), []
    kept = _Buffers()
    try:
        return Serializer.PICKLE, _dump_plainly(value, kept), kept.views()
    except RecursionError:
        return _dump_with(_dump_deep, Serializer.PICKLE, value)
    except _REFUSED as refusal:
        try:
            return _dump_with(_dump_by_value, Serializer.CLOUDPICKLE, value)
        except SaveError as error:
            raise error from refusal
    except Exception as error:
        raise _unsaved(value, error) from error


def _dump_with(write: Callable[[Any, _Buffers], bytes], serializer: Serializer, value: Any) -> Pickled:
    kept = _Buffers()
    try:
        return serializer, write(value, kept), kept.views()
    except Exception as error:
        raise _unsaved(value, error) from error


def _unsaved(value: Any, error: Exception) -> SaveError:
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    reason = f"{type(error).__name__}: {error}"
    return SaveError(
        f"a value of type {kind} cannot be stored: {reason}. Return plain data instead, give the type that is refused "
        f"a __reduce__ (or __getstate__ that leaves the part out), or do not cache this function.",
        type_name=kind,
        reason=reason,
    )


class _Buffers:
    """Collects out-of-band buffers; says of small ones that they stay in the stream."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: list[memoryview] = []

    def __call__(self, buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < INLINE:
            return True
        self._kept.append(view)
        return False

    def views(self) -> list[memoryview]:
        return self._kept


def _dump_plainly(value: Any, kept: _Buffers) -> bytes:
    file = BytesIO()
    pickler = pickle.Pickler(file, PROTOCOL, buffer_callback=kept)
    pickler.dispatch_table = Reducers()
    pickler.dump(value)
    return file.getvalue()


class Tracked(pickle.Pickler):
    """Pickles a value and knows afterwards which objects are in it; some can be left out.

    Args:
        references: What stands for an object that is left out, by its id.
    """

    def __init__(self, references: Mapping[int, bytes]) -> None:
        self._file = BytesIO()
        self._kept = _Buffers()
        self._references = references
        super().__init__(self._file, PROTOCOL, buffer_callback=self._kept)
        self.dispatch_table = Reducers()

    def persistent_id(self, obj: Any) -> bytes | None:
        """Return what stands for an object, or None."""
        return self._references.get(id(obj))

    def parts(self) -> tuple[bytes, list[memoryview]]:
        """Return the stream and its out-of-band buffers."""
        return self._file.getvalue(), self._kept.views()

    def objects(self) -> dict[int, Any]:
        """Return the objects that can occur twice, by id; they live as long as this does."""
        return {key: kept for key, (_, kept) in self.memo.copy().items()}


def _dump_by_value(value: Any, kept: _Buffers) -> bytes:
    import cloudpickle

    file = BytesIO()
    pickler = cloudpickle.Pickler(file, PROTOCOL, buffer_callback=kept)
    pickler.dispatch_table = ChainMap(Reducers(), pickler.dispatch_table)
    try:
        pickler.dump(value)
    except RecursionError as error:
        raise pickle.PicklingError("it is nested too deeply for cloudpickle") from error
    return file.getvalue()


def _dump_deep(value: Any, kept: _Buffers) -> bytes:
    file = BytesIO()
    with _DEEP:
        # The pickler in Python recurses on the heap only, so the limit is all that stops it.
        pickler = pickle._Pickler(file, PROTOCOL, buffer_callback=kept)  # noqa: SLF001
        pickler.dispatch_table = Reducers()
        pickler.dump(value)
    return file.getvalue()


class _DeepRecursion:
    """Raises the interpreter's recursion limit while at least one thread needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._before = sys.getrecursionlimit()
                sys.setrecursionlimit(max(self._before, _DEPTH))
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                sys.setrecursionlimit(self._before)


_DEEP = _DeepRecursion()
