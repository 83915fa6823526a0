"""In which mode of the cache a call is run: that of its caller and that of its worker, together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

from fleche.memo.active import Mode, active_mode, mode

__all__ = ["FILE", "LOOK", "carried", "combined", "working"]

LOOK = frozenset({Mode.ON, Mode.READ, Mode.FROZEN})
"""In these what is stored, or being computed, is the answer."""

FILE = frozenset({Mode.ON, Mode.REFRESH})
"""In these what is computed is stored."""

_OF = {
    (True, True): Mode.ON,
    (True, False): Mode.READ,
    (False, True): Mode.REFRESH,
    (False, False): Mode.OFF,
}

_own: ContextVar[Mode | None] = ContextVar("fleche.runtime.mode", default=None)
"""The mode of the worker itself, inside of a body: whoever waits there may run the bodies of others."""


def carried() -> str | None:
    """Return the mode that a call which is made here takes along; None for ``on``."""
    here = active_mode()
    return None if here is Mode.ON else here.value


def combined(one: Mode, other: Mode) -> Mode:
    """Return the mode that looks where both look, files where both file, and computes where both compute.

    >>> combined(Mode.READ, Mode.REFRESH)
    <Mode.OFF: 'off'>
    """
    if Mode.FROZEN in (one, other):
        return Mode.FROZEN
    return _OF[one in LOOK and other in LOOK, one in FILE and other in FILE]


def working(asked: str | None) -> AbstractContextManager[Mode]:
    """Be in the mode of a call that is run here, with all that its body calls.

    Args:
        asked: What the call took along.
    """
    here = active_mode()
    own = _own.get() or here
    together = own if asked is None else combined(own, Mode(asked))
    return nullcontext(here) if together is here and own is here else _switched(own, together)


@contextmanager
def _switched(own: Mode, together: Mode) -> Iterator[Mode]:
    token = _own.set(own)
    try:
        with mode(together):
            yield together
    finally:
        _own.reset(token)
