"""`migrate`: what is brought back of the calls of functions that were renamed, moved, extended or edited."""

from __future__ import annotations

from typing import Any

from fleche.memo.acceptance import Migration, propose
from fleche.memo.function import CachedFunction

__all__ = ["migrate"]


def migrate(*functions: CachedFunction[Any, Any]) -> Migration:
    """Return how the stored calls of functions stand: what ``was``, ``added`` and acceptances bring back, and what not.

    It only looks: ``was`` and ``added`` work by themselves, and ``f.accept()`` of one function accepts edits.

    Args:
        *functions: The functions.

    Raises:
        TypeError: One is no cached function.
        StoreError: A store cannot be read.

    >>> import fleche
    >>> @fleche.cached(cache="memory", was="sum_up")
    ... def total(numbers):
    ...     return sum(numbers)
    >>> total([1, 2])
    3
    >>> fleche.migrate(total).counts
    Counter({'current': 1})
    """
    for function in functions:
        if not isinstance(function, CachedFunction):
            raise TypeError(f"migrate({function!r}): give functions that @cached decorates")
    return Migration(propose(function._memo) for function in functions)  # noqa: SLF001 - of this package
