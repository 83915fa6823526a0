"""The commands ``fleche config``: what is set, and where."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Annotated, Any

import typer

from fleche.cli import output
from fleche.cli.common import USAGE, Json, reported, stop
from fleche.config import Settings, opener
from fleche.config.addresses import shown_list
from fleche.config.schema import RESERVED_TABLES, VARIABLES
from fleche.digest.algorithm import chosen
from fleche.errors import FlecheError
from fleche.memo.active import defaults
from fleche.storage.signing import Keyring

__all__ = ["settings"]

settings = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Say what the configuration says, and check it."
)

_HIDDEN = "(set)"


@settings.command()
def show(
    origin: Annotated[bool, typer.Option("--origin", help="Say where each setting is from.")] = False,
    json: Json = False,
) -> None:
    """Print the settings that hold in this directory, and which cache is active; never a secret."""
    with reported():
        found = opener.settings()
        located = opener.locate()
        variables = {each.name: os.environ[each.name] for each in VARIABLES if os.environ.get(each.name)}
        secret = {each.name for each in VARIABLES if each.secret}
        environment = {name: _HIDDEN if name in secret else shown_list(text) for name, text in variables.items()}
        rows = [{"setting": "active cache", "value": located.place, "origin": located.why}]
        rows += [{"setting": name, "value": text, "origin": "the environment"} for name, text in environment.items()]
        rows += list(_settings(found))
        if json:
            output.data(
                {
                    "active": {"place": located.place, "why": located.why},
                    "environment": environment,
                    "files": [str(path) for path in found.files],
                    "settings": rows[1 + len(environment) :],
                }
            )
            return
        head = ("setting", "value", "origin") if origin else ("setting", "value")
        output.table(head, [[str(row[name]) for name in head] for row in rows])


@settings.command()
def check(json: Json = False) -> None:
    """Check every file, table and variable, and whether what they name is there; nothing is opened."""
    with reported():
        found = opener.settings()
        faults = list(_faults(found))
        if json:
            output.data({"files": [str(path) for path in found.files], "faults": faults})
        for fault in faults if not json else ():
            output.say(fault)
        if faults:
            stop(f"{len(faults)} of the settings cannot be used", USAGE)
        if not json:
            output.say(f"{', '.join(map(str, found.files)) or 'no files, which is fine'}: nothing is wrong")


def _faults(found: Settings) -> Iterator[str]:
    names = [name for name in found.tables if name not in RESERVED_TABLES]
    looks: list[tuple[str, Callable[[], Any]]] = [
        ("", lambda: defaults.mode),
        ("", chosen),
        ("", Keyring.from_environment),
        ("", opener.metadata),
        ("default cache: ", opener.check),
        *((f"{name}: ", partial(opener.check, name)) for name in names),
    ]
    for what, look in looks:
        try:
            look()
        except FlecheError as error:
            yield f"{what}{error}"


def _settings(found: Settings) -> Iterator[dict[str, Any]]:
    for name, table in found.tables.items():
        for key, value in table.items():
            path = f"[{name}] {key}"
            yield {"setting": path, "value": _shown(key, value), "origin": f"{path} in {found.origin[name]}"}


def _shown(key: str, value: Any) -> Any:
    """Return a setting without its secrets, however deep they are."""
    if key == "secret_key":
        return _HIDDEN
    if isinstance(value, Mapping):
        return {name: _shown(name, each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shown(key, each) for each in value]
    return shown_list(value) if isinstance(value, str) and "://" in value else value
