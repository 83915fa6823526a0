"""Functions that are named on the command line, as ``module:name``."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fleche.cli.common import NOTHING, USAGE, stop
from fleche.memo import CachedFunction

__all__ = ["cached_named", "named", "undressed"]


def cached_named(place: str) -> CachedFunction[..., Any]:
    """Return the cached function at a place; of a task, what the cache knows as its function.

    Ends the command, and says why, where there is none.
    """
    found = undressed(named(place, missing=USAGE))
    found = getattr(found, "__func__", found)
    if not isinstance(found, CachedFunction):
        stop(f"{place!r} is no cached function, but a {type(found).__qualname__}; decorate it with @cached", USAGE)
    return found


def undressed(found: Any) -> Any:
    """Return the cached function of a task; anything else as it is."""
    tasks = sys.modules.get("fleche.runtime.task")
    return found.cached if tasks is not None and isinstance(found, tasks.Task) else found


def named(place: str, *, missing: int = NOTHING) -> Any:
    """Return what is at a place; its module is imported from the working directory, as a script would.

    Ends the command, and says why, where there is nothing.

    Args:
        place: The module and the name.
        missing: The exit code where there is no such module, or no such name in it.
    """
    module, colon, path = place.partition(":")
    if not (module and colon and path):
        guess = place.replace("/", ".").removesuffix(".py")
        stop(f"{place!r} names no function: give its module and its name, such as {guess or 'study'}:fit", USAGE)
    return _found(_imported(module, path, missing), module, path, missing)


def _imported(module: str, path: str, missing: int) -> Any:
    if module.endswith(".py") or "/" in module:
        guess = module.removesuffix(".py").strip("./").replace("/", ".")
        stop(f"{module!r} is a file; give the module that it is: {guess}:{path}", USAGE)
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the module prints is not what was asked for
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            stop(f"module {module!r} cannot be imported: it needs {error.name!r}, which is not installed here", USAGE)
        near = _near(module.partition(".")[0], (each.stem for each in Path.cwd().iterdir() if _importable(each)))
        stop(
            f"there is no module {error.name!r} in {here} or installed; run this where your script runs{near}", missing
        )
    except Exception as error:
        stop(f"module {module!r} cannot be imported: {type(error).__name__}: {error}", USAGE)


def _importable(path: Path) -> bool:
    return path.suffix == ".py" or (path / "__init__.py").exists()


def _found(found: Any, module: str, path: str, missing: int) -> Any:
    at = module
    for name in path.split("."):
        space = vars(found) if hasattr(found, "__dict__") else {}
        try:
            found = getattr(found, name)
        except AttributeError:
            stop(f"there is no {name!r} in {at}{_near(name, space)}", missing)
        at = f"{at}.{name}"
    return found


def _near(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, [each for each in names if not each.startswith("__")], n=1)
    return f"; is it {near[0]!r}?" if near else ""
