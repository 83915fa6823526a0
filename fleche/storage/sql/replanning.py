"""What a transformation of all records deletes and files, whatever the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from fleche.call.lineage import traced_anew
from fleche.call.records import DigestedCall
from fleche.digest import Digest
from fleche.storage.canonical import canonical
from fleche.storage.sql.records import Loaded

if TYPE_CHECKING:
    from fleche.storage.authenticity import Signing

__all__ = ["planned"]


def planned(
    old: Iterable[Loaded], func: Callable[[DigestedCall], DigestedCall] | None, signing: Signing
) -> tuple[list[int], list[DigestedCall]]:
    """Return the numbers of the rows to delete, and the records to file.

    Args:
        old: All records, oldest first.
        func: Makes one record of another; None derives keys again.
        signing: Is told which record each is made from.
    """
    old = list(old)
    new: dict[Digest, DigestedCall] = {}
    steps = ((filed, record, record if func is None else canonical(func(record))) for _, filed, record in old)
    for filed, record, changed in traced_anew(steps):
        key = changed.key
        if key not in new or changed.replaces(new[key]):
            new[key] = changed
            signing.note(changed, record, filed)
    gone = []
    for number, key, record in old:
        if new.get(key) == record:
            del new[key]
        else:
            gone.append(number)
    return gone, list(new.values())
