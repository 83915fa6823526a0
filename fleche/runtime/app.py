"""`App`: the root of a task runtime; it makes the parts, each when it is first needed."""

from __future__ import annotations

import inspect
import logging
import os
import socket
import threading
import uuid
import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any, Unpack, overload

from fleche.clock import SYSTEM, Clock
from fleche.runtime.broker import BaseBroker
from fleche.runtime.client_data_store import BaseClientDataStore
from fleche.runtime.conf.config_base import unknown_settings
from fleche.runtime.conf.config_pynenc import ConfigPynenc
from fleche.runtime.conf.config_task import TaskOptions
from fleche.runtime.context import current_runner
from fleche.runtime.engine import Engine, Info, MemoryEngine
from fleche.runtime.exceptions import AlreadyInitializedError, ConfigError, TaskNotFoundError
from fleche.runtime.execution import Execution
from fleche.runtime.identifiers import TaskId
from fleche.runtime.invocation.dist_invocation import DistributedInvocation
from fleche.runtime.namesakes import warn_of_namesake
from fleche.runtime.orchestrator import BaseOrchestrator
from fleche.runtime.runner import BaseRunner
from fleche.runtime.serializer import BaseSerializer, ExceptionCodec, FlecheSerializer
from fleche.runtime.state_backend import BaseStateBackend
from fleche.runtime.task import Task
from fleche.runtime.types import Params, Result
from fleche.runtime.util.log import create_logger
from fleche.runtime.util.subclasses import get_subclass

if TYPE_CHECKING:
    from fleche.caches import BaseCache

__all__ = ["App", "Pynenc"]

log = logging.getLogger("fleche.runtime")

_APPS: weakref.WeakValueDictionary[str, App] = weakref.WeakValueDictionary()
"""The apps of this process by token, so that one that is pickled and unpickled here is the same one."""


