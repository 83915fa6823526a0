"""The names of classes in a digest: the same for every version in which a class is found in another place."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from fleche.digest import _format as f

__all__ = ["HEAP_TYPE", "canonical_name", "class_frame", "global_frame", "is_dynamic", "lookup", "module_name"]

HEAP_TYPE = 1 << 9
"""The bit of ``__flags__`` of classes that are made while the program runs."""

_MODULES = {
    "pathlib._local": "pathlib",
    "pathlib._abc": "pathlib",
    "__mp_main__": "__main__",
    "numpy.ma.core": "numpy.ma",
    "numpy.rec": "numpy",
    "numpy.core.records": "numpy",
    "numpy.core.memmap": "numpy",
    "numpy._core.memmap": "numpy",
    "numpy.matrixlib.defmatrix": "numpy",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
}
"""Old or private module to the one whose name the digest carries. An entry, once released, stays."""

_PANDAS = frozenset(
    """
    BooleanArray BooleanDtype Categorical CategoricalDtype CategoricalIndex DataFrame DatetimeArray
    DatetimeIndex DatetimeTZDtype ArrowStringArray ExtensionArray Float32Dtype Float64Dtype FloatingArray
    Index Int16Dtype Int32Dtype Int64Dtype Int8Dtype IntegerArray Interval IntervalArray IntervalDtype
    IntervalIndex MultiIndex NAType NaTType NumpyExtensionArray Period PeriodArray PeriodDtype PeriodIndex
    RangeIndex Series SparseArray SparseDtype StringArray StringDtype Timedelta TimedeltaArray TimedeltaIndex
    Timestamp UInt16Dtype UInt32Dtype UInt64Dtype UInt8Dtype
    """.split()  # noqa: SIM905 - a list this long reads better as text
)
"""Classes of pandas, which moved between its versions; the digest names each as if it were in ``pandas``."""


def module_name(module: str) -> str:
    """Return the module name that the digest carries.

    ``__mp_main__`` is ``__main__``, and ``__main__`` of ``python -m package.module`` is ``package.module``.
    """
    module = _MODULES.get(module, module)
    if module == "__main__":
        spec = getattr(sys.modules.get("__main__"), "__spec__", None)
        name = getattr(spec, "name", None)
        return name if isinstance(name, str) and name not in ("__main__", "__mp_main__") else module
    return module


def canonical_name(obj: Any) -> tuple[str, str]:
    """Return the module and qualified name of a class or function, as the digest carries them."""
    module = obj.__module__
    if not isinstance(module, str):
        return "", obj.__qualname__
    if module.startswith("pandas.") and obj.__qualname__ in _PANDAS:
        return "pandas", obj.__qualname__
    return module_name(module), obj.__qualname__


def lookup(module: str, qualname: str) -> Any:
    """Return what is at this place in a module that is already imported, or None."""
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def is_dynamic(obj: Any) -> bool:
    """Whether a class or function is known by more than its name.

    It is if it was defined in ``__main__`` or inside a function, or if another object stands at its name: two such
    can share a name and differ.
    """
    module, qualname = canonical_name(obj)
    if module == "__main__" or "<" in qualname:
        return True
    if isinstance(obj, type) and not obj.__flags__ & HEAP_TYPE:
        return False
    return lookup(obj.__module__, qualname) is not obj and lookup(module, qualname) is not obj


def class_frame(cls: type, fingerprint: Callable[[type], bytes]) -> bytes:
    """Return the frame that names a class inside the node of its instance.

    Args:
        cls: The class.
        fingerprint: Called for a class that is known by more than its name.
    """
    module, qualname = canonical_name(cls)
    named = f.text(module) + f.text(qualname)
    return f.counted(f.CLASS, named + fingerprint(cls) if is_dynamic(cls) else named)


def global_frame(module: str, qualname: str) -> bytes:
    """Return the frame of something that is known by where it is."""
    return f.counted(f.GLOBAL, f.text(module_name(module)) + f.text(qualname))
