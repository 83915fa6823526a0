"""The engine in memory keeps to the contract of engines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fleche.runtime.engine import Engine, MemoryEngine
from fleche.testing.clock import ManualClock
from fleche.testing.engine_machine import EngineMachine
from fleche.testing.engines import EngineTests


class TestMemoryEngine(EngineTests):
    """The contract, in memory."""

    @contextmanager
    def open(self, clock: ManualClock) -> Iterator[Engine]:
        yield MemoryEngine(clock)


class MemoryEngineMachine(EngineMachine):
    """The machine, in memory."""

    def open(self, clock: ManualClock) -> Engine:
        return MemoryEngine(clock)


TestMemoryEngineMachine = MemoryEngineMachine.TestCase
