"""Loggers that say which app, runner, task and invocation a line is about."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from fleche.runtime.context import current_invocation

__all__ = ["RunnerLogAdapter", "TaskLoggerAdapter", "create_logger"]


def create_logger(app_id: str, level: str) -> logging.Logger:
    """Return the logger of an app, ``fleche.runtime.<app_id>``, at a level.

    Raises:
        ValueError: There is no such level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        known = ", ".join(name.lower() for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
        raise ValueError(f"logging_level is {level!r}; the levels are {known}")
    logger = logging.getLogger(f"fleche.runtime.{app_id}")
    logger.setLevel(number)
    return logger


class TaskLoggerAdapter(logging.LoggerAdapter[logging.Logger]):
    """Puts ``[task: invocation]`` before each line: the invocation whose body runs in this context.

    Args:
        logger: The app's logger.
        task_id: The key of the task.
        invocation_id: An invocation, where it is not that of the context.
        app_id: Whose invocations are looked for in the context.
    """

    def __init__(
        self, logger: logging.Logger, task_id: str, invocation_id: str | None = None, *, app_id: str | None = None
    ) -> None:
        super().__init__(logger, {})
        self.task_id = task_id
        self.invocation_id = invocation_id
        self._app_id = app_id

    def set_context(self, task_id: str, invocation_id: str | None = None) -> None:
        """Set which task and invocation the lines are about."""
        self.task_id, self.invocation_id = task_id, invocation_id

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Return the line with what it is about."""
        invocation = self.invocation_id
        if invocation is None and self._app_id is not None:
            here = current_invocation(self._app_id)
            invocation = None if here is None else here.invocation_id
        about = f"{self.task_id}: {invocation}" if invocation else self.task_id
        return f"[{about}] {msg}", kwargs


class RunnerLogAdapter(logging.LoggerAdapter[logging.Logger]):
    """Puts ``[runner: id]`` before each line."""

    def __init__(self, logger: logging.Logger, runner_id: str) -> None:
        super().__init__(logger, {})
        self.runner_id = runner_id

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Return the line with what it is about."""
        return f"[runner: {self.runner_id}] {msg}", kwargs
