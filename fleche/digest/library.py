"""What the modules for values of other packages share: one tag, and the package's own module.

Nothing here imports such a package: who has a value of it has imported it.
"""

from __future__ import annotations

import sys
from typing import Any

from fleche.digest import _format as f
from fleche.digest.plan import Plan, silent
from fleche.digest.refusals import Refusal

__all__ = ["loaded", "numpy", "plan"]


def plan(kind: str, *parts: Any) -> Plan:
    """Return the plan of a value of another package.

    Args:
        kind: The public name of its type, which the format fixes.
        *parts: What it is, as values.
    """
    return Plan(f.LIBRARY + f.text(kind), (parts,), label=silent)


def loaded(name: str) -> Any:
    """Return a module that the program has imported."""
    return sys.modules[name]


def numpy() -> Any:
    """Return numpy, through which the buffers of other packages are read.

    Raises:
        Refusal: It is not installed.
    """
    try:
        import numpy as np
    except ImportError:
        raise Refusal("is read through numpy, which is not installed", "Install numpy") from None
    return np
