"""What the parts of the contract of policy stand on: an app with a clock, and no runner."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import pytest

import fleche
from fleche.caches import Cache
from fleche.runtime import App
from fleche.runtime.invocation.dist_invocation import DistributedInvocation
from fleche.storage.memory import MemoryStore
from fleche.testing import tasks
from fleche.testing.clock import ManualClock
from fleche.testing.runtime.steps import check_histories
from fleche.testing.tasks import bound

__all__ = ["PolicySuite", "calls"]


class PolicySuite:
    """How an app with a clock is made."""

    @abstractmethod
    def make(self, clock: ManualClock) -> App:
        """Return an app whose engine has a clock; its cache is the active one."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The clock of the app."""
        return ManualClock()

    @pytest.fixture
    def app(self, clock: ManualClock) -> Iterator[App]:
        """An app; at the end every history is replayed."""
        store = MemoryStore()
        with fleche.cache(Cache(store.values, store.calls)):
            app = self.make(clock)
            yield app
            check_histories(app.engine)

    @pytest.fixture
    def name(self, request: pytest.FixtureRequest) -> str:
        """A name of the test's own, for what it notes."""
        return f"{type(self).__name__} {request.node.name}"


def calls(app: App, count: int, name: str = "policy", **options: Any) -> list[DistributedInvocation[Any, Any]]:
    """Return so many invocations of different calls, which note their number."""
    task = bound(tasks.note, app, **options)
    return [task(name, number) for number in range(count)]
