"""The verb ``code``: what of a project's code counts for a function."""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Annotated

import typer

from fleche.cli import output
from fleche.cli.common import NOTHING, USAGE, Json, reported, stop
from fleche.cli.functions import named, undressed
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
    found = named(name)
    found = undressed(found)
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
