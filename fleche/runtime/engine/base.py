"""What an engine is: the few atomic steps that all policy of the runtime is made of.

An engine keeps the invocations of one app: their calls, statuses, owners, histories and outcomes. Its table of statuses
is the queue: an invocation that may run is one whose status says so, so nothing can be registered and not queued.
``docs/decisions/0009-engines.md`` shows each step in memory and as SQL.

What goes in and out at every task is a named tuple: a frozen dataclass takes three times as long to make.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self, runtime_checkable

from fleche.digest import Digest
from fleche.runtime.exceptions import FlecheRuntimeError
from fleche.runtime.identifiers import CallDTO, CallId, InvocationId
from fleche.runtime.invocation.status import InvocationStatus, InvocationStatusRecord

__all__ = [
    "Change",
    "Claimed",
    "Engine",
    "Entry",
    "Info",
    "Join",
    "NewInvocation",
    "Outcome",
    "RunnerRecord",
    "Slots",
    "Watch",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """What a call is joined to instead of being registered.

    Attributes:
        tag: One of the tags of the other invocation.
        statuses: The statuses in which that one counts.
    """

    tag: str
    statuses: frozenset[InvocationStatus]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """How many invocations may run at the same time.

    Attributes:
        key: The invocations of one key share its slots. One that is pending, running, paused or resumed holds one.
        capacity: How many slots there are.
        waits: Whether an invocation that finds none waits for one; else it ends without having run.
    """

    key: str
    capacity: int = 1
    waits: bool = False


class NewInvocation(NamedTuple):
    """An invocation to be registered.

    Attributes:
        id: Its id.
        call: Its call.
        parent: The invocation whose body called it, or None.
        key: The key of its call in the cache, or None where it has none.
        tags: Texts under which it is found until it is final.
        joins: What it is joined to instead, the first that is there.
        slots: Its running slots, or None where there is no limit.
        priority: The greater, the sooner.
        due: When it may run, in microseconds since 1970 UTC, or None for now.
        answer: The key of the record that answers it: then it is a success at once, whenever it is due.
        registrar: Who registers it, for the history.
        mode: The mode of the cache in which it was called, or None for ``on``; given back with each claim.
    """

    id: InvocationId
    call: CallDTO
    parent: InvocationId | None = None
    key: Digest | None = None
    tags: tuple[str, ...] = ()
    joins: tuple[Join, ...] = ()
    slots: Slots | None = None
    priority: int = 0
    due: int | None = None
    answer: Digest | None = None
    registrar: str | None = None
    mode: str | None = None


class Outcome(NamedTuple):
    """What came of an invocation; at most one of these.

    Attributes:
        record: The key of the call record that holds the result.
        result: The serialized result, where no record holds it.
        exception: The encoded exception.
    """

    record: Digest | None = None
    result: str | None = None
    exception: str | None = None


class Change(NamedTuple):
    """A status to be set.

    Attributes:
        id: Of which invocation.
        status: Which.
        owner: Who sets it, or None.
        attempt: The fencing token of the claim under which it is set; None where any may.
        outcome: What is kept with it, in the same transaction.
        due: When it may run again, in microseconds since 1970 UTC.
        retries: How many retries this adds.
        recoveries: How many recoveries this adds.
        note: What the history says of it, or None.
    """

    id: InvocationId
    status: InvocationStatus
    owner: str | None = None
    attempt: int | None = None
    outcome: Outcome | None = None
    due: int | None = None
    retries: int = 0
    recoveries: int = 0
    note: str | None = None


class Claimed(NamedTuple):
    """An invocation that a worker got.

    Attributes:
        id: Its id.
        attempt: The fencing token: greater at each claim of the same invocation.
        call: Its call.
        parent: The invocation whose body called it, or None.
        key: The key that its call had in the cache when it was registered, or None.
        retries: How often it was run again.
        recoveries: How often it was run again since its worker died.
        status: ``pending``, or ``running`` where it was started at once.
        mode: The mode of the cache in which it was called, or None for ``on``.
    """

    id: InvocationId
    attempt: int
    call: CallDTO
    parent: InvocationId | None
    key: Digest | None
    retries: int
    recoveries: int
    status: InvocationStatus
    mode: str | None = None


class Info(NamedTuple):
    """How an invocation stands."""

    id: InvocationId
    call: CallDTO
    parent: InvocationId | None
    key: Digest | None
    record: InvocationStatusRecord
    attempt: int
    retries: int
    recoveries: int
    priority: int
    due: int | None
    outcome: Outcome | None
    mode: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a history.

    Attributes:
        record: The status, its owner and its time; a line that only notes something has none.
        note: What there is to say, or None.
        registrar: Who registered the invocation, at the first line.
        at: When, in microseconds since 1970 UTC.
    """

    record: InvocationStatusRecord | None
    at: int
    note: str | None = None
    registrar: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerRecord:
    """A sign of life.

    Attributes:
        owner: The runner's id.
        created: When it was first heard of, in microseconds since 1970 UTC.
        seen: When it was last heard of.
        serves: Whether it may recover what others left.
    """

    owner: str
    created: int
    seen: int
    serves: bool = False


