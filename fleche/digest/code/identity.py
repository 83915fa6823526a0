"""Who a function is: the module and name under which its calls are filed."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["MAIN", "always_fingerprinted", "function_identity", "home"]

MAIN = "__main__"
_MAINS = ("__main__", "__mp_main__")


def home(function: Any) -> str:
    """Return the name of the module whose globals a function reads; `functools.wraps` does not change it."""
    return str(getattr(function, "__globals__", {}).get("__name__") or MAIN)


def function_identity(function: Any) -> tuple[str, str]:
    """Return the module and the qualified name under which calls of a function are filed.

    A multiprocessing child's ``__mp_main__`` is ``__main__``, and the main module of ``python -m pkg.mod`` is
    ``pkg.mod``, so that the same function has one name however its process was started.

    Args:
        function: A function, class or builtin; anything with ``__module__`` and ``__qualname__``.

    >>> import json
    >>> function_identity(json.dumps)
    ('json', 'dumps')
    """
    module = getattr(function, "__module__", None) or home(function)
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", type(function).__qualname__)
    return (_main_name(function) if module in _MAINS else str(module)), str(name)


def _main_name(function: Any) -> str:
    space = getattr(function, "__globals__", None)
    if space is None or space.get("__name__") not in _MAINS:
        space = vars(sys.modules.get(MAIN, sys))
    spec = space.get("__spec__")
    name = getattr(spec, "name", None)
    return MAIN if name is None or name in _MAINS else str(name)


def always_fingerprinted(function: Any) -> bool:
    """Whether a function's calls carry its fingerprint whatever ``code=`` says, since its name says too little.

    True for functions of ``__main__``, lambdas, and functions made inside other functions.
    """
    module, name = function_identity(function)
    return module == MAIN or "<locals>" in name or name.rpartition(".")[2] == "<lambda>"
