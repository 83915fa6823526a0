"""Leases: the right to compute one key, which ends by itself when its holder dies. Here the contract.

One computation per key at a time: who wants to compute a key claims it, and gets the lease or is told who holds it. Who
is told so waits, looks whether the result is there, and claims again. Waits may form a circle (two calls that need each
other): then whoever waits for the largest key of the circle is told so, and computes that key without a lease.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from fleche.clock import SYSTEM
from fleche.digest import Digest

__all__ = ["Holder", "Lease", "Leases", "Owner", "Waited", "closed_circle"]


class Owner(NamedTuple):
    """Who claims or waits.

    Attributes:
        function: The function that would compute the key, for people.
        holding: The keys that the claiming computation holds leases of, itself and the ones that it runs inside.
    """

    function: str
    holding: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease.

    Attributes:
        host: The name of the machine.
        pid: The process there, or 0 where it is not known yet.
        thread: The name of the thread.
        function: The function that computes the key.
        since: When the lease was claimed, aware, in UTC, by the holder's clock.
    """

    host: str
    pid: int
    thread: str
    function: str
    since: datetime

    def __str__(self) -> str:
        age = max(0, round((SYSTEM.now() - self.since).total_seconds()))
        return f"pid {self.pid} on {self.host} (thread {self.thread}, {self.function}, since {age} s)"


class Waited(StrEnum):
    """How a wait ended.

    ``gone``: the holder is gone; look for the result, then claim again. ``timeout``: the time is over. ``cycle``: the
    holder waits, over others, for what this waiter holds; compute the key without a lease.
    """

    GONE = "gone"
    TIMEOUT = "timeout"
    CYCLE = "cycle"


class Lease(Protocol):
    """The right to compute one key. As a context manager it is released at the end."""

    @property
    def key(self) -> Digest:
        """What it is for."""

    @property
    def token(self) -> int:
        """A number greater than that of every earlier lease of this key: a store refuses what an older one commits."""

    @property
    def lost(self) -> bool:
        """Whether the right ended without `release`: its file was taken away, or this is a forked child."""

    def release(self) -> None:
        """Give the right back; whoever waits is woken. A second release, or one of a lost lease, does nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Leases(Protocol):
    """Grants leases. All methods may be called by any thread.

    A lease belongs to whoever has the object, not to a thread. A forked child holds none of its parent's leases.
    """

    def claim(self, key: Digest, owner: Owner) -> Lease | Holder:
        """Return the lease of a key, or who holds it; never blocks.

        Args:
            key: What would be computed, at full length.
            owner: Who asks.
        """

    def wait(self, key: Digest, owner: Owner, timeout: float | None = None) -> Waited:
        """Block until nobody holds the key, or waiting is pointless.

        Args:
            key: What is computed elsewhere.
            owner: Who waits; ``holding`` finds circles.
            timeout: Seconds, or None for no limit.
        """

    def poll(self, key: Digest, owner: Owner) -> Waited | None:
        """Take one step of `wait` without blocking: what it would return, or None to be asked again.

        Who stops asking before there is an answer calls `leave`.
        """

    def leave(self, key: Digest, owner: Owner) -> None:
        """Say that this owner no longer waits for the key: it gave up, or was cancelled."""

    def holder(self, key: Digest) -> Holder | None:
        """Return who holds a key, or None; possibly outdated at once."""

    def close(self) -> None:
        """Give everything back. Leases still held are lost."""


def closed_circle(
    wanted: str, holding: Iterable[str], waits: Mapping[str, Iterable[str]]
) -> tuple[tuple[str, str], ...] | None:
    """Find a circle of waits of which ``wanted`` is the largest key.

    Every circle has one largest key, so if each waiter asks this, exactly those who wait for it step out.

    Args:
        wanted: The key that is waited for.
        holding: The keys that the waiter holds.
        waits: For each held key, those that its computation waits for.

    Returns:
        The waits that lead from ``wanted`` to a key held by the waiter, as pairs (held, waited for); empty where the
        waiter itself holds ``wanted``; None where there is no such circle.

    >>> closed_circle("b", ["a"], {"b": ["a"]}), closed_circle("a", ["b"], {"a": ["b"]})
    ((('b', 'a'),), None)
    """
    goals = set(holding)
    if wanted in goals:
        return ()
    came_from: dict[str, str] = {wanted: ""}
    pending = [wanted]
    while pending:
        key = pending.pop()
        for following in sorted(waits.get(key, ())):
            if following in came_from or following > wanted:
                continue
            came_from[following] = key
            if following in goals:
                return tuple(reversed(list(_steps(following, came_from))))
            pending.append(following)
    return None


def _steps(key: str, came_from: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    while came_from[key]:
        yield came_from[key], key
        key = came_from[key]