_NOTHING: tuple[Change, ...] = ()


class Watch(Collection[InvocationId], Protocol):
    """Invocations that someone waits for: those that were not yet returned as final. For one thread at a time.

    As a context manager it is closed at the end.
    """

    def ended(self, timeout: float | None = None, *, stop: Callable[[], bool] | None = None) -> list[InvocationId]:
        """Block until some are final, and return those, each once; see `Engine.until_final`."""

    def close(self) -> None:
        """Watch them no more."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


@runtime_checkable
class Engine(Protocol):
    """Keeps the invocations of one app. Every method is atomic; all are safe for use by many threads.

    Times are those of the engine's own clock, never compared between hosts.
    """

    @property
    def trusted(self) -> bool:
        """Whether only people who may run code here can have written what is kept."""

    def now(self) -> int:
        """Return the engine's time, in microseconds since 1970 UTC."""

    def register(self, new: Sequence[NewInvocation]) -> list[InvocationId]:
        """Register invocations, all or none; return the id of each, or of the one that it was joined to.

        Joining and registering are one step: of many equal calls at once, one is registered and the others join it.
        One that is scheduled for later than what is joined to it, is brought forward.
        """

    def step(
        self,
        owner: str,
        changes: Sequence[Change] = _NOTHING,
        *,
        limit: int = 0,
        start: bool = False,
        blockers: bool = True,
    ) -> tuple[list[InvocationStatusRecord | FlecheRuntimeError], list[Claimed]]:
        """Set statuses, then claim what may run: one transaction.

        A change that is refused changes nothing and does not hinder the others. Claims go to invocations that others
        wait for (oldest first), then by priority, then in the order in which they came to the queue. One whose running
        slots are all taken is set to wait for one, or ends, as its `Slots` say; when one of these is given free, the
        oldest that waits is rerouted.

        Args:
            owner: Who claims.
            changes: What to set.
            limit: How many to claim at most.
            start: Whether those without a parent become running at once; others become pending.
            blockers: Whether those that others wait for come first.

        Returns:
            For each change the record or the error; and what was claimed.
        """

    def wait(self, waiter: InvocationId, waited: Collection[InvocationId]) -> list[InvocationId]:
        """Note that an invocation waits for others, until they are final or it is, or is given back; idempotent.

        One that finds no running slot free waits for those who hold them, until one of these ends: where all of them
        wait for the waiter, that is a circle, too.

        Returns:
            Nothing; or, where that closed a circle, the invocations of the circle from the waiter on, and then nothing
            is noted.
        """

    def stop_waiting(self, waiter: InvocationId) -> None:
        """Note that an invocation waits for nothing."""

    def link(self, caller: InvocationId, callee: InvocationId) -> list[CallId]:
        """Note that the body of one invocation made another, until either is final; idempotent.

        Returns:
            Nothing; or, where calls would then make each other in a circle, the calls of the circle from the caller on,
            and then nothing is noted. Two invocations of one call are one place in the circle.
        """

    def unlink(self, invocation_id: InvocationId) -> None:
        """Forget what an invocation made, and what made it."""

    def release(self, waited: InvocationId) -> None:
        """Note that nobody waits for an invocation."""

    def has_slot(self, invocation_id: InvocationId) -> bool:
        """Whether an invocation holds a running slot, needs none, or one is free for it.

        Raises:
            InvocationNotFoundError: There is none of this id.
        """

    def add_retry(self, invocation_id: InvocationId) -> int:
        """Count a retry of an invocation; return how many there are.

        Raises:
            InvocationNotFoundError: There is none of this id.
        """

    def blocking(self, limit: int) -> list[InvocationId]:
        """Return invocations that may run, that others wait for and that wait for none, oldest first."""

    def info(self, invocation_id: InvocationId) -> Info:
        """Return how an invocation stands.

        Raises:
            InvocationNotFoundError: There is none of this id.
        """

    def status(self, invocation_id: InvocationId) -> InvocationStatusRecord:
        """Return the status of an invocation.

        Raises:
            InvocationNotFoundError: There is none of this id.
        """

    def find(self, tag: str, statuses: Collection[InvocationStatus] | None = None) -> list[InvocationId]:
        """Return the invocations of a tag in some statuses, or in any that is not final; oldest first."""

    def listed(
        self,
        task: str | None = None,
        statuses: Collection[InvocationStatus] | None = None,
        *,
        limit: int = 100,
        offset: int = 0,
    ) -> list[InvocationId]:
        """Return invocations of a task, or of all, in some statuses or in any; the latest change first."""

    def count(self, task: str | None = None, statuses: Collection[InvocationStatus] | None = None) -> int:
        """Return how many `listed` would return without a limit."""

    def history(self, invocation_id: InvocationId) -> list[Entry]:
        """Return the history of an invocation, oldest first; nothing where there is none of this id."""

    def note(self, invocation_id: InvocationId, note: str) -> None:
        """Add a line to a history."""

    def keep(self, invocation_id: InvocationId, outcome: Outcome) -> None:
        """Keep an outcome without a change of status."""

    def watch(self, ids: Collection[InvocationId]) -> Watch:
        """Return a watch of some invocations, for those who wait for many: each look costs what is new, not all.

        Those of ids that are not there any more count as final.
        """

    def until_final(
        self,
        ids: Collection[InvocationId],
        timeout: float | None = None,
        *,
        stop: Callable[[], bool] | None = None,
    ) -> list[InvocationId]:
        """Block until some of the invocations are final, and return those.

        Those of ids that are not there any more count as final.

        Args:
            ids: The invocations; or a `watch` of theirs, which returns each once.
            timeout: Seconds after which nothing is returned; None for as long as it takes.
            stop: Asked before blocking, and again whenever `wake` is called; if it says so, nothing is returned.
        """

    def until_work(self, timeout: float | None = None, *, stop: Callable[[], bool] | None = None) -> bool:
        """Block until there may be something to claim, so many seconds have passed, or ``stop`` says so.

        Args:
            timeout: Seconds, or None for as long as it takes.
            stop: Asked before blocking, and again whenever `wake` is called.

        Returns:
            Whether there may be something to claim.
        """

    def wake(self) -> None:
        """Let everyone who is in `until_work` go on, and everyone who is in `until_final` ask whether to stop."""

    def beat(self, owners: Iterable[str], *, serves: bool = False) -> None:
        """Note a sign of life of runners."""

    def runners(self, since: int) -> list[RunnerRecord]:
        """Return the runners that gave a sign of life since then, in the order in which they were first heard of."""

    def orphans(self, *, dead_before: int, pending_before: int) -> list[Info]:
        """Return the invocations that nobody will move on, of whatever status that is not final.

        Args:
            dead_before: A runner without a sign of life since then is dead: what it owns is orphaned.
            pending_before: What is pending since before then is orphaned, as is what was left between two steps, and
                what waits for a running slot though one is free that nobody comes for from the queue.
        """

    def forget(self, invocation_id: InvocationId) -> bool:
        """Forget one invocation that has ended, with all that is known of it; return whether it was there and had."""

    def purge(self, before: int) -> int:
        """Forget the invocations that ended before then, with all that is known of them; return how many."""

    def clear(self) -> None:
        """Forget everything of this app."""

    def close(self) -> None:
        """Release what is held; the engine opens it again when it is used again."""
