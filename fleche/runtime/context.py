"""What runs here and now: for each app the invocation whose body this thread or coroutine is in, and its runner."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fleche.runtime.invocation.base_invocation import BaseInvocation
    from fleche.runtime.runner.base_runner import BaseRunner

__all__ = ["current_invocation", "current_runner", "runner_args", "running", "running_on"]

_NONE: Mapping[str, Any] = MappingProxyType({})

_invocations: ContextVar[Mapping[str, Any]] = ContextVar("fleche.runtime.invocations", default=_NONE)
_runners: ContextVar[Mapping[str, Any]] = ContextVar("fleche.runtime.runners", default=_NONE)
runner_args: ContextVar[Mapping[str, Any] | None] = ContextVar("fleche.runtime.runner_args", default=None)
"""What a runner gave to the invocation that runs here."""


def current_invocation(app_id: str) -> BaseInvocation[Any, Any] | None:
    """Return the invocation of an app whose body this context is in, or None."""
    return _invocations.get().get(app_id)


def current_runner(app_id: str) -> BaseRunner | None:
    """Return the runner of an app that executes this context, or None."""
    return _runners.get().get(app_id)


class _Inside:
    """The block in which something counts for an app; what was there before is there again afterwards."""

    __slots__ = ("_app_id", "_thing", "_token", "_variable")

    def __init__(self, variable: ContextVar[Mapping[str, Any]], app_id: str, thing: Any) -> None:
        self._variable = variable
        self._app_id = app_id
        self._thing = thing

    def __enter__(self) -> None:
        self._token = self._variable.set({**self._variable.get(), self._app_id: self._thing})

    def __exit__(self, *_: object) -> None:
        self._variable.reset(self._token)


def running(app_id: str, invocation: BaseInvocation[Any, Any]) -> AbstractContextManager[None]:
    """Be in the body of an invocation; what was there before is there again afterwards."""
    return _Inside(_invocations, app_id, invocation)


def running_on(app_id: str, runner: BaseRunner) -> AbstractContextManager[None]:
    """Be executed by a runner."""
    return _Inside(_runners, app_id, runner)
