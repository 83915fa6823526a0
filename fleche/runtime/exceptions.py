"""Every error of the task runtime. Each becomes JSON, so that it can be stored and raised again elsewhere.

The tree::

    FlecheRuntimeError (alias PynencError)
    ├── RetryError                              a task asks to be run again
    │   └── ConcurrencyRetryError
    ├── SerializationError      (TypeError)     an argument, result or exception cannot be sent
    ├── PendingInvocationLockError              another runner has just taken the invocation
    ├── TaskError
    │   ├── InvalidTaskOptionsError (TypeError)     options that no task has
    │   ├── TaskNotFoundError       (ValueError)    no function of that name can be imported
    │   ├── TaskParallelProcessingError
    │   └── TaskRoutingError
    │       └── InvocationConcurrencyWithDifferentArgumentsError
    ├── InvocationError
    │   ├── InvocationCancelledError
    │   ├── InvocationDeadLetterError           it outlived too many workers
    │   ├── InvocationTimeoutError  (TimeoutError)  its body, or the wait for it, took too long
    │   └── InvocationHasNoResultError (KeyError)   it ended without one: refused a running slot, or no longer stored
    ├── StateBackendError
    │   └── InvocationNotFoundError (KeyError)
    ├── RunnerError
    ├── RunnerNotExecutableError
    ├── CycleDetectedError                      calls that wait for each other
    ├── ConfigError             (ValueError)
    │   └── ConfigMultiInheritanceError
    ├── AlreadyInitializedError
    ├── RemoteError             (RuntimeError)  an exception of a task that cannot be built here
    └── InvocationStatusError
        ├── InvocationStatusTransitionError
        ├── InvocationStatusOwnershipError
        └── InvocationStatusRaceConditionError
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from fleche.errors import ConfigError as _ConfigError
from fleche.errors import FlecheError
from fleche.runtime.util.subclasses import get_all_subclasses

if TYPE_CHECKING:
    from fleche.runtime.call import Call
    from fleche.runtime.invocation.base_invocation import BaseInvocation

__all__ = [
    "AlreadyInitializedError",
    "ConcurrencyRetryError",
    "ConfigError",
    "ConfigMultiInheritanceError",
    "CycleDetectedError",
    "FlecheRuntimeError",
    "InvalidTaskOptionsError",
    "InvocationCancelledError",
    "InvocationConcurrencyWithDifferentArgumentsError",
    "InvocationDeadLetterError",
    "InvocationError",
    "InvocationHasNoResultError",
    "InvocationNotFoundError",
    "InvocationStatusError",
    "InvocationStatusOwnershipError",
    "InvocationStatusRaceConditionError",
    "InvocationStatusTransitionError",
    "InvocationTimeoutError",
    "PendingInvocationLockError",
    "PynencError",
    "RemoteError",
    "RetryError",
    "RunnerError",
    "RunnerNotExecutableError",
    "SerializationError",
    "StateBackendError",
    "TaskError",
    "TaskNotFoundError",
    "TaskParallelProcessingError",
    "TaskRoutingError",
]


class FlecheRuntimeError(FlecheError):
    """The root of all errors of the task runtime."""

    def to_json(self) -> str:
        """Return the error's facts as JSON."""
        return json.dumps(self._to_json_dict(), default=str, sort_keys=True)

    @classmethod
    def from_json(cls, error_name: str, text: str) -> FlecheRuntimeError:
        """Return the error that a name and its JSON stand for.

        Raises:
            ValueError: No error here has this name.
        """
        for kind in (cls, *get_all_subclasses(cls)):
            if kind.__name__ == error_name:
                return kind._from_json_dict(json.loads(text))  # noqa: SLF001 - one of its own
        raise ValueError(f"{error_name!r} is no error of the runtime: {cls.__name__} has no subclass of this name")

    def _to_json_dict(self) -> dict[str, Any]:
        return {"message": self.args[0] if self.args else "", **self.__dict__}

    @classmethod
    def _from_json_dict(cls, facts: Mapping[str, Any]) -> Self:
        error = cls.__new__(cls)
        facts = dict(facts)
        error.args = (facts.pop("message", ""),)
        error.__dict__.update(facts)
        return error

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._to_json_dict() == other._to_json_dict()

    __hash__ = FlecheError.__hash__


PynencError = FlecheRuntimeError


class RetryError(FlecheRuntimeError):
    """Raised by a task that wants to be run again; always retriable, as far as ``max_retries`` allows."""


class ConcurrencyRetryError(RetryError):
    """A task is to be run again since something else holds what it needs."""


class SerializationError(FlecheRuntimeError, TypeError):
    """A value cannot be turned into text, or text into a value; the cause is chained."""


