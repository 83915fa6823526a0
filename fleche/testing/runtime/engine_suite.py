"""What the parts of the contract of engines stand on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from fleche.runtime.engine import Engine
from fleche.testing.clock import ManualClock
from fleche.testing.runtime.steps import check_histories

__all__ = ["EngineSuite"]


class EngineSuite:
    """How an engine is opened."""

    @abstractmethod
    def open(self, clock: ManualClock) -> AbstractContextManager[Engine]:
        """Return an empty engine for a ``with`` block."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The engine's clock."""
        return ManualClock()

    @pytest.fixture
    def engine(self, clock: ManualClock) -> Iterator[Engine]:
        """An engine; at the end every history is replayed."""
        with self.open(clock) as engine:
            yield engine
            check_histories(engine)
