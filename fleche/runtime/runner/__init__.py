"""Runners: they claim invocations and run their bodies."""

from fleche.runtime.runner.base_runner import BaseRunner, DummyRunner
from fleche.runtime.runner.context import ApplicationContext, RunnerContext
from fleche.runtime.runner.inline_runner import InlineRunner
from fleche.runtime.runner.thread_runner import ThreadRunner

__all__ = ["ApplicationContext", "BaseRunner", "DummyRunner", "InlineRunner", "RunnerContext", "ThreadRunner"]