class _About(FlecheRuntimeError):
    """An error about one thing, which its text names."""

    _about: str

    def __init__(self, about: object, message: str | None = None, /, **facts: Any) -> None:
        super().__init__(message or "", **{self._about: str(about)}, **facts)

    def __str__(self) -> str:
        name = f"{type(self).__name__}({self.__dict__.get(self._about, '')})"
        message = str(self.args[0]) if self.args else ""
        return f"{name}: {message}" if message else name

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.__dict__[self._about], self.args[0]), dict(self.__dict__)


class PendingInvocationLockError(_About):
    """Another runner has just taken the invocation.

    Attributes:
        invocation_id: Which.
    """

    _about = "invocation_id"
    invocation_id: str


class TaskError(_About):
    """Something about one task.

    Attributes:
        task_id: Its key.
    """

    _about = "task_id"
    task_id: str


class InvalidTaskOptionsError(TaskError, TypeError):
    """A task was given options that no task has."""


class TaskNotFoundError(TaskError, ValueError):
    """A worker cannot import the function of a task."""


class TaskParallelProcessingError(TaskError):
    """Calls of a task cannot be registered as one batch."""


class TaskRoutingError(TaskError):
    """A call of a task cannot be routed."""


class InvocationConcurrencyWithDifferentArgumentsError(TaskRoutingError):
    """A call would be joined to one that is registered with other arguments, and the task forbids that.

    Attributes:
        task_id: The key of the task.
        existing_invocation_id: The invocation that is registered.
        new_call_id: The key of the call that was made.
        diff: What differs, as text.
    """

    existing_invocation_id: str
    new_call_id: str
    diff: str

    def __init__(
        self, task_id: object, existing_invocation_id: str, new_call_id: object, diff: str, message: str | None = None
    ) -> None:
        super().__init__(
            task_id,
            message,
            existing_invocation_id=str(existing_invocation_id),
            new_call_id=str(new_call_id),
            diff=diff,
        )

    @classmethod
    def from_call_mismatch(
        cls, existing_invocation: BaseInvocation[Any, Any], new_call: Call[Any, Any], message: str | None = None
    ) -> Self:
        """Return the error of a call that differs from one that is registered."""
        diff = cls.format_difference(existing_invocation.call, new_call)
        return cls(new_call.task.task_id, existing_invocation.invocation_id, new_call.call_id, diff, message)

    @staticmethod
    def format_difference(existing_call: Call[Any, Any], new_call: Call[Any, Any]) -> str:
        """Return what differs between the serialized arguments of two calls, as text."""
        old, new = existing_call.serialized_arguments, new_call.serialized_arguments
        lines = [f"Arguments differ for task {new_call.task.task_id}:"]
        changed = [
            f"  {name}: {old[name]!r} -> {new[name]!r}"
            for name in sorted(old.keys() & new.keys())
            if old[name] != new[name]
        ]
        removed = [f"  {name}: {old[name]!r}" for name in sorted(old.keys() - new.keys())]
        added = [f"  {name}: {new[name]!r}" for name in sorted(new.keys() - old.keys())]
        for title, found in (("Changed", changed), ("Removed", removed), ("Added", added)):
            if found:
                lines += [f"{title}:", *found]
        return "\n".join(lines)

    def __str__(self) -> str:
        message = f" {self.args[0]}" if self.args and self.args[0] else ""
        return f"{type(self).__name__}({self.task_id}){message}\n{self.diff}"

    def __reduce__(self) -> tuple[Any, ...]:
        facts = (self.task_id, self.existing_invocation_id, self.new_call_id, self.diff, self.args[0] or None)
        return type(self), facts, dict(self.__dict__)


class InvocationError(_About):
    """Something about one invocation.

    Attributes:
        invocation_id: Which.
    """

    _about = "invocation_id"
    invocation_id: str


class InvocationCancelledError(InvocationError):
    """The invocation was cancelled, so it has no result."""


class InvocationDeadLetterError(InvocationError):
    """The invocation took too many workers with it, and is not tried again."""


class InvocationTimeoutError(InvocationError, TimeoutError):
    """The body of the task took longer than its ``timeout``, or the wait for its result longer than was given."""


class InvocationHasNoResultError(InvocationError, KeyError):
    """The invocation has ended, and there is no result to return."""


class StateBackendError(FlecheRuntimeError):
    """What is kept of invocations cannot be read or written."""


class InvocationNotFoundError(_About, StateBackendError, KeyError):
    """No invocation has this id.

    Attributes:
        invocation_id: Which.
    """

    _about = "invocation_id"
    invocation_id: str


