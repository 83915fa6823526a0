"""Logging: lines say what they are about."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

import fleche
from fleche.runtime import App
from fleche.runtime.conf import ConfigTask
from fleche.runtime.conf.config_task import TaskOptions
from fleche.runtime.runner import InlineRunner, ThreadRunner
from fleche.runtime.util.log import JsonFormatter, RunnerLogAdapter, TaskLoggerAdapter, create_logger
from fleche.testing import tasks
from fleche.testing.engines import together
from fleche.testing.tasks import bound
from tests.runtime import functions


@pytest.fixture
def app() -> Any:
    with fleche.cache("memory"):
        yield App("logs", cache=fleche.cache())


def test_the_logger_of_an_app(app: App) -> None:
    """Its name and level; made twice it is the same, with one filter; it has no handlers of its own."""
    logger = create_logger(app)
    assert logger is create_logger(app) is app.logger
    assert (logger.name, logger.level) == ("fleche.runtime.logs", logging.INFO)
    assert len(logger.filters) == 1
    assert logger.handlers == []
    assert create_logger(App("quiet", {"logging_level": "ERROR"})).level == logging.ERROR
    with pytest.raises(ValueError, match="'loud'"):
        create_logger(App("bad", {"logging_level": "loud"}))


def test_adapters_say_what_lines_are_about(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """Task and invocation; runner."""
    plain = TaskLoggerAdapter(app.logger, "m.f")
    assert plain.process("x", {}) == ("[m.f] x", {})
    plain.set_context("m.g", "i")
    assert plain.process("x", {}) == ("[m.g: i] x", {})
    assert RunnerLogAdapter(app.logger, "r").process("x", {}) == ("[runner: r] x", {})


def test_lines_of_concurrent_bodies_are_not_mixed(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """Each names its own task and invocation, as text and as fields of the record."""
    task = app.task(effect=True)(functions.logs)
    with caplog.at_level(logging.INFO), ThreadRunner(app):
        found = [
            invocation for some in together(4, lambda n: [task(n * 10 + k) for k in range(5)]) for invocation in some
        ]
        for invocation in found:
            invocation.get(30)
    lines = {record.getMessage(): record for record in caplog.records if "value" in record.getMessage()}
    assert len(lines) == 20
    for invocation in found:
        value = invocation.arguments.kwargs["value"]
        about = f"[tests.runtime.functions.logs: {invocation.invocation_id}] value {value}"
        record: Any = lines[about]
        assert (record.app_id, record.task_id) == ("logs", "tests.runtime.functions.logs")
        assert record.invocation_id == invocation.invocation_id


def test_json_lines(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """Time, severity, logger, message, what it is about, and exceptions; the record stays as it is."""
    with caplog.at_level(logging.INFO):
        try:
            raise ValueError("no")
        except ValueError:
            app.logger.exception("it %s", "failed")
    record = caplog.records[-1]
    before = dict(vars(record))
    line = json.loads(JsonFormatter().format(record))
    assert vars(record) == before
    assert (line["severity"], line["logger"], line["message"]) == ("ERROR", "fleche.runtime.logs", "it failed")
    assert line["app_id"] == "logs"
    assert line["timestamp"].endswith("+00:00")
    assert "ValueError: no" in line["exception"]


def test_the_first_reuse_is_told_once(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """Of each task, as INFO, with the way out."""
    task = bound(tasks.add, app)
    InlineRunner(app)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            assert task(1).result == 3
    told = [record.getMessage() for record in caplog.records if "is reused" in record.getMessage()]
    assert len(told) == 1
    assert "effect=True" in told[0]


def test_the_options_that_type_checkers_know_are_all() -> None:
    """Each field of the settings is an option of the decorator."""
    assert set(TaskOptions.__annotations__) == set(ConfigTask.config_fields())
