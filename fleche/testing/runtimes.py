"""What every runtime keeps to, whatever its engine and runner, as tests: subclass the suite, say how an app is made."""

from __future__ import annotations

from fleche.testing.runtime.faces import BrokerTests, OrchestratorTests, StateBackendTests
from fleche.testing.runtime.limits import LimitTests
from fleche.testing.runtime.modes import ModeTests
from fleche.testing.runtime.nesting import NestingTests
from fleche.testing.runtime.recovery import RecoveryPolicyTests
from fleche.testing.runtime.reuse import ReuseTests
from fleche.testing.runtime.running import RunningTests
from fleche.testing.runtime.trying import TryingTests

__all__ = ["PolicyTests", "RuntimeTests"]


class RuntimeTests(RunningTests, ReuseTests, ModeTests, TryingTests, NestingTests, LimitTests):
    """The behaviour of tasks, of whatever engine and runner; its parts are in ``fleche/testing/runtime``."""


class PolicyTests(StateBackendTests, BrokerTests, OrchestratorTests, RecoveryPolicyTests):
    """The policy of the runtime, on whatever engine, step by step and on a clock that tests move."""
