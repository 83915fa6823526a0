"""In which mode of the cache a call is run: that of its caller and that of its worker, together."""

from __future__ import annotations

from contextlib import AbstractContextManager
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
    return _Working(asked)


class _Working:
    """The block in which a body runs in the mode of its call and of its worker."""

    __slots__ = ("_asked", "_switched", "_token")

    def __init__(self, asked: str | None) -> None:
        self._asked = asked

    def __enter__(self) -> Mode:
        here = active_mode()
        own = _own.get() or here
        together = own if self._asked is None else combined(own, Mode(self._asked))
        # Noted also where nothing is switched: what the body sets of its own is not the worker's.
        self._token = _own.set(own)
        self._switched = None if together is here else mode(together)
        if self._switched is not None:
            self._switched.__enter__()
        return together

    def __exit__(self, *_: object) -> None:
        if self._switched is not None:
            self._switched.__exit__(None, None, None)
        _own.reset(self._token)
