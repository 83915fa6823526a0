"""What every engine of the task runtime keeps to, as tests: subclass the suite and say how one is opened."""

from __future__ import annotations

from fleche.testing.runtime.engine_keeping import KeepingTests
from fleche.testing.runtime.engine_queue import QueueTests
from fleche.testing.runtime.engine_recovery import RecoveryTests
from fleche.testing.runtime.engine_statuses import StatusTests
from fleche.testing.runtime.engine_waiting import WaitingTests
from fleche.testing.runtime.steps import check_histories, new, together

__all__ = ["EngineTests", "check_histories", "new", "together"]


class EngineTests(QueueTests, StatusTests, WaitingTests, RecoveryTests, KeepingTests):
    """The contract of engines; its parts are in ``fleche/testing/runtime``."""
