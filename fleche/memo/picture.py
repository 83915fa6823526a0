"""What a cached function shows of itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fleche.display import FunctionCard, function_html
from fleche.errors import FlecheError

if TYPE_CHECKING:
    from fleche.memo.memo import Memo
    from fleche.query import QueryIterator

__all__ = ["function_picture"]

_COUNTED = 100_000


def function_picture(function: Callable[..., Any], memo: Memo, calls: QueryIterator) -> str:
    """Return a cached function as a card: its signature, how it was answered so far, what is stored.

    Args:
        function: The function.
        memo: Its memory.
        calls: Its stored calls.
    """
    counts = memo.statistics
    try:
        cache, stored = repr(memo.cache()), _stored(calls)
    except FlecheError as error:
        cache, stored = str(error), ""
    return function_html(
        FunctionCard(
            module=memo.module,
            name=memo.name,
            signature=_signature(function),
            about=(inspect.getdoc(function) or "").partition("\n")[0],
            hits=counts.hits,
            misses=counts.misses,
            uncached=counts.uncached,
            stored=stored,
            code=None if memo.watch is None else memo.watch.current(),
            cache=cache,
        )
    )


def _stored(calls: QueryIterator) -> str:
    """Return how many calls are stored, in words; they are counted only where that takes no time."""
    total = calls.total(_COUNTED)
    if total is None:
        return ""
    count, whole = total
    return f"{count:,}{'' if whole else ' and more'} call{'' if count == 1 else 's'}"


def _signature(function: Callable[..., Any]) -> str:
    try:
        found = inspect.signature(function)
        parameters = [given.replace(annotation=_bare(given.annotation)) for given in found.parameters.values()]
        return str(found.replace(parameters=parameters, return_annotation=_bare(found.return_annotation)))
    except Exception:  # a default whose repr fails
        return "(…)"


class _Bare(str):
    """An annotation that was written as text, shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _bare(annotation: Any) -> Any:
    return _Bare(annotation) if isinstance(annotation, str) else annotation
