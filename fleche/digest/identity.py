"""`Identity`: what stands for a class or a function, as a value and in the nodes of instances."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import BuiltinFunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from fleche.digest import _format as f
from fleche.digest import names
from fleche.digest.text import Digest

__all__ = ["Identity"]

_LIBRARY = frozenset(sys.stdlib_module_names)


class Identity:
    """What stands for classes and functions.

    Those of the standard library, and functions written in C, are known by name. Of others the code counts.

    Attributes:
        value_fingerprint: A function or class to the digest of its code.
    """

    def __init__(self) -> None:
        self.value_fingerprint: Callable[[Any], Digest] = _fingerprint
        self._frames: WeakKeyDictionary[type, bytes] = WeakKeyDictionary()  # of classes that stand at their name

    def class_frame(self, cls: type) -> bytes:
        """Return the frame that names a class in the node of its instance."""
        known = self._frames.get(cls)
        if known is not None and names.lookup(cls.__module__, cls.__qualname__) is cls:
            return known
        frame = names.class_frame(cls, self._class)
        if not names.is_dynamic(cls):
            self._frames[cls] = frame
        return frame

    def _class(self, cls: type) -> bytes:
        return self.value_fingerprint(cls).raw

    def frame(self, obj: Any) -> bytes:
        """Return the frame of a function or class as a value."""
        owner = getattr(obj, "__objclass__", None)
        if isinstance(owner, type) and _by_name(owner):
            return names.global_frame(owner.__module__, obj.__qualname__)
        if _by_name(obj):
            return names.global_frame(obj.__module__, obj.__qualname__)
        return f.reference(self.value_fingerprint(obj).raw)


def _by_name(obj: Any) -> bool:
    if isinstance(obj, BuiltinFunctionType):
        return isinstance(obj.__module__, str) and (obj.__self__ is None or isinstance(obj.__self__, ModuleType))
    module = getattr(obj, "__module__", None)
    if not isinstance(module, str) or module.partition(".")[0] not in _LIBRARY:
        return False
    return module != "__main__" and not names.is_dynamic(obj)


def _fingerprint(obj: Any) -> Digest:
    from fleche.digest.code.watch import fingerprint  # which digests values: each needs the other

    return fingerprint(obj)
