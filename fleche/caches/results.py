"""Results that are stored in another shape than they were returned in: streams and futures."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fleche.call import CallSource, Metadata
from fleche.call.lazy import BRINGS
from fleche.digest import Digest

__all__ = ["Recorded", "Returned", "code_brought", "shown"]

_PLAIN = sys.stdlib_module_names | {"numpy", "pandas"}  # packages whose objects bring no code of a project


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a generator yielded, as it is stored: each item under its own digest.

    Attributes:
        items: The digest and form of each item, in order.
        returned: The digest and form of what the generator returned, or None for None.
    """

    items: tuple[tuple[Digest, str], ...]
    returned: tuple[Digest, str] | None = None

    def replay(self, source: CallSource) -> Iterator[Any]:
        """Return the items, each loaded when it is asked for."""
        return (source.load_value(digest, form) for digest, form in self.items)


@dataclass(frozen=True, slots=True)
class Returned:
    """What a future resolved to, as it is stored: a hit gives a future again.

    Attributes:
        value: The result.
        loop: Whether the future belonged to an event loop.
    """

    value: Any
    loop: bool


def code_brought(types: Iterable[type]) -> Metadata:
    """Return what a record notes of the types in its result: those whose methods may be code of a project.

    Nothing is noted of plain values, so that a handle on them need not be looked into (`Handle.plain`).
    """
    names = {
        f"{kind.__module__}.{kind.__qualname__}" for kind in types if kind.__module__.partition(".")[0] not in _PLAIN
    }
    return {BRINGS: {"types": sorted(names)}} if names else {}


def shown(value: Any, source: CallSource) -> Any:
    """Return a stored value as a person wants to see it: a stream as an iterator, a future as what it resolved to."""
    if isinstance(value, Recorded):
        return value.replay(source)
    return value.value if isinstance(value, Returned) else value
