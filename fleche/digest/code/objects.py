"""What the walk asks of objects: names, places, what is wrapped. Only modules may run code of their own for it."""

from __future__ import annotations

import importlib
import sys
from types import CodeType, FunctionType, ModuleType
from typing import Any

from fleche.digest.code.analysis import is_ours
from fleche.digest.code.frames import MISSING
from fleche.digest.code.identity import function_identity, home

__all__ = ["imported", "lazy_attribute", "methods_of", "place_of", "shown_name", "wrapped_by"]


def methods_of(kind: type) -> list[CodeType]:
    """Return the code of what runs on objects of a class after they are made."""
    found = []
    for cls in kind.__mro__:
        for name, value in list(vars(cls).items()):
            inner = getattr(value, "__func__", value)
            inner = getattr(value, "fset", None) or inner
            if isinstance(inner, FunctionType) and name not in ("__init__", "__new__"):
                found.append(inner.__code__)
    return found


def shown_name(function: FunctionType) -> str:
    """Return the name for people: where the code was written, whatever `functools.wraps` made of it."""
    module, name = function_identity(function)
    written = function.__code__.co_qualname
    return f"{module}.{name}" if written == name else f"{home(function)}.{written}"


def place_of(function: FunctionType) -> tuple[str, str, int, bytes]:
    """Return what a list of functions is sorted by: where they are written, and what they do."""
    code = function.__code__
    return home(function), code.co_qualname, code.co_firstlineno, code.co_code


def lazy_attribute(module: ModuleType, name: str) -> Any:
    """Return what a module's own ``__getattr__`` gives."""
    try:
        return getattr(module, name, MISSING)
    except Exception:
        return MISSING


def wrapped_by(value: Any) -> Any:
    """Return what a wrapper object wraps, or None, without running code of other people."""
    if not callable(value):
        return None
    if is_ours(type(value)):
        return getattr(value, "__wrapped__", None)
    try:
        return object.__getattribute__(value, "__dict__").get("__wrapped__")
    except AttributeError:
        return None


def imported(module: str) -> ModuleType | None:
    """Return a module, imported if need be; None where that fails."""
    if module in sys.modules:
        return sys.modules[module]
    try:
        return importlib.import_module(module)
    except Exception:
        return None
