"""Retries, time and cancelling."""

from __future__ import annotations

import pytest

from fleche.runtime import App
from fleche.runtime.exceptions import (
    InvocationCancelledError,
    InvocationTimeoutError,
    RetryError,
)
from fleche.runtime.invocation.status import InvocationStatus
from fleche.testing import tasks
from fleche.testing.runtime.runtime_suite import RuntimeSuite
from fleche.testing.tasks import EVENTS, RUNS, bound

__all__ = ["TryingTests"]

_S = InvocationStatus


class TryingTests(RuntimeSuite):
    """Retries, time and cancelling."""

    @pytest.mark.usefixtures("runner")
    def test_a_retry_is_the_same_invocation(self, app: App, name: str) -> None:
        """It runs again as often as it may; the body sees how often it was."""
        invocation = bound(tasks.retry_once, app)(name)
        assert invocation.num_retries in (0, 1)
        assert invocation.result == 1
        assert invocation.num_retries == 1
        assert RUNS[name] == [0, 1]
        assert _S.RETRY in [line.status for line in invocation.history]

    @pytest.mark.usefixtures("runner")
    def test_retries_end(self, app: App) -> None:
        """After max_retries the exception is the result."""
        failing = bound(tasks.fail, app, retry_for=(ValueError,), max_retries=3)("again")
        with pytest.raises(ValueError, match="again") as excinfo:
            failing.result  # noqa: B018
        assert failing.num_retries == 3
        assert [line.status for line in failing.history].count(_S.RUNNING) == 4
        assert not any("max_retries" in note for note in excinfo.value.__notes__)

    @pytest.mark.usefixtures("runner")
    def test_what_may_not_be_retried_says_so(self, app: App, name: str) -> None:
        """A task that asks for another attempt, without any ``max_retries``, fails with a note of that."""
        said = "It is not run again: max_retries of the task is 0"
        for options in ({"retry_for": (ValueError,)}, {}):
            task = bound(tasks.fail, app, **options) if options else bound(tasks.retry_once, app, max_retries=0)
            refused = task(name)
            with pytest.raises((ValueError, RetryError)) as excinfo:
                refused.result  # noqa: B018
            assert excinfo.value.__notes__[0] == said

    @pytest.mark.usefixtures("runner")
    def test_a_wait_can_be_bounded(self, app: App, name: str) -> None:
        """After the timeout it raises, and the invocation goes on."""
        invocation = bound(tasks.wait_for, app)(name, 1)
        EVENTS[f"{name} began"].wait(30)
        with pytest.raises(InvocationTimeoutError, match="it goes on"):
            invocation.get(timeout=0.01)
        EVENTS[name].set()
        assert invocation.get(timeout=30) == 1

    @pytest.mark.usefixtures("runner")
    def test_what_is_cancelled_has_no_result(self, app: App, name: str) -> None:
        """Before it runs, and while it does: then its result is refused."""
        running = bound(tasks.wait_for, app)(name, 1)
        EVENTS[f"{name} began"].wait(30)
        later = bound(tasks.note, app).schedule(delay=3600)(name, 2)
        assert (later.status, later.cancel(), later.status) == (_S.SCHEDULED, True, _S.CANCELLED)
        assert running.cancel() is True
        EVENTS[name].set()
        for invocation in (running, later):
            with pytest.raises(InvocationCancelledError):
                invocation.result  # noqa: B018
            assert invocation.cancel() is False
        assert bound(tasks.add, app)(1).result == 3
        assert RUNS[name] == [1]
