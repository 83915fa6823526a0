"""The verbs of the command line. Exit codes: 0 found, 1 nothing found, 2 wrong usage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from fleche.caches import BaseCache
from fleche.call import LazyCall, Outcome
from fleche.cli import output
from fleche.cli.acceptance import accept, accepted, withdraw
from fleche.cli.archives import export, import_
from fleche.cli.code import code
from fleche.cli.common import NOTHING, Json, Store, agreed, opened, reported
from fleche.cli.lineage import forget_downstream, tree
from fleche.cli.selection import All, Arguments, Failed, Function, Since, Tags, Where, selected
from fleche.cli.settings import settings
from fleche.cli.upkeep import repair, transfer, verify
from fleche.cli.why import diff, why
from fleche.config import opener
from fleche.errors import ConfigError, UnknownDigestError
from fleche.version import VERSION

__all__ = ["app"]

app = typer.Typer(
    name="fleche",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_SORTS: dict[str, Callable[[LazyCall], Any]] = {
    "at": lambda call: call.at.timestamp() if call.at else 0.0,
    "walltime": lambda call: call.walltime or 0.0,
    "name": lambda call: (call.module, call.name),
}


def _print_version(asked: bool) -> None:
    if asked:
        output.say(f"fleche {VERSION}")
        raise typer.Exit


@app.callback()
def command(
    version: Annotated[
        bool,
        typer.Option("--version", "-V", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Look at remembered calls, and clean up. Prefixes of at least 4 characters stand for whole digests."""


@app.command()
def info(store: Store = None, json: Json = False) -> None:
    """Say which store is used and why, and what it holds."""
    with reported():
        located = opener.locate(store)
        held = opener.look(located).describe() if located.made else {"calls": 0, "values": 0, "bytes": 0}
        why = located.why if located.made else f"{located.why}; there is no store yet, the first cached call makes it"
        output.facts({"place": located.place, "why": why, **held}, as_json=json)


@app.command("ls")
def list_calls(
    function: Function = None,
    arg: Arguments = None,
    where: Where = None,
    tag: Tags = None,
    since: Since = None,
    failed: Failed = False,
    everything: All = False,
    sort: Annotated[str, typer.Option(help=f"By {', '.join(_SORTS)}; the largest first.")] = "at",
    reverse: Annotated[bool, typer.Option("--reverse", "-r", help="The smallest first.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="At most so many; 0 is all.")] = 20,
    store: Store = None,
    json: Json = False,
) -> None:
    """List stored calls, the latest first. --json prints one object a line."""
    with reported():
        if sort not in _SORTS:
            raise typer.BadParameter(f"cannot sort by {sort!r}; give one of {', '.join(_SORTS)}", param_hint="--sort")
        outcomes = frozenset(Outcome) if everything else frozenset({Outcome.ERROR if failed else Outcome.RESULT})
        selection = selected(function, arg, tag, where, since, outcomes)
        calls = sorted(selection.find(opened(store)), key=_SORTS[sort], reverse=not reverse)
        output.calls(calls[: limit or None], total=len(calls), as_json=json)
        if not calls:
            raise typer.Exit(NOTHING)


@app.command()
def show(
    prefix: Annotated[str, typer.Argument(help="The first characters of a call's key or a value's digest.")],
    values: Annotated[
        bool, typer.Option("--values/--no-values", help="Load the arguments and the result and show them.")
    ] = True,
    store: Store = None,
    json: Json = False,
) -> None:
    """Show one call or one value."""
    with reported():
        cache = opened(store)
        calls, found = cache.resolve(prefix)
        if not calls:
            output.value(found[0], cache.load_value(found[0]) if values else None, loaded=values, as_json=json)
            return
        call = next(iter(cache.find_key(calls[0])))
        output.call(call, values=values, as_json=json)


@app.command()
def forget(
    prefixes: Annotated[list[str], typer.Argument(help="The first characters of the keys of calls.")],
    downstream: Annotated[
        bool, typer.Option("--downstream", help="And every call that depends on them; only --yes removes anything.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    store: Store = None,
) -> None:
    """Remove the records of calls, so that they are computed anew."""
    with reported():
        cache = opened(store)
        calls = [_the_call(cache, prefix) for prefix in prefixes]
        if downstream:
            forget_downstream(cache, calls, yes=yes)
            return
        output.calls(calls, total=len(calls), as_json=False)
        if not yes and not agreed(f"Forget {'this call' if len(calls) == 1 else f'these {len(calls)} calls'}?"):
            raise typer.Exit(NOTHING)
        for call in calls:
            cache.evict(call.key)
        output.say(f"forgot {len(calls)} call{'' if len(calls) == 1 else 's'}")


@app.command()
def path(store: Store = None) -> None:
    """Print the directory of the store."""
    with reported():
        print(opener.locate(store).place)  # noqa: T201 - for scripts: the text and nothing else


@app.command()
def init(directory: Annotated[Path, typer.Argument(help="The project's directory.")] = Path()) -> None:
    """Keep this project's results beside it, in .fleche.

    Writes a fleche.toml that says so; programs that run in or below its directory use it.
    """
    with reported():
        target = directory / "fleche.toml"
        try:
            with target.open("x", encoding="utf-8") as file:
                file.write('[default]\ncache = "project"\n\n[project]\nroot = ".fleche"\n')
        except FileExistsError:
            raise ConfigError(f"{target} is there already; edit it, or remove it first") from None
        except OSError as error:
            raise ConfigError(f"{target} cannot be written: {error.strerror or error}") from error
        output.say(f"wrote {target}: results of this project now live in {directory / '.fleche'}")


def _the_call(cache: BaseCache, prefix: str) -> LazyCall:
    calls, _ = cache.resolve(prefix)
    if not calls:
        raise UnknownDigestError(
            f"{prefix!r} is a value, not a call; only calls are forgotten, their values stay in the store"
        )
    return next(iter(cache.find_key(calls[0])))


app.command()(accept)
app.command()(accepted)
app.command()(withdraw)
app.command()(tree)
app.command()(verify)
app.command()(repair)
app.command()(transfer)
app.command()(why)
app.command()(diff)
app.command()(export)
app.command("import")(import_)
app.command()(code)
app.add_typer(settings, name="config")
