"""The engine in memory: the readable reference, for one process."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from fleche.clock import SYSTEM, Clock, to_micros
from fleche.runtime.engine.base import (
    Change,
    Claimed,
    Entry,
    Info,
    NewInvocation,
    Outcome,
    RunnerRecord,
)
from fleche.runtime.engine.call_graph import CallGraph
from fleche.runtime.engine.circles import circle
from fleche.runtime.engine.wait_graph import WaitGraph
from fleche.runtime.engine.watches import MemoryWatch, Watches
from fleche.runtime.exceptions import (
    FlecheRuntimeError,
    InvocationNotFoundError,
    InvocationStatusOwnershipError,
)
from fleche.runtime.identifiers import CallDTO, CallId, InvocationId
from fleche.runtime.invocation.status import (
    RULES,
    InvocationStatus,
    InvocationStatusRecord,
    status_record_transition,
)
from fleche.spinlock import SpinLock

__all__ = ["MemoryEngine"]

_S = InvocationStatus
_HOLDING = frozenset({_S.PENDING, _S.RUNNING, _S.PAUSED, _S.RESUMED})  # these hold a running slot
_BETWEEN = frozenset({_S.KILLED, _S.PENDING_RECOVERY, _S.RUNNING_RECOVERY})  # nobody rests in these


_Line = InvocationStatusRecord | tuple[InvocationStatusRecord | None, datetime, str]
"""One line of a history: a status; or a status if there is one, a time and a note."""


class _Row:
    """One invocation."""

    __slots__ = (
        "attempt",
        "due",
        "history",
        "id",
        "new",
        "outcome",
        "place",
        "record",
        "recoveries",
        "retries",
        "sequence",
    )

    def __init__(self, new: NewInvocation, sequence: int) -> None:
        self.new = new
        self.id = new.id
        self.sequence = sequence  # the order of registration
        self.place = 0  # the order in the queue, anew each time that it comes to it
        self.record: InvocationStatusRecord
        self.history: list[_Line] = []
        self.attempt = self.retries = self.recoveries = 0
        self.due: int | None = new.due
        self.outcome: Outcome | None = None

    @property
    def call(self) -> CallDTO:
        return self.new.call

    @property
    def task(self) -> str:
        return self.new.call.call_id.task_id.key

    @property
    def status(self) -> InvocationStatus:
        """Return the status of an invocation; see `Engine.status`."""
        return self.record.status


class MemoryEngine:
    """Keeps invocations in this process; see `Engine` for what each method means.

    Args:
        clock: Tells the time.
    """

    trusted = True

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self._lock = SpinLock()
        self._work = self._lock.condition()
        self._watches = Watches(self._lock)
        self._reset()

    def _reset(self) -> None:
        self._rows: dict[InvocationId, _Row] = {}
        self._tags: dict[str, dict[InvocationId, None]] = {}
        self._tasks: dict[str, dict[InvocationId, None]] = {}
        self._ready: list[tuple[int, int, InvocationId]] = []  # a heap: -priority, place, id
        self._blocking: list[tuple[int, InvocationId]] = []  # a heap: sequence, id; each once
        self._blockers: set[InvocationId] = set()  # those in that heap
        self._delayed: list[tuple[int, int, InvocationId]] = []  # a heap: due, sequence, id
        self._available = 0
        self._holders: dict[str, set[InvocationId]] = {}
        self._parked: dict[str, deque[InvocationId]] = {}
        self._ended: deque[tuple[int, InvocationId]] = deque()
        self._runners: dict[str, RunnerRecord] = {}
        self._sequence = 0
        self._graph = CallGraph()
        self._waits = WaitGraph()

    def now(self) -> int:
        """Return the engine's time; see `Engine.now`."""
        return to_micros(self._clock.now())

    # -- registering -------------------------------------------------------------------------------------------

    def register(self, new: Sequence[NewInvocation]) -> list[InvocationId]:
        """Register invocations; see `Engine.register`."""
        now = self._clock.now()
        with self._lock:
            ids = [self._register(one, now) for one in new]
            self._notify()
        return ids

    def _register(self, new: NewInvocation, now: datetime) -> InvocationId:
        for join in new.joins:
            for invocation_id in self._tags.get(join.tag, ()):
                if self._rows[invocation_id].status in join.statuses:
                    self._bring_forward(self._rows[invocation_id], new.due, now)
                    return invocation_id
        if new.id in self._rows:
            return new.id
        # In this order, as Ctrl-C may come between: what is there is whole, and what is joined is in the queue.
        self._sequence += 1
        row = _Row(new, self._sequence)
        later = new.answer is None and new.due is not None and new.due > to_micros(now)
        row.record = self._first(row, _S.SCHEDULED if later else _S.REGISTERED, now)
        of_task = self._tasks.setdefault(row.task, {})
        self._rows[new.id] = row
        of_task[new.id] = None
        if new.answer is not None:
            row.outcome = Outcome(record=new.answer)
            self._set(row, _S.SUCCESS, None, now, note="answered by the cache")
            return new.id
        if later:
            self._delay(row, new.due or 0)
        else:
            self._enqueue(row)
        for tag in new.tags:
            self._tags.setdefault(tag, {})[new.id] = None
        return new.id

    def _bring_forward(self, row: _Row, due: int | None, now: datetime) -> None:
        """Let what is scheduled be due no later than what is joined to it."""
        if row.status is not _S.SCHEDULED or row.due is None:
            return
        if due is None or due <= to_micros(now):
            row.due = None
            self._set(row, _S.REGISTERED, None, now)
            self._enqueue(row)
        elif due < row.due:
            row.due = due
            self._delay(row, due)

    def _first(self, row: _Row, status: InvocationStatus, now: datetime) -> InvocationStatusRecord:
        record = status_record_transition(None, status, None, now)
        row.history.append(record)
        return record

    # -- statuses ----------------------------------------------------------------------------------------------

    def step(
        self,
        owner: str,
        changes: Sequence[Change] = (),
        *,
        limit: int = 0,
        start: bool = False,
        blockers: bool = True,
    ) -> tuple[list[InvocationStatusRecord | FlecheRuntimeError], list[Claimed]]:
        """Set statuses, then claim; see `Engine.step`."""
        now = self._clock.now()
        with self._lock:
            answers = [self._change(change, now) for change in changes]
            claimed = list(self._claim(owner, limit, now, start=start, blockers=blockers)) if limit > 0 else []
            self._notify()
        return answers, claimed

    def _change(self, change: Change, now: datetime) -> InvocationStatusRecord | FlecheRuntimeError:
        row = self._rows.get(change.id)
        if row is None:
            return _unknown(change.id)
        if change.attempt is not None and change.attempt != row.attempt:
            return InvocationStatusOwnershipError(
                row.status,
                change.status,
                row.record.runner_id,
                change.owner,
                f"it was claimed again since: attempt {change.attempt} is over, {row.attempt} holds it",
            )
        if change.status is _S.PENDING and row.status in RULES.available and not self._has_slot(row):
            reason = "its running slots are taken"
            return InvocationStatusOwnershipError(row.status, change.status, None, change.owner, reason)
        try:
            record = self._set(row, change.status, change.owner, now, note=change.note)
        except FlecheRuntimeError as error:
            return error
        row.retries += change.retries
        row.recoveries += change.recoveries
        if change.outcome is not None:
            row.outcome = change.outcome
        if change.status in RULES.available:
            row.due = change.due
            if change.due is not None and change.due > to_micros(now):
                self._delay(row, change.due)
            else:
                self._enqueue(row)
        elif change.status is _S.CONCURRENCY_CONTROLLED and row.new.slots is not None:
            self._park(row)
        return record

    def _set(
        self, row: _Row, status: InvocationStatus, owner: str | None, now: datetime, *, note: str | None = None
    ) -> InvocationStatusRecord:
        """Set a status, and all that follows from it."""
        before = row.status
        row.record = record = status_record_transition(row.record, status, owner, now)
        row.history.append(record if note is None else (record, now, note))
        if row.place and status not in RULES.available:
            row.place = 0
            self._available -= 1
        if status is _S.PENDING:
            row.attempt += 1
        elif status in RULES.available:
            self._waits.leave(row.id)  # the body that waited is gone
        if row.new.slots is not None:
            self._move_slot(row, row.new.slots.key, before, now)
        if status in RULES.final:
            self._end(row, now)
        return record

    def _move_slot(self, row: _Row, key: str, before: InvocationStatus, now: datetime) -> None:
        """Take or give the slot of an invocation as its status says; what is then free goes to one that waits."""
        status = row.status
        if status in _HOLDING:
            self._holders.setdefault(key, set()).add(row.id)
        elif before in _HOLDING:
            holders = self._holders[key]
            holders.discard(row.id)
            if not holders:
                del self._holders[key]
            self._unpark(key, now)
        elif before in RULES.available and status in RULES.final:
            self._unpark(key, now)  # it may be the one to which a free slot was promised

    def _end(self, row: _Row, now: datetime) -> None:
        self._ended.append((to_micros(now), row.id))
        for tag in row.new.tags:
            self._untag(tag, row.id)
        self._waits.leave(row.id)
        self._let_go(row.id)
        self._graph.drop(row.id)
        self._watches.tell(row.id)

    def _untag(self, tag: str, invocation_id: InvocationId) -> None:
        found = self._tags.get(tag)
        if found is not None:
            found.pop(invocation_id, None)
            if not found:
                del self._tags[tag]

    # -- the queue ---------------------------------------------------------------------------------------------

    def _enqueue(self, row: _Row) -> None:
        self._sequence += 1
        row.place = self._sequence
        self._available += 1
        heapq.heappush(self._ready, (-row.new.priority, row.place, row.id))
        if self._waits.is_waited(row.id):
            self._put_first(row)

    def _put_first(self, row: _Row) -> None:
        """Let what is in the queue and is waited for be claimed before others."""
        if row.id in self._blockers:
            return
        if len(self._blocking) > 2 * self._available + 16:  # nobody claims by this order
            self._blocking = [(of.sequence, of.id) for of in map(self._rows.get, self._blockers) if of and of.place]
            heapq.heapify(self._blocking)
            self._blockers = {each for _, each in self._blocking}
        self._blockers.add(row.id)
        heapq.heappush(self._blocking, (row.sequence, row.id))

    def _delay(self, row: _Row, due: int) -> None:
        """Let one come to the queue later; those who wait for work and would sleep longer are told."""
        if not self._delayed or due < self._delayed[0][0]:
            self._work.notify_all()
        heapq.heappush(self._delayed, (due, row.sequence, row.id))

    def _claim(self, owner: str, limit: int, now: datetime, *, start: bool, blockers: bool) -> Iterator[Claimed]:
        self._promote(now)
        got = 0
        while got < limit:
            row = (self._next_blocking() if blockers else None) or self._next_ready()
            if row is None:
                return
            if not self._has_slot(row):
                self._hold_back(row, now)
                continue
            self._set(row, _S.PENDING, owner, now)
            if start and row.new.parent is None:
                self._set(row, _S.RUNNING, owner, now)
            got += 1
            yield Claimed(
                id=row.id,
                attempt=row.attempt,
                call=row.call,
                parent=row.new.parent,
                key=row.new.key,
                retries=row.retries,
                recoveries=row.recoveries,
                status=row.status,
                mode=row.new.mode,
            )

    def _promote(self, now: datetime) -> None:
        """Let what is due come to the queue."""
        while self._delayed and self._delayed[0][0] <= to_micros(now):
            due, _, invocation_id = heapq.heappop(self._delayed)
            row = self._rows.get(invocation_id)
            if row is None or row.due != due or row.place:
                continue
            if row.status is _S.SCHEDULED:
                self._set(row, _S.REGISTERED, None, now)
            if row.status in RULES.available:
                self._enqueue(row)

    def _next_ready(self) -> _Row | None:
        while self._ready:
            _, place, invocation_id = heapq.heappop(self._ready)
            row = self._rows.get(invocation_id)
            if row is not None and row.place == place:
                return row
        return None

    def _next_blocking(self) -> _Row | None:
        while self._blocking:
            _, invocation_id = heapq.heappop(self._blocking)
            self._blockers.discard(invocation_id)
            row = self._rows.get(invocation_id)
            if row is not None and row.place and self._waits.blocks(row.id):
                return row
        return None

    def _has_slot(self, row: _Row) -> bool:
        slots = row.new.slots
        return slots is None or len(self._holders.get(slots.key, ())) < slots.capacity

    def _hold_back(self, row: _Row, now: datetime) -> None:
        assert row.new.slots is not None
        if row.new.slots.waits:
            self._set(row, _S.CONCURRENCY_CONTROLLED, None, now)
            self._park(row)
        else:
            self._set(row, _S.CONCURRENCY_CONTROLLED_FINAL, None, now)

    def _park(self, row: _Row) -> None:
        assert row.new.slots is not None
        self._parked.setdefault(row.new.slots.key, deque()).append(row.id)

    def _unpark(self, key: str, now: datetime) -> None:
        """Let the oldest that waits for a slot come to the queue: for each slot that is free, one."""
        parked = self._parked.get(key)
        while parked:
            row = self._rows.get(parked[0])
            if row is not None and row.status is _S.CONCURRENCY_CONTROLLED:
                if not self._has_slot(row):
                    return
                parked.popleft()
                self._set(row, _S.REROUTED, None, now)
                self._enqueue(row)
                break
            parked.popleft()
        if not parked:
            self._parked.pop(key, None)

    def _notify(self) -> None:
        if self._available:
            self._work.notify(self._available)

    # -- waiting for each other --------------------------------------------------------------------------------

    def wait(self, waiter: InvocationId, waited: Collection[InvocationId]) -> list[InvocationId]:
        """Note who waits for whom; see `Engine.wait`."""
        with self._lock:
            row = self._rows.get(waiter)
            if row is None:
                return []
            found = map(self._rows.get, waited)
            others = [other for other in found if other is not None and other.status not in RULES.final]
            # for whom nobody waits, not even for its running slot, is in no circle
            reached = self._waits.is_waited(waiter) or row.new.slots is not None or row in others
            for other in others if reached else ():
                way = circle(other.id, waiter, self._waits.waited_by, self._held_up_by)
                if way is not None:
                    return [waiter, *way]
            for other in others:
                self._waits.add(waiter, other.id)
                if other.place:
                    self._put_first(other)
            self._notify()
        return []

    def _held_up_by(self, invocation_id: InvocationId) -> Collection[InvocationId]:
        """Return who holds the slots that one waits for."""
        row = self._rows.get(invocation_id)
        slots = row.new.slots if row is not None else None
        if row is None or slots is None or not slots.waits or row.status in _HOLDING or self._has_slot(row):
            return ()
        return self._holders[slots.key]

    def stop_waiting(self, waiter: InvocationId) -> None:
        """Note that an invocation waits for nothing."""
        with self._lock:
            self._waits.leave(waiter)

    def link(self, caller: InvocationId, callee: InvocationId) -> list[CallId]:
        """Note that one invocation made another; see `Engine.link`."""
        with self._lock:
            made, maker = self._rows.get(callee), self._rows.get(caller)
            if made is None or maker is None or made.status in RULES.final or maker.status in RULES.final:
                return []
            return self._graph.link((maker.id, maker.call.call_id), (made.id, made.call.call_id))

    def unlink(self, invocation_id: InvocationId) -> None:
        """Forget what an invocation made, and what made it."""
        with self._lock:
            self._graph.drop(invocation_id)

    def _let_go(self, invocation_id: InvocationId) -> None:
        for waiter in self._waits.release(invocation_id):
            row = self._rows.get(waiter)
            if row is not None and row.place and self._waits.is_waited(waiter):
                self._put_first(row)

    def release(self, waited: InvocationId) -> None:
        """Note that nobody waits for an invocation."""
        with self._lock:
            self._let_go(waited)

    def has_slot(self, invocation_id: InvocationId) -> bool:
        """Whether an invocation has a running slot, or would get one; see `Engine.has_slot`."""
        with self._lock:
            row = self._row(invocation_id)
            return row.status in _HOLDING or self._has_slot(row)

    def add_retry(self, invocation_id: InvocationId) -> int:
        """Count a retry; see `Engine.add_retry`."""
        with self._lock:
            row = self._row(invocation_id)
            row.retries += 1
            return row.retries

    def blocking(self, limit: int) -> list[InvocationId]:
        """Return those that others wait for; see `Engine.blocking`."""
        if limit <= 0:
            return []
        with self._lock:
            rows = (self._rows.get(invocation_id) for _, invocation_id in sorted(self._blocking))
            found = [row.id for row in rows if row is not None and row.place and self._waits.blocks(row.id)]
        return found[:limit]

    # -- asking ------------------------------------------------------------------------------------------------

    def _row(self, invocation_id: InvocationId) -> _Row:
        row = self._rows.get(invocation_id)
        if row is None:
            raise _unknown(invocation_id)
        return row

    def info(self, invocation_id: InvocationId) -> Info:
        """Return how an invocation stands; see `Engine.info`."""
        with self._lock:
            return _info(self._row(invocation_id))

    def status(self, invocation_id: InvocationId) -> InvocationStatusRecord:
        """Return the status of an invocation; see `Engine.status`."""
        return self._row(invocation_id).record

    def find(self, tag: str, statuses: Collection[InvocationStatus] | None = None) -> list[InvocationId]:
        """Return the invocations of a tag; see `Engine.find`."""
        with self._lock:
            return [
                invocation_id
                for invocation_id in self._tags.get(tag, ())
                if statuses is None or self._rows[invocation_id].status in statuses
            ]

    def _matching(self, task: str | None, statuses: Collection[InvocationStatus] | None) -> list[_Row]:
        ids: Iterable[InvocationId] = self._rows if task is None else self._tasks.get(task, ())
        return [
            self._rows[invocation_id]
            for invocation_id in ids
            if statuses is None or self._rows[invocation_id].status in statuses
        ]

    def listed(
        self,
        task: str | None = None,
        statuses: Collection[InvocationStatus] | None = None,
        *,
        limit: int = 100,
        offset: int = 0,
    ) -> list[InvocationId]:
        """Return invocations; see `Engine.listed`."""
        with self._lock:
            rows = self._matching(task, statuses)
            rows.sort(key=lambda row: (row.record.timestamp, row.sequence), reverse=True)
            return [row.id for row in rows[offset : offset + limit]]

    def count(self, task: str | None = None, statuses: Collection[InvocationStatus] | None = None) -> int:
        """Return how many there are; see `Engine.count`."""
        with self._lock:
            return len(self._matching(task, statuses))

    def history(self, invocation_id: InvocationId) -> list[Entry]:
        """Return a history; see `Engine.history`."""
        with self._lock:
            row = self._rows.get(invocation_id)
            if row is None:
                return []
            first, *others = row.history
        return [_entry(first, row.new.registrar), *map(_entry, others)]

    def note(self, invocation_id: InvocationId, note: str) -> None:
        """Add a line to a history; see `Engine.note`."""
        with self._lock:
            self._row(invocation_id).history.append((None, self._clock.now(), note))

    def keep(self, invocation_id: InvocationId, outcome: Outcome) -> None:
        """Keep an outcome; see `Engine.keep`."""
        with self._lock:
            self._row(invocation_id).outcome = outcome

    # -- waiting for events ------------------------------------------------------------------------------------

    def watch(self, ids: Collection[InvocationId]) -> MemoryWatch:
        """Return a watch of some invocations; see `Engine.watch`."""
        each = dict.fromkeys(ids)
        with self._lock:
            return self._watches.add(each, [*filter(self._is_over, each)])

    def _is_over(self, invocation_id: InvocationId) -> bool:
        row = self._rows.get(invocation_id)
        return row is None or row.status in RULES.final

    def until_final(
        self,
        ids: Collection[InvocationId],
        timeout: float | None = None,
        *,
        stop: Callable[[], bool] | None = None,
    ) -> list[InvocationId]:
        """Block until some are final; see `Engine.until_final`."""
        if isinstance(ids, MemoryWatch):
            return ids.ended(timeout, stop=stop)
        each = dict.fromkeys(ids)
        with self._lock:
            ended = [*filter(self._is_over, each)]
            if ended or timeout == 0:
                return ended
            watch = self._watches.add(each, ended)
        with watch:
            return watch.ended(timeout, stop=stop)

    def until_work(self, timeout: float | None = None, *, stop: Callable[[], bool] | None = None) -> bool:
        """Block until there may be work; see `Engine.until_work`."""
        with self._lock:
            if not self._available and not (stop is not None and stop()):
                self._work.wait(self._patience(timeout))
            return bool(self._available)

    def _patience(self, timeout: float | None) -> float | None:
        """Return how long to wait: no longer than until something is due."""
        if not self._delayed:
            return timeout
        until = max(0.0, (self._delayed[0][0] - self.now()) / 1_000_000)
        return until if timeout is None else min(timeout, until)

    def next_due(self) -> int | None:
        """Return when the next invocation is due that is not yet, in microseconds since 1970 UTC, or None."""
        with self._lock:
            return self._delayed[0][0] if self._delayed else None

    def wake(self) -> None:
        """Let everyone who is in `until_work` go on."""
        with self._lock:
            self._work.notify_all()
            self._watches.wake()

    # -- runners -----------------------------------------------------------------------------------------------

    def beat(self, owners: Iterable[str], *, serves: bool = False) -> None:
        """Note a sign of life; see `Engine.beat`."""
        now = self.now()
        with self._lock:
            for owner in owners:
                known = self._runners.get(owner)
                created = now if known is None else known.created
                self._runners[owner] = RunnerRecord(owner=owner, created=created, seen=now, serves=serves)

    def runners(self, since: int) -> list[RunnerRecord]:
        """Return who is alive; see `Engine.runners`."""
        with self._lock:
            alive = [runner for runner in self._runners.values() if runner.seen >= since]
        return sorted(alive, key=lambda runner: (runner.created, runner.owner))

    def orphans(self, *, dead_before: int, pending_before: int) -> list[Info]:
        """Return what nobody will move on; see `Engine.orphans`."""
        with self._lock:
            rows = [*self._rows.values()]
            coming = Counter(row.new.slots.key for row in rows if row.place and row.new.slots is not None)
            rows = [row for row in rows if self._is_orphan(row, dead_before, pending_before, coming)]
            return [_info(row) for row in sorted(rows, key=lambda row: row.sequence)]

    def _is_orphan(self, row: _Row, dead_before: int, pending_before: int, coming: Mapping[str, int]) -> bool:
        status = row.status
        if status in RULES.final:
            return False
        since = to_micros(row.record.timestamp)
        if status is _S.PENDING and since < pending_before:
            return True
        if status in RULES.owned:
            runner = self._runners.get(row.record.runner_id or "")
            return runner is None or runner.seen < dead_before
        if status is _S.CONCURRENCY_CONTROLLED:
            return since < pending_before and self._is_passed_over(row, coming)
        return status in _BETWEEN and since < pending_before

    def _is_passed_over(self, row: _Row, coming: Mapping[str, int]) -> bool:
        """Whether one waits for a slot though there are more than those who come from the queue may take."""
        slots = row.new.slots
        return slots is None or len(self._holders.get(slots.key, ())) + coming.get(slots.key, 0) < slots.capacity

    # -- forgetting --------------------------------------------------------------------------------------------

    def purge(self, before: int) -> int:
        """Forget what ended long ago; see `Engine.purge`."""
        gone = 0
        with self._lock:
            while self._ended and self._ended[0][0] < before:
                _, invocation_id = self._ended.popleft()
                gone += self._drop(invocation_id)
        return gone

    def forget(self, invocation_id: InvocationId) -> bool:
        """Forget one that has ended; see `Engine.forget`."""
        with self._lock:
            row = self._rows.get(invocation_id)
            return row is not None and row.status in RULES.final and self._drop(invocation_id)

    def _drop(self, invocation_id: InvocationId) -> bool:
        row = self._rows.pop(invocation_id, None)
        if row is None:
            return False
        tasks = self._tasks[row.task]
        del tasks[invocation_id]
        if not tasks:
            del self._tasks[row.task]
        return True

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._reset()
            self._watches.tell_all()
            self._work.notify_all()

    def close(self) -> None:
        """Release nothing: there is nothing to release."""
        return


def _entry(line: _Line, registrar: str | None = None) -> Entry:
    record, at, note = (line, line.timestamp, None) if isinstance(line, InvocationStatusRecord) else line
    return Entry(record=record, at=to_micros(at), note=note, registrar=registrar)


def _unknown(invocation_id: InvocationId) -> InvocationNotFoundError:
    return InvocationNotFoundError(
        invocation_id, "there is no such invocation: it was purged, or belongs to another app"
    )


def _info(row: _Row) -> Info:
    return Info(
        id=row.id,
        call=row.call,
        parent=row.new.parent,
        key=row.new.key,
        record=row.record,
        attempt=row.attempt,
        retries=row.retries,
        recoveries=row.recoveries,
        priority=row.new.priority,
        due=row.due,
        outcome=row.outcome,
        mode=row.new.mode,
    )
