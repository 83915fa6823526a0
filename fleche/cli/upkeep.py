"""The commands that look a whole store over, mend it, and move it."""

from __future__ import annotations

from typing import Annotated

import typer

from fleche.caches import CheckReport, TransferReport
from fleche.cli import output
from fleche.cli.common import NOTHING, Json, Store, opened, reported
from fleche.config import opener

__all__ = ["repair", "tell_transfer", "transfer", "verify"]


def verify(
    values: Annotated[
        bool, typer.Option("--values", help="Load each value too, and compare its digest with its name.")
    ] = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """Read everything that is stored, and say what is wrong. Nothing is changed. Code 1: something is."""
    with reported():
        cache = opened(store)
        _tell(CheckReport(findings=tuple(cache.check(values=values))), as_json=json)


def repair(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is wrong, and change nothing.")] = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """Mend what can be mended: damage is set aside, never deleted. Code 1: something is left."""
    with reported():
        cache = opened(store)
        _tell(CheckReport(findings=tuple(cache.check(repair=not dry_run))), as_json=json)


def transfer(
    source: Annotated[str, typer.Argument(metavar="FROM", help="A store's path, URL or name.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="A store's path, URL or name; made if it is not there.")],
    pop: Annotated[bool, typer.Option("--pop", help="Remove each call here once it is there.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace calls that are there.")] = False,
    json: Json = False,
) -> None:
    """File every call of a store in another one, with its values. Run again, it goes on where it was."""
    with reported():
        tell_transfer(opened(source).transfer(opener(target), pop=pop, overwrite=overwrite), as_json=json)


def tell_transfer(report: TransferReport, *, as_json: bool, verb: str = "moved", failed: str | None = None) -> None:
    """Print what a transfer did; what failed is named, and ends with code 1."""
    if as_json:
        output.data(
            {
                "moved": report.moved,
                "there": report.there,
                "bytes": report.bytes,
                "seconds": report.seconds,
                "failed": [{"key": str(key), "reason": reason} for key, reason in report.failed],
                "left_out": [{"digest": str(digest), "reason": reason} for digest, reason in report.left_out],
            }
        )
    else:
        for what, entries in (("call", report.failed), ("argument", report.left_out)):
            for digest, reason in dict.fromkeys(entries):  # several calls may have one argument
                output.say(f"{failed or f'not {verb}'}: {what} {digest[:12]}: {' '.join(reason.split())}")
        output.say(f"{report.moved:,} {verb}, {report.there:,} already there, {len(report.failed):,} failed")
    if not report.ok:
        raise typer.Exit(NOTHING)


def _tell(report: CheckReport, *, as_json: bool) -> None:
    if as_json:
        for finding in report.findings:
            output.data({name: str(getattr(finding, name)) for name in _FIELDS})
    else:
        output.say(str(report))
    if not report.ok:
        raise typer.Exit(NOTHING)


_FIELDS = ("fault", "what", "digest", "place", "message", "mended")
