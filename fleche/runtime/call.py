"""`Call`: a task with its arguments; and the forms in which it travels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from json.encoder import encode_basestring as _quoted
from typing import TYPE_CHECKING, Any, Generic, Self

from fleche.runtime.arguments import Arguments
from fleche.runtime.conf.config_task import ConcurrencyControlType
from fleche.runtime.exceptions import SerializationError
from fleche.runtime.identifiers import CallDTO, CallId
from fleche.runtime.types import Params, Result

if TYPE_CHECKING:
    from fleche.call import Call as CacheCall
    from fleche.runtime.app import App
    from fleche.runtime.task import Task

__all__ = ["Call", "CallDTO", "CallId", "LazyCall", "PreSerializedCall", "compute_args_id"]


def compute_args_id(serialized_args: Mapping[str, str]) -> str:
    """Return the id of serialized arguments: SHA-256 of their names and texts, framed as JSON, sorted by name.

    >>> compute_args_id({})
    'no_args'
    >>> compute_args_id({"x": "1"})[:16]
    '74bd45325b39f441'

    Raises:
        SerializationError: A text holds half of a surrogate pair, which has no UTF-8.
    """
    if not serialized_args:
        return "no_args"
    pairs = [f"{_quoted(name)}={_quoted(serialized_args[name])};" for name in sorted(serialized_args)]
    try:
        return hashlib.sha256("".join(pairs).encode()).hexdigest()
    except UnicodeEncodeError as error:
        raise SerializationError(f"serialized arguments are no UTF-8: {error}") from error


class Call(Generic[Params, Result]):
    """A task with its arguments. Two calls are equal if their ids are.

    Args:
        task: The task.
        arguments: Its arguments; none if not given.
        _serialized_arguments: The same as texts, where they are known.
    """

    def __init__(
        self,
        task: Task[Params, Result],
        arguments: Arguments | None = None,
        _serialized_arguments: Mapping[str, str] | None = None,
    ) -> None:
        self.task = task
        self._arguments = arguments if arguments is not None or _serialized_arguments is not None else Arguments()
        if _serialized_arguments is not None:
            self.__dict__["serialized_arguments"] = dict(_serialized_arguments)

    @property
    def app(self) -> App:
        """The app of the task."""
        return self.task.app

    @property
    def arguments(self) -> Arguments:
        """The arguments as values; those of a call that came from elsewhere are read when they are first asked for."""
        if self._arguments is None:
            self._arguments = self.deserialize_arguments(self.serialized_arguments)
        return self._arguments

    @cached_property
    def serialized_arguments(self) -> Mapping[str, str]:
        """The arguments as texts by name, or references into the client data store.

        Raises:
            SerializationError: One cannot be serialized.
        """
        assert self._arguments is not None
        try:
            return self.app.client_data_store.serialize_arguments(
                self._arguments.kwargs, self.task.conf.disable_cache_args
            )
        except SerializationError as error:
            raise SerializationError(f"Task '{self.task.task_id.key}': {error}") from error

    @cached_property
    def args_id(self) -> str:
        """The id of the serialized arguments: reported and stored, never compared for reuse."""
        return compute_args_id(self.serialized_arguments)

    @cached_property
    def call_id(self) -> CallId:
        """The id of the call."""
        return CallId(self.task.task_id, self.args_id)

    @property
    def arg_keys(self) -> set[str]:
        """The names of the arguments."""
        return set(self.serialized_arguments if self._arguments is None else self._arguments.kwargs)

    def serialized_args_for_concurrency_control(
        self, mode: ConcurrencyControlType | str | None
    ) -> dict[str, str] | None:
        """Return the serialized arguments that a mode of concurrency control compares; None where it compares none.

        Raises:
            KeyError: A key argument is not among them.
        """
        if mode == ConcurrencyControlType.ARGUMENTS:
            return dict(self.serialized_arguments)
        if mode == ConcurrencyControlType.KEYS:
            return {name: self.serialized_arguments[name] for name in self.task.conf.key_arguments}
        return None

    @property
    def serialized_args_for_concurrency_check(self) -> dict[str, str] | None:
        """The serialized arguments that registration concurrency compares."""
        return self.serialized_args_for_concurrency_control(self.task.conf.registration_concurrency)

    def call(self) -> CacheCall:
        """Return the same call as the cache knows it."""
        args, kwargs = self.task.binding.spelled(self.arguments)
        return self.task.results.call(args, kwargs)

    def deserialize_arguments(self, serialized_arguments: Mapping[str, str]) -> Arguments:
        """Return the arguments of texts."""
        return Arguments(self.app.client_data_store.deserialize_arguments(serialized_arguments))

    def to_dto(self) -> CallDTO:
        """Return the call as it travels."""
        return CallDTO(self.call_id, self.serialized_arguments)

    def to_json(self) -> str:
        """Return the call as JSON."""
        return json.dumps({"task": self.task.to_json(), "arguments": dict(self.serialized_arguments)})

    @classmethod
    def from_json(cls, app: App, serialized: str) -> Self:
        """Return the call of a JSON text, for an app."""
        from fleche.runtime.task import Task

        content = json.loads(serialized)
        return cls(Task.from_json(app, content["task"]), None, content["arguments"])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and self.call_id == other.call_id

    def __hash__(self) -> int:
        return hash(self.call_id)

    def __str__(self) -> str:
        return f"Call(task={self.task.task_id}, arguments={{{', '.join(sorted(self.arg_keys))}}})"

    __repr__ = __str__

    def __getstate__(self) -> dict[str, Any]:
        return {"task": self.task, "serialized_arguments": dict(self.serialized_arguments)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.task = state["task"]
        self._arguments = None
        self.__dict__["serialized_arguments"] = state["serialized_arguments"]


class LazyCall(Call[Params, Result]):
    """A call that came from elsewhere: its ids are those that it came with, its arguments are read when asked for.

    Args:
        task: The task.
        _serialized_arguments: The arguments as texts.
        _call_id: The id of the call.
    """

    def __init__(self, task: Task[Params, Result], _serialized_arguments: Mapping[str, str], _call_id: CallId) -> None:
        super().__init__(task, None, _serialized_arguments)
        self.__dict__["call_id"] = _call_id
        self.__dict__["args_id"] = _call_id.args_id

    @classmethod
    def from_dto(cls, app: App, dto: CallDTO) -> Self:
        """Return the call of a record, for an app.

        Raises:
            TaskNotFoundError: The task cannot be imported.
        """
        return cls(app.get_task(dto.call_id.task_id), dto.serialized_arguments, dto.call_id)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.task, dict(self.serialized_arguments), self.call_id)


class PreSerializedCall(Call[Params, Result]):
    """One call of a batch whose common arguments are serialized once.

    Args:
        task: The task.
        common_args: Arguments of all calls of the batch.
        common_serialized_args: The same as texts.
        other_args: This call's own arguments, all others bound.
    """

    def __init__(
        self,
        task: Task[Params, Result],
        common_args: Mapping[str, Any] | None = None,
        common_serialized_args: Mapping[str, str] | None = None,
        other_args: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(task, Arguments({**(common_args or {}), **(other_args or {})}))
        self._common = dict(common_serialized_args or {})

    @cached_property
    def serialized_arguments(self) -> Mapping[str, str]:
        """The arguments as texts by name: the common ones as they were given, the others serialized now."""
        own = {name: value for name, value in self.arguments.kwargs.items() if name not in self._common}
        try:
            texts = self.app.client_data_store.serialize_arguments(own, self.task.conf.disable_cache_args)
        except SerializationError as error:
            raise SerializationError(f"Task '{self.task.task_id.key}': {error}") from error
        names = [*self.arguments.kwargs, *(name for name in self._common if name not in self.arguments.kwargs)]
        return {name: self._common[name] if name in self._common else texts[name] for name in names}

    def serialized_args_for_concurrency_control(
        self, mode: ConcurrencyControlType | str | None
    ) -> dict[str, str] | None:
        """Refuse: calls of a batch are not looked for one by one.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("a call of a batch is registered with the batch, not looked for by its arguments")
