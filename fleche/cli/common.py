"""What every command needs: its options, the cache, and errors as one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from fleche.caches import BaseCache
from fleche.config import opener
from fleche.errors import AmbiguousDigestError, ConfigError, FlecheError, UnknownDigestError

__all__ = ["NOTHING", "USAGE", "Json", "Store", "agreed", "opened", "reported", "stop"]

NOTHING, USAGE = 1, 2

Json = Annotated[bool, typer.Option("--json", help="Print JSON with stable fields instead of tables.")]
Store = Annotated[
    str | None,
    typer.Option("--store", "-s", metavar="STORE", help="A store's path, URL or name; else the default one."),
]


def opened(store: str | None) -> BaseCache:
    """Return the cache of a store that is there: looking makes none."""
    located = opener.locate(store)
    if not located.made:
        stop(f"there is no store at {located.place} ({located.why})", NOTHING)
    return opener.look(located)


def agreed(question: str) -> bool:
    """Ask at the terminal.

    Raises:
        ConfigError: There is none.
    """
    if not sys.stdin.isatty():
        raise ConfigError("cannot ask here, since the input is no terminal; give --yes")
    return typer.confirm(question)


@contextmanager
def reported() -> Iterator[None]:
    """Turn errors into one line on standard error and an exit code."""
    try:
        yield
    except AmbiguousDigestError as error:
        stop(str(error).replace(":\n  ", ": ", 1).replace("\n  ", "; "), USAGE)
    except UnknownDigestError as error:
        stop(str(error), USAGE if "too short" in str(error) else NOTHING)
    except (FlecheError, ValueError) as error:
        stop(str(error), USAGE)
    except BrokenPipeError:
        raise  # typer ends quietly: whoever read has read enough
    except OSError as error:
        stop(f"the output cannot be written: {error.strerror or error}", USAGE)


def stop(message: str, code: int) -> NoReturn:
    """Print one line on standard error, and end with a code."""
    Console(stderr=True, soft_wrap=True).print(
        f"fleche: {' '.join(message.split())}", style=None, markup=False, highlight=False
    )
    raise typer.Exit(code)
