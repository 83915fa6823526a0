"""Metadata: what is noted of a call beside its key and result. It never changes either."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from fleche.call.live import Call

__all__ = ["CONFIGURABLE", "Environment", "Git", "JSONValue", "MetaData", "Runtime", "Tags", "configurable", "username"]

JSONValue = str | int | float | bool | None | list["JSONValue"] | dict[str, "JSONValue"]

_MICROS = 1_000_000
_PYTHON = ".".join(map(str, sys.version_info[:3]))


class MetaData:
    """One kind of metadata: a namespace of JSON values, gathered before and after the body runs.

    A kind that raises costs the call nothing: its namespace is left out, with one warning.

    >>> class Seed(MetaData):
    ...     name = "seed"
    ...     keys = {"seed": int}
    ...     def pre(self, call):
    ...         return {"seed": 42}
    """

    name: str
    """The namespace."""

    keys: Mapping[str, type] = MappingProxyType({})
    """The names of the entries, and the type of each."""

    def pre(self, call: Call) -> dict[str, Any]:  # noqa: ARG002 - for subclasses
        """Return what is known before the body runs."""
        return {}

    def post(self, pre: dict[str, Any], call: Call) -> dict[str, Any]:  # noqa: ARG002 - for subclasses
        """Return the entries to keep, from what `pre` returned; ``call.result`` is the result."""
        return pre


CONFIGURABLE: dict[str, type[MetaData]] = {}
"""The kinds that ``[default] metadata`` of a configuration file can name, by class name."""

K = TypeVar("K", bound=type[MetaData])


def configurable(kind: K) -> K:
    """Let configuration files name a kind of metadata; a class decorator.

    The class is made without arguments. Its namespace becomes the name of the class in lower case.

    >>> @configurable
    ... class Node(MetaData):
    ...     def pre(self, call):
    ...         return {"rank": 0}
    >>> Node.name, CONFIGURABLE.pop("Node") is Node
    ('node', True)
    """
    kind.name = kind.__name__.lower()
    CONFIGURABLE[kind.__name__] = kind
    return kind


@configurable
class Runtime(MetaData):
    """When the body ran and how long it took: ``timestart timestop walltime cputime systime``.

    All are seconds, to the microsecond. The first two count from 1970 in UTC; ``walltime`` is elapsed time;
    ``cputime`` and ``systime`` are the user and the system processor time of the whole process meanwhile.
    """

    name = "runtime"
    keys = dict.fromkeys(("timestart", "timestop", "walltime", "cputime", "systime"), float)

    def pre(self, call: Call) -> dict[str, Any]:  # noqa: ARG002
        """Note the time."""
        times = os.times()
        return {"start": time.time_ns() // 1000, "clock": time.perf_counter_ns(), "user": times[0], "sys": times[1]}

    def post(self, pre: dict[str, Any], call: Call) -> dict[str, Any]:  # noqa: ARG002
        """Return the five entries."""
        times = os.times()
        wall = (time.perf_counter_ns() - pre["clock"]) // 1000
        start = pre["start"]
        return {
            "timestart": start / _MICROS,
            "timestop": (start + wall) / _MICROS,
            "walltime": wall / _MICROS,
            "cputime": round((times[0] - pre["user"]) * _MICROS) / _MICROS,
            "systime": round((times[1] - pre["sys"]) * _MICROS) / _MICROS,
        }


@configurable
class Environment(MetaData):
    """Where the body ran: ``hostname username cwd python_version fleche_version packages``.

    ``packages`` holds the versions of the third-party packages that are imported at the time and tell their
    ``__version__``.
    """

    name = "environment"
    keys = MappingProxyType(
        dict.fromkeys(("hostname", "username", "cwd", "python_version", "fleche_version"), str) | {"packages": dict}
    )

    def __init__(self) -> None:
        self._seen: tuple[int, dict[str, str]] = (-1, {})

    def post(self, pre: dict[str, Any], call: Call) -> dict[str, Any]:  # noqa: ARG002
        """Return the six entries."""
        return {
            "hostname": _hostname(),
            "username": username(),
            "cwd": _cwd(),
            "python_version": _PYTHON,
            "fleche_version": sys.modules["fleche"].__version__ if "fleche" in sys.modules else "",
            "packages": self._packages(),
        }

    def _packages(self) -> dict[str, str]:
        count = len(sys.modules)
        if self._seen[0] != count:
            self._seen = (count, _versions())
        return self._seen[1]


@configurable
class Git(MetaData):
    """The state of the working tree that the function's source lives in: ``commit branch dirty``.

    Costs one run of ``git`` (a few milliseconds) per computed call, so it is not on by default.
    """

    name = "git"
    keys = MappingProxyType({"commit": str, "branch": str, "dirty": bool})

    def __init__(self, directory: str | Path | None = None) -> None:
        self._directory = directory

    def pre(self, call: Call) -> dict[str, Any]:  # noqa: ARG002
        """Ask git, before the body changes anything."""
        import subprocess

        command = ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
        try:
            done = subprocess.run(  # noqa: S603 - a fixed command
                command, cwd=self._directory, capture_output=True, text=True, timeout=10, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return {}
        lines = done.stdout.splitlines()
        heads = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
        dirty = any(not line.startswith("#") for line in lines)
        return {"commit": heads.get("branch.oid"), "branch": heads.get("branch.head"), "dirty": dirty}


class Tags(MetaData):
    """Entries that the caller chose.

    Args:
        **tags: JSON values by name.
    """

    name = "tags"

    def __init__(self, **tags: Any) -> None:
        self.tags = tags
        self.keys = {name: type(value) for name, value in tags.items()}

    def pre(self, call: Call) -> dict[str, Any]:  # noqa: ARG002
        """Return the tags."""
        return dict(self.tags)


def merged(namespaces: Mapping[str, Mapping[str, Any]], more: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return both, entry by entry; where both have an entry the second wins."""
    result = {name: dict(entries) for name, entries in namespaces.items()}
    for name, entries in more.items():
        result.setdefault(name, {}).update(entries)
    return result


@lru_cache(maxsize=1)
def _hostname() -> str:
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")


@lru_cache(maxsize=1)
def username() -> str:
    """Return the name of the user who runs this process, or an empty text."""
    for variable in ("LOGNAME", "USER", "USERNAME"):
        if os.environ.get(variable):
            return os.environ[variable]
    return _name_of(os.getuid()) if hasattr(os, "getuid") else ""


@lru_cache(maxsize=16)
def _name_of(user: int) -> str:
    try:
        import pwd

        return pwd.getpwuid(user).pw_name
    except (ImportError, KeyError):
        return ""


def _cwd() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - a path is not needed, and takes longer
    except OSError:
        return ""


def _versions() -> dict[str, str]:
    standard = sys.stdlib_module_names
    found = {}
    for name, module in list(sys.modules.items()):
        if "." in name or name in standard or name.startswith("_"):
            continue
        version = getattr(module, "__dict__", {}).get("__version__")
        if isinstance(version, str):
            found[name] = version
    return dict(sorted(found.items()))