class App:
    """A task runtime: ``@app.task`` makes a function a task, and a runner executes its calls.

    Args:
        app_id: Names the app: apps of different ids never see each other's invocations.
        config_values: Settings, by field or in sections.
        config_filepath: A file of settings.
        cache: The cache of results: an object, a name or a URL; the active one if not given.
        clock: Tells the time.

    Raises:
        TypeError: The id is no text.

    >>> from fleche.runtime import App
    >>> app = App("kitchen", {"dev_mode_force_sync_tasks": True})
    >>> app.app_id
    'kitchen'
    """

    def __init__(
        self,
        app_id: str | None = None,
        config_values: Mapping[str, Any] | None = None,
        config_filepath: str | os.PathLike[str] | None = None,
        *,
        cache: BaseCache | str | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        if app_id is not None and not isinstance(app_id, str):
            raise TypeError(
                f"app_id is a {type(app_id).__name__}, not text; settings come second: App('name', {app_id!r})"
            )
        self._given_id = app_id
        self.config_values = dict(config_values or {})
        self.config_filepath = config_filepath
        self._given_cache = cache
        self.clock = clock
        self.token = str(uuid.uuid4())
        self.client_id = f"ExternalRunner@{socket.gethostname()}-{os.getpid()}"
        self.tasks: dict[TaskId, Task[Any, Any]] = {}
        self._lock = threading.RLock()
        self._runner: BaseRunner | None = None
        _APPS[self.token] = self

    @property
    def app_id(self) -> str:
        """The name of the app."""
        return self._given_id if self._given_id is not None else self.conf.app_id

    def is_initialized(self, property_name: str) -> bool:
        """Whether a part was made already.

        Args:
            property_name: ``conf``, ``logger``, ``engine``, ``broker``, ``orchestrator``, ``state_backend``, …
        """
        return property_name in self.__dict__ if property_name != "runner" else self._runner is not None

    # -- the parts ---------------------------------------------------------------------------------------------

    @cached_property
    def conf(self) -> ConfigPynenc:
        """The settings of the app."""
        for line in unknown_settings(ConfigPynenc, self.config_values, self.config_filepath):
            log.warning("%s", line)
        return ConfigPynenc(self.config_values, self.config_filepath)

    @cached_property
    def logger(self) -> logging.Logger:
        """The logger of the app."""
        return create_logger(self)

    @cached_property
    def cache(self) -> BaseCache | str | None:
        """The cache of results, or its name; None for the one that is active where a task is called or run."""
        return self._given_cache if self._given_cache is not None else (self.conf.cache or None)

    @cached_property
    def engine(self) -> Engine:
        """Where invocations are kept.

        Raises:
            ConfigError: The orchestrator stands on an engine that is not known.
        """
        kind = self._kind(BaseOrchestrator, self.conf.orchestrator_cls)
        if kind.engine_name != "memory":
            raise ConfigError(f"{kind.__name__} stands on the engine {kind.engine_name!r}, which is not known here")
        return MemoryEngine(self.clock)

    @cached_property
    def serializer(self) -> BaseSerializer:
        """Turns values into text."""
        kind = self._kind(BaseSerializer, self.conf.serializer_cls)
        made: BaseSerializer = FlecheSerializer(trusted=self.engine.trusted) if kind is FlecheSerializer else kind()
        return made

    @cached_property
    def exceptions(self) -> ExceptionCodec:
        """Turns exceptions into text."""
        return ExceptionCodec(self.serializer, trusted=self.engine.trusted)

    @cached_property
    def client_data_store(self) -> BaseClientDataStore:
        """Where large values are kept."""
        made: BaseClientDataStore = self._made(BaseClientDataStore, self.conf.client_data_store_cls)
        return made

    @cached_property
    def orchestrator(self) -> BaseOrchestrator:
        """Routes calls and picks what runs next."""
        made: BaseOrchestrator = self._made(BaseOrchestrator, self.conf.orchestrator_cls)
        return made

    @cached_property
    def broker(self) -> BaseBroker:
        """The queue."""
        made: BaseBroker = self._made(BaseBroker, self.conf.broker_cls)
        return made

    @cached_property
    def state_backend(self) -> BaseStateBackend:
        """What is kept of invocations."""
        made: BaseStateBackend = self._made(BaseStateBackend, self.conf.state_backend_cls)
        return made

    @cached_property
    def execution(self) -> Execution:
        """Executes invocations."""
        return Execution(
            self.app_id,
            engine=self.engine,
            orchestrator=self.orchestrator,
            tasks=self.get_task,
            data=self.client_data_store,
            exceptions=self.exceptions,
            logger=self.logger,
        )

    @property
    def runner(self) -> BaseRunner:
        """The runner that executes this thread; else the app's, which is made by ``runner_cls`` at first."""
        here = current_runner(self.app_id)
        if here is not None:
            return here
        if self._runner is None:
            with self._lock:
                if self._runner is None:
                    self._made(BaseRunner, self.conf.runner_cls)
        assert self._runner is not None
        return self._runner

    @runner.setter
    def runner(self, runner: BaseRunner) -> None:
        self._runner = runner

    def invocation_of(self, info: Info) -> DistributedInvocation[Any, Any]:
        """Return the invocation of what the engine knows."""
        return DistributedInvocation.of(self, info)

    @property
    def waiting_runner(self) -> BaseRunner:
        """The runner that knows how to wait here."""
        return self.runner

    def _made(self, root: Any, name: str) -> Any:
        return self._kind(root, name)(self)

    @staticmethod
    def _kind(root: Any, name: str) -> Any:
        try:
            return get_subclass(root, name)
        except ValueError as error:
            raise ConfigError(str(error)) from error

    def set_component(self, setting: str, name: str) -> None:
        """Choose the class of a part that was not made yet, such as ``set_component("runner_cls", "ThreadRunner")``.

        Raises:
            AlreadyInitializedError: It was made already.
        """
        part = setting.removesuffix("_cls")
        if self.is_initialized(part):
            raise AlreadyInitializedError(f"the {part} of app {self.app_id!r} is in use: choose {setting} before")
        setattr(self.conf, setting, name)

    def purge(self) -> None:
        """Forget every invocation of the app, and every value that was stored for one. Results stay in the cache."""
        self.orchestrator.purge()
        self.client_data_store.purge()

    # -- tasks -------------------------------------------------------------------------------------------------

    @overload
    def task(self, func: Callable[Params, Result], /) -> Task[Params, Result]: ...
    @overload
    def task(
        self, func: None = None, /, **options: Unpack[TaskOptions]
    ) -> Callable[[Callable[Params, Result]], Task[Params, Result]]: ...
    def task(self, func: Any = None, /, **options: Any) -> Any:
        """Make a function a task, with or without options; they are the fields of `ConfigTask`.

        Raises:
            ValueError: It is no function of a module.
            TypeError: It is no function at all, or an option has the wrong type.
            RuntimeError: It is a function of ``__main__``, which no worker can import.
            InvalidTaskOptionsError: There is no such option, or it cannot be so.

        Two functions of one module and name are one task, which runs the later: of that there is a `FlecheWarning`.
        Decorating the same function again, such as when its module is reloaded, is fine.
        """
        if func is None:
            return lambda function: self._task(function, options)
        return self._task(func, options)

    def _task(self, func: Callable[..., Any], options: Mapping[str, Any]) -> Task[Any, Any]:
        if not callable(func):
            raise TypeError(f"{func!r} is no function; options are given by name, such as max_retries=3")
        name = getattr(func, "__qualname__", None)
        if name is None or name != getattr(func, "__name__", None):
            raise ValueError(
                f"{name or repr(func)} is no function of a module, so no worker could import it: move it there"
            )
        if name == "<lambda>":
            raise ValueError("a lambda cannot be a task: a worker could not import it. Give it a name with def.")
        if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
            raise ValueError(
                f"{name} is a generator: a task returns one value. Return a list, or call it for each part."
            )
        task: Task[Any, Any] = Task(self, func, options)
        known = self.tasks.get(task.task_id)
        if known is not None:
            warn_of_namesake(known.task_id, known.func, func)
        self.tasks[task.task_id] = task
        return task

    def get_task(self, task_id: TaskId) -> Task[Any, Any]:
        """Return a task of this app: a registered one, else that of the function of its name, bound to this app.

        Raises:
            TaskNotFoundError: There is no such function, or its module cannot be imported.
        """
        known = self.tasks.get(task_id)
        if known is not None:
            return known
        try:
            found: Any = getattr(import_module(task_id.module), task_id.func_name)
        except Exception as error:
            raise TaskNotFoundError(
                task_id, f"it cannot be imported: {type(error).__name__}: {error}. Is its module on the worker's path?"
            ) from error
        known = self.tasks.get(task_id)  # importing it may have registered it
        if known is not None:
            return known
        task = found if isinstance(found, Task) else getattr(found, "task", None)
        if not isinstance(task, Task):
            raise TaskNotFoundError(task_id, f"{found!r} is no task; is the decorator gone?")
        mine: Task[Any, Any] = Task(self, task.func, task.options)
        self.tasks[task_id] = mine
        return mine

    def direct_task(
        self,
        func: Callable[..., Any] | None = None,
        /,
        *,
        parallel_func: Callable[[dict[str, Any]], Any] | None = None,
        aggregate_func: Callable[[Iterable[Any]], Any] | None = None,
        **options: Unpack[TaskOptions],
    ) -> Any:
        """Make a function one that runs as a task and returns its result: workers do the work, callers see a function.

        Args:
            func: The function; not given where there are options.
            parallel_func: Given the arguments by name, returns the arguments of the calls to make instead, as
                `Task.parallelize` takes them; or a tuple of common arguments (a dict) and these.
            aggregate_func: Given the results, returns what the function returns.
            **options: As for `task`.

        Raises:
            ValueError: There is a ``parallel_func`` and no ``aggregate_func``; or as for `task`.
        """
        if parallel_func is not None and aggregate_func is None:
            raise ValueError("parallel_func needs an aggregate_func, which makes one result of the results")

        def decorate(function: Callable[..., Any]) -> Any:
            return _direct(self._task(function, options), parallel_func, aggregate_func)

        return decorate if func is None else decorate(func)

    # -- being an object ---------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"App({self.app_id!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        facts = (self.token, self._given_id, self.config_values, self.config_filepath, self._given_cache)
        return _revived, facts


Pynenc = App


def _revived(
    token: str,
    app_id: str | None,
    config_values: Mapping[str, Any],
    config_filepath: str | os.PathLike[str] | None,
    cache: BaseCache | str | None,
) -> App:
    known = _APPS.get(token)
    if known is None:
        known = App(app_id, config_values, config_filepath, cache=cache)
        known.token = token
        _APPS[token] = known
    return known


def _direct(
    task: Task[Any, Any],
    parallel_func: Callable[[dict[str, Any]], Any] | None,
    aggregate_func: Callable[[Iterable[Any]], Any] | None,
) -> Any:
    def group(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        assert parallel_func is not None
        asked = parallel_func(task.args(*args, **kwargs).kwargs)
        if isinstance(asked, tuple) and len(asked) == 2 and isinstance(asked[0], dict):
            return task.parallelize(asked[1], asked[0])
        return task.parallelize(asked)

    @wraps(task.func)
    def call(*args: Any, **kwargs: Any) -> Any:
        if parallel_func is None or aggregate_func is None:
            return task(*args, **kwargs).result
        return aggregate_func(group(args, kwargs).results)

    @wraps(task.func)
    async def call_async(*args: Any, **kwargs: Any) -> Any:
        if parallel_func is None or aggregate_func is None:
            return await task(*args, **kwargs).async_result()
        return aggregate_func([result async for result in group(args, kwargs).async_results()])

    made: Any = call_async if inspect.iscoroutinefunction(task.func) else call
    made.task = task
    return made
