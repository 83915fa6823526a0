"""The verbs about edits that change no result: accept one, list them, take them back."""

from __future__ import annotations

from contextlib import nullcontext
from fnmatch import fnmatchcase
from typing import Annotated, Any

import typer

from fleche.cli import output
from fleche.cli.common import NOTHING, Json, Store, agreed, opened, reported
from fleche.cli.functions import cached_named
from fleche.cli.selection import Since, parse_age
from fleche.errors import ConfigError
from fleche.memo import cache
from fleche.storage.acceptances import Acceptance

__all__ = ["accept", "accepted", "withdraw"]


def accept(
    function: Annotated[str, typer.Argument(help="The function, as module:name; the module is imported.")],
    only: Annotated[
        list[str] | None,
        typer.Option("--only", "-o", metavar="NAME", help="Only where nothing but this was edited; may be repeated."),
    ] = None,
    code: Annotated[
        list[str] | None,
        typer.Option("--code", "-c", metavar="PREFIX", help="Only this code before the edit; may be repeated."),
    ] = None,
    since: Since = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Record it. Without, nothing is done.")] = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """Say that edits of a function's code change no result, so that its stored calls are hits again.

    Without --yes it only shows what would be brought back.
    """
    with reported():
        found = cached_named(function)
        with cache(opened(store)) if store is not None else nullcontext():
            report = found.accept(*only or (), since=None if since is None else parse_age(since))
            report = report.only(*code) if code else report
            if json:
                output.data({"calls": report.calls, "accepted": yes, "rows": report.rows()})
            else:
                for line in report.text().split("\n"):
                    output.say(line)
            if not report:
                raise typer.Exit(NOTHING)
            if yes:
                made = report.confirm()
                if not json:
                    output.say(f"accepted {len(made)} edit{'' if len(made) == 1 else 's'}")
            elif not json:
                output.say("nothing is recorded yet; --yes records it")


def accepted(
    function: Annotated[str | None, typer.Argument(help="Only of this function: module.name, or a pattern.")] = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """List the edits that were accepted, with who accepted them and when. --json prints one object a line."""
    with reported():
        found = _of(opened(store).acceptances(), function)
        if json:
            for each in found:
                output.data(_row(each))
        elif found:
            _print(found)
        else:
            output.say("no edit is accepted")
        if not found:
            raise typer.Exit(NOTHING)


def withdraw(
    codes: Annotated[list[str], typer.Argument(help="The first characters of a code, before or after the edit.")],
    function: Annotated[
        str | None, typer.Option("--function", "-f", help="Only of this function: module.name, or a pattern.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    store: Store = None,
) -> None:
    """Take back what was accepted: the calls miss again, as they did before. Nothing that is stored is changed."""
    with reported():
        if short := next((code for code in codes if len(code) < 4), None):
            raise ConfigError(f"{short!r} is too short for a prefix: give at least 4 characters")
        held = opened(store)
        of = _of(held.acceptances(), function)
        found = [each for each in of if any(end.startswith(code) for end in (each.old, each.new) for code in codes)]
        if not found:
            output.say("no such edit is accepted")
            raise typer.Exit(NOTHING)
        _print(found)
        if not yes and not agreed(f"Withdraw {'this' if len(found) == 1 else f'these {len(found)}'}?"):
            raise typer.Exit(NOTHING)
        count = sum([held.withdraw(each.old, each.new) for each in found])
        output.say(f"withdrew {count} acceptance{'' if count == 1 else 's'}")


def _of(said: Any, function: str | None) -> list[Acceptance]:
    return [each for each in said if function is None or fnmatchcase(each.function, function)]


def _row(said: Acceptance) -> dict[str, Any]:
    row = {name: getattr(said, name) for name in ("old", "new", "function", "who")}
    return row | {"at": said.at.isoformat(), "added": sorted(said.added)}


def _print(found: list[Acceptance]) -> None:
    rows = [
        [e.old[:12], e.new[:12], e.function, ", ".join(sorted(e.added)), e.who, f"{e.at:%Y-%m-%d %H:%M}"] for e in found
    ]
    output.table(["before", "after", "function", "added", "by", "at (UTC)"], rows)
