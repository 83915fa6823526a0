"""The verb ``code``: what of a project's code counts for a function."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FunctionType
from typing import Annotated, Any

import typer

from fleche.cli import output
from fleche.cli.common import NOTHING, USAGE, Json, reported, stop
from fleche.digest.code import CodeTree, CodeWatch
from fleche.memo import CachedFunction

__all__ = ["code"]


def code(
    function: Annotated[
        str, typer.Argument(metavar="MODULE:FUNCTION", help="Such as study:fit or lab.models:Net.run.")
    ],
    as_table: Annotated[
        bool, typer.Option("--table", "-t", help="A table, each part once, with why it counts.")
    ] = False,
    json: Json = False,
) -> None:
    """Print what of the code counts for a function, and why.

    The module is imported from the working directory, or from where packages are installed, as a script would.
    """
    with reported():
        tree = _tree(function)
        if json:
            output.data({"function": tree.name, "fingerprint": str(tree.digest), "nodes": tree.rows()})
        elif as_table:
            rows = [
                ("  " * row["depth"] + row["name"], row["kind"], row["digest"][:8], row["why"]) for row in tree.rows()
            ]
            output.table(("name", "kind", "digest", "why it counts"), rows)
        else:
            print(tree)  # noqa: T201 - as Python prints it


def _tree(name: str) -> CodeTree:
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        guess = name.replace("/", ".").removesuffix(".py")
        stop(f"{name!r} names no function: give its module and its name, such as {guess or 'study'}:fit", USAGE)
    found = _found(_imported(module, path), module, path)
    if isinstance(found, CachedFunction):
        tree = found.code.tree()
        if tree is None:
            stop(f"{name}: no code is in its key, since it has code=None; version= is what counts", NOTHING)
        return tree
    if inspect.isclass(found):
        methods = [each for each, value in vars(found).items() if isinstance(value, FunctionType | CachedFunction)]
        example = f", such as {name}.{methods[0]}" if methods else ""
        stop(f"{name} is a class; name a function or one of its methods{example}", USAGE)
    plain = inspect.unwrap(getattr(found, "__func__", found), stop=lambda each: isinstance(each, FunctionType))
    if not isinstance(plain, FunctionType):
        kind = "compiled: there is no Python code to look at" if callable(found) else f"of type {type(found).__name__}"
        stop(f"{name} is no Python function but {kind}", USAGE)
    return CodeWatch(plain).tree()


def _imported(module: str, path: str) -> Any:
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
            f"there is no module {error.name!r} in {here} or installed; run this where your script runs{near}", NOTHING
        )
    except Exception as error:
        stop(f"module {module!r} cannot be imported: {type(error).__name__}: {error}", USAGE)


def _importable(path: Path) -> bool:
    return path.suffix == ".py" or (path / "__init__.py").exists()


def _found(found: Any, module: str, path: str) -> Any:
    at = module
    for name in path.split("."):
        space = vars(found) if hasattr(found, "__dict__") else {}
        try:
            found = getattr(found, name)
        except AttributeError:
            stop(f"there is no {name!r} in {at}{_near(name, space)}", NOTHING)
        at = f"{at}.{name}"
    return found


def _near(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, [each for each in names if not each.startswith("__")], n=1)
    return f"; is it {near[0]!r}?" if near else ""
