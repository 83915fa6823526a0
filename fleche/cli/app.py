"""The verbs of the command line. Exit codes: 0 found, 1 nothing found, 2 wrong usage."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from operator import and_
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from fleche.caches import BaseCache
from fleche.call import LazyCall, Outcome
from fleche.cli import output
from fleche.cli.selection import Selection, parse_age, parse_pair
from fleche.config import opener
from fleche.errors import AmbiguousDigestError, ConfigError, FlecheError, UnknownDigestError
from fleche.query import parse
from fleche.version import VERSION

__all__ = ["app"]

NOTHING, USAGE = 1, 2

app = typer.Typer(
    name="fleche",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON with stable fields instead of tables.")]
Store = Annotated[
    str | None,
    typer.Option("--store", "-s", metavar="STORE", help="A store's path, URL or name; else the default one."),
]

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
    with _reported():
        located = opener.locate(store)
        held = opener(store).describe() if located.made else {"calls": 0, "values": 0, "bytes": 0}
        why = located.why if located.made else f"{located.why}; there is no store yet, the first cached call makes it"
        output.facts({"place": located.place, "why": why, **held}, as_json=json)


@app.command("ls")
def list_calls(
    function: Annotated[
        str | None, typer.Argument(help="Only this function: its name, module.name, or a pattern with *.")
    ] = None,
    arg: Annotated[
        list[str] | None, typer.Option("--arg", "-a", metavar="NAME=VALUE", help="Only calls with this argument.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            "-w",
            metavar="CONDITION",
            help="Only calls that meet it: 'arg.lr < 0.1 and meta.runtime.walltime > 60'.",
        ),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", "-t", metavar="NAME=VALUE", help="Only calls with this tag.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="AGE", help="Only calls since then: 90s, 30min, 12h, 7d.")
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Calls that raised, instead of those that returned.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Calls of every outcome.")] = False,
    sort: Annotated[str, typer.Option(help=f"By {', '.join(_SORTS)}; the largest first.")] = "at",
    reverse: Annotated[bool, typer.Option("--reverse", "-r", help="The smallest first.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="At most so many; 0 is all.")] = 20,
    store: Store = None,
    json: Json = False,
) -> None:
    """List stored calls, the latest first. --json prints one object a line."""
    with _reported():
        if sort not in _SORTS:
            raise typer.BadParameter(f"cannot sort by {sort!r}; give one of {', '.join(_SORTS)}", param_hint="--sort")
        selection = Selection(
            function=function,
            arguments=dict(parse_pair(pair) for pair in arg or ()),
            tags=dict(parse_pair(pair) for pair in tag or ()),
            since=None if since is None else parse_age(since),
            where=None if not where else reduce(and_, map(parse, where)),
            outcomes=frozenset(Outcome) if everything else frozenset({Outcome.ERROR if failed else Outcome.RESULT}),
        )
        calls = sorted(selection.find(_opened(store)), key=_SORTS[sort], reverse=not reverse)
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
    with _reported():
        cache = _opened(store)
        calls, found = cache.resolve(prefix)
        if not calls:
            output.value(found[0], cache.load_value(found[0]) if values else None, loaded=values, as_json=json)
            return
        call = next(iter(cache.find_key(calls[0])))
        output.call(call, values=values, as_json=json)


@app.command()
def forget(
    prefixes: Annotated[list[str], typer.Argument(help="The first characters of the keys of calls.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    store: Store = None,
) -> None:
    """Remove the records of calls, so that they are computed anew."""
    with _reported():
        cache = _opened(store)
        calls = [_the_call(cache, prefix) for prefix in prefixes]
        output.calls(calls, total=len(calls), as_json=False)
        if not yes and not _agreed(f"Forget {'this call' if len(calls) == 1 else f'these {len(calls)} calls'}?"):
            raise typer.Exit(NOTHING)
        for call in calls:
            cache.evict(call.key)
        output.say(f"forgot {len(calls)} call{'' if len(calls) == 1 else 's'}")


@app.command()
def path(store: Store = None) -> None:
    """Print the directory of the store."""
    with _reported():
        print(opener.locate(store).place)  # noqa: T201 - for scripts: the text and nothing else


@app.command()
def init(directory: Annotated[Path, typer.Argument(help="The project's directory.")] = Path()) -> None:
    """Keep this project's results beside it, in .fleche.

    Writes a fleche.toml that says so; programs that run in or below its directory use it.
    """
    with _reported():
        target = directory / "fleche.toml"
        try:
            with target.open("x", encoding="utf-8") as file:
                file.write('[default]\ncache = "project"\n\n[project]\nroot = ".fleche"\n')
        except FileExistsError:
            raise ConfigError(f"{target} is there already; edit it, or remove it first") from None
        except OSError as error:
            raise ConfigError(f"{target} cannot be written: {error.strerror or error}") from error
        output.say(f"wrote {target}: results of this project now live in {directory / '.fleche'}")


def _opened(store: str | None) -> BaseCache:
    """Return the cache of a store that is there: looking makes none."""
    located = opener.locate(store)
    if not located.made:
        _stop(f"there is no store at {located.place} ({located.why})", NOTHING)
    return opener(store)


def _the_call(cache: BaseCache, prefix: str) -> LazyCall:
    calls, _ = cache.resolve(prefix)
    if not calls:
        raise UnknownDigestError(
            f"{prefix!r} is a value, not a call; only calls are forgotten, their values stay in the store"
        )
    return next(iter(cache.find_key(calls[0])))


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise ConfigError("cannot ask here, since the input is no terminal; give --yes")
    return typer.confirm(question)


@contextmanager
def _reported() -> Iterator[None]:
    """Turn errors into one line on standard error and an exit code."""
    try:
        yield
    except AmbiguousDigestError as error:
        _stop(str(error).replace(":\n  ", ": ", 1).replace("\n  ", "; "), USAGE)
    except UnknownDigestError as error:
        _stop(str(error), USAGE if "too short" in str(error) else NOTHING)
    except (FlecheError, ValueError) as error:
        _stop(str(error), USAGE)
    except BrokenPipeError:
        raise  # typer ends quietly: whoever read has read enough
    except OSError as error:
        _stop(f"the output cannot be written: {error.strerror or error}", USAGE)


def _stop(message: str, code: int) -> NoReturn:
    Console(stderr=True, soft_wrap=True).print(
        f"fleche: {' '.join(message.split())}", style=None, markup=False, highlight=False
    )
    raise typer.Exit(code)
