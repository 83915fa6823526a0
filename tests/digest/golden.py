"""The golden vectors: ``python -m tests.digest.golden`` checks them, ``--add`` digests the expressions that lack one.

The bytes are frozen: a vector is added, never changed.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from fleche.digest.algorithm import ALGORITHMS
from fleche.digest.walk import DEFAULT, Walk
from tests.digest.specimens import NAMES

FILE = Path(__file__).with_name("golden.json")

_PACKAGES = {
    "numpy": ("numpy", "np"),
    "pandas": ("pandas", "pd"),
    "pyarrow": ("pyarrow", "pa"),
    "polars": ("polars", "pl"),
    "torch": ("torch", "torch"),
    "scipy": ("scipy.sparse", "sp"),
    "xarray": ("xarray", "xr"),
    "networkx": ("networkx", "nx"),
    "PIL": ("PIL.Image", "Image"),
    "msgspec": ("msgspec", "msgspec"),
}
"""What a vector needs to the module, and its name in expressions."""


def load() -> list[dict[str, str]]:
    """Return the vectors: expression, what it needs, and a digest for each algorithm."""
    return json.loads(FILE.read_text("utf-8"))


def namespace(needs: str) -> dict[str, Any] | None:
    """Return the names for an expression, or None if a package that it needs is not installed."""
    names = dict(NAMES)
    for need in needs.split():
        try:
            module, name = _PACKAGES[need]
            names[name] = importlib.import_module(module)
        except ImportError:
            return None
    return names


def digests(expression: str, names: dict[str, Any]) -> dict[str, str]:
    """Return the digest of an expression's value for each algorithm."""
    value = eval(expression, names)
    return {name: Walk(DEFAULT, algorithm).digest(value).hex() for name, algorithm in ALGORITHMS.items()}


def failures() -> list[str]:
    """Return the expressions whose digest is not the golden one."""
    failed = []
    for vector in load():
        names = namespace(vector.get("needs", ""))
        if names is None:
            continue
        found = digests(vector["expr"], names)
        if any(vector[name] != found[name] for name in ALGORITHMS):
            failed.append(vector["expr"])
    return failed


def add() -> None:
    """Digest the expressions that have no digest yet."""
    vectors = load()
    for vector in vectors:
        if "sha256" not in vector:
            vector.update(digests(vector["expr"], namespace(vector.get("needs", "")) or {}))
    lines = ",\n".join(json.dumps(vector, ensure_ascii=False) for vector in vectors)
    FILE.write_text(f"[\n{lines}\n]\n", "utf-8")


if __name__ == "__main__":
    if "--add" in sys.argv:
        add()
    wrong = failures()
    print("\n".join(wrong) or f"{len(load())} vectors hold")
    sys.exit(bool(wrong))