class RunnerError(FlecheRuntimeError):
    """A runner cannot do what is asked of it."""


class RunnerNotExecutableError(FlecheRuntimeError):
    """The runner only stands for one: it runs nothing. Choose another by ``runner_cls``."""


class CycleDetectedError(FlecheRuntimeError):
    """Calls wait for each other, so none would ever end.

    Attributes:
        call_ids: The keys of the calls, in the order of the cycle.
    """

    call_ids: list[str]

    def __init__(self, call_ids: Iterable[object] = (), message: str = "") -> None:
        super().__init__(message, call_ids=[str(call) for call in call_ids])

    @classmethod
    def from_cycle(cls, cycle: Sequence[Call[Any, Any]]) -> Self:
        """Return the error of calls of which each calls the next, and the last the first."""
        names = [f"{call.task.task_id}({_shown(call)})" for call in cycle]
        lines = [f"- {name}" for name in names] + [f"- back to {names[0]}"]
        message = "A cycle was detected: Cycle detected:\n" + "\n".join(lines)
        return cls([call.call_id for call in cycle], message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.call_ids, self.args[0])


def _shown(call: Call[Any, Any]) -> str:
    return ", ".join(f"{name}:{text[:60]}" for name, text in call.serialized_arguments.items())


class ConfigError(FlecheRuntimeError, _ConfigError):
    """A setting of the runtime is wrong."""


class ConfigMultiInheritanceError(ConfigError):
    """Two parents of a configuration class define the same field."""


class AlreadyInitializedError(FlecheRuntimeError):
    """A component of the app is in use already, so its class cannot be changed any more."""


class RemoteError(FlecheRuntimeError, RuntimeError):
    """A task raised an exception that cannot be built here; this tells what it was.

    Attributes:
        type_name: The type of the exception, such as ``pkg.MyError``.
    """

    type_name: str


class InvocationStatusError(FlecheRuntimeError):
    """A status cannot be set."""


class InvocationStatusTransitionError(InvocationStatusError):
    """The status may not follow the one that the invocation has.

    Attributes:
        from_status: The one that it has, or None.
        to_status: The one that was to be set.
        allowed_statuses: What may follow, sorted.
    """

    from_status: str | None
    to_status: str
    allowed_statuses: list[str]

    def __init__(self, from_status: object, to_status: object, allowed_statuses: Iterable[object] = ()) -> None:
        allowed = sorted(str(status) for status in allowed_statuses)
        old = None if from_status is None else str(from_status)
        message = f"{old or 'nothing'} cannot become {to_status}; allowed: {', '.join(allowed) or 'none'}"
        super().__init__(message, from_status=old, to_status=str(to_status), allowed_statuses=allowed)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.from_status, self.to_status, self.allowed_statuses)


class InvocationStatusOwnershipError(InvocationStatusError):
    """Someone else owns the invocation.

    Attributes:
        from_status: The status that it has, or None.
        to_status: The one that was to be set.
        current_owner: Who owns it.
        attempted_owner: Who tried.
        reason: Why that is refused.
    """

    from_status: str | None
    to_status: str
    current_owner: str | None
    attempted_owner: str | None
    reason: str

    def __init__(
        self,
        from_status: object,
        to_status: object,
        current_owner: str | None,
        attempted_owner: str | None,
        reason: str,
    ) -> None:
        old = None if from_status is None else str(from_status)
        message = f"{attempted_owner} cannot set {to_status}: it is {old}, owned by {current_owner}; {reason}"
        super().__init__(
            message,
            from_status=old,
            to_status=str(to_status),
            current_owner=current_owner,
            attempted_owner=attempted_owner,
            reason=reason,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        facts = (self.from_status, self.to_status, self.current_owner, self.attempted_owner, self.reason)
        return type(self), facts


class InvocationStatusRaceConditionError(InvocationStatusError):
    """The status changed while it was being set.

    Attributes:
        invocation_id: Which invocation.
        previous_status_record: What was there before, as text.
        expected_status_record: What was to be there now.
        actual_status_record: What is.
    """

    invocation_id: str
    previous_status_record: str
    expected_status_record: str
    actual_status_record: str

    def __init__(self, invocation_id: str, previous: object, expected: object, actual: object) -> None:
        super().__init__(
            f"invocation {invocation_id}: {previous} was to become {expected}, and is {actual}",
            invocation_id=str(invocation_id),
            previous_status_record=str(previous),
            expected_status_record=str(expected),
            actual_status_record=str(actual),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        facts = (
            self.invocation_id,
            self.previous_status_record,
            self.expected_status_record,
            self.actual_status_record,
        )
        return type(self), facts
