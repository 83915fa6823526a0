"""What a cache shows of itself: gathered in bounded time, with values built by the safe loader only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fleche.call import LazyCall, Outcome
from fleche.display import FunctionRow, Row, Summary, cache_html, call_html, calls_html, drawn, summarize
from fleche.errors import FlecheError
from fleche.storage.envelope import Envelope
from fleche.storage.outline import root_type
from fleche.storage.overview import FunctionTotal, Peekable

if TYPE_CHECKING:
    from fleche.caches.base import BaseCache
    from fleche.digest import Digest

__all__ = ["cache_picture", "call_picture", "calls_picture", "glimpse"]

_RECENT = 10  # calls of a cache that are shown
_COUNTED = 20_000  # records that functions are counted over
_CARD = 1 << 20  # bytes that are read of a value on a card
_CELL = 1 << 16  # bytes that are read of a value in a table
_ARGUMENTS = 12  # arguments of a call that are looked at


def glimpse(values: object, key: Digest, form: str | None, limit: int) -> Summary | None:
    """Return a stored value at a glance, or None where it is gone. Nothing but plain types is built, whoever wrote it.

    Args:
        values: A value storage. Of one that is not `Peekable` nothing is known without reading all.
        key: The value's digest.
        form: In which form, or None for any.
        limit: Bytes that may be read.
    """
    if not isinstance(values, Peekable):
        return Summary()
    try:
        size, envelope = values.peek(key, form, limit)
    except KeyError:
        return None
    except (FlecheError, OSError) as error:
        return Summary(why=str(error)[:120])
    return Summary(size=size) if envelope is None else _built(envelope, size)


def _built(envelope: Envelope, size: int) -> Summary:
    from fleche.storage.safe_loader import SAFE

    try:
        return summarize(envelope.load(SAFE), size=size)
    except Exception:  # refused by the loader, or by a library in its own words
        root = root_type(envelope.stream)
        return Summary(kind="" if "cloudpickle" in root else root, size=size)


def _row(cache: BaseCache, call: LazyCall, limit: int) -> Row:
    record = call.record
    shows = record.outcome is Outcome.RESULT and record.result is not None
    result = cache.glimpse(record.result, record.form, limit) if shows and record.result is not None else None
    return Row(key=call.key, record=record, result=result)


def _rows(cache: BaseCache, calls: Iterable[LazyCall]) -> list[Row]:
    return [_row(cache, call, _CELL) for call in calls]


def call_picture(cache: BaseCache, call: LazyCall) -> str:
    """Return a call as a card; a failure to draw it is told in its place."""
    return drawn(lambda: _call(cache, call), repr(call))


def _call(cache: BaseCache, call: LazyCall) -> str:
    record = call.record
    others = [name for name in record.arguments if name not in record.scalars][:_ARGUMENTS]
    found = {name: cache.glimpse(record.arguments[name], None, _CARD) for name in others}
    told = {name: Summary(why="not stored") if summary is None else summary for name, summary in found.items()}
    return call_html(_row(cache, call, _CARD), told)


def calls_picture(cache: BaseCache, calls: Sequence[LazyCall], shown: str = "") -> str:
    """Return several calls as a table; a failure to draw it is told in its place."""
    return drawn(lambda: calls_html(_rows(cache, calls), shown=shown), "calls")


def cache_picture(cache: BaseCache) -> str:
    """Return a cache as a card; a failure to draw it is told in its place."""
    return drawn(lambda: _cache(cache), repr(cache))


def _cache(cache: BaseCache) -> str:
    description = cache.sketch()
    functions = [_function(total) for total in cache.totals(_COUNTED)]
    counted = sum(function.calls for function in functions)
    over = counted if _more(description, counted) else None
    return cache_html(description, functions, _rows(cache, cache.recent(_RECENT)), over=over)


def _more(description: Mapping[str, Any], counted: int) -> bool:
    calls = description.get("calls")
    return type(calls) is int and calls > counted


def _function(total: FunctionTotal) -> FunctionRow:
    return FunctionRow(
        module=total.module,
        name=total.name,
        calls=total.calls,
        failed=total.failed,
        seconds=total.seconds,
        latest=total.latest,
    )
