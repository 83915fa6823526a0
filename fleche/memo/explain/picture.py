"""What a notebook shows of a `Why`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fleche.display import ago, arguments
from fleche.display.why import Place, WhyCard, why_html
from fleche.memo.explain.reasons import Cause

if TYPE_CHECKING:
    from fleche.memo.explain.reasons import Why

__all__ = ["why_picture"]


def why_picture(why: Why) -> str:
    """Return why a call is a hit or a miss as a card: the causes, then what differs, place by place."""
    near = why.nearest
    module, _, name = why.function.rpartition(".")
    places = [Place(item.path, item.text) for found in why.arguments.values() for item in found]
    places += [Place(name, found.rest) for name, found in why.arguments.items() if found.rest]
    told = {Cause.ARGUMENT} if places else set()
    told |= {Cause.CODE} if why.code else set()
    places += [Place(f"environment {name}", f"{old} -> {new}") for name, (old, new) in why.environment.items()]
    return why_html(
        WhyCard(
            module=module,
            name=name,
            hit=why.hit,
            key=None if why.key is None else str(why.key),
            causes=[(str(reason.kind), reason.text) for reason in why.causes if reason.kind not in told],
            nearest=None if near is None else str(near.key),
            own=near is not None and near.key == why.key,
            call="" if near is None else f"{near.name}({arguments(near.record, 100)})",
            when="" if near is None else ago(near.at, datetime.now(UTC)),
            places=places,
            code=[
                Place(change.name, change.text, change.path if len(change.chain) > 1 else "", change.diff)
                for change in why.code
                if not change.follows
            ],
        )
    )
