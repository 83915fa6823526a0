"""What the parts of the contract of runtimes stand on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

import fleche
from fleche.caches import Cache
from fleche.runtime import App
from fleche.storage.memory import MemoryStore
from fleche.testing.runtime.steps import check_histories

__all__ = ["RuntimeSuite"]


class RuntimeSuite:
    """How an app is made, and run."""

    @abstractmethod
    def make(self, **settings: Any) -> App:
        """Return an app with settings; its cache is the active one."""

    @abstractmethod
    def running(self, app: App, slots: int = 2) -> AbstractContextManager[None]:
        """Return a ``with`` block in which a runner of so many slots runs the app's tasks."""

    @pytest.fixture
    def name(self, request: pytest.FixtureRequest) -> str:
        """A name of the test's own, for what it notes and waits for."""
        return f"{type(self).__name__} {request.node.name}"

    @pytest.fixture
    def app(self) -> Iterator[App]:
        """An app; at the end every history is replayed."""
        store = MemoryStore()
        with fleche.cache(Cache(store.values, store.calls)):
            app = self.make()
            yield app
            check_histories(app.engine)

    @pytest.fixture
    def runner(self, app: App) -> Iterator[None]:
        """A runner of two slots."""
        with self.running(app):
            yield
