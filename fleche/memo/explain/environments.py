"""The versions of packages that a function names by ``environment=``: then, as far as that is known, and now."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version

from fleche.call import LazyCall
from fleche.digest.code.frames import text
from fleche.digest.code.graph import Node
from fleche.digest.code.tree import tree_of

__all__ = ["installed", "packages"]


def installed(name: str) -> str | None:
    """Return the installed version of a distribution, or of the interpreter; None where it is not installed."""
    if name == "python":
        return platform.python_version()
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def packages(name: str, call: LazyCall, own: str) -> tuple[str | None, str | None]:
    """Return the version of a package at a stored call, or None, and now.

    The code tree of the call holds the digest of the version only. What the call noted of its environment is a guess,
    which that digest confirms.

    Args:
        name: The distribution, or ``python``.
        call: The stored call.
        own: The digest of the package's node in the code tree of the call.
    """
    found = next((guess for guess in _guesses(name, call) if _mark(name, guess) == own), None)
    return found, installed(name)


def _mark(name: str, version: str) -> str:
    return str(tree_of(Node("environment", name, text(version), "by version")).own)


def _guesses(name: str, call: LazyCall) -> Iterator[str]:
    noted = call.metadata.get("environment", {})
    if name == "python" and isinstance(noted.get("python_version"), str):
        yield noted["python_version"]
    held = noted.get("packages")
    if isinstance(held, Mapping):
        for each in (held.get(name), held.get(name.replace("-", "_")), *held.values()):
            if isinstance(each, str):
                yield each
