"""Results that are stored in another shape than they were returned in: streams and futures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fleche.call import CallSource
from fleche.digest import Digest

__all__ = ["Recorded", "Returned", "shown"]


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


def shown(value: Any, source: CallSource) -> Any:
    """Return a stored value as a person wants to see it: a stream as an iterator, a future as what it resolved to."""
    if isinstance(value, Recorded):
        return value.replay(source)
    return value.value if isinstance(value, Returned) else value
