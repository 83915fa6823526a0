"""Loggers that say which app, runner, task and invocation a line is about."""

from __future__ import annotations

import json
import logging
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fleche.runtime.context import current_invocation

if TYPE_CHECKING:
    from fleche.runtime.app import App

__all__ = ["ContextFilter", "JsonFormatter", "RunnerLogAdapter", "TaskLoggerAdapter", "create_logger"]


def create_logger(app: App) -> logging.Logger:
    """Return the logger of an app, ``fleche.runtime.<app_id>``, at its ``logging_level``.

    It has no handlers of its own: what is logged goes where the program says. Each record carries ``app_id``, and
    ``task_id`` and ``invocation_id`` of the body that logs.

    Raises:
        ValueError: There is no such level.
    """
    level = app.conf.logging_level
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        known = ", ".join(name.lower() for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
        raise ValueError(f"logging_level is {level!r}; the levels are {known}")
    logger = logging.getLogger(f"fleche.runtime.{app.app_id}")
    logger.setLevel(number)
    if not any(isinstance(known, ContextFilter) for known in logger.filters):
        logger.addFilter(ContextFilter(app.app_id))
    return logger


class ContextFilter(logging.Filter):
    """Notes in each record which app, task and invocation it is about.

    Args:
        app_id: The app.
    """

    def __init__(self, app_id: str) -> None:
        super().__init__()
        self._app_id = app_id

    def filter(self, record: logging.LogRecord) -> bool:
        """Note it; every record passes."""
        here = current_invocation(self._app_id)
        record.app_id = self._app_id
        record.task_id = None if here is None else here.task.task_id.key
        record.invocation_id = None if here is None else here.invocation_id
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object for each line: time, severity, logger, message, and what the record is about."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; the record stays as it is."""
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {
            "timestamp": moment.isoformat(timespec="milliseconds"),
            "severity": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in ("app_id", "task_id", "invocation_id"):
            if getattr(record, name, None) is not None:
                line[name] = getattr(record, name)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


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
