"""`Task`: a function bound to an app."""

from __future__ import annotations

import difflib
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property, update_wrapper
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic

from fleche.clock import Seconds, seconds, to_micros
from fleche.memo import CachedFunction, cached
from fleche.runtime.arguments import Arguments, Binding
from fleche.runtime.call import Call, PreSerializedCall
from fleche.runtime.conf.config_task import ConcurrencyControlType, ConfigTask
from fleche.runtime.context import current_invocation
from fleche.runtime.exceptions import InvalidTaskOptionsError, RetryError
from fleche.runtime.identifiers import TaskId
from fleche.runtime.invocation.base_invocation import BaseInvocation, BaseInvocationGroup
from fleche.runtime.invocation.dist_invocation import DistributedInvocationGroup
from fleche.runtime.invocation.sync_invocation import ConcurrentInvocation, ConcurrentInvocationGroup
from fleche.runtime.results import TaskResults
from fleche.runtime.types import Params, Result
from fleche.runtime.util.log import TaskLoggerAdapter

if TYPE_CHECKING:
    from fleche.runtime.app import App

__all__ = ["Scheduled", "Task"]


class Task(Generic[Params, Result]):
    """A function of an app: calling it gives an invocation, which some worker executes.

    Made by ``@app.task``. Calling it binds the arguments, so a wrong call is a `TypeError` at once; it never runs the
    body here, except where ``dev_mode_force_sync_tasks`` is set.

    Args:
        app: The app.
        func: A function of a module, not of ``__main__``, of a class or of another function.
        options: What the decorator was told: fields of `ConfigTask`.

    Raises:
        RuntimeError: The function is of ``__main__``.
        InvalidTaskOptionsError: There is no such option, or it cannot be so.
        TypeError: An option has the wrong type.
    """

    __wrapped__: Callable[Params, Result]

    def __init__(self, app: App, func: Callable[Params, Result], options: Mapping[str, Any]) -> None:
        if "__main__" in func.__module__:
            raise RuntimeError(
                f"{func.__qualname__} is defined in __main__, where no worker can import it; move it to a module"
            )
        self.app = app
        self.func = func
        self.options = dict(options)
        self.task_id = TaskId(func.__module__, func.__qualname__)
        self.signature = inspect.signature(func)
        self.binding = Binding(self.signature)
        update_wrapper(self, func)
        self.validate_options()

    def validate_options(self) -> None:
        """Check the options.

        Raises:
            InvalidTaskOptionsError: There is no such option, or it cannot be so.
        """
        unknown = sorted(self.options.keys() - set(ConfigTask.config_fields()))
        if unknown:
            fields = ConfigTask.config_fields()
            near = [name for each in unknown for name in difflib.get_close_matches(each, fields, 1)]
            hint = f"did you mean {', '.join(near)}?" if near else f"known are {', '.join(fields)}"
            wrong = "there is no option" if len(unknown) == 1 else "there are no options"
            raise InvalidTaskOptionsError(self.task_id, f"{wrong} {', '.join(unknown)}; {hint}")
        conf = self.conf
        for name in ("max_retries", "retry_delay", "retry_backoff", "retry_jitter", "timeout", "parallel_batch_size"):
            if getattr(conf, name) < 0:
                raise InvalidTaskOptionsError(self.task_id, f"{name} cannot be negative")
        if conf.running_slots < 1:
            raise InvalidTaskOptionsError(self.task_id, "running_slots cannot be less than 1")
        if "running_slots" in self.options and conf.running_concurrency == ConcurrencyControlType.DISABLED:
            raise InvalidTaskOptionsError(
                self.task_id,
                f"running_slots={conf.running_slots} limits nothing without running_concurrency, such as 'task'",
            )
        missing = [name for name in conf.key_arguments if name not in self.signature.parameters]
        if missing:
            raise InvalidTaskOptionsError(
                self.task_id, f"key_arguments names {', '.join(missing)}, which the function does not take"
            )
        keyed = ConcurrencyControlType.KEYS in (conf.running_concurrency, conf.registration_concurrency)
        if keyed and not conf.key_arguments:
            raise InvalidTaskOptionsError(self.task_id, "concurrency by keys needs key_arguments")

    @cached_property
    def conf(self) -> ConfigTask:
        """The settings: the options, what files say, and environment variables."""
        return ConfigTask(self.task_id, self.app.config_values, self.app.config_filepath, self.options)

    @cached_property
    def results(self) -> TaskResults:
        """What the cache knows of the task's calls."""
        reuse = self.conf.call_result_cache and not self.conf.effect
        return TaskResults(self.func, self.app.cache, reuse=reuse)

    @cached_property
    def cached(self) -> CachedFunction[..., Any]:
        """The function as ``@cached`` would give it, for the same calls: to be asked, such as ``task.cached.why(1)``.

        ``calls``, ``query``, ``contains``, ``plan``, ``forget``, ``accept`` and ``code`` are there, too. If the
        function is decorated with ``@cached``, this is it, with its options.
        """
        if isinstance(self.func, CachedFunction):
            return self.func
        made: CachedFunction[..., Any] = cached(cache=self.app.cache)(self.func)
        return made

    @property
    def retriable_exceptions(self) -> tuple[type[Exception], ...]:
        """The exceptions after which it is run again: ``retry_for``, and `RetryError` last."""
        return (*(kind for kind in self.conf.retry_for if kind is not RetryError), RetryError)

    @property
    def invocation(self) -> BaseInvocation[Any, Any]:
        """The invocation whose body runs here and now.

        Raises:
            RuntimeError: None does.
        """
        found = current_invocation(self.app.app_id)
        if found is None:
            raise RuntimeError("Task has not been invoked yet: there is an invocation only inside the body of a task")
        return found

    @cached_property
    def logger(self) -> TaskLoggerAdapter:
        """A logger whose lines name the task, and the invocation whose body runs."""
        return TaskLoggerAdapter(self.app.logger, self.task_id.key, app_id=self.app.app_id)

    # -- calling -----------------------------------------------------------------------------------------------

    def __call__(self, /, *args: Params.args, **kwargs: Params.kwargs) -> BaseInvocation[Params, Result]:
        """Return an invocation of the call.

        Raises:
            TypeError: The function cannot be called so.
            SerializationError: An argument cannot be sent.
        """
        return self._call(self.args(*args, **kwargs))

    def args(self, /, *args: Params.args, **kwargs: Params.kwargs) -> Arguments:
        """Return the arguments of a call, without making it.

        Raises:
            TypeError: The function cannot be called so.
        """
        return self._bound(args, kwargs)

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
        try:
            return self.binding.bind(args, kwargs)
        except TypeError as error:
            raise TypeError(f"{self.task_id}() {error}") from None

    def _call(
        self, arguments: Arguments, *, due: int | None = None, priority: int | None = None
    ) -> BaseInvocation[Params, Result]:
        call = Call(self, arguments)
        if self.app.conf.dev_mode_force_sync_tasks:
            return ConcurrentInvocation(call)
        return self.app.orchestrator.route_call(call, due=due, priority=priority)

    def schedule(
        self, *, delay: Seconds | None = None, at: datetime | None = None, priority: int | None = None
    ) -> Scheduled[Params, Result]:
        """Return the task to be called for later, or with another priority.

        Args:
            delay: Seconds, or a timedelta, from now.
            at: When, an aware datetime.
            priority: The greater, the sooner; the task's own if not given.

        Raises:
            ValueError: Both times are given, or ``at`` has no zone.

        ``task.schedule(delay=60)(x)`` is an invocation that no worker takes within a minute. What the cache answers is
        a success at once all the same.
        """
        if delay is not None and at is not None:
            raise ValueError("give delay or at, not both")
        if at is not None and at.tzinfo is None:
            raise ValueError(f"at={at!r} has no zone: give an aware datetime, such as datetime.now(UTC) + ...")
        return Scheduled(self, None if delay is None else seconds(delay), at, priority)

    def parallelize(
        self, param_iter: Iterable[Any], common_args: Mapping[str, Any] | None = None
    ) -> BaseInvocationGroup[Params, Result]:
        """Return a group of invocations, one for each item, in order.

        Args:
            param_iter: For each call its positional arguments (a tuple), its arguments by name (a mapping), or
                `Arguments`. It is read once.
            common_args: Arguments by name that all calls have, serialized once; every item must then be a mapping, and
                wins.

        Raises:
            TypeError: An item is none of these, or the function cannot be called so.
            ValueError: There are common arguments, and an item is no mapping.
            SerializationError: An argument cannot be sent.
        """
        if self.app.conf.dev_mode_force_sync_tasks:
            invocations = [ConcurrentInvocation(Call(self, each)) for each in self._each(param_iter, common_args)]
            return ConcurrentInvocationGroup(self, invocations)
        size = self.conf.parallel_batch_size
        orchestrator = self.app.orchestrator
        if size <= 0 or self.conf.registration_concurrency != ConcurrencyControlType.DISABLED:
            found = [self._call(each) for each in self._each(param_iter, common_args)]
            return DistributedInvocationGroup(self, found)
        texts: Mapping[str, str] = {}
        if common_args:
            texts = self.app.client_data_store.serialize_arguments(common_args, self.conf.disable_cache_args)
        routed: list[BaseInvocation[Params, Result]] = []
        # each call is taken down before the next item is asked for, which may be the same object filled anew
        calls = (self._of_batch(each, common_args or {}, texts) for each in self._each(param_iter, common_args))
        while batch := orchestrator.route_calls(islice(calls, size)):
            routed += batch
        return DistributedInvocationGroup(self, routed)

    def _of_batch(
        self, arguments: Arguments, common: Mapping[str, Any], texts: Mapping[str, str]
    ) -> Call[Params, Result]:
        shared = {name: text for name, text in texts.items() if arguments.kwargs.get(name) is common[name]}
        return PreSerializedCall(self, {}, shared, arguments.kwargs) if shared else Call(self, arguments)

    def _each(self, param_iter: Iterable[Any], common_args: Mapping[str, Any] | None) -> Iterator[Arguments]:
        for item in param_iter:
            if common_args is not None and not isinstance(item, Mapping):
                raise ValueError(f"common_args needs items that are mappings, not {type(item).__name__}: {item!r}")
            if isinstance(item, Arguments):
                yield self._rebound(item)
            elif isinstance(item, Mapping):
                yield self._bound((), {**(common_args or {}), **item})
            elif isinstance(item, tuple):
                yield self._bound(item, {})
            else:
                raise TypeError(
                    f"{self.task_id}: an item of parallelize is a tuple, a mapping or Arguments, not {item!r}; "
                    f"for one argument write ({item!r},)"
                )

    def _rebound(self, arguments: Arguments) -> Arguments:
        try:
            args, kwargs = self.binding.spelled(arguments)
        except TypeError as error:
            raise TypeError(f"{self.task_id}() {error}") from None
        return self._bound(args, kwargs)

    # -- being an object ---------------------------------------------------------------------------------------

    @classmethod
    def from_id(cls, app: App, task_id: TaskId | str) -> Task[Any, Any]:
        """Return the task of an id, for an app.

        Raises:
            TaskNotFoundError: It cannot be imported.
        """
        return app.get_task(TaskId.from_key(task_id) if isinstance(task_id, str) else task_id)

    def to_json(self) -> str:
        """Return the task as JSON: its id and its options."""
        return json.dumps({"task_id": self.task_id.key, "options": ConfigTask.options_to_json(self.options)})

    @classmethod
    def from_json(cls, app: App, serialized: str) -> Task[Any, Any]:
        """Return the task of a JSON text, for an app.

        Raises:
            TaskNotFoundError: It cannot be imported.
        """
        content = json.loads(serialized)
        known = app.get_task(TaskId.from_key(content["task_id"]))
        options = ConfigTask.options_from_json(content["options"])
        return known if options == known.options else Task(app, known.func, options)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Task):
            return NotImplemented
        return self.task_id == other.task_id and self.app is other.app and self.options == other.options

    def __hash__(self) -> int:
        return hash(self.task_id)

    def __digest__(self) -> tuple[str, Any]:
        """Return what identifies it where it is an argument: its id, and its function, which counts by its code."""
        return self.task_id.key, self.func

    def __repr__(self) -> str:
        return f"Task(func={self.func.__name__})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Task.from_json, (self.app, self.to_json())


class Scheduled(Generic[Params, Result]):
    """A task to be called for later, or with another priority."""

    def __init__(
        self, task: Task[Params, Result], delay: float | None, at: datetime | None, priority: int | None
    ) -> None:
        self._task, self._delay, self._at, self._priority = task, delay, at, priority

    def __call__(self, /, *args: Params.args, **kwargs: Params.kwargs) -> BaseInvocation[Params, Result]:
        """Return an invocation of the call."""
        due = None if self._at is None else to_micros(self._at)
        if self._delay is not None:
            due = self._task.app.engine.now() + round(self._delay * 1_000_000)
        return self._task._call(self._task.args(*args, **kwargs), due=due, priority=self._priority)  # noqa: SLF001
