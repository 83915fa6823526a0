"""Places in a value, and which parts are surely equal: what all comparisons of values share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from math import copysign
from typing import Any

from fleche.memo.explain.differences import Difference

__all__ = ["PLAIN", "Pair", "Place", "Same", "Special", "Step", "path_text", "surely"]

Place = tuple[Any, str] | None
"""A path, as the path before it and its last step."""

Pair = tuple[Place, Any, Any]
"""Two values at one place that may differ."""

Step = Difference | Pair

Same = Callable[[Any, Any], bool]
"""Whether two values have one digest."""

Special = Callable[[Same, Place, Any, Any], Iterator[Step]]
"""How two values of one type are compared that are not taken apart as the digest does it."""

_HELD = re.compile(r"\.__dict__\['([^\W\d]\w*)'\]")  # an attribute, as what takes an object apart sees it
_PATH = 400  # characters of a path

PLAIN = frozenset({int, str, bytes, bool, type(None)})


def surely(old: Any, new: Any) -> bool | None:
    """Return whether two values have one digest, where their types tell that at once; else None."""
    if old is new:
        return True
    kind = type(old)
    if kind in PLAIN or kind is float:
        if type(new) is not kind:
            return False if type(new) in PLAIN or type(new) is float else None
        if kind is not float:
            return bool(old == new)
        if old == new:
            return old != 0.0 or copysign(1.0, old) == copysign(1.0, new)
        return bool(old != old and new != new)
    return None


def path_text(place: Place) -> str:
    """Return a path as a person would type it."""
    steps: list[str] = []
    while place is not None:
        place, step = place
        steps.append(step)
    text = _HELD.sub(r".\1", "".join(reversed(steps)))
    return text if len(text) <= _PATH else f"{text[: _PATH // 2]}…{text[-_PATH // 2 :]}"
