"""The commands ``fleche export`` and ``fleche import``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fleche.caches.archive import export_calls, import_calls
from fleche.call import Outcome
from fleche.cli.common import NOTHING, Json, Store, opened, reported, stop
from fleche.cli.selection import Arguments, Since, Tags, Where, selected
from fleche.cli.upkeep import tell_transfer
from fleche.config import opener
from fleche.storage.archive import ArchiveStore
from fleche.storage.signing import Keyring

__all__ = ["export", "import_"]

Archive = Annotated[Path, typer.Argument(metavar="ARCHIVE", help="The file.")]


def export(
    archive: Archive,
    function: Annotated[
        str | None, typer.Argument(help="Only this function: its name, module.name, or a pattern with *.")
    ] = None,
    arg: Arguments = None,
    where: Where = None,
    tag: Tags = None,
    since: Since = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Write calls with their values to one file. Run again, it goes on where it was, and adds what is new."""
    with reported():
        selection = selected(function, arg, tag, where, since, frozenset(Outcome))
        source = opened(store)
        keys = [call.key for call in selection.find(source)]
        if not keys:
            stop("there are no calls to export, so no archive is written", NOTHING)
        report = export_calls(source, archive, keys, sign=Keyring.from_environment())
        tell_transfer(report, as_json=json, verb="exported")


def import_(
    archive: Archive,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace calls that are there.")] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Build every type: whoever wrote the archive may run code here.")
    ] = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """File the calls of an archive. Nothing in it is executed: types that are neither plain nor signed are refused."""
    with reported():
        ArchiveStore(archive, create=False).close()  # what is no archive is told before a store is made for it
        target = None if dry_run and not opener.locate(store).made else opener(store)
        report = import_calls(
            archive, target, trust=trust, keys=Keyring.from_environment(), dry_run=dry_run, overwrite=overwrite
        )
        would = {"verb": "would be imported", "failed": "would not be imported"} if dry_run else {"verb": "imported"}
        tell_transfer(report, as_json=json, **would)
