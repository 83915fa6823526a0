"""The life of an invocation: its statuses, which may follow which, and who may say so. All of it is data.

``docs/explanation/statuses.md`` draws the picture from the table below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

from fleche.runtime.exceptions import InvocationStatusOwnershipError, InvocationStatusTransitionError

__all__ = [
    "RULES",
    "InvocationStatus",
    "InvocationStatusRecord",
    "StatusConfiguration",
    "StatusDefinition",
    "status_record_transition",
    "validate_ownership",
    "validate_transition",
]


class InvocationStatus(StrEnum):
    """How an invocation stands.

    ``registered``, ``rerouted``, ``retry``: waits for a worker. ``scheduled``: waits for its time.
    ``concurrency_controlled``: waits for a running slot. ``concurrency_controlled_final``: refused one.
    ``pending``: a worker has it. ``running``, ``paused``, ``resumed``: its body was started. ``killed``: its worker was
    stopped. ``pending_recovery``, ``running_recovery``: its worker is gone. ``success``, ``failed``, ``cancelled``,
    ``dead_letter`` (it outlived too many workers): it has ended.
    """

    SCHEDULED = "scheduled"
    REGISTERED = "registered"
    CONCURRENCY_CONTROLLED = "concurrency_controlled"
    CONCURRENCY_CONTROLLED_FINAL = "concurrency_controlled_final"
    REROUTED = "rerouted"
    PENDING = "pending"
    PENDING_RECOVERY = "pending_recovery"
    RUNNING = "running"
    RUNNING_RECOVERY = "running_recovery"
    PAUSED = "paused"
    RESUMED = "resumed"
    KILLED = "killed"
    RETRY = "retry"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DEAD_LETTER = "dead_letter"

    def is_available_for_run(self) -> bool:
        """Whether a worker may take it."""
        return self in RULES.available

    def is_final(self) -> bool:
        """Whether nothing follows it."""
        return self in RULES.final

    def can_transition_to(self, status: InvocationStatus) -> bool:
        """Whether a status may follow this one."""
        return status in RULES.definitions[self].allowed_transitions

    @classmethod
    def get_final_statuses(cls) -> frozenset[InvocationStatus]:
        """Return the statuses that nothing follows."""
        return RULES.final

    @classmethod
    def get_available_for_run_statuses(cls) -> frozenset[InvocationStatus]:
        """Return the statuses in which a worker may take an invocation."""
        return RULES.available


@dataclass(frozen=True, kw_only=True)
class StatusDefinition:
    """What holds for one status.

    Attributes:
        allowed_transitions: What may follow.
        is_final: Nothing may.
        available_for_run: A worker may take the invocation.
        requires_ownership: Only its owner may move it on.
        acquires_ownership: Whoever sets it becomes the owner.
        releases_ownership: Whoever sets it leaves no owner.
        overrides_ownership: Anyone may set it, whoever the owner is.

    Raises:
        ValueError: The parts contradict each other.
    """

    allowed_transitions: frozenset[InvocationStatus] = frozenset()
    is_final: bool = False
    available_for_run: bool = False
    requires_ownership: bool = False
    acquires_ownership: bool = False
    releases_ownership: bool = False
    overrides_ownership: bool = False

    def __post_init__(self) -> None:
        if self.acquires_ownership and self.releases_ownership:
            raise ValueError("a status cannot both acquire and release ownership")
        if self.is_final and self.allowed_transitions:
            raise ValueError("nothing may follow a final status")
        if self.overrides_ownership and self.requires_ownership:
            raise ValueError("a status that overrides ownership cannot require it")


class StatusConfiguration:
    """The whole table.

    Args:
        definitions: One for each status.
        initial: What an invocation may begin with.

    Raises:
        ValueError: A status has no definition.
    """

    def __init__(
        self, definitions: Mapping[InvocationStatus, StatusDefinition], initial: Iterable[InvocationStatus]
    ) -> None:
        self.definitions = dict(definitions)
        self.initial = frozenset(initial)
        missing = [status for status in InvocationStatus if status not in self.definitions]
        if missing:
            raise ValueError(f"there is no definition of {', '.join(missing)}")
        for status, definition in self.definitions.items():
            unknown = definition.allowed_transitions - set(InvocationStatus)
            if unknown:
                raise ValueError(f"{status} names unknown statuses: {sorted(map(str, unknown))}")

    def _where(self, attribute: str) -> frozenset[InvocationStatus]:
        return frozenset(status for status, its in self.definitions.items() if getattr(its, attribute))

    @cached_property
    def final(self) -> frozenset[InvocationStatus]:
        """The statuses that nothing follows."""
        return self._where("is_final")

    @cached_property
    def available(self) -> frozenset[InvocationStatus]:
        """The statuses in which a worker may take an invocation."""
        return self._where("available_for_run")

    @cached_property
    def owned(self) -> frozenset[InvocationStatus]:
        """The statuses in which only the owner moves an invocation on."""
        return self._where("requires_ownership")

    @cached_property
    def acquiring(self) -> frozenset[InvocationStatus]:
        """The statuses that make an owner."""
        return self._where("acquires_ownership")

    @cached_property
    def releasing(self) -> frozenset[InvocationStatus]:
        """The statuses that leave no owner."""
        return self._where("releases_ownership")

    @cached_property
    def overriding(self) -> frozenset[InvocationStatus]:
        """The statuses that anyone may set."""
        return self._where("overrides_ownership")


_S = InvocationStatus


def _may(*statuses: InvocationStatus) -> frozenset[InvocationStatus]:
    return frozenset(statuses)


_ENDED = StatusDefinition(is_final=True, releases_ownership=True)
_STOPPED = StatusDefinition(is_final=True, releases_ownership=True, overrides_ownership=True)
_WAITING = _may(_S.PENDING, _S.CONCURRENCY_CONTROLLED, _S.CONCURRENCY_CONTROLLED_FINAL, _S.CANCELLED)
_BODY_ENDS = _may(_S.KILLED, _S.RETRY, _S.SUCCESS, _S.FAILED, _S.RUNNING_RECOVERY, _S.CANCELLED)
_RECOVERS = _may(_S.REROUTED, _S.DEAD_LETTER, _S.CANCELLED)

RULES = StatusConfiguration(
    {
        _S.SCHEDULED: StatusDefinition(allowed_transitions=_may(_S.REGISTERED, _S.CANCELLED), releases_ownership=True),
        _S.REGISTERED: StatusDefinition(
            # success: it was answered by the cache
            allowed_transitions=_WAITING | _may(_S.SUCCESS),
            available_for_run=True,
            releases_ownership=True,
        ),
        _S.CONCURRENCY_CONTROLLED: StatusDefinition(
            allowed_transitions=_may(_S.REROUTED, _S.CANCELLED), releases_ownership=True
        ),
        _S.CONCURRENCY_CONTROLLED_FINAL: _ENDED,
        _S.REROUTED: StatusDefinition(allowed_transitions=_WAITING, available_for_run=True, releases_ownership=True),
        _S.RETRY: StatusDefinition(allowed_transitions=_WAITING, available_for_run=True, releases_ownership=True),
        _S.PENDING: StatusDefinition(
            # failed: it was refused before its body ran, such as for a cycle
            allowed_transitions=_may(_S.RUNNING, _S.FAILED, _S.KILLED, _S.REROUTED, _S.PENDING_RECOVERY, _S.CANCELLED),
            requires_ownership=True,
            acquires_ownership=True,
        ),
        _S.PENDING_RECOVERY: StatusDefinition(
            allowed_transitions=_RECOVERS, releases_ownership=True, overrides_ownership=True
        ),
        _S.RUNNING: StatusDefinition(allowed_transitions=_BODY_ENDS | _may(_S.PAUSED), requires_ownership=True),
        _S.RUNNING_RECOVERY: StatusDefinition(
            allowed_transitions=_RECOVERS, releases_ownership=True, overrides_ownership=True
        ),
        _S.PAUSED: StatusDefinition(
            allowed_transitions=_may(_S.RESUMED, _S.KILLED, _S.RUNNING_RECOVERY, _S.CANCELLED),
            requires_ownership=True,
        ),
        _S.RESUMED: StatusDefinition(allowed_transitions=_BODY_ENDS | _may(_S.PAUSED), requires_ownership=True),
        _S.KILLED: StatusDefinition(
            allowed_transitions=_RECOVERS,
            releases_ownership=True,
        ),
        _S.SUCCESS: _ENDED,
        _S.FAILED: _ENDED,
        _S.CANCELLED: _STOPPED,
        _S.DEAD_LETTER: _STOPPED,
    },
    initial=(_S.REGISTERED, _S.SCHEDULED),
)


@dataclass(frozen=True, slots=True)
class InvocationStatusRecord:
    """A status, who owns the invocation in it, and since when.

    Attributes:
        status: The status.
        runner_id: The owner, or None.
        timestamp: When it was set, aware, in UTC.
    """

    status: InvocationStatus
    runner_id: str | None = None
    timestamp: datetime = field(default_factory=lambda: datetime.now(UTC))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"status": self.status.value, "runner_id": self.runner_id, "timestamp": self.timestamp.isoformat()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the record of plain data; a time without a zone is in UTC."""
        moment = datetime.fromisoformat(data["timestamp"])
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return cls(InvocationStatus(data["status"]), data.get("runner_id"), moment)


