"""The verbs about what came from what: the tree of a call or value, and forgetting all that depends on calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from fleche.caches import BaseCache
from fleche.caches.pedigree import downward, of_value, upward
from fleche.call import Forgetting, LazyCall
from fleche.cli import output
from fleche.cli.common import Json, Store, opened, reported
from fleche.display import Branch, lineage_text

__all__ = ["forget_downstream", "tree"]

_LISTED = 50  # calls that are listed one by one


def tree(
    prefix: Annotated[str, typer.Argument(help="The first characters of a call's key or a value's digest.")],
    down: Annotated[bool, typer.Option("--down", help="What depends on it, instead of what it depends on.")] = False,
    depth: Annotated[int | None, typer.Option("--depth", "-d", min=1, help="How many levels to show.")] = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Show what a call depends on: whose results it took, and which calls it made. Of a value: who returned it."""
    with reported():
        cache = opened(store)
        calls, values = cache.resolve(prefix)
        if calls:
            call = next(iter(cache.find_key(calls[0])))
            branch = downward(call, cache, depth) if down else upward(call, cache, depth)
        else:
            branch = of_value(values[0], cache, depth, down=down)
        if json:
            output.data(_fields(branch))
        else:
            output.say(lineage_text(branch))


def forget_downstream(cache: BaseCache, calls: Sequence[LazyCall], *, yes: bool) -> None:
    """Say what would go with some calls, or remove it."""
    forgetting = Forgetting(calls, cache, downstream=True)
    if len(forgetting) <= _LISTED:
        output.calls(forgetting.calls, total=len(forgetting), as_json=False)
    else:
        for name, count in forgetting.functions.items():
            output.say(f"{count:,} of {name}")
    if yes:
        count = forgetting.confirm()
        output.say(f"forgot {count} call{'' if count == 1 else 's'}")
    else:
        took = f", {forgetting.seconds:.3g} s to compute" if forgetting.seconds else ""
        output.say(f"would forget {len(forgetting)} calls{took}; nothing was removed: --yes does it")


def _fields(branch: Branch) -> Mapping[str, Any]:
    record = branch.record
    return {
        "kind": "value" if branch.value else "call",
        "key": str(branch.key),
        "how": branch.how,
        "stored": record is not None or branch.value,
        "name": None if record is None else record.name,
        "module": None if record is None else record.module,
        "outcome": None if record is None else str(record.outcome),
        "again": branch.again,
        "more": branch.more,
        "below": [_fields(each) for each in branch.branches],
    }
