"""The settings of tasks."""

from __future__ import annotations

import builtins
import json
import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from importlib import import_module
from typing import Any, TypedDict

from fleche.clock import Seconds
from fleche.runtime.conf.config_base import PREFIX, ConfigBase, ConfigField, seconds_mapper
from fleche.runtime.exceptions import RetryError
from fleche.runtime.identifiers import TaskId

__all__ = ["ConcurrencyControlType", "ConfigTask", "TaskOptions"]


class ConcurrencyControlType(StrEnum):
    """Which calls of a task count as the same one: none, all, or those of equal arguments or equal key arguments."""

    DISABLED = "disabled"
    TASK = "task"
    ARGUMENTS = "arguments"
    KEYS = "keys"


def exception_config_mapper(value: Any, _: type) -> tuple[type[Exception], ...]:
    """Return exception types from types or names such as ``ValueError`` and ``pkg.MyError``, or text of several.

    Raises:
        TypeError: One is no exception type, or cannot be imported.
    """
    names: Iterable[Any] = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, Iterable) or isinstance(value, type):
        names = (value,)
    return tuple(_exception(name.strip() if isinstance(name, str) else name) for name in names if name != "")


def _exception(name: Any) -> type[Exception]:
    found = name
    if isinstance(name, str):
        found = _imported(name)
    if isinstance(found, type) and issubclass(found, BaseException) and not issubclass(found, Exception):
        raise TypeError(f"{name!r} is no subclass of Exception, so it ends what runs, and is never retried")
    if not (isinstance(found, type) and issubclass(found, Exception)):
        raise TypeError(f"{name!r} is no exception type")
    return found


def _imported(name: str) -> Any:
    """Return what a dotted name names: something builtin, of a module, or of a class in one."""
    parts = name.split(".")
    reason: Exception | None = None
    for cut in range(len(parts) - 1, -1, -1):
        try:
            found: Any = import_module(".".join(parts[:cut])) if cut else builtins
            for attribute in parts[cut:]:
                found = getattr(found, attribute)
        except (ImportError, AttributeError, ValueError) as error:
            reason = reason or error
        else:
            return found
    raise TypeError(f"{name!r} cannot be imported: {reason}") from reason


def names_mapper(value: Any, _: type) -> tuple[str, ...]:
    """Return names from one name, several, or text of several split at commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    names = tuple(value)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"{value!r} are no names")
    return names


class TaskOptions(TypedDict, total=False):
    """The options of ``@app.task``; `ConfigTask` says what each means."""

    parallel_batch_size: int
    retry_for: type[Exception] | tuple[type[Exception], ...]
    max_retries: int
    retry_delay: Seconds
    retry_backoff: float
    retry_jitter: float
    timeout: Seconds
    priority: int
    effect: bool
    call_result_cache: bool
    running_concurrency: ConcurrencyControlType | str
    running_slots: int
    reroute_on_concurrency_control: bool
    registration_concurrency: ConcurrencyControlType | str
    key_arguments: str | tuple[str, ...]
    on_diff_non_key_args_raise: bool
    disable_cache_args: str | tuple[str, ...]
    force_new_workflow: bool


class ConfigTask(ConfigBase):
    """The settings of one task, which are also the options of ``@app.task``.

    Attributes:
        parallel_batch_size: Calls that `Task.parallelize` registers at once; 0 for one by one.
        retry_for: Exceptions after which the task is run again, beside `RetryError`.
        max_retries: How often it is run again after one of these.
        retry_delay: Seconds, or a timedelta, before it is run again.
        retry_backoff: What each further delay is multiplied with.
        retry_jitter: The share of a delay by which it is varied at random: 0.1 is up to 10 % more.
        timeout: Seconds, or a timedelta, that its body may take; 0 for no limit.
        priority: Calls of a higher priority are run first.
        effect: It is called for what it does: never answered by the cache, never joined, run at least once.
        call_result_cache: Answer a call from the cache, and join a call that is not yet done.
        running_concurrency: Which calls may not run at the same time.
        running_slots: How many of these may.
        reroute_on_concurrency_control: Let a call that may not run wait for a slot; else it ends without having run.
        registration_concurrency: Which calls are not registered again while one of them waits.
        key_arguments: The arguments that count for ``keys``.
        on_diff_non_key_args_raise: Raise where a call is joined to one of other arguments.
        disable_cache_args: Arguments that are never put into the client data store; ``*`` for all.
        force_new_workflow: Declared for compatibility.
    """

    TASK_KEYS = True

    parallel_batch_size = ConfigField(100)
    retry_for: ConfigField[tuple[type[Exception], ...]] = ConfigField((RetryError,), exception_config_mapper)
    max_retries = ConfigField(0)
    retry_delay = ConfigField(0.0, seconds_mapper)
    retry_backoff = ConfigField(2.0)
    retry_jitter = ConfigField(0.0)
    timeout = ConfigField(0.0, seconds_mapper)
    priority = ConfigField(0)
    effect = ConfigField(False)
    call_result_cache = ConfigField(True)
    running_concurrency = ConfigField(ConcurrencyControlType.DISABLED)
    running_slots = ConfigField(1)
    reroute_on_concurrency_control = ConfigField(False)
    registration_concurrency = ConfigField(ConcurrencyControlType.DISABLED)
    key_arguments: ConfigField[tuple[str, ...]] = ConfigField((), names_mapper)
    on_diff_non_key_args_raise = ConfigField(False)
    disable_cache_args: ConfigField[tuple[str, ...]] = ConfigField((), names_mapper)
    force_new_workflow = ConfigField(False)

    def __init__(
        self,
        task_id: TaskId,
        config_values: Mapping[str, Any] | None = None,
        config_filepath: str | os.PathLike[str] | None = None,
        task_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.task_id = task_id
        self.task_options = dict(task_options or {})
        super().__init__(config_values, config_filepath)

    def _init_from(self, config_cls: type, source: str, config_id: str, mapping: Mapping[str, Any]) -> None:
        super()._init_from(config_cls, source, config_id, mapping)
        own = mapping.get(config_id, {})
        own = own.get(self.task_id.config_key) if isinstance(own, Mapping) else None
        if isinstance(own, Mapping):
            self.init_config_value_from_mapping(source, f"{config_id}.{self.task_id.config_key}", own)

    def init_config_value_from_env_vars(self, config_cls: type[ConfigBase]) -> None:
        """Take what the decorator said, then the environment variables, those of this very task last."""
        for name, value in self.task_options.items():
            try:
                setattr(self, name, value)
            except TypeError as error:
                raise TypeError(f"task {self.task_id}: {error}") from error
        super().init_config_value_from_env_vars(config_cls)
        for name in self.config_fields():
            for task in (f"{self.task_id.module}#{self.task_id.func_name}", self.task_id.key.replace(".", "#")):
                self._from_env(name, f"{PREFIX}CONFIGTASK__{task.upper()}__{name.upper()}")

    @classmethod
    def options_to_json(cls, options: Mapping[str, Any]) -> str:
        """Return options as JSON: exception types as names, enum members as values."""
        return json.dumps({name: _plain(value) for name, value in options.items()}, sort_keys=True)

    @classmethod
    def options_from_json(cls, text: str) -> dict[str, Any]:
        """Return the options of JSON, each as its field has it."""
        fields = {name: vars(kind)[name] for kind in cls.__mro__ for name in vars(kind) if name in cls.config_fields()}
        return {
            name: fields[name].mapper(value, type(fields[name].default_value))
            for name, value in json.loads(text).items()
        }


def _plain(value: Any) -> Any:
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.value if isinstance(value, StrEnum) else value