def validate_transition(old: InvocationStatus | None, new: InvocationStatus) -> None:
    """Check that a status may follow another, or be the first.

    Raises:
        InvocationStatusTransitionError: It may not.
    """
    allowed = RULES.initial if old is None else RULES.definitions[old].allowed_transitions
    if new not in allowed:
        raise InvocationStatusTransitionError(old, new, allowed)


def validate_ownership(record: InvocationStatusRecord | None, new: InvocationStatus, runner_id: str | None) -> None:
    """Check that a runner may set a status.

    Raises:
        InvocationStatusOwnershipError: It is not the owner; or the status makes an owner, and none is named.
    """
    target = RULES.definitions[new]
    held = record is not None and not target.overrides_ownership and record.status in RULES.owned
    if held and record is not None and record.runner_id != runner_id:
        raise InvocationStatusOwnershipError(
            record.status, new, record.runner_id, runner_id, "only its owner may move it on"
        )
    if target.acquires_ownership and runner_id is None:
        raise InvocationStatusOwnershipError(
            None if record is None else record.status, new, None, None, "it needs an owner, and no runner is named"
        )


def compute_new_owner(
    record: InvocationStatusRecord | None, new: InvocationStatus, runner_id: str | None
) -> str | None:
    """Return who owns an invocation once a status is set."""
    target = RULES.definitions[new]
    if target.releases_ownership:
        return None
    if target.acquires_ownership:
        return runner_id
    return None if record is None else record.runner_id


def status_record_transition(
    record: InvocationStatusRecord | None,
    new: InvocationStatus,
    runner_id: str | None = None,
    timestamp: datetime | None = None,
) -> InvocationStatusRecord:
    """Return the record that follows another one when a runner sets a status.

    Raises:
        InvocationStatusTransitionError: The status may not follow.
        InvocationStatusOwnershipError: The runner may not set it.
    """
    validate_transition(None if record is None else record.status, new)
    if record is None or record.runner_id != runner_id or runner_id is None:
        validate_ownership(record, new, runner_id)
    owner = compute_new_owner(record, new, runner_id)
    return InvocationStatusRecord(new, owner, timestamp or datetime.now(UTC))
