"""What a record says of the calls that it depends on: whose results it took, and which its body made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fleche.call.records import DigestedCall, Metadata
from fleche.digest import Digest

__all__ = ["LINEAGE", "made_by", "made_inside", "taken_by", "traced_anew"]

LINEAGE = "lineage"
"""The namespace under which a record says how many of its inputs, the last ones, are calls that its body made."""


def made_inside(made: Sequence[Digest]) -> Metadata:
    """Return what a record notes of the calls that its body made, whose keys are the last of its inputs."""
    return {LINEAGE: {"made": len(made)}}


def taken_by(record: DigestedCall) -> tuple[Digest, ...]:
    """Return the keys of the calls whose results a call took as arguments, in the order of its arguments."""
    return record.inputs[: len(record.inputs) - _made(record)]


def made_by(record: DigestedCall) -> tuple[Digest, ...]:
    """Return the keys of the calls that the body of a call made, in the order in which each was first made."""
    return record.inputs[len(record.inputs) - _made(record) :]


def _made(record: DigestedCall) -> int:
    entries = record.metadata.get(LINEAGE)
    count = entries.get("made") if isinstance(entries, Mapping) else None
    return min(count, len(record.inputs)) if type(count) is int and count > 0 else 0


def traced_anew(
    changed: Iterable[tuple[Digest, DigestedCall, DigestedCall]],
) -> Iterator[tuple[Digest, DigestedCall, DigestedCall]]:
    """Yield records whose keys were changed, with inputs and parents that name the new keys.

    What the function that changed a record changed itself stays as it is.

    Args:
        changed: For each record the key under which it is filed, the record, and what it becomes.
    """
    steps = list(changed)
    moved = {filed: new.key for filed, _, new in steps}
    if all(old == new for old, new in moved.items()):
        yield from steps
        return
    for filed, record, new in steps:
        yield filed, record, _renamed(record, new, moved)


def _renamed(record: DigestedCall, new: DigestedCall, moved: Mapping[Digest, Digest]) -> DigestedCall:
    inputs, parent = new.inputs, new.parent
    if inputs and inputs == record.inputs:
        inputs = tuple(moved.get(key, key) for key in inputs)
    if parent is not None and parent == record.parent:
        parent = moved.get(parent, parent)
    return new if (inputs, parent) == (new.inputs, new.parent) else new.evolve(inputs=inputs, parent=parent)
