"""What tasks, calls and invocations are called."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NewType, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CallDTO", "CallId", "InvocationId", "TaskId"]

InvocationId = NewType("InvocationId", str)
"""An opaque text, unique to one invocation: a random UUID."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TaskId:
    """A task by the module and the name of its function.

    >>> TaskId.from_key("pkg.study.train")
    TaskId(module='pkg.study', func_name='train')
    """

    module: str
    func_name: str

    @property
    def key(self) -> str:
        """The module and the name, joined by a dot."""
        return f"{self.module}.{self.func_name}"

    @property
    def config_key(self) -> str:
        """The name of the task's own section in a configuration file."""
        return self.key

    @classmethod
    def from_key(cls, key: str) -> Self:
        """Return the id of a key.

        Raises:
            ValueError: It has no dot, or nothing before or after the last one.
        """
        module, _, name = key.rpartition(".")
        if not module or not name:
            raise ValueError(f"{key!r} is no key of a task: a module, a dot and the name of a function")
        return cls(module, name)

    def __str__(self) -> str:
        return self.key


@dataclass(frozen=True, slots=True)
class CallId:
    """A task with its arguments, by their ids.

    >>> str(CallId(TaskId("study", "train"), "no_args"))
    'study.train:no_args'
    """

    task_id: TaskId
    args_id: str

    @property
    def key(self) -> str:
        """The key of the task and the id of the arguments, joined by a colon."""
        return f"{self.task_id.key}:{self.args_id}"

    @classmethod
    def from_key(cls, key: str) -> Self:
        """Return the id of a key.

        Raises:
            ValueError: It is no key of a call.
        """
        task, colon, args_id = key.rpartition(":")
        if not colon or not args_id:
            raise ValueError(f"{key!r} is no key of a call: the key of a task, a colon and the id of arguments")
        return cls(TaskId.from_key(task), args_id)

    def __str__(self) -> str:
        return self.key


@dataclass(frozen=True, slots=True)
class CallDTO:
    """A call as it travels: its id and its serialized arguments.

    Attributes:
        call_id: The id.
        serialized_arguments: Texts by name; each is a serialized value, or a reference into the client data store.
    """

    call_id: CallId
    serialized_arguments: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    def __hash__(self) -> int:
        return hash(self.call_id)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.call_id, dict(self.serialized_arguments))
