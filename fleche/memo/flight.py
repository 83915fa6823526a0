"""Single flight: of all who want one key at a time, one computes and the others wait for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any, NamedTuple

from fleche.digest import Digest
from fleche.errors import AlreadyRunning, WaitTimeout
from fleche.memo.options import OnWait
from fleche.storage.leases import Holder, Lease, Leases, Owner, Waited

__all__ = ["HELD", "MISSING", "WAITING", "Contest", "Settled"]

log = logging.getLogger("fleche")

HELD: ContextVar[tuple[Digest, ...]] = ContextVar("fleche.held", default=())
"""The keys that this context computes, outermost first."""

WAITING: ContextVar[Callable[[], AbstractContextManager[None]]] = ContextVar("fleche.waiting", default=nullcontext)
"""Makes the block in which this context waits for another's result: whoever lent it something may have it meanwhile."""

_FIRST_NAP = 0.001  # seconds between looks of a coroutine that waits, growing to the last
_LAST_NAP = 0.05
_TELL_AFTER = 5.0  # seconds of waiting before it is logged as INFO


class _Missing:
    """No result was found; None is one."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


class Settled(NamedTuple):
    """How a contest for a key ended.

    Attributes:
        lease: The right to compute; None where the result was found, or is to be computed without sharing it.
        found: The result that someone else computed meanwhile, or ``MISSING``.
    """

    lease: Lease | None = None
    found: Any = MISSING


class Contest:
    """One caller's attempt to compute a key or to get what another computes.

    Args:
        leases: The leases of the cache, or None where nothing is shared.
        key: The key.
        label: How the holder of the key is named to others.
        look: Looks the result up, or returns ``MISSING``.
        on_wait: What to do while another computes: ``wait``, ``compute`` without sharing, ``raise``.
        limit: How long to wait at most, in seconds; None is for ever.
        failed: Told of an error of the leases themselves, after which the key is computed without sharing it.
    """

    def __init__(
        self,
        leases: Leases | None,
        key: Digest,
        label: str,
        look: Callable[[], Any],
        *,
        on_wait: OnWait = "wait",
        limit: float | None = None,
        failed: Callable[[Exception], None],
    ) -> None:
        self._leases = leases
        self._key = key
        self._owner = Owner(label, HELD.get())
        self._look = look
        self._on_wait = on_wait
        self._began = time.monotonic()
        self._limit = limit
        self._failed = failed
        self._told = False

    def attempt(self) -> Settled | None:
        """Claim the key, or find its result; None while another computes it.

        Raises:
            AlreadyRunning: Another computes it, and ``on_wait`` is ``raise``.
        """
        if self._leases is None:
            return Settled()
        try:
            claimed = self._leases.claim(self._key, self._owner)
        except Exception as error:
            self._failed(error)
            return Settled()
        if not isinstance(claimed, Holder):
            return self._won(claimed)
        if self._on_wait == "compute":
            return Settled()
        if self._on_wait == "raise":
            raise AlreadyRunning(
                f"{self._owner.function}: call {self._key[:12]} is being computed by {claimed}; "
                f"with on_wait='wait' it would be waited for",
                key=str(self._key),
                holder=claimed,
            )
        self._tell(claimed)
        return None

    def _won(self, lease: Lease) -> Settled:
        """Look once more: another may have finished between our look and our claim."""
        try:
            found = self._look()
        except BaseException:
            lease.release()
            raise
        if found is MISSING:
            return Settled(lease)
        lease.release()
        return Settled(found=found)

    def settle(self) -> Settled:
        """Wait, blocking this thread, until the key is ours or its result is there.

        Raises:
            AlreadyRunning: ``on_wait`` is ``raise``.
            WaitTimeout: The limit passed.
        """
        while True:
            settled = self.attempt()
            if settled is not None:
                return settled
            assert self._leases is not None
            patience = min(_TELL_AFTER, self._remaining())
            try:
                with WAITING.get()():
                    waited = self._leases.wait(self._key, self._owner, patience)
            except Exception as error:
                self._failed(error)
                return Settled()
            settled = self._judge(waited)
            if settled is not None:
                return settled

    async def settle_async(self) -> Settled:
        """The same as `settle`, for a coroutine: the event loop goes on.

        Raises:
            AlreadyRunning: ``on_wait`` is ``raise``.
            WaitTimeout: The limit passed.
        """
        from asyncio import sleep  # costs 30 ms, and only coroutines need it

        nap = _FIRST_NAP
        while True:
            settled = self.attempt()
            if settled is not None:
                return settled
            assert self._leases is not None
            try:
                with WAITING.get()():
                    while (waited := self._leases.poll(self._key, self._owner)) is None:
                        if self._expired():
                            waited = Waited.TIMEOUT
                            break
                        await sleep(nap)
                        nap = min(nap * 1.5, _LAST_NAP)
            except Exception as error:
                self._failed(error)
                return Settled()
            finally:
                self._leases.leave(self._key, self._owner)
            settled = self._judge(waited)
            if settled is not None:
                return settled

    def _judge(self, waited: Waited) -> Settled | None:
        if waited is Waited.CYCLE:
            return Settled()
        if waited is Waited.TIMEOUT:
            if not self._expired():
                return None
            assert self._leases is not None
            holder = self._leases.holder(self._key)
            raise WaitTimeout(
                f"{self._owner.function}: waited {self._limit:g} s for call {self._key[:12]}, computed by {holder}; "
                f"raise wait_limit, or give on_wait='compute'",
                key=str(self._key),
                holder=holder,
            )
        found = self._look()
        return None if found is MISSING else Settled(found=found)

    def _remaining(self) -> float:
        return float("inf") if self._limit is None else max(0.0, self._began + self._limit - time.monotonic())

    def _expired(self) -> bool:
        return self._remaining() == 0

    def _tell(self, holder: Holder) -> None:
        """Log that we wait: at once as DEBUG, as INFO when it takes long."""
        waited = time.monotonic() - self._began
        if waited >= _TELL_AFTER and not self._told:
            self._told = True
            log.info("%s: waiting for %s, %.0f s", self._owner.function, holder, waited)
        else:
            log.debug("%s: waiting for %s", self._owner.function, holder)
