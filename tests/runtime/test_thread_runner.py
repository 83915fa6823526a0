"""The runtime in memory and on threads keeps to the contract of runtimes."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fleche
from fleche.runtime import App
from fleche.runtime.runner import ThreadRunner
from fleche.testing.runtimes import RuntimeTests


@contextmanager
def threads(app: App, slots: int) -> Iterator[None]:
    """Run the app's tasks on threads."""
    app.conf.runner_cls = "ThreadRunner"
    app.config_values["max_threads"] = slots
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # it is not in the main thread
        runner = ThreadRunner(app)
        thread = threading.Thread(target=runner.run)
        thread.start()
        try:
            yield
        finally:
            runner.stop_runner_loop()
            thread.join()


class TestThreads(RuntimeTests):
    """The contract, in memory and on threads."""

    def make(self, **settings: Any) -> App:
        return App(settings.pop("app_id", "suite"), settings, cache=fleche.cache())

    @contextmanager
    def running(self, app: App, slots: int = 2) -> Iterator[None]:
        with threads(app, slots):
            yield
