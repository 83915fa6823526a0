"""The commands ``fleche why`` and ``fleche diff``."""

from __future__ import annotations

import ast
from typing import Annotated, Any

import typer

from fleche.caches import BaseCache
from fleche.cli import output
from fleche.cli.common import NOTHING, USAGE, Json, Store, opened, reported, stop
from fleche.cli.functions import cached_named
from fleche.config import opener
from fleche.memo import cache
from fleche.memo.explain import diff as diff_calls
from fleche.memo.explain import difference

__all__ = ["diff", "why"]

_REFERENCE = "@"


def why(
    function: Annotated[str, typer.Argument(metavar="MODULE:FUNCTION", help="Where the cached function is.")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARG", help="VALUE or NAME=VALUE, Python literals, else text; @PREFIX is a stored value."
        ),
    ] = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Say why a call is a hit or a miss: what differs from the nearest stored call. Nothing runs. Code 1: a miss."""
    with reported():
        found = cached_named(function)
        used = opened(store) if store is not None or opener.locate().made else opener("void")
        args, kwargs = _arguments(arguments or [], used)
        with cache(used):
            try:
                answer = found.why(*args, **kwargs)
            except TypeError as error:
                stop(str(error), USAGE)
        if json:
            output.data(answer.json())
        else:
            output.text(str(answer))
        if not answer.hit:
            raise typer.Exit(NOTHING)


def diff(
    old: Annotated[str, typer.Argument(metavar="A", help="The first characters of a call's key or a value's digest.")],
    new: Annotated[str, typer.Argument(metavar="B", help="The same, of what it is compared with.")],
    store: Store = None,
    json: Json = False,
) -> None:
    """Say what differs between two calls, or two values. Code 1: something does."""
    with reported():
        used = opened(store)
        (calls, values), (other_calls, other_values) = used.resolve(old), used.resolve(new)
        if calls and other_calls:
            one, other = (next(iter(used.find_key(keys[0]))) for keys in (calls, other_calls))
            found: Any = diff_calls(one, other)
        elif values and other_values:
            found = difference(used.load_value(values[0]), used.load_value(other_values[0]))
        else:
            kinds = ["a call" if each else "a value" for each in (calls, other_calls)]
            stop(f"{old} is {kinds[0]}, and {new} is {kinds[1]}: give two calls, or two values", USAGE)
        if json:
            output.data(found.json())
        else:
            output.text(str(found) or "nothing differs")
        if found:
            raise typer.Exit(NOTHING)


def _arguments(words: list[str], used: BaseCache) -> tuple[list[Any], dict[str, Any]]:
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if equals and name.isidentifier():
            kwargs[name] = _value(text, used)
        else:
            args.append(_value(word, used))
    return args, kwargs


def _value(text: str, used: BaseCache) -> Any:
    if text.startswith(_REFERENCE):
        calls, values = used.resolve(text.removeprefix(_REFERENCE))
        return used.load(calls[0]).ref() if calls else values[0]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
